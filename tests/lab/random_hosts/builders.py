"""Made-up documents, faults and results for the tests of random hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.figures import HostResult
from lab.random_hosts.host_spec import Fault, HostSpec
from lab.random_hosts.judge import Observed, judge

SEEDS = 3000


def fault(name: str, *causes: str, outcomes: Sequence[str] = ("repaired",)) -> Fault:
    return Fault(name, f"{name} is made up", causes or (name,), tuple(outcomes), frozenset({name}), ("true",), ())


@cache
def drawn_hosts() -> tuple[HostSpec, ...]:
    """The hosts of the first seeds, drawn once for all tests."""
    return tuple(draw_host(seed) for seed in range(SEEDS))


def host_of_kind(kind: str, *faults: str, first: int = 1) -> HostSpec:
    """The first drawn host of a kind, from the seed `first` on, with these faults."""
    drawn = (draw_host(seed, faults) for seed in range(first, first + 200))
    return next(host for host in drawn if host.choices["kind"] == kind)


def look(*findings: str | tuple[str, str] | tuple[str, str, str], verdict: str = "broken") -> Mapping[str, Any]:
    """A document of diagnose: each finding is a cause, or cause, confidence and role."""
    rows = []
    for one in findings:
        cause, confidence, role = ((one, "certain", "root") if isinstance(one, str) else (*one, "root"))[:3]
        rows.append({"cause": cause, "confidence": confidence, "role": role})
    return {"verdict": verdict, "findings": rows}


HEALTHY = look(verdict="healthy")


def repaired(document: Mapping[str, Any], **kept: Any) -> Observed:
    """What is seen of a solver that named the document's causes and repaired the host for good."""
    return Observed(**{"looks": (document,) * 5, "said": document, "verify": {"verdict": document["verdict"]},
                       "repair": {"before": document, "journal": "1"}, "changed_by_repair": ("/etc/x: other content",),
                       "failing_restarted": (), "failing_rebooted": (), "left_by_undo": (), "look_seconds": (0.5,),
                       "repair_seconds": 3.0, **kept})


def result(seed: int, faults: Sequence[Fault], seen: Observed | None) -> HostResult:
    names = tuple(one.name for one in faults)
    if seen is None:
        return HostResult(seed, names, None, "not well before")
    return HostResult(seed, names, judge(faults, names, seen), "", seen.look_seconds, seen.repair_seconds)
