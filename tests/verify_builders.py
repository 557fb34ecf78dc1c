"""What the tests of fixer/verify.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Check, Diagnosis, Finding, RouteHealth
from fixer.verify import Observation
from tests.causes.snapshot_builders import BAD_GATEWAY, GOOD, Scene


def look(scene: Scene) -> Observation:
    seen = scene.snapshot()
    return Observation(seen, diagnose(seen))


def with_health(found: Observation, *states: str, findings: tuple[Finding, ...] = (), checks: tuple[Check, ...] = ()) -> Observation:
    health = tuple(RouteHealth(f"r{n}", state, state) for n, state in enumerate(states, 1))  # type: ignore[arg-type]
    verdict = "healthy" if set(states) == {"ok"} and not findings else "broken"
    return Observation(found.snapshot, Diagnosis(verdict, findings, checks, health))  # type: ignore[arg-type]


def two_routes() -> Observation:
    return look(Scene("127.0.0.1:8001", "127.0.0.1:8002").answers(BAD_GATEWAY).answers(GOOD, route=1))
