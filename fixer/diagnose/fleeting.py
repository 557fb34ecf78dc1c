"""Units that `systemd-run` made: systemd forgets one as soon as its failure is cleared, and every one with a boot."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import UnitAction
from fixer.model.snapshot import Snapshot

_MADE = "/run/systemd/transient/"


def spare_fleeting(snapshot: Snapshot, findings: Sequence[Finding]) -> Sequence[Finding]:
    """No repair starts one that does not run: it would be gone before the start, or with the next boot."""
    gone = {(service.node, service.unit.name) for service in snapshot.services if service.unit is not None
            and service.unit.fragment_path.startswith(_MADE) and not service.running}
    if not gone:
        return findings
    return [replace(f, repairs=tuple(_spared(repair, gone) for repair in f.repairs)) for f in findings]


def _spared(repair: Repair, gone: set[tuple[str, str]]) -> Repair:
    name = next((step.unit for step in repair.steps if isinstance(step, UnitAction)
                 and step.verb in ("start", "restart") and (step.node, step.unit) in gone), None)
    if name is None:
        return repair
    manual = (
        f"{name} was made by systemd-run and has no unit file: systemd forgets it with `systemctl reset-failed`, and "
        f"with the next boot. `systemctl cat {name}` shows what it was: write that to /etc/systemd/system/{name} with "
        f"WantedBy=multi-user.target below [Install], then systemctl reset-failed {name}; systemctl daemon-reload; "
        f"systemctl enable --now {name}"
    )
    return replace(repair, risk="manual", steps=(), needs=(), manual=manual)
