"""crash-port-in-use: who holds the socket decides, and a holder that answers well is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import SignalProcess, UnitAction
from fixer.model.snapshot import LogLine
from tests.causes.crash_port_in_use.crash_port_in_use_builders import CAUSE, IN_USE, squatted
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    REFUSED,
    Scene,
    healthy_scene,
    listener,
    probe,
    process,
    roots,
    service,
    stopped_service,
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


def barred(*lines: str, holder: dict[str, Any] | None = None) -> Scene:
    """cron starts the server at boot, and another program holds its port and hangs up."""
    scene = Scene()
    feeder = service("feeder.service", 8000, 300, argv=("/usr/bin/python3", "/usr/local/bin/feeder", "8000"))
    meant = stopped_service("start.sh", 8000, boot_entry=BootEntry(
        "local", "cron", "/etc/cron.d/shop", 2, "@reboot shop /opt/shop/start.sh", "shop", 8000, None))
    scene.services += [
        replace(meant, unit=None, manager="none", log=Known(tuple(
            LogLine(None, text, "/opt/shop/out.log") for text in lines)) if lines else Unknown("it goes to no file")),
        replace(feeder, **{"is_app_server": False, **(holder or {})})]
    scene.listeners.append(listener(8000, 300))
    scene.processes.append(process(300, "/usr/bin/python3", "/usr/local/bin/feeder", "8000"))
    scene.endpoint(listening_service="local/feeder.service", configured_service="local/start.sh",
                   http=Known(probe(error="reset", phase="head")))
    scene.logs("recv() failed (104: Connection reset by peer)", 104, "reading response header from upstream", count=4)
    return scene.answers(BAD_GATEWAY)


def test_hit_the_start_that_cron_makes_is_barred() -> None:
    """Its log says so, or nothing but the line that starts it and who holds its port."""
    said = diagnose(barred(IN_USE).snapshot())
    assert roots(said) == [CAUSE] and said.findings[0].evidence[0].text == IN_USE
    told = diagnose(barred().snapshot())
    assert roots(told) == [CAUSE] and told.findings[0].confidence == "likely"
    assert any("8000" in line.text and line.source == "unit" for line in told.findings[0].evidence)
    for found in (said.findings[0], told.findings[0]):
        assert [r.risk for r in found.repairs] == ["manual"] and "feeder.service holds the port" in found.repairs[0].manual


def test_miss_what_passes_requests_on_bars_nobody() -> None:
    for holder in ({"gateway": "haproxy"}, {"is_app_server": True}):
        assert CAUSE not in roots(diagnose(barred(holder=holder).snapshot()))


def test_miss_its_last_run_failed_in_another_way() -> None:
    assert CAUSE not in roots(diagnose(barred("Traceback (most recent call last):", "ValueError: x").snapshot()))
