"""Programs of supervisord that are stopped, and that it would refuse to start: it looks for the program first, and a
refusal leaves no line in any log."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import condition
from fixer.analysis.exits.exec_step import StepFailure, Told, is_gone, stat_of
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.resolve import sole_owner
from fixer.causes.unit_misconfigured.exec_program import judge_program
from fixer.formats.supervisorwords import EXEC, Why
from fixer.model.snapshot import Service, Snapshot


def refused(case: Case) -> Iterator[tuple[Crash, Told]]:
    """Each stopped program behind a failing route whose file is not there, or may not be executed."""
    by_service: dict[str, tuple[Owner, list[Trouble]]] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is not None and owner.service.program is not None and condition(owner.service) == "stopped":
            by_service.setdefault(owner.service.id, (owner, []))[1].append(trouble)
    for owner, troubles in by_service.values():
        why = _refusal(case.snapshot, owner.service)
        if why is not None:
            crash = Crash(owner, tuple(troubles), ())
            told = judge_program(case, crash, StepFailure(EXEC, why, ()))
            if isinstance(told, Told):
                yield crash, told


def _refusal(snapshot: Snapshot, service: Service) -> Why | None:
    path = service.entry.text if service.entry is not None else ""
    if not path.startswith("/"):      # it is looked for in supervisord's own PATH
        return None
    if is_gone(snapshot, service.node, path):
        return "missing"
    stat = stat_of(snapshot, service.node, path)
    return None if stat is None or (stat.kind == "file" and stat.mode & 0o111) else "denied"
