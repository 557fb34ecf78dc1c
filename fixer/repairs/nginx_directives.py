"""Edits of nginx's directives: all passes to an address, or a directive of one location, with test and reload."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.directives_in_effect import directives_for
from fixer.analysis.evidence import endpoint_text, listener_at, listener_evidence
from fixer.analysis.nginx_errors import routes_text
from fixer.analysis.ownership.configured import is_managed, is_unmanaged_user_process
from fixer.analysis.service_state import state_evidence
from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Route, Span
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import Nginx, ProbeResult, RouteFacts, Snapshot
from fixer.nginx.effective_config import word_span
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused, insert_after, replace_span, replace_words
from fixer.nginx.tree import parse
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    locate_editable_file,
    overwriters_text,
)

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import (
        all_directives,
        enclosing_directives,
        is_included_once,
        set_by_another_file,
    )
    from fixer.analysis.ownership.resolve import unclaimed_candidates


def routes_without(snapshot: Snapshot, trouble: FailingAddress, name: str) -> frozenset[str]:
    """Return the ids of the routes for which no such directive is in effect."""
    return frozenset(facts.route.id for facts in trouble.routes if not any(
        placed.words[0] == name for placed in directives_for(snapshot, trouble.nginx, facts.route)))


def edit_passes_repair(case: Case, trouble: FailingAddress, repair: Repair, what: str,
                edited: Callable[[bytes, list[RouteFacts]], bytes]) -> Repair | NotEditable:
    """Return the safe repair with its steps; NotEditable if a file cannot be written, or `edited` refuses."""
    by_file: dict[str, list[RouteFacts]] = {}
    for facts in trouble.routes:
        by_file.setdefault(facts.route.source.file, []).append(facts)
    steps: list[Step] = []
    places: tuple[EditableFile, ...] = ()
    for path, routes in by_file.items():
        place = locate_editable_file(case.snapshot, trouble.nginx.node, path)
        if isinstance(place, NotEditable):
            return place
        try:
            data = edited(place.data, routes)
        except EditRefused as refused:
            return NotEditable(f"{path}: {refused}")
        places = (*places, place)
        steps.append(WriteFile(place.node, place.path, place.data, data, what, in_place=place.in_place))
    return replace(repair, risk=edit_risk(places, "safe"), summary=repair.summary + overwriters_text(places),
                   steps=(*steps, *check_and_reload_steps(case.snapshot, trouble.nginx)))


# A directive of one location: changed if it is next to the pass, else written right after it.
_MAX_FILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class DirectiveValue:
    """The value that a directive is to have for one route."""

    route: Route
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DirectiveEdit:
    """The write, the lines that it changes (file:line), and the file that it edits."""

    step: WriteFile
    where: tuple[str, ...]
    file: EditableFile


def set_directives(snapshot: Snapshot, nginx: Nginx, wishes: Sequence[DirectiveValue],
                   summary: str) -> DirectiveEdit | NotEditable:
    """Return one write for all directives of one file; NotEditable if a location cannot hold one of them."""
    spots = [_spot_of(snapshot, nginx, wish) for wish in wishes]
    path = spots[0].file
    if any(spot.file != path for spot in spots):
        return NotEditable("the directives are in several files")
    if path != wishes[0].route.source.file and not is_included_once(snapshot, nginx, path):
        return NotEditable(f"{path}:{spots[0].line} sets {wishes[0].name}, and several places include "
                           "that file: take it out there, and set it in each of them")
    place = locate_editable_file(snapshot, nginx.node, path)
    if isinstance(place, NotEditable):
        return place
    if len(place.data) > _MAX_FILE_BYTES:
        return NotEditable(f"{path} is too large")
    data, where = place.data, []
    shift, last = 0, -1      # several directives of one location: the text before its pass may become longer
    for spot, wish in sorted(zip(spots, wishes, strict=True), key=lambda pair: -pair[0].start):
        start = spot.start
        shift = shift if start == last else 0
        made = _set_directive(data, wish, start + shift)
        if isinstance(made, NotEditable):
            return made
        data, moved, line = made
        if start != last:
            where.append(f"{path}:{line or spot.line}")
        shift, last = shift + moved, start
    if data == place.data:
        return NotEditable(f"{path} already contains that")
    return DirectiveEdit(WriteFile(place.node, place.path, place.data, data, summary, in_place=place.in_place),
                  tuple(reversed(where)), place)


def _spot_of(snapshot: Snapshot, nginx: Nginx, wish: DirectiveValue) -> Span:
    """Return where the directive is to be set: where a file that the location includes sets it, else at the pass."""
    found = set_by_another_file(snapshot, nginx, wish.route, wish.name)
    if found is None:
        return wish.route.source
    return Span(found.path, found.line, found.directive.start, found.directive.stop)


def _set_directive(data: bytes, wish: DirectiveValue, at: int) -> tuple[bytes, int, int] | NotEditable:
    """Return the file with the directive, by how many bytes the pass at `at` has moved, and the line of the directive
    that was there; 0 if it is a new one."""
    chain = list(enclosing_directives(parse(data).directives, at))
    if not chain or (len(chain) > 1 and chain[-2].name in (b"if", b"limit_except")):
        return NotEditable(f"{wish.name} is not allowed at {wish.route.source.file}:{wish.route.source.line}")
    beside = chain[-2].block if len(chain) > 1 else parse(data).directives
    words = wish.value.encode().split()
    named = [d for d in beside or () if d.name == wish.name.encode()]
    old = next((d for d in named if len(d.args) == len(words)), named[0] if named else None)
    try:
        if old is None:
            return insert_after(data, chain[-1].stop + 1, f"{wish.name} {wish.value};".encode()), 0, 0
        made = data
        if len(old.args) != len(words):
            made = replace_words(made, word_span(old, 1).start, word_span(old, len(old.args)).end, words)
            words = []
        for index in range(len(words), 0, -1):
            span = word_span(old, index)
            made = replace_span(made, span.start, span.end, words[index - 1])
    except StepFailed as error:
        return NotEditable(error.message)
    return made, len(made) - len(data) if old.start < at else 0, data.count(b"\n", 0, old.start) + 1


def remove_argument(data: bytes, at: int, argument: bytes) -> bytes | NotEditable:
    """Return the file without one argument of the directive around the offset `at`; all else stays."""
    for directive in reversed(list(enclosing_directives(parse(data).directives, at))):
        for token in directive.words()[1:]:
            if token.value == argument and not token.quote and directive.start <= at < directive.stop:
                start = len(data[: token.start].rstrip(b" \t"))
                if tokenize(data[:start] + data[token.end :])[1] == tokenize(data)[1]:
                    return data[:start] + data[token.end :]
    return NotEditable(f"{argument.decode()} is not written there")


# Only one end speaks TLS: the edit that makes nginx speak as its backend does.
SCHEME_ID = "speak-as-backend"


def is_held_by_stranger(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the listener is no application, proxy or container, or any user could have started it: a program
    that may only hold the port."""
    holder = case.service(trouble.endpoint.listening_service)
    if holder is None or holder.container is not None:
        return False
    return not (holder.is_app_server or holder.gateway) or is_unmanaged_user_process(case.snapshot, holder)


