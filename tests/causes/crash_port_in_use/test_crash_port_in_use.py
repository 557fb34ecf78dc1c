"""crash-port-in-use: who holds the socket decides, and a holder that answers well is left alone."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import SignalProcess, UnitAction
from tests.causes.crash_port_in_use.crash_port_in_use_builders import CAUSE, IN_USE, squatted
from tests.causes.snapshot_builders import (
    NOW,
    REFUSED,
    Scene,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)


def test_hit() -> None:
    diagnosis = diagnose(squatted().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.findings[0].evidence[0].text == IN_USE
    (repair,) = diagnosis.findings[0].repairs
    assert repair.risk == "disruptive" and "pid 300" in repair.summary
    kill, *rest = repair.steps
    assert isinstance(kill, SignalProcess) and (kill.pid, kill.signal, kill.start_ticks) == (300, "TERM", 30000)
    assert [s.verb for s in rest if isinstance(s, UnitAction)] == ["reset-failed", "start"]


def test_hit_in_the_moment_when_it_runs_again() -> None:
    scene = squatted()
    again = service(pid=200, unit_changes={"n_restarts": 2, "active_enter": NOW - 1, "state_change": NOW - 1})
    scene.services[0] = replace(again, log=scene.services[0].log)
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_hit_while_its_first_run_still_tries() -> None:
    scene = squatted()
    first = service(pid=200, unit_changes={"n_restarts": 0, "active_enter": NOW - 30, "state_change": NOW - 30})
    scene.services[0] = replace(first, log=scene.services[0].log)
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    scene.listeners.append(listener(9000, 200))      # it came up, on a port of its own
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_hit_behind_a_filter_that_rejects_every_connection() -> None:
    """The connect is refused, and the socket table still shows who holds the port."""
    assert roots(diagnose(squatted().endpoint(tcp=Known(REFUSED), http=Known(REFUSED)).snapshot())) == [CAUSE]
    gone = squatted().endpoint(tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None), listening_service=None)
    assert CAUSE not in roots(diagnose(gone.snapshot()))


def test_miss() -> None:
    for scene in (healthy_scene(), squatted(lines=("ImportError: x",))):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_holder_or_log() -> None:
    assert isinstance(verdict_of(diagnose(squatted(pid=None).snapshot()), CAUSE), Undetermined)
    scene = squatted()
    scene.services[0] = replace(scene.services[0], log=Unknown("not root"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_its_own_process_is_no_stranger() -> None:
    scene = squatted()
    mine = service(pid=300, unit_changes={"n_restarts": 2, "active_enter": NOW - 31})
    scene.services[0] = replace(mine, log=scene.services[0].log)
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    gone = squatted().endpoint(listener=Known(None), tcp=Known(probe()))
    assert isinstance(verdict_of(diagnose(gone.snapshot()), CAUSE), Undetermined)


def test_an_unknown_address_says_nothing() -> None:
    assert roots(diagnose(Scene("127.0.0.1:8000").refused().snapshot())) == ["backend-down"]
