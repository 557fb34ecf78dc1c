"""One kill, after which systemd started the unit again: a start that takes its time, not a row of failures."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import LogLine
from tests.causes.snapshot_builders import NOW, STOPPED, Scene, service, unit

KILL = "backend.service: Main process exited, code=killed, status=9/KILL"
FAILED = "backend.service: Failed with result 'signal'."
AGAIN = "backend.service: Scheduled restart job, restart counter is at 1."
BEGAN = "Started backend.service - Shop."


def lines(*said: tuple[float, str]) -> Known[tuple[LogLine, ...]]:
    return Known(tuple(LogLine(NOW - ago, text, "journal backend.service") for ago, text in said))


def restarted(*said: tuple[float, str], n_restarts: int = 1, **changes: object) -> Scene:
    about = {"active_enter": NOW - 4, "state_change": NOW - 4, "n_restarts": n_restarts, "restart": "always", **changes}
    return Scene().with_service(service(unit_changes=about, log=lines(*said))).refused()


ONCE = ((300.0, BEGAN), (5.0, KILL), (5.0, FAILED), (4.0, AGAIN), (4.0, BEGAN))


def told(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


def test_one_kill_is_no_row_of_failures() -> None:
    (found,) = told(restarted(*ONCE)).findings
    assert found.cause == "slow-start" and "after a kill" in found.summary and found.repairs[0].waits
    assert any(KILL in e.text for e in found.evidence)
    notify = restarted(*ONCE, active_state="activating", sub_state="start")       # Type=notify
    assert [f.cause for f in told(notify).findings] == ["slow-start"]


@pytest.mark.parametrize("said", [
    ((60.0, KILL), (59.0, AGAIN), *ONCE[1:]),                                    # twice
    ((5.0, "backend.service: Main process exited, code=killed, status=11/SEGV"), *ONCE[2:]),     # a fault of its own
    ((5.0, "backend.service: Main process exited, code=exited, status=1/FAILURE"), (4.0, AGAIN), (4.0, BEGAN)),
    ((6.0, "backend.service: start operation timed out. Terminating."), *ONCE[1:]),
    ((5.0, "backend.service: A process of this unit has been killed by the OOM killer."), *ONCE[1:]),
    (),
])
def test_anything_else_is_still_one(said: tuple[tuple[float, str], ...]) -> None:
    assert "slow-start" not in [f.cause for f in told(restarted(*said)).findings if f.role == "root"]


def test_what_was_said_before_somebody_restarted_it_is_of_another_row() -> None:
    before = ((90.0, "RuntimeError: can't start new thread"), (80.0, KILL), (70.0, "Stopping backend.service - Shop..."),
              (70.0, "Stopped backend.service - Shop."), (69.0, BEGAN))
    assert [f.cause for f in told(restarted(*before, *ONCE[1:])).findings] == ["slow-start"]


def test_a_kill_is_not_blamed_on_a_database_that_is_stopped() -> None:
    uses = Dependency(Evidence("file", "/etc/default/shop:4", "DATABASE_URL names 127.0.0.1:5432"), host="127.0.0.1",
                    port=5432, engine="postgresql")
    name = "postgresql@17-main.service"
    scene = restarted((60.0, KILL), (59.0, AGAIN), *ONCE[1:], n_restarts=2)
    scene.services = [service(dependencies=(uses,), log=scene.services[0].log, unit=scene.services[0].unit), service(
        name, 1, None, bindings=Known(()), is_app_server=False, runtime="", unit=unit(name, **STOPPED), argv=("postgres",))]
    assert "crash-dependency-down" not in [f.cause for f in told(scene).findings]
