"""The repair of a pass with the wrong protocol: another directive, with what the new protocol hands on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.nginx_errors import routes_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint, RouteFacts
from fixer.nginx.lexer import tokenize
from fixer.nginx.tree import parse
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.nginx_directives import edit_passes_repair, routes_without

with lazy_imports():  # not needed in most looks
    from fixer.nginx.span_edit import EditRefused

REPAIR_ID = "speak-its-protocol"
_TARGET = regex(r"^(?:(?:http|grpc)://)?(?P<to>unix:(?://)?/[^\s:$]+|[\w.\[\]:-]+)(?P<page>:?/?)$")
# A variable behind the scheme, or that another pass takes as it is: its values are addresses.
_VARIABLE = regex(r"^(?P<to>\$(?:\w+|\{\w+\}))(?P<page>)$")
_PLAIN_ADDRESS = regex(r"^(?:unix:/[^\s:$]+|[\w.\[\]:-]+)$")
_VALUE_ENDS = frozenset((b";", b" ", b"\t", b"\r", b"\n", b'"', b"'"))
_HEADERS = ("proxy_set_header Host $http_host;", "proxy_set_header X-Real-IP $remote_addr;",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "proxy_set_header X-Forwarded-Proto $scheme;")


def change_pass_repair(case: Case, trouble: FailingAddress, kind: str) -> Repair:
    """Change every pass to the address to `kind` (`uwsgi_pass`, `proxy_pass`), with its further directives."""
    was = trouble.routes[0].route.kind
    summary = f"use {kind} instead of {was} for {routes_text(trouble)}"
    broken = trouble.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        return _manual_repair(trouble, kind, summary, "nginx -t rejects the present configuration: repair that first")
    ends = {name for facts in trouble.routes for name in facts.endpoints}
    plain = all(_is_whole_value(case, trouble, case.endpoints[name]) for name in ends)
    told = "uwsgi_param" if kind == "uwsgi_pass" else "proxy_set_header"
    bare = routes_without(case.snapshot, trouble, told)
    repair = edit_passes_repair(case, trouble, Repair(REPAIR_ID, "safe", summary, ()), f"{was} becomes {kind}",
                                lambda data, routes: _edit_passes(data, routes, kind, bare, takes_variable=plain))
    return _manual_repair(trouble, kind, summary, repair.reason) if isinstance(repair, NotEditable) else repair


def _is_whole_value(case: Case, trouble: FailingAddress, endpoint: Endpoint) -> bool:
    """Return whether the address is written plainly, and nothing of its value follows it (`unix:/run/a.sock:/page`)."""
    written = f"unix:{endpoint.written.removeprefix('unix:')}" if endpoint.unix is not None else endpoint.written
    file = case.snapshot.file(trouble.nginx.node, endpoint.file)
    at = file.data.find(endpoint.written.encode(), endpoint.start) if file is not None else -1
    after = file.data[endpoint.end:endpoint.end + 1] if file is not None and at == endpoint.start else b";"
    return _PLAIN_ADDRESS.match(written) is not None and after in _VALUE_ENDS


def _edit_passes(data: bytes, routes: list[RouteFacts], kind: str, bare: Collection[str], *,
                 takes_variable: bool) -> bytes:
    """Edit the last pass first, so that earlier offsets stay valid. `bare` are the routes for which nothing says what
    the new protocol hands on; `takes_variable`: each value of a variable is an address."""
    for start, facts in sorted({f.route.source.start: f for f in routes}.items(), reverse=True):
        address = _target_of(facts, takes_variable=takes_variable)
        target = f"http://{address}" if kind == "proxy_pass" else address
        usual = ("include uwsgi_params;",) if kind == "uwsgi_pass" else _HEADERS
        more = usual if facts.route.id in bare else ()
        data = _edit_pass(data, start, facts, f"{kind} {target}", more)
    if parse(data).problem is not None:
        raise EditRefused("the edited file would not be a valid configuration any more")
    return data


def _target_of(facts: RouteFacts, *, takes_variable: bool) -> str:
    """Return the address, or the variable, that the pass names; raise EditRefused if it names more."""
    route = facts.route
    match = _TARGET.match(route.pass_text)
    if match is None and takes_variable and route.pass_text.startswith("http://") is (route.kind == "proxy_pass"):
        match = _VARIABLE.match(route.pass_text.removeprefix("http://"))
    if match is None or (match["page"].strip(":") and route.location != "/"):
        raise EditRefused(f"{route.pass_text} contains more than an address (a path or a variable)")
    return match["to"]


def _edit_pass(data: bytes, start: int, facts: RouteFacts, directive: str, before: Sequence[str]) -> bytes:
    """Replace the pass at `start` by the directive, and write the directives `before` in front of it."""
    route = facts.route
    words = [token for token in tokenize(data[start:start + 4096])[0][:3] if token.kind == "word"]
    if len(words) != 2 or words[0].value != route.kind.encode() or words[1].value != route.pass_text.encode():
        raise EditRefused(f"{route.kind} {route.pass_text} is not written there as one plain directive")
    line = data.rfind(b"\n", 0, start) + 1
    indent = data[line:start]
    gap = b"\n" + indent if not indent.strip() else b" "
    added = b"".join(text.encode() + gap for text in before)
    return data[:start] + added + directive.encode() + data[start + words[1].end:]


def _manual_repair(trouble: FailingAddress, kind: str, summary: str, why: str) -> Repair:
    extra = " with include uwsgi_params" if kind == "uwsgi_pass" else ""
    manual = (f"write {kind}{extra} at {pass_places_text(trouble)} instead of {trouble.routes[0].route.kind}, then run "
              "nginx -t and reload nginx")
    return Repair(REPAIR_ID, "manual", summary, (), manual=f"{manual} ({why})")


def pass_places_text(trouble: FailingAddress) -> str:
    """Return file:line of the first passes to the address."""
    return ", ".join(dict.fromkeys(
        f"{facts.route.source.file}:{facts.route.source.line}" for facts in trouble.routes[:3]))
