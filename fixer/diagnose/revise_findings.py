"""One change that mends several services: who reads a file that others read too starts anew with all of them.

Instances of a template (`app@1`, `app@2`) share their unit, its drop-ins, a file of variables, a working folder. Where
each of them has the same fault and the same change mends it, the change is made once: then all are restarted, and an
undo restarts or stops all, since each has read what it takes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import DaemonReload, UnitAction, WaitForListener, WriteFile

_Key: TypeAlias = tuple[str, str, tuple[object, ...]]
_AT_FAULT = frozenset({"root", "contributing"})
_STARTS = frozenset({"start", "restart"})


def together(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, each repair with the restarts of the others that the same change of files mends."""
    sharing: dict[_Key, list[UnitAction]] = {}
    for finding in findings:
        for repair in finding.repairs if finding.role in _AT_FAULT else ():
            key, start = _key(finding, repair), _start(repair)
            if key is not None and start is not None:
                sharing.setdefault(key, []).append(start)
    if all(len(starts) < 2 for starts in sharing.values()):
        return list(findings)
    return [
        replace(finding, repairs=tuple(_joined(repair, sharing.get(_key(finding, repair) or _NONE, ()))
                                       for repair in finding.repairs))
        for finding in findings
    ]


_NONE: _Key = ("", "", ())


def _key(finding: Finding, repair: Repair) -> _Key | None:
    """What two repairs have in common that make the same change; None where no file is changed."""
    files = tuple((s.node, s.path, s.before, s.after, s.link_target) for s in repair.steps if isinstance(s, WriteFile))
    return (finding.cause, repair.id, files) if files else None


def _start(repair: Repair) -> UnitAction | None:
    """The start of the one unit that the repair is about; None where it does anything else too."""
    others = [step for step in repair.steps if not isinstance(step, WriteFile | DaemonReload | WaitForListener)]
    units = {step.unit for step in others if isinstance(step, UnitAction)}
    starts = [step for step in others if isinstance(step, UnitAction) and step.verb in _STARTS]
    return starts[0] if len(units) == len(starts) == 1 and all(isinstance(s, UnitAction) for s in others) else None


def _joined(repair: Repair, starts: Sequence[UnitAction]) -> Repair:
    own = _start(repair)
    if own is None:
        return repair
    others = {s.unit: s for s in starts if (s.node, s.unit) != (own.node, own.unit) and s.node == own.node}
    if not others:
        return repair
    at = repair.steps.index(own) + 1
    along = tuple(replace(step, verb="restart", along=True) for step in others.values())
    told = f"{repair.summary}, and restart {', '.join(others)}"
    return replace(repair, summary=told, steps=(*repair.steps[:at], *along, *repair.steps[at:]))
