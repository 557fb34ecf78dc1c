"""A service that ends with success over an error: hypercorn's parent hands no status of its workers on."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.exits.failed_run import failed_runs
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Binding, LogLine
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    SLOW,
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


@pytest.mark.parametrize("lines", [
    ("RuntimeError: no such region: eu",), ("RuntimeError: x", "  note", "done, cleaning up")])
def test_an_error_that_no_cause_knows_is_likely_and_a_persons_work(lines: tuple[str, ...]) -> None:
    found = finding_of(ended(*TRACE, *lines), "backend-down")
    assert (found.confidence, [r.risk for r in found.repairs]) == ("likely", ["manual"])
    assert "RuntimeError" in found.summary


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


def behind_socket(*lines: tuple[float, str], holders: tuple[int, ...] = (1,), **changes: Any) -> Diagnosis:
    """A service behind a socket of systemd: two connections wait there, and none gets an answer."""
    log = Known(tuple(LogLine(NOW - ago, text, "journal backend.service") for ago, text in lines))
    made = service(unit_changes={**ACTIVATED, **changes}, log=log, runtime="gunicorn",
                   socket=unit("backend.socket", active_state="active", result="success"))
    held = listener(8000, 1, pids=Known(holders), queued=2, established=2)
    return diagnose(Scene().with_service(made, held).answers(SLOW).endpoint(http=Known(SLOW)).snapshot())


def activated(*lines: tuple[float, str]) -> list[str]:
    """One that systemd starts again for the connection that still waits."""
    return roots(behind_socket(*lines))


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


UNANSWERED = 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused'
WORKER_ENDS = ("[7] [ERROR] Exception in worker process", *TRACE[:2], UNANSWERED, "[7] [INFO] Worker exiting (pid: 7)")
LATE = {"active_enter": NOW - 15, "state_change": NOW - 15}


@pytest.mark.parametrize(("holders", "found"), [((1,), ["crash-dependency-down"]), ((1, 200), ["backend-hung"])])
def test_a_parent_that_left_its_socket_to_systemd_and_waits_for_its_workers_failed(holders: tuple[int, ...], found: list[str]) -> None:
    """gunicorn closes its socket and waits half a minute for a worker that has ended, too; systemd keeps it open."""
    run = [(14.0, text) for text in ("[5] [INFO] Booting worker with pid: 7", *WORKER_ENDS, *WORKER_ENDS)]
    diagnosis = behind_socket((15.0, BEGUN), *run, (13.0, "[5] [ERROR] Worker (pid:7) exited with code 3"), holders=holders, **LATE)
    assert (roots(diagnosis), diagnosis.verdict) == (found, "broken")


@pytest.mark.parametrize(("last", "found"), [
    ("[5] [INFO] Booting worker with pid: 9", ["crash-dependency-down"]),
    ("[9] [INFO] Application startup complete.", ["backend-hung"]),                  # it serves now
])
def test_a_connection_that_systemd_accepts_says_nothing_of_a_run_that_has_just_begun(last: str, found: list[str]) -> None:
    ended = [(6.0, text) for text in WORKER_ENDS]
    diagnosis = behind_socket((7.0, BEGUN), *ended, (2.0, BEGUN), (1.0, last), holders=(1, 200), n_restarts=3)
    assert (roots(diagnosis), diagnosis.verdict) == (found, "broken")


UWSGI_START, CURSE = "*** Starting uWSGI 2.0.28-debian (64bit) on [Wed Dec  2 20:45:41 2026] ***", (
    "Wed Dec  2 20:45:41 2026 - [emperor] curse the uwsgi instance {} (pid: 1361)")
NO_PYTHON = "chdir(): No such file or directory [core/uwsgi.c line 2617]"


def emperor_scene(*lines: str, others: tuple[str, ...] = (), listens: bool = False) -> Scene:
    """An emperor of shop.ini, and of others."""
    own = tuple(Binding("", 0, f"/run/{name}.sock", Evidence("file", f"/etc/uwsgi/vassals/{name}.ini:2", "socket"),
                        protocol="uwsgi") for name in ("shop", *others))
    made = service("emperor.service", argv=("/usr/bin/uwsgi", "--ini", "/etc/uwsgi/emperor.ini"), runtime="uwsgi",
                   bindings=Known(own), log=log_lines(*lines, ago=5.0), unit_changes={"active_enter": NOW - 400})
    held = [listener(0, 200, "/run/blog.sock", family="unix")] if listens else []
    scene = Scene().with_service(made, *held)
    scene.route[0] = {"kind": "uwsgi_pass", "pass_text": "unix:/run/shop.sock"}
    scene.endpoint(unix="/run/shop.sock", host="/run/shop.sock", port=0, tcp=Known(probe(None, error="no-socket")),
                   listener=Known(None), configured_service=made.id)
    return scene.answers(BAD_GATEWAY)


def emperor(*lines: str, others: tuple[str, ...] = (), listens: bool = False) -> Diagnosis:
    return diagnose(emperor_scene(*lines, others=others, listens=listens).snapshot())


def test_a_program_that_its_emperor_starts_in_vain_ends_again_and_again() -> None:
    found = emperor(UWSGI_START, NO_PYTHON, CURSE.format("shop.ini")).findings[0]
    assert found.cause == "crash-loop-gave-up" and "its workers end at once" in found.summary
    assert emperor(UWSGI_START, "spawned uWSGI worker 1").findings[0].cause == "slow-start"


def test_a_program_of_several_is_named_by_its_file() -> None:
    said = (UWSGI_START, "ModuleNotFoundError: No module named 'shop'", CURSE.format("shop.ini"))
    (crash,) = failed_runs(open_case(emperor_scene(*said, others=("blog",), listens=True).snapshot(), {})).found
    assert crash.ends_text == "shop.ini of emperor.service ends at once"
    (alone,) = failed_runs(open_case(emperor_scene(*said).snapshot(), {})).found
    assert alone.ends_text == "emperor.service runs, and its workers end at once"


def test_an_earlier_start_of_the_emperor_is_over() -> None:
    first = (UWSGI_START, *TRACE, NO_MODULE, CURSE.format("shop.ini"))
    assert emperor(*first).findings[0].cause == "crash-code-error"
    assert emperor(*first, UWSGI_START, NO_PYTHON, CURSE.format("shop.ini")).findings[0].cause == "crash-loop-gave-up"


def test_of_several_programs_of_an_emperor_one_may_fail() -> None:
    lines = (UWSGI_START, *TRACE, NO_MODULE, CURSE.format("shop.ini"))
    assert roots(emperor(*lines, others=("blog",), listens=True)) == ["crash-code-error"]      # the other's socket is not its own
    other = (UWSGI_START, NO_PYTHON, CURSE.format("blog.ini"))
    assert emperor(*lines, *other, others=("blog",), listens=True).findings[0].cause == "crash-code-error"
    assert "crash-code-error" not in roots(emperor(*other, others=("blog",), listens=True))


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
