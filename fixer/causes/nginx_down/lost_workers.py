"""An nginx that has a master but serves nothing: stopped, crashed or missing workers, huge buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import clock_of, container_of, file_line_text, process_text, processes_of, shorten
from fixer.analysis.nginx_errors import recent_lines, recent_lines_by_route
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.service_state import run_state_of, state_evidence
from fixer.errors import StepFailed
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Role
from fixer.model.facts import Evidence, Known
from fixer.model.plan import SignalProcess
from fixer.model.snapshot import ErrorEvent, Nginx, Process, Service
from fixer.nginx.address import parse_size
from fixer.nginx.effective_config import word_span
from fixer.nginx.tree import Directive, parse
from fixer.repairs.file_edits import (
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    edit_spans,
    locate_editable_file,
    overwriters_text,
)

with lazy_imports():  # only for what is found
    from fixer.causes.nginx_down import refused_start
    from fixer.repairs.start_nginx import restart_nginx_repair

CAUSE_ID = "nginx-down"
RECENT_SECONDS = 600.0       # seconds: a worker exit within this time is reported
_CURRENT_SECONDS = 60.0      # seconds: an exit within this time may explain a failing route
_NO_MEMORY = regex(r"^(?:malloc\((\d{1,15})\)|posix_memalign\(\d+, (\d{1,15})\)) failed \(12: ")
_WORKER_ENDS = ("worker-killed", "worker-failed", "worker-lost")
_CLOCK_SLACK = 5.0         # seconds between a worker's error and the master's message about it


def stopped_workers_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Return the finding on workers in state T: the kernel completes connections that no worker accepts."""
    found = processes_of(case.snapshot, nginx.node, (*nginx.worker_pids, nginx.master_pid or 0))
    stopped = [p for p in found if p.state == "T"]
    workers = [p for p in stopped if p.pid in nginx.worker_pids]
    if not workers:
        return None
    routes = tuple(j for j in case.verdicts.values() if nginx.serves(j.facts))
    suffers = len(workers) == len(nginx.worker_pids) or any(j.has_failures or j.state == "slow" for j in routes)
    role: Role = "root" if suffers else "advice"
    pids = ", ".join(str(p.pid) for p in workers)
    everyone = "all its workers are" if len(workers) == len(nginx.worker_pids) else "some of its workers are"
    shown = tuple(
        Evidence("process", f"pid {p.pid}", f"state T (stopped): {process_text(case.snapshot, nginx.node, p)}")
        for p in stopped
    )
    seen = tuple(e for j in routes if j.has_failures or j.state == "slow" for e in j.evidence[:1])
    return Finding(
        cause=CAUSE_ID, variant="worker-stopped", role=role, confidence="certain",
        summary=f"nginx serves no request: {everyone} stopped by a signal (pid {pids}, state T)", detail=(),
        routes=tuple(j.facts.route.id for j in routes), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node, evidence=(*shown, *seen[:3]),
        repairs=(_continue_repair(case, nginx, stopped),) if suffers else (),
        effects=("looks-busy", "stale-config"),
    )


def _continue_repair(case: Case, nginx: Nginx, stopped: list[Process]) -> Repair:
    box = container_of(case.snapshot, nginx.node)
    if box is not None and not box.is_machine:
        # its pids are not valid outside the container
        return restart_nginx_repair(case, nginx, box)
    signals = tuple(
        SignalProcess(nginx.node, p.pid, p.start_ticks, "CONT", process_text(case.snapshot, nginx.node, p))
        for p in sorted(stopped, key=lambda p: (p.pid == nginx.master_pid, p.pid))
    )
    pids = ", ".join(str(step.pid) for step in signals)
    return Repair("continue-process", "safe", f"resume pid {pids} (SIGCONT)", signals)


