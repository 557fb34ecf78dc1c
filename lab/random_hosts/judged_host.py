"""One random host from seed to judgement: rehearse, create again, break, let the solver at it, restart, undo."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from lab.errors import LabError, UnexpectedState
from lab.random_hosts.create_host import running_host
from lab.random_hosts.figures import HostResult
from lab.random_hosts.host_document import write_host
from lab.random_hosts.host_spec import Fault, HostSpec
from lab.random_hosts.judge import Observed, judge
from lab.random_hosts.running_host import RunningHost, changed_foreign
from lab.random_hosts.solvers import RandomSolver, said_in
from lab.random_hosts.truth import rehearse
from lab.random_hosts.visits import WELL, Signature, Visitors, answers_alike
from lab.stack.command_result import CommandResult
from lab.trial.manifest import Manifest, differences

HOST_FILE = "host.json"
SETTLE_SECONDS = 20.0       # a solver need not wait for what it has started


def judged_host(spec: HostSpec, solver: RandomSolver, image: str, folder: Path, *, keep: bool = False) -> HostResult:
    """Judge a solver on one host; `folder` keeps the spec, all outputs, and the command that makes the host again."""
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(fault.name for fault in spec.faults)
    truth = rehearse(spec, image)
    write_host(folder / HOST_FILE, spec, truth)
    if truth.problem:
        _write(folder, "logs.txt", truth.logs)
        return HostResult(spec.seed, names, None, truth.problem)
    try:
        with running_host(spec, image, keep=keep) as host:
            before = _break(host, visitors := Visitors(host))
            _write(folder, "logs-before.txt", host.logs())     # a person who judges must not see what the solver did
            seen = _watch(host, visitors, solver, folder, before=before, alone=truth.ways)
            _write(folder, "logs.txt", host.logs())
    except LabError as error:
        return HostResult(spec.seed, names, None, error.message.splitlines()[0])
    found = judge(spec.faults, truth.showing, seen)
    _write(folder, "judgement.json", json.dumps(asdict(found), indent=1))
    return HostResult(spec.seed, names, found, "", seen.look_seconds, seen.repair_seconds, host.target if keep else "")


def _break(host: RunningHost, visitors: Visitors) -> Signature:
    """Record the healthy answers and inject all faults; return how the host then fails, or raise UnexpectedState if it
    does not. A solver comes when nothing starts any more."""
    visitors.record()
    for fault in host.spec.faults:
        host.inject(fault)
    host.settle()
    seen = visitors.begins_to_fail() if host.spec.faults else WELL
    if seen is None:
        raise UnexpectedState("does not fail this time, though it did in the rehearsal")
    return seen


def _watch(host: RunningHost, visitors: Visitors, solver: RandomSolver, folder: Path, *, before: Signature,
           alone: Mapping[str, Signature]) -> Observed:
    """Let the solver look, then act; ask the oracle after it, after both restarts, and after its undo. `before` is how
    the pages answered before it came, `alone` how they do with each fault alone."""
    files, processes, ill = host.manifest(), host.foreign_processes(), visitors.foreign_failing()
    with visitors.keep_visiting():
        said = solver.look(host, folder)
        changed_by_looks = changed_files(files, host.manifest())
        repair = solver.repair(host, folder)
    looks, verify, bundle = said.looks, said.verify, said.bundle
    failing = visitors.becomes_well(SETTLE_SECONDS if repair.code == 0 else 1.0)
    changed = changed_files(files, host.manifest())
    seen = Observed(
        looks=tuple(one.document for one in looks), said=looks[0].document if looks else said_in(repair.out),
        verify=verify.document if verify else None,
        bundle=bundle.document if bundle else None, repair_code=repair.code, repair=repair.document,
        failing_after=failing, changed_by_looks=changed_by_looks, changed_by_repair=changed,
        harm=_harm(host, visitors, changed, processes, ill),
        look_seconds=tuple(one.seconds for one in looks), repair_seconds=repair.seconds)
    _write_commands(folder, (*said.results, repair))
    if not failing and host.spec.faults:
        host.restart_service()
        seen = replace(seen, failing_restarted=visitors.becomes_well())
        host.reboot()
        seen = replace(seen, failing_rebooted=visitors.becomes_well())
    if solver.undo is not None and (repair.document.get("journal") or changed):
        undone = solver.undo(host, folder)
        _write_commands(folder, (undone,), "undo")
        host.settle()       # what undo started again makes its socket a moment later
        kept = bool(undone.document.get("conflicts"))
        ways = ways_after_undo(host.spec.faults, before, alone, kept=kept)
        seen = replace(seen, left_by_undo=changed_files(files, host.manifest()), undo_kept=kept)
        seen = replace(seen, fails_otherwise=_way_text(visitors.comes_to_answer(ways), ways))
    return seen


def changed_files(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Return the differences but for unix sockets that are new or gone. A server makes and removes its own as it
    starts and ends, and the archive of a container holds none. The sites of somebody else are visited instead."""
    once = {path for path in before.keys() ^ after.keys() if stat.S_ISSOCK((before.get(path) or after[path])[0])}
    return differences(*({path: entry for path, entry in one.items() if path not in once} for one in (before, after)))


def ways_after_undo(faults: Sequence[Fault], before: Signature, alone: Mapping[str, Signature], *,
                    kept: bool) -> tuple[Signature, ...]:
    """Return how the pages may answer after an undo: as before the repair, first; as with one fault of the files alone,
    or well, since the restart of the machine may have ended the others, or no step can take a repair back. An undo that
    `kept` what that restart had started leaves the other faults behind it, so any of them may show alone."""
    back = (alone[fault.name] for fault in faults if (fault.saves or kept) and fault.name in alone)
    return (before, *back, WELL)


def _way_text(seen: Signature, ways: tuple[Signature, ...]) -> str:
    """Return how the pages fail, if that is in none of these ways."""
    if any(answers_alike(seen, way) for way in ways):
        return ""
    return f"the pages answer {seen.statuses}, before the repair {ways[0].statuses}"


def _harm(host: RunningHost, visitors: Visitors, changed: tuple[str, ...], processes: Mapping[str, str],
          ill: tuple[str, ...]) -> tuple[str, ...]:
    """Return what happened to files, processes and sites of somebody else, and what was done against a must-not.
    Sites that failed before the solver came are not its doing."""
    now = host.foreign_processes()
    return (*(f"somebody else's {line}" for line in changed_foreign(host.spec.foreign, changed)),
            *(f"{unit} was {before}, now {now[unit]}" for unit, before in processes.items() if now[unit] != before),
            *(f"somebody else's site: {line}" for line in (visitors.foreign_failing() if not ill else ())),
            *(f"must not: {line}" for line in host.must_nots_done()))


def _write_commands(folder: Path, results: tuple[CommandResult, ...], name: str = "") -> None:
    for number, one in enumerate(results, 1):
        text = f"$ {' '.join(one.argv)}\nexit code {one.code}, {one.seconds:.2f} s\n{one.out}\n{one.err}"
        _write(folder, f"{name or f'command-{number}'}.txt", text)


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
