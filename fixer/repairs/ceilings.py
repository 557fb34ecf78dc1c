"""A limit that a service's manager sets for it, raised where it is written: a drop-in of its unit, its compose file."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Need, Repair
from fixer.model.plan import Step
from fixer.model.snapshot import Endpoint, Service
from fixer.repairs.container_settings import set_compose
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps, waiting
from fixer.repairs.write_variables import Written, drop_in

_FIRST, _LAST = "50-badgateway-limits.conf", "zz-badgateway-limits.conf"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit: the repair's id, what it is called, its key in a unit, its keys in a compose file."""

    repair_id: str
    title: str
    unit_key: str
    compose_keys: tuple[str, ...]


def raise_ceiling(case: Case, service: Service, at: Endpoint | tuple[Step, ...], ceiling: Ceiling,
                  need: Need) -> Repair:
    """Write another value and let it take effect. The need's key names the input; its default is what is proposed. `at`
    is where it must accept then, or how that is waited for."""
    chosen = case.inputs.get(need.key, need.default or "")
    title = f"{ceiling.title} of {service.name}"
    written: Written | NoPlace = NoPlace("nobody said how much")
    if chosen and service.unit is not None:
        written = drop_in(case.snapshot, service, f"{ceiling.unit_key}={chosen}\n", _name(service))
    elif chosen:
        written = _in_compose(case, service, ceiling.compose_keys, chosen, title)
    begin: tuple[Step, ...] | NoPlace
    if isinstance(at, tuple):
        begin = at
    elif service.unit is not None:
        begin = begin_steps(case.snapshot, service, at)
    else:
        begin = waiting(case.snapshot, service, at)
    from fixer.repairs.resetting import Setting, set_and_begin  # only where something is found

    return set_and_begin(Setting(
        ceiling.repair_id, f"raise the {title}", need, f"raise the {title} to {chosen}",
        by_hand=f"raise the {title} to {chosen or 'more'}", then="start it with that",
    ), written, begin)


def _name(service: Service) -> str:
    """A drop-in that is read after the others: the last one that sets a key counts."""
    assert service.unit is not None
    names = [posixpath.basename(path) for path in service.unit.drop_in_paths]
    return _LAST if any(name > _FIRST and name != _LAST for name in names) or _LAST in names else _FIRST


def _in_compose(case: Case, service: Service, keys: Sequence[str], value: str, title: str) -> Written | NoPlace:
    present = [key for key in keys if any(s.key == key for s in service.compose_settings)]
    if not present:
        return NoPlace(f"its compose files do not set it ({keys[0]}), so it was given elsewhere")
    return set_compose(case.snapshot, service, dict.fromkeys(present, value), title)
