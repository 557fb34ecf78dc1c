"""A start that systemd keeps queued: not a stopped service, and another start would wait in the same queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Unknown
from fixer.model.plan import UnitAction, WaitForListener
from fixer.model.snapshot import BlockingUnit, Process, UnitSetting
from tests.causes.backend_hung_builders import late
from tests.causes.crash_dependency_down.waiting_script_builders import (
    DATABASE,
    FILE,
    LINE,
    postgres,
    waiting,
)
from tests.causes.crash_dependency_down.waiting_script_builders import (
    told as waiting_script_told,
)
from tests.causes.nginx_down.nginx_down_builders import SLOW_START
from tests.causes.slow_start_builders import told
from tests.causes.snapshot_builders import (
    NOW,
    SLOW,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    process,
    roots,
    service,
    supervised_service,
    verdict_of,
    wrong_port_scene,
)

WARM = "warm.service"


def test_it_is_told_with_what_it_waits_for() -> None:
    diagnosis = told(BlockingUnit(WARM, NOW - 300))
    assert roots(diagnosis) == ["slow-start"]
    found = finding_of(diagnosis, "slow-start")
    assert (found.variant, found.confidence) == ("start-job-queued", "certain")
    assert "queued behind warm.service, which is not up yet" in found.summary and found.detail == ("warm.service: starting for 5 min",)
    (repair,) = found.repairs
    assert repair.risk == "manual" and "systemctl stop warm.service ends the wait" in repair.manual
    assert isinstance(verdict_of(diagnosis, "backend-down"), RuledOut)


def test_without_a_queue_it_is_a_stopped_service() -> None:
    assert roots(told()) == ["backend-down"]


@pytest.mark.parametrize(("port", "found"), [(8000, [SLOW_START]), (8009, ["wrong-port", SLOW_START])])
def test_one_that_will_listen_elsewhere_is_not_only_waited_for(port: int, found: list[str]) -> None:
    """Waiting brings no page: its files name another port than nginx asks for."""
    made = service(unit_changes={"active_enter": NOW - 5, "state_change": NOW - 5}, port=port)
    diagnosis = diagnose(Scene("127.0.0.1:8000").with_service(made).refused().snapshot())
    assert roots(diagnosis) == found
    if found[0] == "wrong-port":
        (repair,) = finding_of(diagnosis, "wrong-port").repairs
        assert finding_of(diagnosis, "wrong-port").confidence == "likely" and repair.risk == "manual"
        assert repair.manual.startswith(
            "first wait until backend.service listens (slow-start): when backend.service listens on 127.0.0.1:8009")


SCRIPT = "/srv/shop/run.sh"


def test_slow_start_hit_the_database_that_its_script_waits_for_is_stopped() -> None:
    scene = waiting(DATABASE, age=5.0)
    scene.services.append(postgres())
    found = waiting_script_told(scene).findings[0]
    assert (found.cause, found.variant) == ("crash-dependency-down", "startup-blocked-on-dependency")
    assert (found.confidence, found.service) == ("certain", "postgresql@17-main.service")
    assert "postgresql@17-main.service is stopped" in found.summary and LINE in found.evidence
    steps = found.repairs[0].steps
    assert found.repairs[0].risk == "safe" and isinstance(steps[-1], WaitForListener) and steps[-1].port == 8000
    assert [(s.verb, s.unit) for s in steps if isinstance(s, UnitAction)] == [("start", "postgresql@17-main.service")]


def test_a_young_script_is_given_time_first() -> None:
    found = waiting_script_told(waiting(FILE, age=5.0)).findings[0]
    assert found.variant == "start-script-waits" and found.repairs[0].waits and found.repairs[1].risk == "manual"


@pytest.mark.parametrize("extra", [
    process(202, "/usr/bin/python3", "/usr/bin/uvicorn", "app.main:app", ppid=200),
    process(202, "/srv/venv/bin/uvicorn", "app.main:app", ppid=200),
])
def test_slow_start_miss_a_script_that_has_started_its_server(extra: Process) -> None:
    scene = waiting(DATABASE)
    scene.services.append(postgres())
    scene.processes.append(extra)
    scene.services[0] = service(argv=("/bin/bash", SCRIPT), startup_waits=(DATABASE,), pids=(200, 201, 202))
    assert "start-script-waits" not in [f.variant for f in waiting_script_told(scene).findings]
    assert "crash-dependency-down" not in roots(waiting_script_told(scene))


def starting(**changes: object) -> Scene:
    values = {"active_enter": NOW - 5, "state_change": NOW - 5, **changes}
    return Scene().with_service(service(unit_changes=values)).refused()


def test_slow_start_hit_waits() -> None:
    diagnosis = diagnose(starting().snapshot())
    assert roots(diagnosis) == [SLOW_START] and diagnosis.findings[0].repairs[0].waits
    assert roots(diagnose(starting(active_state="activating", sub_state="start").snapshot())) == [SLOW_START]


def test_in_a_network_of_its_own_it_may_listen_unseen() -> None:
    own = UnitSetting("PrivateNetwork", "yes", Evidence("unit", "/etc/systemd/system/backend.service:7", "PrivateNetwork=yes"))
    young = service(settings=(own,), unit_changes={"active_enter": NOW - 5, "state_change": NOW - 5})
    verdict = verdict_of(diagnose(Scene().with_service(young).refused().snapshot()), SLOW_START)
    assert isinstance(verdict, Undetermined) and "network namespace" in verdict.missing[0]


BOOTED = ("[2026-01-01 03:00:00 +0000] [88] [INFO] Listening at: http://127.0.0.1:8000 (88)",
          "[2026-01-01 03:00:00 +0000] [90] [INFO] Booting worker with pid: 90")
SERVES = ("INFO:     Started server process [90]", "INFO:     Application startup complete.")


def behind_its_socket(*texts: str, ago: float = 5, queued: int = 2, established: int = 2, runtime: str = "gunicorn",
                      log: bool = True, state: str = "S") -> Scene:
    """Its parent listens, and the workers load the application."""
    lines = log_lines(*texts, ago=ago) if log else Unknown("not root")
    scene = late(queued=queued, established=established, timeouts=0, state=state, unit_changes={"active_enter": NOW - ago, "state_change": NOW - ago})
    scene.services = [replace(one, runtime=runtime, log=lines) for one in scene.services]
    return scene.answers(SLOW)


@pytest.mark.parametrize("scene", [
    behind_its_socket(*BOOTED), behind_its_socket(*BOOTED, SERVES[0]),
    behind_its_socket("INFO: Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)", "INFO: Started parent process [88]",
                      SERVES[0], "INFO:     Waiting for application startup.", runtime="uvicorn"),
    behind_its_socket("*** Starting uWSGI 2.0.28 (64bit) ***", runtime="uwsgi"),
    behind_its_socket(*SERVES, "INFO:     Finished server process [90]", *BOOTED),      # it served before its last start
])
def test_slow_start_hit_behind_the_socket_that_its_parent_opened(scene: Scene) -> None:
    """A restart would begin the load again."""
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [SLOW_START]
    (found,) = diagnosis.findings
    assert (found.variant, found.confidence) == ("startup-slow", "likely") and found.repairs[0].waits
    assert "still loads its application: 2 connections wait, and it has accepted none" in found.summary


@pytest.mark.parametrize("scene", [
    behind_its_socket(*BOOTED, ago=90), behind_its_socket(*BOOTED, *SERVES), behind_its_socket(*BOOTED, established=3),
    behind_its_socket(*BOOTED, '10.0.0.9 - - [01/Jan/2026:03:00:02 +0000] "GET / HTTP/1.0" 200 3'),
    behind_its_socket(*BOOTED, state="T"), behind_its_socket(*BOOTED, log=False), behind_its_socket("listening", runtime="binary"),
    behind_its_socket(*SERVES, "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)", runtime="uvicorn"),
])
def test_slow_start_miss_what_has_served_or_has_had_its_time(scene: Scene) -> None:
    assert SLOW_START not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize("ago", [5, 400])
def test_slow_start_hit_before_the_program(ago: float) -> None:
    """What a unit runs first may take minutes: systemd itself says that the program's turn has not come."""
    before = {"active_state": "activating", "sub_state": "start-pre", "active_enter": 0.0, "state_change": NOW - ago}
    diagnosis = diagnose(starting(**before).snapshot())
    assert roots(diagnosis) == [SLOW_START]
    (found,) = diagnosis.findings
    assert found.variant == "start-execstartpre-long" and found.confidence == "certain" and found.repairs[0].waits
    waiting = starting(**before)
    waiting.processes[-1:] = [process(200, "/usr/bin/python3", "/srv/migrate.py", started_at=NOW - ago)]
    told = diagnose(waiting.snapshot()).findings[0].detail
    assert "/srv/migrate.py" in told[0] and (len(told) == 2) is (ago > 15)      # what it waits for is a person's to see
    late = starting(**{**before, "sub_state": "start", "state_change": NOW - 400})
    assert isinstance(verdict_of(diagnose(late.snapshot()), SLOW_START), RuledOut)


