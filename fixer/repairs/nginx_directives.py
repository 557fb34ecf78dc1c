"""One edit of every pass that leads to an address: file by file, with the test and the reload behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import endpoint_text, listener_at, listener_evidence
from fixer.analysis.nginx_errors import say_routes
from fixer.analysis.ownership.configured import is_anybodys
from fixer.analysis.ownership.resolve import left_over
from fixer.analysis.service_state import state_evidence
from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import Nginx, ProbeResult, RouteFacts, Snapshot
from fixer.nginx.effective_config import word_span
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused, insert_after, replace_span, replace_words
from fixer.nginx.tree import Directive, parse
from fixer.repairs.file_edits import NoPlace, Place, nginx_steps, overwriters, risk_of, writable_place


def edit_passes(case: Case, trouble: Trouble, repair: Repair, what: str,
                edited: Callable[[bytes, list[RouteFacts]], bytes]) -> Repair | NoPlace:
    """The safe repair with its steps; NoPlace where a file cannot be written, or `edited` refuses."""
    by_file: dict[str, list[RouteFacts]] = {}
    for facts in trouble.routes:
        by_file.setdefault(facts.route.source.file, []).append(facts)
    steps: list[Step] = []
    places: tuple[Place, ...] = ()
    for path, routes in by_file.items():
        place = writable_place(case.snapshot, trouble.nginx.node, path)
        if isinstance(place, NoPlace):
            return place
        try:
            data = edited(place.data, routes)
        except EditRefused as refused:
            return NoPlace(f"{path}: {refused}")
        places = (*places, place)
        steps.append(WriteFile(place.node, place.path, place.data, data, what, in_place=place.in_place))
    return replace(repair, risk=risk_of(places, "safe"), summary=repair.summary + overwriters(places),
                   steps=(*steps, *nginx_steps(case.snapshot, trouble.nginx)))


# A directive of one location: changed where it stands beside the pass, else written right after it.
_MOST = 4 << 20


@dataclass(frozen=True, slots=True)
class Set:
    """A directive's value to be in force for one route."""

    route: Route
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Edited:
    """The write, the places it changes (file:line), and the file it lies in."""

    step: WriteFile
    where: tuple[str, ...]
    place: Place


def set_in_locations(snapshot: Snapshot, nginx: Nginx, wishes: Sequence[Set], summary: str) -> Edited | NoPlace:
    """One write for all wishes of one file; NoPlace where a location cannot hold the directive."""
    path = wishes[0].route.source.file
    if any(wish.route.source.file != path for wish in wishes):
        return NoPlace("the locations lie in several files")
    place = writable_place(snapshot, nginx.node, path)
    if isinstance(place, NoPlace):
        return place
    if len(place.data) > _MOST:
        return NoPlace(f"{path} is too long")
    data, where = place.data, []
    shift, last = 0, -1      # several directives of one location: what stands before its pass may become longer
    for wish in sorted(wishes, key=lambda wish: -wish.route.source.start):
        start = wish.route.source.start
        shift = shift if start == last else 0
        made = _set(data, wish, start + shift)
        if isinstance(made, NoPlace):
            return made
        data, moved = made
        if start != last:
            where.append(f"{path}:{wish.route.source.line}")
        shift, last = shift + moved, start
    if data == place.data:
        return NoPlace(f"{path} says so already")
    return Edited(WriteFile(place.node, place.path, place.data, data, summary, in_place=place.in_place),
                  tuple(reversed(where)), place)


def _set(data: bytes, wish: Set, at: int) -> tuple[bytes, int] | NoPlace:
    """The file with it, and by how many bytes the pass, which begins at `at`, has moved."""
    chain = list(_chain(parse(data).directives, at))
    if not chain or (len(chain) > 1 and chain[-2].name in (b"if", b"limit_except")):
        return NoPlace(f"{wish.name} cannot stand where {wish.route.source.file}:{wish.route.source.line} does")
    beside = chain[-2].block if len(chain) > 1 else parse(data).directives
    words = wish.value.encode().split()
    named = [d for d in beside or () if d.name == wish.name.encode()]
    old = next((d for d in named if len(d.args) == len(words)), named[0] if named else None)
    try:
        if old is None:
            return insert_after(data, chain[-1].stop + 1, f"{wish.name} {wish.value};".encode()), 0
        made = data
        if len(old.args) != len(words):
            made = replace_words(made, word_span(old, 1).start, word_span(old, len(old.args)).end, words)
            words = []
        for index in range(len(words), 0, -1):
            span = word_span(old, index)
            made = replace_span(made, span.start, span.end, words[index - 1])
    except StepFailed as error:
        return NoPlace(error.message)
    return made, len(made) - len(data) if old.start < at else 0


def _chain(block: Sequence[Directive], at: int) -> Iterator[Directive]:
    """The directives around an offset, outermost first; the one that begins there is the last."""
    best: Directive | None = None
    for directive in block:
        if directive.start <= at:
            best = directive
    if best is None:
        return
    yield best
    if best.start != at and best.block:
        yield from _chain(best.block, at)


# One end speaks TLS and the other does not: the edit that makes nginx speak as its backend does.
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
