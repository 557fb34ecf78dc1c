"""Tests of fixer/analysis/dependency/blocked_start.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import ProxyVariable
from fixer.model.facts import Evidence, Known
from fixer.model.plan import ContainerAction, SignalProcess
from fixer.model.snapshot import Connection
from tests.causes.backend_hung_builders import late
from tests.causes.crash_dependency_down.crash_dependency_down_builders import TRACE, crashed, database, found, verbs
from tests.causes.snapshot_builders import (
    FAILED,
    NOW,
    STOPPED,
    Scene,
    container_service,
    file,
    finding_of,
    listener,
    log_lines,
    roots,
    service,
    unit,
)

CAUSE = "crash-dependency-down"
STARTED = "Started backend.service - Office."


def dialing(*connections: Connection, state: str = "S", **changes: object) -> Scene:
    """A unit that runs since a while, listens nowhere and has these connections."""
    scene = Scene().with_service(service(log=log_lines(STARTED), unit_changes={"active_enter": NOW - 20}, **changes), state=state)
    scene.refused().node_changes["local"] = {"connections": connections}
    return scene


def test_hit_one_that_waits_for_an_answer() -> None:
    scene = dialing(Connection("127.0.0.1", 5432, "dialing", 998, (200,))).with_service(
        database(pid=400), listener(5432, 400))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("startup-blocked-on-dependency", "certain")
    assert one.evidence[0].where == "connection to 127.0.0.1:5432" and "pid 200" in one.evidence[0].text
    assert one.repairs[0].risk == "manual" and "drops the packets" in one.repairs[0].manual
    remote = finding_of(diagnose(dialing(Connection("10.1.2.3", 5432, "dialing", 998, (200,))).snapshot()), CAUSE)
    assert "another machine" in remote.repairs[0].manual


BOOTED = ("[88] [INFO] Listening at: http://127.0.0.1:8000 (88)", "[90] [INFO] Booting worker with pid: 90")


@pytest.mark.parametrize(("texts", "ago", "expected"), [
    (BOOTED, 20, CAUSE), (BOOTED, 300, CAUSE), ((*BOOTED, "INFO:     Application startup complete."), 300, "backend-hung"),
])
def test_hit_one_that_waits_behind_the_socket_that_its_parent_opened(texts: tuple[str, ...], ago: float, expected: str) -> None:
    """It is neither slow nor hung: what it loads waits for an answer."""
    scene = late(queued=2, established=2, unit_changes={"active_enter": NOW - ago, "state_change": NOW - ago})
    scene.services = [replace(one, runtime="gunicorn", log=log_lines(*texts, ago=ago - 1)) for one in scene.services]
    scene.node_changes["local"] = {"connections": (Connection("10.1.2.3", 5432, "dialing", 998, (200,)),)}
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [expected]
    if expected == CAUSE:
        one = finding_of(diagnosis, CAUSE)
        assert one.variant == "startup-blocked-on-dependency" and one.detail == ("it does not answer until 10.1.2.3:5432 answers",)


def test_the_address_of_a_proxy_is_told() -> None:
    proxy = ProxyVariable("HTTP_PROXY", "10.1.2.3:3128", Evidence("file", "/etc/default/shop:2", "HTTP_PROXY… names 10.1.2.3:3128"))
    for proxies, told in (((proxy,), "; 10.1.2.3:3128 is the proxy of its variable HTTP_PROXY (/etc/default/shop:2)"), ((), "")):
        one = found(dialing(Connection("10.1.2.3", 3128, "dialing", 998, (200,)), proxies=proxies))
        assert one.detail == (f"it does not listen until 10.1.2.3:3128 answers{told}",)


def test_hit_one_that_takes_the_connection_and_does_not_read() -> None:
    scene = dialing(Connection("127.0.0.1", 5999, "unread", 998, (200,))).with_service(
        database("dbproxy.service", pid=400), listener(5999, 400))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("startup-blocked-on-dependency", "likely")
    assert "dbproxy.service (127.0.0.1:5999) accepted the connection but has not read what it was sent" in one.summary
    assert "the peer does not read what was sent" in one.evidence[0].text and "swallows" not in one.repairs[0].manual
    nameless = found(dialing(Connection("10.1.2.3", 5999, "unread", 998, (200,))))
    assert "the listener at 10.1.2.3:5999" in nameless.repairs[0].manual


@pytest.mark.parametrize(("line", "since"), [
    (Connection("127.0.0.1", 5999, "unread", 998, (200,)), NOW - 2),         # it may be about to read
    (Connection("127.0.0.1", 5999, "unread", 998, (300,)), NOW - 20),
    (Connection("127.0.0.1", 5432, "dialing", 998, (300,)), NOW - 20),       # somebody else's
    (Connection("127.0.0.1", 5432, "dialing", 0), NOW - 20),                 # nobody knows whose
    (Connection("127.0.0.1", 5432, "open", 998, (200,)), NOW - 20),          # it talks to it
    (Connection("127.0.0.1", 5432, "dialing", 998, (200,)), NOW - 1),        # it has just begun
    (Connection("10.1.2.3", 5432, "dialing", 998, (200,), 0.5), NOW - 1),    # and far away answers take their time
])
def test_miss_what_is_no_waiting(line: Connection, since: float) -> None:
    scene = dialing(line)
    scene.services[0] = service(log=log_lines(STARTED), unit_changes={"active_enter": since})
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_a_start_that_waits_for_its_own_machine_is_no_slow_start() -> None:
    scene = dialing(Connection("127.0.0.1", 5432, "dialing", 998, (200,), 0.5))
    scene.services[0] = service(log=log_lines(STARTED, ago=1), unit_changes={"active_enter": NOW - 1})
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_database_that_stands_still_goes_on() -> None:
    still = database(pid=400)
    scene = dialing(Connection("127.0.0.1", 5432, "open", 998)).with_service(still, listener(5432, 400), state="T")
    one = found(scene)
    assert "is suspended" in one.summary and any("state T" in e.text for e in one.evidence)
    step = one.repairs[0].steps[0]
    assert isinstance(step, SignalProcess) and (step.pid, step.signal) == (400, "CONT")


def test_a_database_container_that_is_paused_goes_on() -> None:
    box = {"status": "paused", "networks": (("p_default", "172.18.0.9", ("db",)),)}
    made = container_service(log=log_lines("INFO: waiting"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.with_service(container_service("db", 5432, box=box, is_app_server=False, pid=31, bindings=Known(())))
    scene.node_changes["app"] = {"connections": (Connection("172.18.0.9", 5432, "open", 998),)}
    step = found(scene).repairs[0].steps[0]
    assert isinstance(step, ContainerAction) and (step.verb, step.name) == ("unpause", "p-db-1")


def test_no_answer_is_no_refusal() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection timed out')
    one = found(crashed(*lines).with_service(database(pid=400), listener(5432, 400)))
    assert (one.variant, one.repairs[0].id) == ("startup-blocked-on-dependency", "let-through")


UNMET = ("Dependency failed for backend.service - Office.",
         "backend.service: Job backend.service/start failed with result 'dependency'.")


def required(word: str = "Requires", *lines: str, **other: object) -> Scene:
    job = service("files.service", 1, None, bindings=Known(()), is_app_server=False, runtime="",
                  unit=unit("files.service", **{**FAILED, "type": "oneshot", **other}), argv=("/usr/bin/test",))
    made = service(pid=None, unit_changes=STOPPED, log=log_lines(*(lines or UNMET)))
    scene = Scene().with_service(made).with_service(replace(job, log=log_lines("test: no such folder"))).refused()
    scene.files.append(file("/etc/systemd/system/backend.service", f"[Unit]\n{word}=files.service other\n[Service]\n"))
    return scene


@pytest.mark.parametrize("word", ["Requires", "BindsTo", "Requisite"])
def test_hit_a_unit_that_it_requires_failed(word: str) -> None:
    diagnosis = diagnose(required(word).snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("start-dependency-failed", "certain")
    assert any(e.where == "/etc/systemd/system/backend.service:2" for e in one.evidence)
    assert one.repairs[0].risk == "manual" and "no such folder" in one.repairs[0].manual


def test_what_the_required_unit_said_itself_goes_before_what_systemd_says_of_it() -> None:
    scene = required()
    lines = log_lines("cp: cannot stat '/mnt/share/a.conf'", "files.service: Main process exited, code=exited, status=1/FAILURE",
                "files.service: Failed with result 'exit-code'.", "Failed to start files.service - Files.")
    scene.services[1] = replace(scene.services[1], log=lines)
    one = found(scene)
    assert "its log ends with: cp: cannot stat '/mnt/share/a.conf'" in one.repairs[0].manual
    assert any("cannot stat" in e.text for e in one.evidence)


def test_a_unit_that_was_only_stopped_is_started_first() -> None:
    scene = required("Requires", active_state="inactive", result="success")
    assert verbs(scene) == [("start", "files.service"), ("start", "backend.service")]
    well = required("Requires", active_state="active", result="success")
    assert verbs(well) == [("start", "backend.service")] and found(well).confidence == "likely"


def test_miss_a_wanted_unit_or_a_later_start() -> None:
    later = required("Requires", *UNMET, "Started backend.service - Office.", "Stopped backend.service - Office.")
    assert roots(diagnose(later.snapshot())) == ["backend-down"]
    assert roots(diagnose(required("Requires", "Stopped backend.service - Office.").snapshot())) == ["backend-down"]