def lost_workers_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Return the finding on a master without workers: each ended with a fatal error at its start, and the master
    stopped respawning. The kernel accepts connections that no worker answers."""
    events = _error_events(nginx)
    at = next((i for i in range(len(events) - 1, -1, -1) if events[i].kind == "worker-lost"), -1)
    if nginx.worker_pids or at < 0 or any(j.state == "ok" for j in _route_verdicts(case, nginx)):
        return None
    last = events[at]
    why = next((e for e in reversed(events[:at]) if e.level == "emerg" and last.at - e.at < _CLOCK_SLACK), None)
    message = why.message if why is not None else last.message
    shown = (why, last) if why is not None else (last,)
    if refused_start.missing_capability(message):
        todo = (f"nginx's master may not call {message.partition('(')[0]}: add {refused_start.CAPABILITIES} to its "
                "container (cap_add) or its unit (CapabilityBoundingSet=)")
    else:
        todo = f"fix the error that ends its workers: {message}"
    repair = Repair("let-workers-start", "manual", "let nginx start its workers", (),
                    manual=f"{todo}; then restart nginx")
    return Finding(
        cause=CAUSE_ID, variant="worker-crash", role="root", confidence="certain" if why is not None else "likely",
        summary=f"nginx serves no request: its workers exited at their start, and its master gave up "
                f"({shorten(message, 160)})",
        detail=(), routes=tuple(j.facts.route.id for j in _route_verdicts(case, nginx)),
        service=None if nginx.service is None else nginx.service.name, node=nginx.node,
        evidence=(Evidence("nginx-process", f"pid {nginx.master_pid}", "master process without a worker"),
                  *(Evidence("nginx-log", e.where, e.raw) for e in shown)),
        repairs=(repair,), effects=("looks-busy", "stale-config"),
    )


def _route_verdicts(case: Case, nginx: Nginx) -> tuple[RouteVerdict, ...]:
    return tuple(j for j in case.verdicts.values() if nginx.serves(j.facts))


def ended_workers_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Return the finding on killed or crashed workers: a fault only while routes fail, as nginx respawns them."""
    now = clock_of(case.snapshot, nginx.node)
    events = [e for e in _error_events(nginx) if e.level == "alert" and e.kind in _WORKER_ENDS
              and now - e.at < RECENT_SECONDS]
    if not events or lost_workers_finding(case, nginx) is not None:
        return None
    cut = tuple(j for j in case.verdicts.values() if nginx.serves(j.facts) and _has_cut_answer(j.facts.probes))
    fresh = [e for e in events if now - e.at < _CURRENT_SECONDS]
    hurts = bool(cut and fresh)
    last = events[-1]
    times = f"{times_text(len(events))}: " if len(events) > 1 else ""
    summary = f"{last.message} ({len(events)} within 10 minutes); nginx started new workers"
    repairs = (_worker_exit_repair(last.message),) if hurts else ()
    routes = cut or tuple(j for j in case.verdicts.values() if nginx.serves(j.facts))
    return Finding(
        cause=CAUSE_ID, variant="worker-crash", role="root" if hurts else "advice",
        confidence="likely" if hurts else "certain", summary=summary, detail=(),
        routes=tuple(j.facts.route.id for j in routes), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, times + last.raw),
                  *(e for j in cut[:2] for e in j.evidence[:1])),
        repairs=repairs,
    )


def _worker_exit_repair(message: str) -> Repair:
    manual = (
        f"{message}: nginx's workers exit repeatedly while they serve. Signal 9 comes from the kernel's memory limit "
        "or a person; 11 and 6 are a fault in nginx or a module: compare the installed modules with nginx's version"
    )
    return Repair("look-why-workers-end", "manual", "find out what ends nginx's workers", (), manual=manual)


def _has_cut_answer(probes: object) -> bool:
    """Return whether nginx accepted a connection and closed it without an answer."""
    return isinstance(probes, Known) and any(p.status is None and p.error in ("closed", "reset") for p in probes.value)


def _error_events(nginx: Nginx) -> tuple[ErrorEvent, ...]:
    return nginx.errors.or_else(())


