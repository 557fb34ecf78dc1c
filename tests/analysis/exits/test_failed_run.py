"""A service that ends with success over an error: hypercorn's parent hands no status of its workers on."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from fixer.model.snapshot import LogLine
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    container_service,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stopped_service,
    supervised_service,
    unit,
)

BEGUN, ENDED = "Started backend.service.", "backend.service: Deactivated successfully."
TRACE = ("Traceback (most recent call last):", '  File "/srv/app/web.py", line 3, in <module>', "    import pricing")
NO_MODULE = "ModuleNotFoundError: No module named 'pricing'"


def ended(*lines: str) -> Diagnosis:
    argv = ("/usr/bin/hypercorn", "web:app", "--bind", "127.0.0.1:8000")
    made = stopped_service(log=log_lines(BEGUN, *lines, ENDED), argv=argv, runtime="hypercorn")
    return diagnose(Scene().with_service(made).refused().snapshot())


def test_the_error_is_the_cause_and_nothing_is_started_in_vain() -> None:
    found = ended(*TRACE, NO_MODULE).findings[0]
    assert (found.cause, found.variant, found.confidence) == ("crash-code-error", "start-import-error", "certain")
    assert {repair.risk for repair in found.repairs} == {"manual"}


@pytest.mark.parametrize("lines", [("ValueError: no such region: eu",), ("ValueError: x", "  note", "done, cleaning up")])
def test_an_error_that_no_cause_knows_is_likely_and_a_persons_work(lines: tuple[str, ...]) -> None:
    found = finding_of(ended(*TRACE, *lines), "backend-down")
    assert (found.confidence, [r.risk for r in found.repairs]) == ("likely", ["manual"])
    assert "ValueError" in found.summary


@pytest.mark.parametrize("lines", [
    ("[INFO] Running on http://127.0.0.1:8000 (CTRL + C to quit)", *TRACE, NO_MODULE),     # of one answer, long before
    ("INFO:     Application startup complete.", "ValueError: x"),
    (*TRACE, NO_MODULE, "Stopping backend.service - backend..."),                          # somebody asked it to
    ("ValueError: x", "retrying", "connected", "all jobs done"),
])
def test_an_end_after_it_served_or_was_asked_to_go_is_none_over_an_error(lines: tuple[str, ...]) -> None:
    diagnosis = ended(*lines)
    assert roots(diagnosis) == ["backend-down"]
    assert diagnosis.findings[0].repairs[0].risk == "safe"


@pytest.mark.parametrize(("said", "cause"), [
    ("PermissionError: [Errno 13] Permission denied: '/var/log/shop/shop.log'", "crash-file-access"),
    ("RuntimeError: the settings are incomplete", "crash-loop-gave-up"),
])
def test_a_program_that_drops_its_first_visitor_while_it_ends_again_is_no_sound_one(said: str, cause: str) -> None:
    """A parent listens before its workers load the application: a look may meet it at that moment."""
    log = log_lines("Traceback (most recent call last):", '  File "/srv/shop/main.py", line 4', said, ago=3.0)
    made = supervised_service("RUNNING", log=log, program={"restarts": 4, "started_at": NOW - 4})
    scene = Scene().with_service(made, listener(8000, 300)).answers(BAD_GATEWAY)
    scene.endpoint(http=Known(probe(None, "reset")))
    assert roots(diagnose(scene.snapshot())) == [cause]


ACTIVATED = {"active_enter": NOW - 2, "state_change": NOW - 2}
LOOP = ((9.0, "Started backend.service."), (6.0, TRACE[0]), (6.0, NO_MODULE), (5.0, ENDED), (4.0, "Started backend.service."),
        (3.0, TRACE[0]), (3.0, NO_MODULE), (2.5, ENDED), (2.0, "Started backend.service."))


def activated(*lines: tuple[float, str]) -> list[str]:
    """A service behind a socket of systemd, which starts it again for the connection that still waits."""
    log = Known(tuple(LogLine(NOW - ago, text, "journal backend.service") for ago, text in lines))
    made = service(unit_changes=ACTIVATED, log=log, socket=unit("backend.socket", active_state="active", result="success"))
    scene = Scene().with_service(made, listener(8000, 1)).answers(probe(None, "slow")).endpoint(http=Known(probe(None, "slow")))
    return roots(diagnose(scene.snapshot()))


def test_what_systemd_starts_again_for_a_waiting_connection_restarts_too() -> None:
    assert activated(*LOOP) == ["crash-code-error"]


@pytest.mark.parametrize("lines", [
    LOOP[-1:],                                                                       # the first start
    ((900.0, ENDED), *LOOP[-1:]),                                                    # it was idle
    ((5.0, "Stopping backend.service..."), (4.0, ENDED), *LOOP[-1:]),                # somebody restarted it
    ((5.0, ENDED), *LOOP[-1:]),                                                      # nothing shows a fault
])
def test_a_service_that_was_idle_or_restarted_is_only_starting(lines: tuple[tuple[float, str], ...]) -> None:
    assert "crash-code-error" not in activated(*lines) and "crash-loop-gave-up" not in activated(*lines)


GUNICORN_HALTS = ("[INFO] Starting gunicorn 23.0.0", "[INFO] Listening at: http://0.0.0.0:8000 (1)",
                  "[INFO] Booting worker with pid: 7", "[ERROR] Exception in worker process", *TRACE, NO_MODULE,
                  "[INFO] Worker exiting (pid: 7)", "[ERROR] Reason: Worker failed to boot.")


@pytest.mark.parametrize(("said", "failing"), [(GUNICORN_HALTS, True), (("[INFO] Listening at: http://0.0.0.0:8000 (1)",), False)])
def test_a_parent_that_listens_for_a_moment_in_its_container_serves_nothing(said: tuple[str, ...], failing: bool) -> None:
    """nginx asks at a published port, another node's address: there the socket of the container proves nothing."""
    box = {"status": "running", "restart_count": 5, "started_at": NOW - 2, "published": (("0.0.0.0", 8000, 8000),)}
    made = container_service(box=box, log=log_lines(*said, ago=2.0))
    scene = Scene("127.0.0.1:8000").with_service(made, listener(8000, 200, "0.0.0.0", made.node)).refused(configured_service=made.id)
    assert ("crash-code-error" in roots(diagnose(scene.snapshot()))) is failing
