"""cpu-throttled: a quota that the kernel enforces all the time, and where it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.plan import ComposeUp, DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import Compose, ComposeSetting
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    TIMED_OUT,
    Scene,
    container_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    own_verdict,
    roots,
    service,
    verdict_of,
)

CAUSE = "cpu-throttled"


def held(throttled: int = 190, periods: int = 200) -> Fact[tuple[int, int]]:
    text = f"nr_periods {periods}, nr_throttled {throttled}"
    return Known((throttled, periods), (Evidence("kernel", "/sys/fs/cgroup/x/cpu.stat", text),))


def throttled(stat: Fact[tuple[int, int]] | None = None, *, limit: float = 0.05, **changes: object) -> Scene:
    values = {"throttled": held() if stat is None else stat, "unit_changes": {"cpu_limit": limit}, **changes}
    scene = Scene().with_service(service(log=log_lines("x"), **values), listener(8000, 200, queued=9, established=14))   # type: ignore[arg-type]
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream",
                      count=6, path="/report")


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def test_hit() -> None:
    diagnosis = diagnose(throttled().snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("cpu-quota-throttled", "certain") and "throttled it in 190 of 200 periods" in first.summary
    write, reload, restart, _ = first.repairs[0].steps
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nCPUQuota=100%\n"
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and first.repairs[0].risk == "disruptive"
    other = found(throttled(limit=1.5), cpu="250%").repairs[0]
    assert other.needs[0].default == "300%" and isinstance(other.steps[0], WriteFile)
    assert b"CPUQuota=250%" in (other.steps[0].after or b"")


def test_hit_a_small_quota_counts_rarely() -> None:
    assert found(throttled(held(13, 281))).confidence == "likely"


def test_hit_while_we_are_answered() -> None:
    assert roots(diagnose(throttled().endpoint(http=Known(GOOD)).answers(GOOD).snapshot())) == [CAUSE]


@pytest.mark.parametrize(("stat", "limit", "age", "hit"), [
    (held(62, 200), 0.5, 20, False), (held(62, 200), 0.5, 90, True), (held(120, 200), 0.5, 20, True),
    (held(13, 281), 0.05, 20, False), (held(100, 200), 0.05, 20, True),
])
def test_what_a_start_needs_is_no_sign_that_the_quota_is_too_small(stat: Any, limit: float, age: float, *, hit: bool) -> None:
    """A page that only sleeps was certainly throttled, by the periods of the start seconds before."""
    scene = throttled(stat, limit=limit, unit_changes={"cpu_limit": limit, "active_enter": NOW - age})
    assert (CAUSE in roots(diagnose(scene.snapshot()))) is hit


def test_hit_a_container() -> None:
    back = container_service(throttled=held(), compose_settings=(ComposeSetting("cpus", "0.05", "/p/compose.yaml", 1, 6, 10),),
                 box={"cpu_limit": 0.05, "labels": (("com.docker.compose.config-hash", "h"),)}, log=log_lines("x"))
    scene = Scene("app:8000", node="web", back="app").with_service(back, listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    scene.files.append(file("/p/compose.yaml", "cpus: 0.05\n", node="engine"))
    scene.extra = {
        "target": TargetRef("compose", "p"),
        "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True)),
    }
    write, up, _ = found(scene).repairs[0].steps
    assert isinstance(write, WriteFile) and write.after == b"cpus: 1.0\n" and isinstance(up, ComposeUp)


@pytest.mark.parametrize("scene", [
    healthy_scene(), throttled(limit=0.0), throttled(held(5)), throttled(held(49), limit=0.5), throttled(held(15, 16)),
    throttled(held(12, 900)),
    throttled().endpoint(configured_service=None, listening_service=None),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(throttled(Unknown("denied")).snapshot()), CAUSE), Undetermined)
    stopped = throttled()
    stopped.services[0] = replace(stopped.services[0], unit=replace(stopped.services[0].unit, active_state="failed", main_pid=0))  # type: ignore[type-var]
    assert isinstance(own_verdict(stopped.snapshot(), CAUSE), RuledOut)
