"""crash-loop-gave-up: root only where the reason has gone or lies elsewhere; else a consequence or a person's work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ContainerAction, UnitAction
from fixer.model.snapshot import Binding, EnvAssignment, LogLine, UnitValue
from tests.causes.backend_down.manager_state_builders import supervisord_scene, verbs
from tests.causes.crash_loop_gave_up.crash_loop_gave_up_builders import END, by_hand, gave_up
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    stat,
    supervised_service,
    unit,
    verdict_of,
)

CAUSE = "crash-loop-gave-up"
REFUSED = ("Started backend.service.", "Traceback (most recent call last):", '  File "/srv/shop/db.py", line 4',
           "ConnectionRefusedError: [Errno 111] Connection refused")


def test_hit_another_system_refused_it_then() -> None:
    diagnosis = diagnose(gave_up(*REFUSED).snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("start-limit-hit", "likely", "safe")
    assert [s.verb for s in found.repairs[0].steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    assert any("repeated too quickly" in e.text for e in found.evidence)


def test_hit_killed_until_the_limit() -> None:
    values = {"result": "signal", "exec_main_code": 2, "exec_main_status": 9, "n_restarts": 5}
    diagnosis = diagnose(gave_up("Started backend.service.", unit_changes=values).snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.findings[0].confidence == "certain"


def test_miss() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), CAUSE), RuledOut)
    once = Scene().with_service(failed_service(unit_changes={"result": "signal", "exec_main_status": 9})).refused()
    assert isinstance(verdict_of(diagnose(once.snapshot()), CAUSE), RuledOut)
    again = gave_up(*REFUSED)
    again.services[0] = failed_service(log=log_lines(*REFUSED, *END, "Started backend.service.", "RuntimeError: SECRET_KEY is not set"))
    assert roots(diagnose(again.snapshot())) == ["crash-missing-env"]


@pytest.mark.parametrize(("port", "user", "is_said"), [(81, "deploy", True), (8081, "deploy", False), (81, "root", False)])
def test_a_port_that_is_kept_for_root_is_named(port: int, user: str, *, is_said: bool) -> None:
    lines = ("Traceback (most recent call last):", "    return self.socket.bind(addr)",
             "PermissionError: [Errno 13] Permission denied")
    scene = gave_up(*lines, bindings=Known((Binding("127.0.0.1", port, None, Evidence("unit", "/u:4", "x")),)),
                    unit_changes={"user": user})
    crash = diagnose(scene.snapshot())
    told = " ".join(r.manual for f in crash.findings for r in f.repairs)
    assert ("CAP_NET_BIND_SERVICE" in told) is is_said


def test_what_a_server_says_as_it_goes_down_is_not_its_reason() -> None:
    lines = ("INFO:     Application startup complete.", "ERROR:    [Errno -2] Name or service not known",
             "INFO:     Waiting for application shutdown.", "INFO:     Application shutdown complete.")
    found = finding_of(diagnose(gave_up(*lines).snapshot()), CAUSE)
    assert "its log ends with: ERROR:    [Errno -2] Name or service not known" in found.repairs[0].manual
    assert any("Name or service not known" in e.text for e in found.evidence)


def test_a_log_without_a_word_of_its_own_ends_in_no_error() -> None:
    silent = gave_up("backend.service: Main process exited, code=exited, status=1/FAILURE",
                     unit_values=(UnitValue("StandardError", "null", "/u", 5, 1, 5),))
    found = finding_of(diagnose(silent.snapshot()), CAUSE)
    assert "its log does not say why" in found.summary and "its output goes to null" in found.repairs[0].manual
    assert "start it by hand" in found.repairs[0].manual


def test_unknown_why_it_failed() -> None:
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", "ImportError: no module"))).refused()
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "ImportError: no module" in verdict.missing[0]
    blind = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    verdict = verdict_of(diagnose(blind.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and any("could not be read" in fact for fact in verdict.missing)
    silent = Scene().with_service(failed_service(log=Known(()))).refused()
    verdict = verdict_of(diagnose(silent.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "its log ends with: (no line)" in verdict.missing[0]


def test_an_error_of_its_own_code_is_for_a_person() -> None:
    scene = gave_up("Started backend.service.", "Traceback (most recent call last):", "LedgerError: no such year")
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and "LedgerError" in repair.manual
    scene = gave_up("Started backend.service.", "Traceback (most recent call last):", "ImportError: no module named x")
    assert roots(diagnose(scene.snapshot())) == ["crash-code-error"]


def test_a_variable_or_a_port_that_is_well_by_now() -> None:
    env = (EnvAssignment("SECRET_KEY", "/etc/shop.env:1", False),)
    scene = gave_up("Started backend.service.", "RuntimeError: SECRET_KEY is not set", env=env)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["crash-missing-env"] and diagnosis.findings[0].repairs[0].id == "start-service"
    free = gave_up("Started backend.service.", "OSError: [Errno 98] address already in use")
    assert roots(diagnose(free.snapshot())) == [CAUSE]
    held = gave_up("Started backend.service.", "OSError: [Errno 98] address already in use")
    held.listeners.append(listener(8000, 300))
    held.processes.append(process(300))
    held.endpoint(listener=Known(held.listeners[-1]), tcp=Known(probe()), http=Known(probe(error="closed")))
    assert roots(diagnose(held.snapshot())) == ["crash-port-in-use"]


def test_endless_restarts_with_an_error_of_its_own() -> None:
    values = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 9, "main_pid": 0}
    scene = Scene().with_service(service(pid=None, unit_changes=values, log=log_lines("SyntaxError: invalid"))).refused()
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.variant, found.repairs[0].risk) == ("crash-loop-below-limit", "manual")


def test_containers() -> None:
    box = {"status": "exited", "exit_code": 1, "restart_policy": "on-failure:3", "restart_count": 3, "pid": 0}
    made = container_service(box=box, pid=None, log=log_lines(*REFUSED[1:]))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(addresses=Known(()), node=None)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "container-crash-loop" and isinstance(found.repairs[0].steps[0], ContainerAction)
    scene.services[0] = container_service(box={**box, "status": "restarting"}, pid=None, log=log_lines("NameError: x"))
    assert finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].risk == "manual"


def test_nothing_is_claimed_of_a_log_that_could_not_be_read() -> None:
    """A container with the log driver none that is started again and again."""
    box = {"status": "restarting", "restart_count": 5, "exit_code": 1, "restart_policy": "always"}
    reason = "docker logs failed: configured logging driver does not support reading"
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box, log=Unknown(reason))).refused()
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert "a log driver that supports reading" in found.repairs[0].manual and reason in found.repairs[0].manual
    assert "its log could not be read" in found.summary and "ends with an error" not in found.summary


def by_socket(**socket: Any) -> Scene:
    made = failed_service(
        log=log_lines("Started backend.service.", "Main process exited, code=killed, status=9/KILL",
                "backend.service: Start request repeated too quickly."),
        socket=unit("backend.socket", active_state="failed", result="service-start-limit-hit", listen=("127.0.0.1:8000",),
                    **socket),
        unit_changes={"unit_file_state": "disabled", "result": "signal", "exec_main_status": 9},
    )
    return Scene().with_service(made).refused()


def test_a_socket_that_systemd_closed_is_started_with_its_service() -> None:
    found = diagnose(by_socket().snapshot()).findings[0]
    assert (found.cause, found.variant) == (CAUSE, "socket-activation-limit")
    assert any(e.where == "backend.socket" and "service-start-limit-hit" in e.text for e in found.evidence)
    steps = [(s.verb, s.unit) for s in found.repairs[0].steps if isinstance(s, UnitAction)]
    assert steps == [
        ("reset-failed", "backend.service"), ("start", "backend.socket"), ("start", "backend.service"),
    ]
    off = diagnose(by_socket(unit_file_state="disabled").snapshot()).findings[0].repairs[0]
    assert [s.verb for s in off.steps if isinstance(s, UnitAction)] == ["reset-failed", "enable", "start", "start"]


def looping(*lines: str, n_restarts: int = 4) -> Scene:
    """Running for a moment, once more; its last run ended as the lines say."""
    values = {"active_enter": NOW - 1, "n_restarts": n_restarts, "restart": "on-failure"}
    said = log_lines(*lines, ago=20)
    return Scene().with_service(service(pid=300, log=said, unit_changes=values)).refused()


AGAIN = ("backend.service: Scheduled restart job, restart counter is at 3.", "Started backend.service - Office.")
FAULT = ("backend.service: Main process exited, code=killed, status=11/SEGV", "backend.service: Failed with result 'signal'.")


def test_a_program_that_faults_again_and_again_is_not_started_in_hope() -> None:
    found = finding_of(diagnose(looping("Started backend.service - Office.", *FAULT, *AGAIN, *FAULT, *AGAIN).snapshot()), CAUSE)
    assert found.role == "root" and "signal 11 (SEGV) ended its last run: a fault of the program itself" in found.summary
    assert found.repairs[0].risk == "manual"
    values = {"result": "signal", "exec_main_code": 2, "exec_main_status": 11, "n_restarts": 5}
    found = finding_of(diagnose(gave_up("Started backend.service.", *FAULT, unit_changes=values).snapshot()), CAUSE)
    assert found.repairs[0].risk == "manual"


def test_what_ended_an_earlier_run_of_the_loop_is_no_reason_any_more() -> None:
    missing = ("RuntimeError: SHOP_TOKEN is not set", "backend.service: Main process exited, code=exited, status=1/FAILURE")
    diagnosis = diagnose(looping("Started backend.service - Office.", *missing, *AGAIN, *FAULT, *AGAIN, *FAULT, *AGAIN).snapshot())
    assert roots(diagnosis) == [CAUSE]
    diagnosis = diagnose(looping("Started backend.service - Office.", *FAULT, *AGAIN, *missing, *AGAIN).snapshot())
    assert roots(diagnosis)[0] == "crash-missing-env"


def test_an_error_of_its_own_before_its_settings_were_changed_is_tried_again() -> None:
    lines = ("Started backend.service.", "Traceback (most recent call last):", "LedgerError: no such year")
    for scene, variant in ((gave_up(*lines), "start-limit-hit"),
                           (Scene().with_service(failed_service(log=log_lines(*lines))).refused(), None)):
        settings = ("/etc/backend/ledger.ini", stat(mtime=NOW - 5))
        scene.node_changes["local"] = {"files": (settings,)}
        first = finding_of(diagnose(scene.snapshot()), CAUSE)
        assert (first.variant, first.confidence) == (variant, "likely") and settings[0] in first.summary
        assert (first.repairs[0].id, first.repairs[0].risk) == ("start-service", "safe") and first.repairs[0].steps
        assert first.evidence[0].where == settings[0]
        service_ = scene.services[0]
        assert service_.unit is not None
        scene.services[0] = replace(service_, unit=replace(service_.unit, need_daemon_reload=True))
        assert not any(r.steps for f in diagnose(scene.snapshot()).findings for r in f.repairs)


@pytest.mark.parametrize(("again", "tried"), [(0.0, True), (5.0, False)])
def test_what_was_changed_before_a_start_that_was_refused_has_not_been_tried(again: float, tried: bool) -> None:
    """Somebody mends the unit and starts it, which systemd refuses so soon: nothing of the unit was run then."""
    def said(ago: float, *words: str) -> tuple[LogLine, ...]:
        return tuple(LogLine(NOW - ago, word, "journal of backend.service:1") for word in words)

    ended = ("LedgerError: no such year", "backend.service: Main process exited, code=exited, status=1/FAILURE")
    refused = ("backend.service: Start request repeated too quickly.", "backend.service: Failed with result 'exit-code'.",
               "Failed to start backend.service - Shop.")
    lines = (*said(60.0, *ended), *(said(10.0, *ended) if again else ()), *said(5.0, *refused))
    scene = Scene().with_service(failed_service(log=Known(lines))).refused()
    scene.node_changes["local"] = {"files": (("/etc/backend/ledger.ini", stat(mtime=NOW - 20.0)),)}
    assert any(repair.steps for repair in finding_of(diagnose(scene.snapshot()), CAUSE).repairs) is tried


@pytest.mark.parametrize(("folder", "tried"), [
    ("/etc/systemd/system/backend.service.d", True), ("/etc/systemd/system/other.service.d", False),
])
def test_a_drop_in_that_was_taken_away_leaves_its_folder_changed(folder: str, tried: bool) -> None:
    scene = gave_up("Started backend.service.", "Traceback (most recent call last):", "LedgerError: no such year")
    scene.node_changes["local"] = {"files": ((folder, stat(kind="dir", mtime=NOW - 5)),)}
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (first.repairs[0].id == "start-service" and bool(first.repairs[0].steps)) is tried
    assert (folder in first.summary) is tried


def test_a_port_that_is_free_by_now_needs_a_start_also_where_nothing_is_started_again_and_again() -> None:
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", "OSError: [Errno 98] address already in use")))
    first = finding_of(diagnose(scene.refused().snapshot()), CAUSE)
    assert (first.variant, first.repairs[0].id, first.repairs[0].risk) == (None, "start-service", "safe")
    assert "failed; the reason no longer holds" in first.summary


def test_its_own_address_tells_whether_its_port_is_free_not_another_that_leads_to_it() -> None:
    made = container_service("app", box={"status": "exited", "exit_code": 1, "restart_policy": "on-failure", "restart_count": 3},
                 log=log_lines("ERROR:    [Errno 98] Address already in use"), pid=None,
                 bindings=Known((Binding("", 0, "/run/shop/shop.sock", Evidence("compose", "c.yaml:3", "--uds")),)))
    scene = Scene("app:7000", "unix:/run/shop/shop.sock", back="app").with_service(made).answers(BAD_GATEWAY).answers(
        BAD_GATEWAY, route=1)
    scene.endpoint(0, host="app", tcp=Unknown("not asked"), listener=Known(None), configured_service=made.id)
    scene.endpoint(1, unix="/run/shop/shop.sock", host="", port=0, tcp=Known(probe(error="no-socket")),
                   listener=Known(None), configured_service=made.id)
    diagnosis = diagnose(scene.snapshot())
    assert isinstance(verdict_of(diagnosis, "crash-port-in-use"), RuledOut)
    first = finding_of(diagnosis, CAUSE)
    assert (first.confidence, first.repairs[0].id) == ("certain", "start-service") and "reason no longer holds" in first.summary


def test_a_fault_of_its_own_that_says_nothing() -> None:
    values = {"result": "core-dump", "exec_main_code": 3, "exec_main_status": 11, "n_restarts": 5}
    said = by_hand("Started backend.service.", "backend.service: Main process exited, code=dumped, status=11/SEGV",
                   unit_changes=values)
    assert "coredumpctl info backend.service" in said and "PYTHONFAULTHANDLER=1" in said


def test_a_container_that_ended_once_and_whose_log_driver_keeps_nothing() -> None:
    reason = "docker logs failed: configured logging driver does not support reading"
    made = container_service(pid=None, box={"status": "exited", "exit_code": 1, "restart_policy": "no"}, log=Unknown(reason))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    (found,) = [f for f in diagnose(scene.snapshot()).findings if f.role == "root"]
    assert (found.cause, found.confidence) == (CAUSE, "likely") and "its log could not be read" in found.summary
    assert found.repairs[0].risk == "manual" and "docker start -a p-app-1" in found.repairs[0].manual


def test_a_command_that_comes_to_its_end_again_and_again() -> None:
    """An entry script that does not hand over: nothing of it is an error."""
    box = {"status": "restarting", "exit_code": 0, "restart_policy": "always", "restart_count": 4, "started_at": NOW - 50}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box, log=log_lines("ready"))).refused()
    (found,) = [f for f in diagnose(scene.snapshot()).findings if f.role == "root"]
    assert "exits without an error (exit code 0)" in found.summary
    assert 'exec "$@"' in found.repairs[0].manual


@pytest.mark.parametrize("raised", ["shop.StartupError: nothing to serve", "socket.gaierror: nothing to serve"])
def test_an_exit_code_of_0_below_an_error_is_no_end_without_one(raised: str) -> None:
    box = {"status": "restarting", "exit_code": 0, "restart_policy": "always", "restart_count": 4, "started_at": NOW - 50}
    log = log_lines("Traceback (most recent call last):", '  File "/srv/a.py", line 3, in <module>', raised)
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box, log=log)).refused()
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.summary.endswith("its exit code is 0, though its log ends with an error")
    assert 'exec "$@"' not in found.repairs[0].manual and raised in found.repairs[0].manual


def test_a_line_of_systemd_below_a_message_of_two_lines_is_no_exception() -> None:
    lines = ("Traceback (most recent call last):", '  File "/srv/a.py", line 3, in <module>', "psycopg2.OperationalError: connection to server failed",
             "  Is the server running on that host?", "backend.service: Main process exited, code=exited, status=1/FAILURE")
    found = finding_of(diagnose(gave_up(*lines).snapshot()), CAUSE)
    assert any("OperationalError" in e.text for e in found.evidence) and not any("Main process exited" in e.text for e in found.evidence)


def test_what_systemd_says_of_a_program_that_it_could_not_start_is_repeated() -> None:
    """Its account is missing: another finding quotes the line, so the log says why."""
    found = finding_of(diagnose(gave_up(
        "backend.service: Failed at step USER spawning /usr/bin/uwsgi: No such process",
        unit_changes={"exec_main_status": 217, "result": "exit-code"}).snapshot()), CAUSE)
    assert found.summary.endswith("systemd says: Failed at step USER spawning /usr/bin/uwsgi: No such process")


def test_one_that_supervisord_starts_no_more() -> None:
    gave_up = {"expected": False, "ended": "exit status 1"}
    lines = log_lines("ConnectionRefusedError: [Errno 111] Connection refused", "gave up: shop entered FATAL state, too many start retries too quickly")
    found = diagnose(supervisord_scene(supervised_service("FATAL", program=gave_up, log=lines)).snapshot()).findings[0]
    assert (found.cause, found.variant) == ("crash-loop-gave-up", "supervisor-fatal")
    assert verbs(found.repairs[0]) == ["start"]
    # it was started again since: what supervisord said then is over
    again = diagnose(supervisord_scene(supervised_service("BACKOFF", program={**gave_up, "restarts": 3}, log=lines)).snapshot()).findings[0]
    assert again.variant == "crash-loop-below-limit"


ASKED = ("Started backend.service.", "Stopping backend.service...", "backend.service: Deactivated successfully.",
         "Stopped backend.service.")


def test_starts_that_somebody_requested_too_quickly_only_need_one_more() -> None:
    values = {"result": "start-limit-hit", "exec_main_code": 2, "exec_main_status": 15}
    (found,) = diagnose(gave_up(*ASKED, *ASKED, unit_changes=values).snapshot()).findings
    assert (found.cause, found.confidence, found.repairs[0].risk) == (CAUSE, "certain", "safe")
    assert "stopped on request" in found.summary


@pytest.mark.parametrize("texts", [
    (*ASKED, "Started backend.service.", "Segmentation fault"),
    ("Stopping backend.service...", "Stopped backend.service.", "Started backend.service.", "no more lines"),
    ("Started backend.service.", "backend.service: Scheduled restart job, restart counter is at 5.", "Stopped backend.service."),
])
def test_a_last_run_that_ended_by_itself_is_not_excused_by_an_earlier_request(texts: tuple[str, ...]) -> None:
    (found,) = diagnose(gave_up(*texts).snapshot()).findings
    assert found.cause == CAUSE and "on request" not in found.summary and found.repairs[0].risk == "manual"