def test_the_last_line_of_a_start_is_shown_from_the_first_look_on() -> None:
    """It may say how long the start takes; what the run before wrote says nothing of this one."""
    scene = starting()
    scene.services[-1] = replace(scene.services[-1], log=log_lines("loading the price tables, this takes 15 minutes", ago=3))
    (found,) = diagnose(scene.snapshot()).findings
    assert "loading the price tables, this takes 15 minutes" in [shown.text for shown in found.evidence]


def test_slow_start_miss_and_unknown() -> None:
    for scene in (healthy_scene(), starting(active_enter=NOW - 3600), starting(n_restarts=4), wrong_port_scene()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), SLOW_START), RuledOut)
    bare = Scene().with_service(service(unit=None, manager="none")).refused()
    assert isinstance(verdict_of(diagnose(bare.snapshot()), SLOW_START), RuledOut)
    blind = starting().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), SLOW_START), Undetermined)


@pytest.mark.parametrize(("state", "ago", "restarts", "says", "expected"), [
    ("RUNNING", 5, 0, "Started server process [300]", [SLOW_START]),
    ("RUNNING", 400, 0, "Started server process [300]", []),
    ("STARTING", 1, 0, "Started server process [300]", [SLOW_START]),
    # it opened its socket between two questions
    ("STARTING", 1, 3, "Uvicorn running on http://127.0.0.1:8000", [SLOW_START]),
    ("STARTING", 1, 3, "LedgerError: no shop", ["crash-loop-gave-up"]),
])
def test_slow_start_hit_and_miss_under_supervisord(
    state: str, ago: float, restarts: int, says: str, expected: list[str],
) -> None:
    made = supervised_service(state, program={"started_at": NOW - ago, "restarts": restarts}, log=log_lines(says, ago=0.5))
    diagnosis = diagnose(Scene().with_service(replace(made, pids=(300,))).refused().snapshot())
    assert roots(diagnosis) == expected
    assert expected[:1] != [SLOW_START] or diagnosis.findings[0].repairs[0].waits


