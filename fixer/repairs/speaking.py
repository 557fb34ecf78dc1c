"""One end speaks TLS and the other does not: the edit that makes nginx speak as its backend does."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import endpoint_text, listener_at, listener_evidence, state_evidence
from fixer.analysis.nginx_errors import say_routes
from fixer.analysis.ownership.configured import is_anybodys
from fixer.analysis.ownership.resolve import left_over
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import ProbeResult, RouteFacts
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused, replace_span
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.nginx_directives import edit_passes

ID = "speak-as-backend"


def is_strangers(case: Case, trouble: Trouble) -> bool:
    """What listens there is no application, no proxy and no container, or anybody could have started it: a program that
    may only have taken the port."""
    holder = case.service(trouble.endpoint.holder)
    if holder is None or holder.container is not None:
        return False
    return not (holder.is_app_server or holder.gateway) or is_anybodys(case.snapshot, holder)


def _of_another(case: Case, trouble: Trouble) -> Evidence | None:
    """A stranger's socket, where an application that nobody asks may be what is meant: no question of the scheme."""
    holder = case.service(trouble.endpoint.holder)
    held = listener_at(trouble.endpoint)
    if holder is None or not is_strangers(case, trouble) or not left_over(case, trouble):
        return None
    return state_evidence(holder) if held is None else listener_evidence(case.snapshot, held, holder)


def other_answer(case: Case, trouble: Trouble, way: str) -> ProbeResult | str | Evidence:
    """The answer in the other way; the fact that is missing, or what shows that it proves nothing: there is none, or it
    is somebody else's."""
    other, text = trouble.endpoint.other, endpoint_text(trouble.endpoint)
    if isinstance(other, Unknown):
        return f"whether {text} answers {way} TLS"
    if other.value.status is None:
        return Evidence("probe", text, f"no answer {way} TLS either: {other.value.error}")
    return _of_another(case, trouble) or other.value


def speak(case: Case, trouble: Trouble, scheme: str) -> Repair:
    """`http://` becomes `https://` in every pass that leads there, or the reverse."""
    summary = f"hand {say_routes(trouble)} on as {scheme}, which is what is taken there"
    broken = trouble.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        return _by_hand(trouble, scheme, summary, "nginx -t refuses the configuration as it is: repair that first")
    if is_strangers(case, trouble):
        return _by_hand(trouble, scheme, summary, "if what listens there should answer, which fixer cannot tell")
    if not _speak_alike(case, trouble):
        return _by_hand(trouble, scheme, summary, "not all servers of the upstream block are known to take that")
    repair = edit_passes(case, trouble, Repair(ID, "safe", summary, ()), f"the pass becomes {scheme}",
                         lambda data, routes: _edited(data, routes, scheme))
    return _by_hand(trouble, scheme, summary, repair.why) if isinstance(repair, NoPlace) else repair


def once(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for the servers of a group that the same edit of the same pass mends."""
    kept: dict[object, Finding] = {}
    for found in findings:
        steps = found.repairs[0].steps
        first = kept.setdefault((found.node, steps) if steps else id(found), found)
        if first is not found:
            evidence = tuple(dict.fromkeys((*first.evidence, *found.evidence)))
            kept[(found.node, steps)] = replace(first, evidence=evidence)
    return list(kept.values())


def _speak_alike(case: Case, trouble: Trouble) -> bool:
    """Whether every server that these passes lead to was heard to answer in the other way."""
    ends = {name for facts in trouble.routes for name in facts.endpoints}
    heard = [case.snapshot.endpoint(name).other for name in sorted(ends)]
    return all(isinstance(other, Known) and other.value.status is not None for other in heard)


def _edited(data: bytes, routes: Sequence[RouteFacts], scheme: str) -> bytes:
    """Last first, so that what stands before keeps its place; a pass that several servers share is changed once."""
    spots = {facts.route.source.start: facts.route.pass_text for facts in routes}
    for start, text in sorted(spots.items(), reverse=True):
        was, mark, _ = text.partition("://")
        if not mark or was not in ("http", "https"):
            raise EditRefused(f"the pass {text} does not begin with http:// or https://")
        at = _word_at(data, start, text)
        data = replace_span(data, at, at + len(was), scheme.encode())
    return data


def _word_at(data: bytes, start: int, text: str) -> int:
    """Where that word begins, after its quote if it has one, in the directive that begins at `start`."""
    for token in tokenize(data[start:])[0]:
        if token.kind != "word":
            break
        if token.value == text.encode():
            at = start + token.start + bool(token.quote)
            if data[at:at + len(text)] == text.encode():
                return at
    raise EditRefused(f"{text} does not stand there as one word")


def _by_hand(trouble: Trouble, scheme: str, summary: str, why: str) -> Repair:
    spots = ", ".join(dict.fromkeys(
        f"{facts.route.source.file}:{facts.route.source.line}" for facts in trouble.routes[:3]))
    manual = f"let the pass at {spots} begin with {scheme}://, then nginx -t and reload ({why})"
    return Repair(ID, "manual", summary, (), manual=manual)
