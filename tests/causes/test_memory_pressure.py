"""memory-pressure: a memory limit that leaves no room for what the service needs the next moment."""

from __future__ import annotations

import pytest

from fixer.causes import load_causes
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    TIMED_OUT,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    verdict_of,
)

CAUSE = "memory-pressure"


def pages(count: int) -> Fact[int]:
    return Known(count, (Evidence("kernel", "/sys/fs/cgroup/x/memory.stat", f"workingset_refault_file {count}"),))


def short(refaults: Fact[int] | None = None, *, since: float = 100.0, limit: int = 64 << 20, queued: int = 9) -> Scene:
    """Late for its visitors, with a limit."""
    made = service(log=log_lines("x"), refaults=pages(900_000) if refaults is None else refaults,
                   unit_changes={"memory_max": limit, "active_enter": NOW - since})
    scene = Scene().with_service(made, listener(8000, 200, queued=queued, established=queued + 5 if queued else 1))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream",
                      count=6, path="/report")


def test_hit() -> None:
    diagnosis = diagnose(short().snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("limit-too-close", "likely")
    assert "64 MiB" in first.summary and "35.2 MiB" in first.summary and first.evidence[0].source == "kernel"
    (repair,) = first.repairs
    assert (repair.id, repair.risk, repair.needs[0].default) == ("raise-memory-limit", "disruptive", "128M")
    write, reload, restart, _ = repair.steps
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nMemoryMax=128M\n"
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and restart.verb == "restart"
    assert finding_of(diagnose(short().snapshot(), {"memory": "1G"}), CAUSE).repairs[0].steps[0].after == (  # type: ignore[union-attr]
        b"[Service]\nMemoryMax=1G\n")


def test_one_that_waits_for_its_memory_is_not_stuck_in_a_call() -> None:
    """A blind man restarts nothing, which would help for a moment."""
    others = [cause for cause in load_causes() if cause.id not in (CAUSE, "overload-saturated")]
    for count, expected in ((900_000, []), (100, ["backend-hung"])):
        assert roots(diagnose(short(pages(count), queued=0).snapshot(), causes=others)) == expected


def test_hit_where_only_some_pages_are_late() -> None:
    scene = short().answers(GOOD)
    assert CAUSE in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize("scene", [healthy_scene(), short(pages(4_000)), short(limit=0)])
def test_miss_room_enough_or_no_limit(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize("scene", [short(Unknown("not root")), short(pages(900_000), since=86_400.0)])
def test_unknown_what_the_kernel_counted_or_when(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