def hands_over_anyway(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the listener is a managed service, or an application that is configured to listen there, no other
    one may be intended, and nginx checks no certificate: whoever holds the address may have these requests already.
    The address stays, so another scheme gives no program a request that it could not have had."""
    endpoint, holder = trouble.endpoint, case.service(trouble.endpoint.listening_service)
    if holder is None or endpoint.configured_service not in (None, holder.id):
        return False
    if not is_managed(holder) and not (holder.is_app_server and endpoint.configured_service):
        return False
    checks = any(found.words[0].endswith("_ssl_verify") and found.words[1:] == ("on",)
                 for found in all_directives(case.snapshot, trouble.nginx))
    return not checks and not unclaimed_candidates(case, trouble)


def _stranger_evidence(case: Case, trouble: FailingAddress) -> Evidence | None:
    """Return a foreign program's socket, if an unused application may be intended: not a problem of the scheme."""
    holder = case.service(trouble.endpoint.listening_service)
    held = listener_at(trouble.endpoint)
    if holder is None or not is_held_by_stranger(case, trouble) or not unclaimed_candidates(case, trouble):
        return None
    return state_evidence(holder) if held is None else listener_evidence(case.snapshot, held, holder)


def answer_in_other_scheme(case: Case, trouble: FailingAddress, way: str) -> ProbeResult | str | Evidence:
    """Return the answer in the other scheme, else the missing fact, else evidence that it proves nothing: there is no
    answer, or another program's."""
    other, text = trouble.endpoint.other_scheme_probe, endpoint_text(trouble.endpoint)
    if isinstance(other, Unknown):
        return f"whether {text} answers {way} TLS"
    if other.value.status is None:
        return Evidence("probe", text, f"no answer {way} TLS either: {other.value.error}")
    return _stranger_evidence(case, trouble) or other.value


def change_scheme_repair(case: Case, trouble: FailingAddress, scheme: str) -> Repair:
    """Return a repair that changes `http://` to `https://` in every pass to the address, or the reverse."""
    summary = f"proxy {routes_text(trouble)} with {scheme}, which the backend accepts"
    broken = trouble.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        return _manual_repair(trouble, scheme, summary,
                              "nginx -t rejects the present configuration: repair that first")
    stranger = is_held_by_stranger(case, trouble)
    if stranger and not (scheme == "http" and hands_over_anyway(case, trouble)):
        return _manual_repair(trouble, scheme, summary,
                              "only if the program that listens there should answer; fixer cannot know that")
    if not _can_all_change_scheme(case, trouble):
        return _manual_repair(trouble, scheme, summary,
                              "fixer does not know that all servers of the upstream block accept it")
    repair = edit_passes_repair(case, trouble, Repair(SCHEME_ID, "safe", summary, ()), f"the pass uses {scheme}",
                         lambda data, routes: _replace_schemes(data, routes, scheme))
    if stranger and isinstance(repair, Repair):
        repair = replace(repair, risk="disruptive")     # the application may be one of a user
    return _manual_repair(trouble, scheme, summary, repair.reason) if isinstance(repair, NotEditable) else repair


def merge_same_edits(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding for the servers of a group that the same edit of the same pass repairs."""
    kept: dict[object, Finding] = {}
    for found in findings:
        steps = found.repairs[0].steps
        first = kept.setdefault((found.node, steps) if steps else id(found), found)
        if first is not found:
            evidence = tuple(dict.fromkeys((*first.evidence, *found.evidence)))
            kept[(found.node, steps)] = replace(first, evidence=evidence)
    return list(kept.values())


def _can_all_change_scheme(case: Case, trouble: FailingAddress) -> bool:
    """Return whether every server of these passes answered in the other scheme; a socket is always asked plainly."""
    names = {name for facts in trouble.routes for name in facts.endpoints}
    ends = [case.endpoints[name] for name in sorted(names)]
    heard = [endpoint.http if endpoint.unix is not None else endpoint.other_scheme_probe for endpoint in ends]
    return all(isinstance(other, Known) and other.value.status is not None for other in heard)


def _replace_schemes(data: bytes, routes: Sequence[RouteFacts], scheme: str) -> bytes:
    """Replace from last to first, so that earlier offsets stay valid; change a pass that several servers share once."""
    spots = {facts.route.source.start: facts.route.pass_text for facts in routes}
    for start, text in sorted(spots.items(), reverse=True):
        was, mark, _ = text.partition("://")
        if not mark or was not in ("http", "https"):
            raise EditRefused(f"the pass {text} does not begin with http:// or https://")
        at = _argument_offset(data, start, text)
        data = replace_span(data, at, at + len(was), scheme.encode())
    return data


def _argument_offset(data: bytes, start: int, text: str) -> int:
    """Return the offset of the argument, after its quote if it has one, in the directive at `start`."""
    for token in tokenize(data[start:])[0]:
        if token.kind != "word":
            break
        if token.value == text.encode():
            at = start + token.start + bool(token.quote)
            if data[at:at + len(text)] == text.encode():
                return at
    raise EditRefused(f"the directive does not contain {text} as one argument")


def _manual_repair(trouble: FailingAddress, scheme: str, summary: str, why: str) -> Repair:
    spots = ", ".join(dict.fromkeys(
        f"{facts.route.source.file}:{facts.route.source.line}" for facts in trouble.routes[:3]))
    manual = f"make the pass at {spots} begin with {scheme}://, then run nginx -t and reload nginx ({why})"
    return Repair(SCHEME_ID, "manual", summary, (), manual=manual)