def unmanaged_master_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Return the finding on a master outside its unit: systemctl does not control it."""
    unit = _own_unit(case, nginx)
    masters = processes_of(case.snapshot, nginx.node, (nginx.master_pid or 0,))
    if unit is None or unit.unit is None or not masters or masters[0].unit == unit.name:
        return None
    state = run_state_of(unit)
    if state not in ("failed", "looping") and not (state == "stopped" and unit.unit.unit_file_state == "enabled"):
        return None
    master = masters[0]
    commands = f"kill -QUIT {master.pid} && systemctl reset-failed {unit.name} && systemctl start {unit.name}"
    return Finding(
        cause=CAUSE_ID, variant="nginx-unmanaged-master", role="advice", confidence="certain",
        summary=f"nginx (pid {master.pid}) runs outside {unit.name}, which is {state}: systemctl does not control it",
        detail=(f"to run it under {unit.name} again, with a short interruption: {commands}",),
        routes=tuple(j.facts.route.id for j in case.verdicts.values() if nginx.serves(j.facts)),
        service=unit.name, node=nginx.node,
        evidence=(
            Evidence("nginx-process", f"pid {master.pid}",
                     f"{process_text(case.snapshot, nginx.node, master)}, {master.unit or 'outside any unit'}"),
            state_evidence(unit),
        ),
    )


def _own_unit(case: Case, nginx: Nginx) -> Service | None:
    """Return the unit whose command is this nginx."""
    return next((s for s in case.snapshot.services if s.node == nginx.node and s.unit is not None
                 and s.unit.exec_start[:1] == (nginx.binary,)), None)


# Requests that fail because the configuration asks for a huge buffer.
REPAIR_ID = "smaller-nginx-buffers"
_BUFFER_SUFFIXES = (b"_buffer_size", b"_buffers", b"_buffers_size")
_HUGE_SIZE = 16 << 20       # bytes: no header, body or part of an answer needs one piece of that size
_MAX_FILE_SIZE = 4 << 20        # bytes of a file
_MAX_SHOWN = 6
_SMALLER_UNITS = {"g": "m", "m": "k"}


@dataclass(frozen=True, slots=True)
class _HugeBuffer:
    """A huge size in a configuration file: its line, directive and byte span, and a smaller size."""

    file: str
    line: int
    text: str
    size: int
    span: tuple[int, int]
    smaller: str


def judge_refused_memory(case: Case, nginx: Nginx) -> Finding | str | None:
    """Return the finding if a configured buffer has the size that the kernel refused; else the missing fact, or None
    without recent log lines.

    A host short of memory refuses small sizes too: those say nothing about a directive.
    """
    lines = recent_lines(case, nginx, {"no-memory"})
    if not lines:
        return None
    wanted = {size: line for line in lines if (size := _refused_size(line)) >= _HUGE_SIZE}
    blocks = [block for path in _config_files(nginx) for block in _huge_buffers_by_block(case, nginx, path, wanted)]
    asked = [huge for block in blocks for huge in block if huge.size in wanted]
    if not asked:
        said = shorten(lines[-1].message, 120)
        return f"why nginx gets no memory ({said}): no buffer of its configuration is that large"
    event = wanted[asked[0].size]
    routes = tuple(recent_lines_by_route(case, nginx, {"no-memory"}))
    unit = nginx.service
    limits = tuple(s for s in (unit.settings if unit is not None else ()) if s.key in ("LimitAS", "LimitDATA"))
    times = f"{times_text(len(lines))}: " if len(lines) > 1 else ""
    return Finding(
        cause=CAUSE_ID, variant="nginx-out-of-memory", role="root", confidence="certain",
        summary=f"nginx gets no memory for a request: {asked[0].text} asks for {asked[0].size >> 20} MB in one piece",
        detail=tuple(f"{s.key}={s.value} limits it; without that limit each such request would use the memory"
                     for s in limits),
        routes=routes, service=None if unit is None else unit.name, node=nginx.node,
        evidence=(
            *(Evidence("nginx-config", f"{file_line_text(case.snapshot, nginx.node, huge.file)}:{huge.line}", huge.text)
              for huge in asked[:_MAX_SHOWN]),
            Evidence("nginx-log", event.where, times + event.raw), *(s.source for s in limits),
        ),
        repairs=(_repair(case, nginx, list(dict.fromkeys(huge for block in blocks for huge in block))),),
        effects=("stale-config",),
    )


def _refused_size(event: ErrorEvent) -> int:
    match = _NO_MEMORY.match(event.message)
    return int(match[1] or match[2]) if match is not None else 0


def _config_files(nginx: Nginx) -> tuple[str, ...]:
    return nginx.config.value.files if isinstance(nginx.config, Known) else ()


def _huge_buffers_by_block(case: Case, nginx: Nginx, path: str,
                           wanted: Mapping[int, ErrorEvent]) -> Iterator[list[_HugeBuffer]]:
    """Return, for each block of a file with a refused size, all huge buffers in force there."""
    file = case.snapshot.file(nginx.node, path)
    if file is None or len(file.data) > _MAX_FILE_SIZE or b"_buffer" not in file.data:
        return
    for chain in _block_chains(parse(file.data, path).directives, ()):
        if any(huge.size in wanted for huge in _huge_buffers(chain[-1], path)):
            yield [huge for block in chain for huge in _huge_buffers(block, path)]


def _block_chains(
    block: Sequence[Directive], above: tuple[Sequence[Directive], ...],
) -> Iterator[tuple[Sequence[Directive], ...]]:
    """Return every block with its enclosing blocks, outermost first."""
    chain = (*above, block)
    yield chain
    for directive in block:
        if directive.block:
            yield from _block_chains(directive.block, chain)


def _huge_buffers(block: Sequence[Directive], path: str) -> Iterator[_HugeBuffer]:
    for directive in block:
        if not directive.name.endswith(_BUFFER_SUFFIXES):
            continue
        for index, word in enumerate(directive.args, 1):
            size = parse_size(word.decode("ascii", "replace")) or 0
            if size < _HUGE_SIZE:
                continue
            span = word_span(directive, index)
            text = b" ".join((directive.name, *directive.args)).decode("utf-8", "replace") + ";"
            yield _HugeBuffer(path, span.line, text, size, (span.start, span.end), _smaller_size(word.decode("ascii")))


def _smaller_size(word: str) -> str:
    """Return a thousandth: `128m` was probably `128k`. Empty if that is still huge."""
    number, unit = (word[:-1], word[-1].lower()) if word[-1].isalpha() else (word, "")
    less = number + _SMALLER_UNITS[unit] if unit in _SMALLER_UNITS else f"{int(number) // 1024}{unit}"
    return less if (parse_size(less) or 0) < _HUGE_SIZE else ""


def _repair(case: Case, nginx: Nginx, huge: Sequence[_HugeBuffer]) -> Repair:
    """Scale all huge buffers by the same factor, so that nginx's rules between them still hold."""
    title = "reduce the size of nginx's buffers"
    lines = "; ".join(dict.fromkeys(f"{file_line_text(case.snapshot, nginx.node, h.file)}:{h.line} {h.text}"
                                    for h in huge[:_MAX_SHOWN]))
    by_hand = f"make these buffers smaller (kilobytes are usual), then run nginx -t and reload nginx: {lines}"
    steps, places = [], []
    for path in dict.fromkeys(h.file for h in huge):
        mine = [h for h in huge if h.file == path]
        here = locate_editable_file(case.snapshot, nginx.node, path)
        if isinstance(here, NotEditable) or not all(h.smaller for h in mine):
            why = f"{here.reason}; " if isinstance(here, NotEditable) else ""
            return Repair(REPAIR_ID, "manual", title, (), manual=why + by_hand)
        spans = {h.span: h.smaller.encode() for h in mine}
        try:
            steps.append(edit_spans(here, spans, f"smaller buffers in {here.display_path}"))
        except StepFailed as error:
            return Repair(REPAIR_ID, "manual", title, (), manual=f"{error.message}; {by_hand}")
        places.append(here)
    where = ", ".join(here.display_path for here in places)
    summary = f"reduce the buffers in {where} to a thousandth of their size ({huge[0].text}), then reload nginx"
    return Repair(REPAIR_ID, edit_risk(tuple(places), "safe"), summary + overwriters_text(tuple(places)),
                  (*steps, *check_and_reload_steps(case.snapshot, nginx)))
