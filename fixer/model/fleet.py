"""Result of `fleet report`: the reports of many hosts, grouped by cause and variant."""

from __future__ import annotations

from typing import Literal

from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import HealthVerdict
from fixer.model.plan import Risk


@dataclass(frozen=True, slots=True)
class HostFault:
    """A finding of a host that is at fault. `repairs` are the offered ones: id and risk, the first choice first."""

    cause: str
    variant: str | None
    summary: str
    repairs: tuple[tuple[str, Risk], ...]


@dataclass(frozen=True, slots=True)
class HostReport:
    """What the grouping needs of one host's report. `why` says why the host could not be judged."""

    host: str
    verdict: HealthVerdict
    faults: tuple[HostFault, ...] = ()
    why: str = ""
    is_repaired: bool = False


@dataclass(frozen=True, slots=True)
class FleetRepair:
    """A repair that is the first choice on so many hosts of a group."""

    id: str
    risk: Risk
    hosts: int


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Hosts with one cause. `cause` is null if the hosts are not healthy and no cause is proven.
    `hosts` have it as their first cause, `also` beside another one. `summary` is that of the first host."""

    cause: str | None
    variant: str | None
    hosts: tuple[str, ...]
    also: tuple[str, ...]
    summary: str
    repairs: tuple[FleetRepair, ...]


@dataclass(frozen=True, slots=True)
class UnseenGroup:
    """Hosts that could not be looked at or judged, for one reason."""

    reason: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetReport:
    """Result of `fleet report`. Every host is in `healthy`, in the `hosts` of one group, or in `unseen`.
    `repaired` are those of the healthy hosts that a repair made healthy."""

    schema_version: int
    verdict: Literal["healthy", "not-healthy", "incomplete"]
    hosts: int
    healthy: tuple[str, ...]
    repaired: tuple[str, ...]
    groups: tuple[FleetGroup, ...]
    unseen: tuple[UnseenGroup, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 0 if all hosts are healthy, 1 if some are not, 3 if some of the others could not be looked at."""
        return {"healthy": 0, "not-healthy": 1, "incomplete": 3}[self.verdict]
