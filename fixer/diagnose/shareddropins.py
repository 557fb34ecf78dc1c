"""A drop-in that many services share and that breaks one of them: the others meet the same at their next start."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from fixer.model.diagnosis import Finding
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Service, Snapshot, Unit

_SHOWN = 3
_AT_FAULT = frozenset({"root", "contributing"})


def shared_notes(snapshot: Snapshot, findings: Iterable[Finding]) -> Iterator[str]:
    """One line for each such file that is evidence of a fault."""
    told: set[tuple[str, str]] = set()
    for finding in findings:
        for path in dict.fromkeys(e.where.rpartition(":")[0] for e in finding.evidence) if (
                finding.role in _AT_FAULT) else ():
            name = path.partition(":")[2] if not path.startswith("/") else path      # the node before it
            service = _of(snapshot, finding)
            if service is None or not is_shared(name, service.name) or (finding.node, name) in told:
                continue
            others = [s for s in snapshot.services if s.node == finding.node and s.unit is not None
                      and s.name != service.name and name in s.unit.drop_in_paths and _is_used(s, s.unit)]
            told.add((finding.node, name))
            if others:
                others.sort(key=lambda s: not s.running)
                yield _said(name, service, others) + ("" if _is_mended(finding, name) else (
                    f". A repair of {service.name} alone does not mend them: correct that file"))


def _of(snapshot: Snapshot, finding: Finding) -> Service | None:
    return next((s for s in snapshot.services if (s.node, s.name) == (finding.node, finding.service)), None)


def is_shared(path: str, unit: str) -> bool:
    """A drop-in of a type (`service.d`) or of a row of names (`shop-.service.d`), not of the unit itself or of its
    template."""
    folder = posixpath.basename(posixpath.dirname(path))
    return folder == "service.d" or (folder.endswith("-.service.d") and unit.startswith(folder[:-len(".service.d")]))


def _is_used(service: Service, unit: Unit) -> bool:
    """It runs, or a boot starts it: many units of a machine are never started."""
    return service.running or unit.unit_file_state.startswith("enabled") or unit.active_state == "failed"


def _is_mended(finding: Finding, path: str) -> bool:
    """Its repair edits that very file."""
    return any(isinstance(step, WriteFile) and step.path == path for repair in finding.repairs for step in repair.steps)


def _said(path: str, service: Service, others: list[Service]) -> str:
    names = ", ".join(s.name for s in others[:_SHOWN])
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    running = sum(1 for s in others if s.running)
    now = f"; {running} of them run{'s' if running == 1 else ''} with what was loaded before" if running else ""
    count = f"{len(others)} more service{'s' if len(others) > 1 else ''}"
    return (f"{path} is no file of {service.name} alone: it holds for at least {count} here ({names}{more}), and each "
            f"gets the same at its next start{now}")
