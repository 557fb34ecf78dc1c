"""The backend's port requires the PROXY protocol, and nginx sends plain requests.
nginx logs `upstream prematurely closed connection`, the backend `broken header` (502). Take proxy_protocol away there.

By hand
  curl -v http://127.0.0.1:8081/                              # closed without a word
  curl -v --haproxy-protocol http://127.0.0.1:8081/           # answered
  grep -RnE 'proxy_protocol|accept-proxy' /etc/nginx/ /etc/haproxy/
  listen 127.0.0.1:8081;                                      # without proxy_protocol, at the backend
  nginx -t && nginx -s reload

What it is
  A load balancer can write the visitor's address before a connection's first byte (the PROXY protocol). The port that
  it leads to is configured for that: `listen … proxy_protocol` in nginx, `accept-proxy` in HAProxy. That port then
  takes no other connection. `proxy_pass` never writes such a header; only servers of `stream` do (`proxy_protocol on`).

Why nginx says 502
  The backend misses the header and closes the connection: `upstream prematurely closed connection while reading
  response header from upstream`. A second nginx says why in its own log: `broken header: "GET / HTTP/1.0" while reading
  PROXY protocol`.

How it is told apart
  A process that dies with each request, or a port that takes TLS only, hangs up in the same way. Here the same request
  is answered as soon as a PROXY header stands before it.

The repair and its safety
  take-plain-requests (safe): `proxy_protocol` is taken from the `listen` of the backend's nginx, then nginx -t and a
  reload. It is done if only this machine reaches that port, and no server of `stream` writes the header. Elsewhere a
  load balancer may come to the same port: a person agrees with `--set proxy_protocol=off`, or gives nginx a port of its
  own. The settings of other programs a person changes.

Variants
  backend-expects-proxy-protocol  nginx passes plain requests to a port that requires the PROXY protocol
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import config_evidence, endpoint_text, file_line_text, line_text
from fixer.analysis.nginx_errors import recent_lines, routes_text, symptom_evidence
from fixer.formats.addresses import is_loopback, is_wildcard
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence, Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Listen
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import ENDED_HANDSHAKES, Endpoint, Nginx
from fixer.nginx.error_kinds import CUT_OFF
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused, replace_words
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    locate_editable_file,
    overwriters_text,
)

REPAIR_ID, CHOICE_KEY = "take-plain-requests", "proxy_protocol"
_FLAG = b"proxy_protocol"
# How servers of HTTP answer to a method that they do not know: PROXY was none of a header.
_NO_HEADER = frozenset({400, 405, 501})
_WRITES_HEADER = regex(rb"(?m)^[^#\n]*\bproxy_protocol[ \t]+on[ \t]*;")
_USES_HEADER = regex(rb"(?m)^[^#\n]*(?:\$proxy_protocol_|\breal_ip_header[ \t]+proxy_protocol\b)")


def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: does it hang up on plain requests, and require a PROXY header?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    return conclude(_merge_listeners(findings), missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if route.kind != "proxy_pass" or isinstance(endpoint.http, Unknown):
        return shown
    heard = endpoint.http.value
    if heard.status is not None or heard.error not in ENDED_HANDSHAKES or heard.phase == "connect":
        return shown
    places = _listens_at(case, endpoint)
    confidence = _confidence(case, endpoint, places)
    if confidence is None:
        return shown
    service = case.service(endpoint.listening_service or endpoint.configured_service)
    who = service.name if service is not None else "the listener there"
    text = endpoint_text(endpoint)
    answer = endpoint.proxy_header_probe
    asked = (Evidence("probe", text, f"behind a PROXY header: answers {answer.value.status}"),) if isinstance(
        answer, Known) and answer.value.status is not None else ()
    return Finding(
        cause=CAUSE.id, variant="backend-expects-proxy-protocol", role="root", confidence=confidence,
        summary=(f"nginx hands {routes_text(trouble)} to {text} as plain requests, but {who} requires the PROXY "
                 "protocol there"),
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            shown, *_listen_evidence(case, places), Evidence("probe", text, f"plain: no answer ({heard.error})"),
            *asked, *_broken_header_evidence(case, places), *symptom_evidence(case, trouble, CUT_OFF),
        ))),
        repairs=(_repair(case, trouble, places, who),),
    )


def _confidence(case: Case, endpoint: Endpoint, places: list[tuple[Nginx, Listen]]) -> Confidence | None:
    """Return how sure it is that a PROXY header is missing; None if nothing says so."""
    answer = endpoint.proxy_header_probe
    # behind a header it hangs up no more: what comes after it may be silent for a reason of its own
    if isinstance(answer, Known) and not (places and answer.value.error == "slow"):
        status = answer.value.status
        return "certain" if status is not None and status not in _NO_HEADER else None
    if not places:
        return None
    return "certain" if _broken_header_evidence(case, places) else "likely"


def _listens_at(case: Case, endpoint: Endpoint) -> list[tuple[Nginx, Listen]]:
    """Return each `listen` with the flag, of an nginx on the address's node, that takes its connections."""
    addresses = endpoint.addresses.or_else(())

    def takes(listen: Listen) -> bool:
        if endpoint.unix is not None:
            return listen.address == f"unix:{endpoint.unix}"
        return listen.port == endpoint.port_on_node and (listen.address in addresses or is_wildcard(listen.address))

    return [(nginx, listen) for nginx in case.snapshot.nginxes
            if nginx.node == endpoint.node and isinstance(nginx.config, Known)
            for server in nginx.config.value.servers for listen in server.listens
            if listen.proxy_protocol and takes(listen)]


