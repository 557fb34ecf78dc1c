"""Units that systemd gives a network of their own: what the machine itself serves is out of their reach."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.dependency.complaint import complaint
from fixer.analysis.dependency.locate import is_here
from fixer.analysis.evidence import ran_since
from fixer.analysis.run_log import last_run
from fixer.model.service import UnitSetting
from fixer.model.snapshot import Service

_YES = frozenset({"yes", "true", "on", "1"})


def own_network(service: Service) -> UnitSetting | None:
    """The setting that gives it one, empty (PrivateNetwork=) or named (NetworkNamespacePath=)."""
    return next((s for s in service.settings if s.value and (
        s.key == "NetworkNamespacePath" or (s.key == "PrivateNetwork" and s.value.lower() in _YES))), None)


def misses_its_machine(case: Case, service: Service) -> bool:
    """Its log ends with what it could not reach at an address of the machine, which is another one in there."""
    said = complaint(last_run(case.snapshot, service), ran_since(service))
    return said is not None and not said.unix and is_here(case.snapshot, service.node, said)
