"""Tests of fixer/causes/unit_misconfigured/stop_timeout.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import DaemonReload, WriteFile
from tests.causes.snapshot_builders import Scene, file, listener, log_lines, service, verdict_of
from tests.causes.unit_misconfigured.stopped_by_systemd_builders import found, value

CAUSE = "unit-misconfigured"
STOPPED_BY_SYSTEMD_UNIT = "/etc/systemd/system/backend.service"

STOPPING = "Stopping backend.service - The office application..."
KILLED = "backend.service: State 'stop-sigterm' timed out. Killing."


def killed_at_stops(*ages: float, text: str = "TimeoutStopSec=2", took: float = 2.0, lost: bool = True, said: str = KILLED) -> Scene:
    """Stopped several times, each time killed after so long, with a request in its hands."""
    setting, content = value(text)
    lines = tuple(line for age in ages for line in (*log_lines(STOPPING, ago=age + took).value, *log_lines(said, ago=age).value))
    scene = Scene().with_service(service(unit_values=(setting,) if text.startswith("Timeout") else (), log=Known(lines)),
                                 listener(8000, 200))
    scene.files.append(file(STOPPED_BY_SYSTEMD_UNIT, content))
    for age in ages if lost else ():
        scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=age)
    return scene


@pytest.mark.parametrize(("text", "took", "after"), [
    ("TimeoutStopSec=2", 2.0, b"TimeoutStopSec=90\n"), ("TimeoutStopSec=1min 5s", 66.0, b"TimeoutStopSec=90\n"),
    ("TimeoutSec=2s", 3.0, b"TimeoutSec=90\n"),
])
def test_hit_requests_that_are_killed_at_each_stop(text: str, took: float, after: bytes) -> None:
    finding = found(killed_at_stops(300, 100, text=text, took=took))
    assert (finding.variant, finding.confidence) == ("stop-timeout-sigkill", "certain")
    assert "2 times within 15 minutes, 2 requests lost" in finding.summary and finding.evidence[0].where == f"{STOPPED_BY_SYSTEMD_UNIT}:2"
    (repair,) = finding.repairs
    write, reload = repair.steps          # no restart: that would kill what is under way
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload) and repair.risk == "disruptive"
    assert write.after == b"[Service]\n" + after
    assert found(killed_at_stops(300, 100, text=text, took=took), **{"stop-timeout": "120"}).repairs[0].steps[0].after.endswith(b"=120\n")   # type: ignore[union-attr]


def test_where_nothing_is_written_or_it_is_long_already_a_person_says_how_long() -> None:
    usual = found(killed_at_stops(300, 150, text="User=x", took=90.5))
    assert usual.repairs[0].steps == () and usual.repairs[0].needs[0].default is None and "systemd's default of 90 s" in usual.summary
    told = found(killed_at_stops(300, 150, text="User=x", took=90.5), **{"stop-timeout": "300"}).repairs[0]
    assert told.risk == "manual" and "TimeoutStopSec=300" in told.manual
    assert found(killed_at_stops(400, 100, text="TimeoutStopSec=120", took=121)).repairs[0].steps == ()
    bare = killed_at_stops(300, 100)
    bare.files.clear()
    assert found(bare).repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [
    killed_at_stops(100), killed_at_stops(1200, 1000), killed_at_stops(300, 100, lost=False),
    killed_at_stops(300, 100, took=9.0),                                   # by a limit that is no more
    killed_at_stops(300, 100, text="TimeoutStopSec=90"), killed_at_stops(300, 100, said="backend.service: killed by hand"),
    killed_at_stops(300, 100, said="it said: backend.service: State 'stop-sigterm' timed out. Killing."),
])
def test_miss_stops_that_are_over_took_nothing_or_ran_into_another_limit(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def busy(gap: float) -> Scene:
    """Its log reaches back for half a minute only; two requests more ended at nearly one moment before that."""
    scene = killed_at_stops(20)
    for ago in (100, 100 + gap):
        scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=ago)
    return scene


def test_a_log_that_holds_the_last_stop_only_is_helped_out_by_nginx() -> None:
    finding = found(busy(0.3))
    assert (finding.variant, finding.confidence) == ("stop-timeout-sigkill", "likely") and "(1 time within" in finding.summary
    assert isinstance(verdict_of(diagnose(busy(40.0).snapshot()), CAUSE), RuledOut)


def test_what_another_route_lost_is_none_of_this_services() -> None:
    scene = killed_at_stops(300, 100)
    scene.events = [replace(event, server="other.example") for event in scene.events]
    scene.route[0] = {"server_names": ("shop.example",)}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_what_is_said_of_a_service_that_loses_requests() -> None:
    scene = killed_at_stops(300, 100)
    scene.services[0] = replace(scene.services[0], log=Unknown("not in the group adm"))
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and any("not in the group adm" in fact for fact in verdict.missing)