def _listen_evidence(case: Case, places: list[tuple[Nginx, Listen]]) -> Iterator[Evidence]:
    for nginx, listen in places[:3]:
        file, line = listen.span.file, listen.span.line
        yield Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, file, line),
                       line_text(case.snapshot, nginx.node, file, line) or f"listen {listen} proxy_protocol")


def _broken_header_evidence(case: Case, places: list[tuple[Nginx, Listen]]) -> tuple[Evidence, ...]:
    """Return the newest line of the backend's nginx about a header that it missed."""
    lines = [line for nginx, _ in places[:1] for line in recent_lines(case, nginx, {"proxy-protocol-broken"})]
    return tuple(Evidence("nginx-log", line.where, f"{times_text(len(lines))} within a minute: {line.raw}")
                 for line in lines[-1:])


def _repair(case: Case, trouble: FailingAddress, places: list[tuple[Nginx, Listen]], who: str) -> Repair:
    text = endpoint_text(trouble.endpoint)
    summary = f"take plain requests at {text}"
    if not places:
        manual = (f"let {who} take plain requests at {text} (HAProxy: without accept-proxy), or give nginx a port of "
                  "its own there. fixer changes no settings of other programs")
        return Repair(REPAIR_ID, "manual", summary, (), manual=manual)
    spots = ", ".join(dict.fromkeys(f"{listen.span.file}:{listen.span.line}" for _, listen in places))
    manual = (f"take proxy_protocol from the listen at {spots}, test, reload. If a load balancer comes to that port, "
              "add another listen without it, and let the pass lead there")
    need = None if _is_ours_alone(case, places) else Need(
        CHOICE_KEY, "choice", f"a load balancer may come to {text} with that protocol: off, if none does", ("off",))
    needs = () if need is None else (need,)
    if need is not None and case.inputs.get(need.key) != "off":
        return Repair(REPAIR_ID, "safe", f"take proxy_protocol from the listen at {spots}", (), needs)
    made = _steps(case, places)
    if isinstance(made, NotEditable):
        return Repair(REPAIR_ID, "manual", summary, (), manual=f"{manual} (fixer cannot do this: {made.reason})")
    files, steps = made
    uses = any(_USES_HEADER.search(file.data) for file in case.snapshot.files if file.node == places[0][0].node)
    return Repair(
        REPAIR_ID, edit_risk(files, "safe"), f"take proxy_protocol from the listen at {spots}{overwriters_text(files)}",
        steps, needs, doubt="its servers used the visitor's address from that protocol: X-Forwarded-For has it now"
        if uses else "")


def _is_ours_alone(case: Case, places: list[tuple[Nginx, Listen]]) -> bool:
    """Return whether only this machine reaches the port, and no server of `stream` here writes the header."""
    inner = all(is_loopback(listen.address) or listen.address.startswith("unix:") for _, listen in places)
    return inner and not any(_WRITES_HEADER.search(file.data) for file in case.snapshot.files)


def _steps(case: Case, places: list[tuple[Nginx, Listen]]) -> tuple[tuple[EditableFile, ...],
                                                                     tuple[Step, ...]] | NotEditable:
    """Return the edited files, and the steps: each file is written once, then nginx is tested and reloaded."""
    nginx = places[0][0]
    spots: dict[str, set[int]] = {}
    for _, listen in places:
        spots.setdefault(listen.span.file, set()).add(listen.span.start)
    files: list[EditableFile] = []
    steps: list[Step] = []
    for path, starts in spots.items():
        place = locate_editable_file(case.snapshot, nginx.node, path)
        if isinstance(place, NotEditable):
            return place
        data = place.data
        try:
            for start in sorted(starts, reverse=True):
                data = _without_flag(data, start)
        except EditRefused as refused:
            return NotEditable(f"{path}: {refused}")
        if data != place.data:
            files.append(place)
            steps.append(WriteFile(place.node, place.path, place.data, data, "the port takes plain requests",
                                   in_place=place.in_place))
    if not steps:
        return NotEditable("the flag is in none of these lines")
    return tuple(files), (*steps, *check_and_reload_steps(case.snapshot, nginx))


def _without_flag(data: bytes, start: int) -> bytes:
    """Return the file without the flag of the `listen` whose first argument is at `start`."""
    words = []
    for token in tokenize(data[start:start + 4096])[0]:
        if token.kind != "word":
            break
        words.append(token)
    if all(token.value != _FLAG for token in words):
        return data     # another `listen` of the same address has it, for both
    kept = [token.value for token in words if token.value != _FLAG]
    return replace_words(data, start, start + words[-1].end, kept)


def _merge_listeners(findings: list[Finding]) -> list[Finding]:
    """Return one finding for the routes to one listener, which one edit repairs."""
    found: dict[object, Finding] = {}
    for one in findings:
        key = one.repairs[0].steps or one.repairs[0].summary
        found[key] = found[key].joined_with(one) if key in found else replace(one)
    return list(found.values())


CAUSE = Cause(
    id="proxy-protocol-mismatch",
    title="the backend's port requires the PROXY protocol, and nginx sends plain requests",
    family="beyond the guide",
    variants=("backend-expects-proxy-protocol",),
    verdict=judge,
    page=__doc__,
)