@pytest.mark.parametrize(("says", "expected"), [
    (("loading the price tables",), [SLOW_START]),
    (("loading the price tables", "INFO:     Uvicorn running on http://127.0.0.1:9000"), []),     # it served
    (("loading the price tables", "KeyError: 'shop'"), []),     # it failed
    ((), []),       # nothing says that it has begun
])
def test_a_start_that_takes_longer_than_fixer_waits_is_only_possible(says: tuple[str, ...], expected: list[str]) -> None:
    made = service(unit_changes={"active_enter": NOW - 400, "state_change": NOW - 400}, log=log_lines(*says, ago=390))
    diagnosis = diagnose(Scene().with_service(made).refused().snapshot())
    assert roots(diagnosis) == expected
    if expected:
        (found,) = diagnosis.findings
        assert (found.confidence, found.variant) == ("possible", "startup-slow") and "started 6 min ago" in found.summary
        assert "loading the price tables" in [one.text for one in found.evidence]
        (repair,) = found.repairs
        assert repair.risk == "manual" and not repair.waits


@pytest.mark.parametrize(("ago", "above", "expected"), [
    (5, "/usr/bin/bash", [SLOW_START]), (400, "/usr/bin/bash", []), (5, "/usr/bin/runsvdir", []), (5, "runsv", []),
])
def test_slow_start_hit_and_miss_of_a_program_that_somebody_started(
    ago: float, above: str, expected: list[str],
) -> None:
    scene = Scene().with_service(service(unit=None, manager="none")).refused()
    scene.processes[-1:] = [process(90, above, uid=0), process(200, started_at=NOW - ago, ppid=90, uid=0)]
    assert roots(diagnose(scene.snapshot())) == expected


def test_slow_start_miss_a_program_that_is_stopped() -> None:
    """SIGSTOP: it does nothing, so it does not start either."""
    scene = Scene().with_service(service(unit=None, manager="none")).refused()
    scene.processes[-1:] = [process(90, "/usr/bin/bash", uid=0), process(200, started_at=NOW - 5, ppid=90, uid=0, state="T")]
    assert SLOW_START not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("port", "holder", "confidence"), [
    (3032, None, "possible"),      # nobody may see whose it is, and nobody is told to open it
    (3032, 900, "likely"), (80, None, "likely"), (9000, None, "likely"),
])
def test_a_start_is_only_possible_beside_a_socket_whose_holder_is_not_to_be_seen(
    port: int, holder: int | None, confidence: str,
) -> None:
    scene = starting().with_service(service("other.service", 9000, 300))
    scene.listeners = [*scene.listeners[1:], listener(port, holder)]
    (found,) = [f for f in diagnose(scene.snapshot()).findings if f.cause == SLOW_START]
    assert found.confidence == confidence and found.repairs[0].waits
    assert any(f"the owner of 127.0.0.1:{port} is unknown" in line for line in found.detail) is (confidence == "possible")
