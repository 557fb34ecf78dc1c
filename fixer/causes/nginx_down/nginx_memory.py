"""A request that nginx could not get memory for, because its configuration asks for a buffer that nobody means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.analysis.bylocation import fresh_by_route, fresh_lines
from fixer.analysis.case import Case
from fixer.analysis.evidence import place
from fixer.causes.nginx_down.lost_workers import CAUSE_ID, NO_MEMORY
from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import ErrorEvent, Nginx
from fixer.nginx.address import parse_size
from fixer.nginx.effective_config import word_span
from fixer.nginx.tree import Directive, parse
from fixer.repairs.file_edits import NoPlace, edit_spans, nginx_steps, overwriters, risk_of, writable_place

ID = "smaller-nginx-buffers"
_NAMES = (b"_buffer_size", b"_buffers", b"_buffers_size")
_HUGE = 16 << 20       # bytes: no head, no part of an answer and no body is kept whole in one piece of that size
_MOST = 4 << 20        # bytes of a file
_SHOWN = 6
_SMALLER = {"g": "m", "m": "k"}


@dataclass(frozen=True, slots=True)
class _Huge:
    """A size that stands in a file: where, for which directive, what it would be instead."""

    file: str
    line: int
    text: str
    size: int
    span: tuple[int, int]
    smaller: str


def out_of_memory(case: Case, nginx: Nginx) -> Finding | str | None:
    """Whether a buffer of exactly the size that nginx could not get is configured; else the fact that is missing.
    None where nginx says nothing of it now.

    A host that is short of memory fails in small pieces too: those say nothing about a directive.
    """
    lines = fresh_lines(case, nginx, is_refused_memory)
    if not lines:
        return None
    wanted = {size: line for line in lines if (size := _size(line)) >= _HUGE}
    blocks = [block for path in _files(nginx) for block in _blocks(case, nginx, path, wanted)]
    asked = [huge for block in blocks for huge in block if huge.size in wanted]
    if not asked:
        return f"what leaves nginx no memory ({lines[-1].message[:120]}): no buffer of its configuration is that large"
    event = wanted[asked[0].size]
    routes = tuple(fresh_by_route(case, nginx, lambda line: line in lines))
    unit = nginx.service
    limits = tuple(s for s in (unit.settings if unit is not None else ()) if s.key in ("LimitAS", "LimitDATA"))
    times = f"{len(lines)} times: " if len(lines) > 1 else ""
    return Finding(
        cause=CAUSE_ID, variant="nginx-out-of-memory", role="root", confidence="certain",
        summary=f"nginx gets no memory for a request: {asked[0].text} asks for {asked[0].size >> 20} MB in one piece",
        detail=tuple(f"{s.key}={s.value} bounds it; without that limit each such request would take the memory"
                     for s in limits),
        routes=routes, service=None if unit is None else unit.name, node=nginx.node,
        evidence=(
            *(Evidence("nginx-config", f"{place(case.snapshot, nginx.node, huge.file)}:{huge.line}", huge.text)
              for huge in asked[:_SHOWN]),
            Evidence("nginx-log", event.where, times + event.raw[:300]), *(s.source for s in limits),
        ),
        repairs=(_repair(case, nginx, list(dict.fromkeys(huge for block in blocks for huge in block))),),
        explains=("nginx-not-reloaded", "nested-gateway"),
    )


def is_refused_memory(event: ErrorEvent) -> bool:
    """Whether nginx says that the kernel gave it no memory."""
    return event.level == "emerg" and NO_MEMORY.match(event.message) is not None


def _size(event: ErrorEvent) -> int:
    match = NO_MEMORY.match(event.message)
    return int(match[1] or match[2]) if match is not None else 0


def _files(nginx: Nginx) -> tuple[str, ...]:
    return nginx.config.value.files if isinstance(nginx.config, Known) else ()


def _blocks(case: Case, nginx: Nginx, path: str, wanted: Mapping[int, ErrorEvent]) -> Iterator[list[_Huge]]:
    """Of a file: for each block that asks for a wanted size, all huge buffers in force there."""
    file = case.snapshot.file(nginx.node, path)
    if file is None or len(file.data) > _MOST or b"_buffer" not in file.data:
        return
    for chain in _chains(parse(file.data, path).directives, ()):
        if any(huge.size in wanted for huge in _huge(chain[-1], path)):
            yield [huge for block in chain for huge in _huge(block, path)]


def _chains(
    block: Sequence[Directive], above: tuple[Sequence[Directive], ...],
) -> Iterator[tuple[Sequence[Directive], ...]]:
    """Every block with those around it, outermost first."""
    chain = (*above, block)
    yield chain
    for directive in block:
        if directive.block:
            yield from _chains(directive.block, chain)


def _huge(block: Sequence[Directive], path: str) -> Iterator[_Huge]:
    for directive in block:
        if not directive.name.endswith(_NAMES):
            continue
        for index, word in enumerate(directive.args, 1):
            size = parse_size(word.decode("ascii", "replace")) or 0
            if size < _HUGE:
                continue
            span = word_span(directive, index)
            text = b" ".join((directive.name, *directive.args)).decode("utf-8", "replace") + ";"
            yield _Huge(path, span.line, text, size, (span.start, span.end), _smaller(word.decode("ascii")))


def _smaller(word: str) -> str:
    """A thousandth: `128m` was meant as `128k`. Empty where that is huge still."""
    number, unit = (word[:-1], word[-1].lower()) if word[-1].isalpha() else (word, "")
    less = number + _SMALLER[unit] if unit in _SMALLER else f"{int(number) // 1024}{unit}"
    return less if (parse_size(less) or 0) < _HUGE else ""


def _repair(case: Case, nginx: Nginx, huge: Sequence[_Huge]) -> Repair:
    """All of them by the same measure, so that what they must be to each other stays."""
    title = "ask for smaller buffers"
    said = "; ".join(dict.fromkeys(f"{place(case.snapshot, nginx.node, h.file)}:{h.line} {h.text}"
                                   for h in huge[:_SHOWN]))
    by_hand = f"make these buffers smaller (kilobytes are usual), then nginx -t and a reload: {said}"
    steps, places = [], []
    for path in dict.fromkeys(h.file for h in huge):
        mine = [h for h in huge if h.file == path]
        here = writable_place(case.snapshot, nginx.node, path)
        if isinstance(here, NoPlace) or not all(h.smaller for h in mine):
            why = f"{here.why}; " if isinstance(here, NoPlace) else ""
            return Repair(ID, "manual", title, (), manual=why + by_hand)
        spans = {h.span: h.smaller.encode() for h in mine}
        try:
            steps.append(edit_spans(here, spans, f"smaller buffers in {here.shown}"))
        except StepFailed as error:
            return Repair(ID, "manual", title, (), manual=f"{error.message}; {by_hand}")
        places.append(here)
    where = ", ".join(here.shown for here in places)
    summary = f"a thousandth of the size for the buffers in {where} ({huge[0].text}), then reload nginx"
    return Repair(ID, risk_of(tuple(places), "safe"), summary + overwriters(tuple(places)),
                  (*steps, *nginx_steps(case.snapshot, nginx)))
