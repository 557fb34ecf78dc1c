"""One kill, after which systemd started the unit again: a start that takes its time, not a row of failures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.exits.exit_reason import (
    address_unavailable_line,
    blank_variables,
    dependency_error_line,
    last_error_lines,
    missing_variables,
    port_in_use_line,
)
from fixer.analysis.run_log import RunEnd, last_run_lines, read_run_end, unmanaged_run_lines
from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry, Dependency
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from fixer.model.service import EnvAssignment
from fixer.model.snapshot import LogLine
from tests.causes.snapshot_builders import NOW, STOPPED, Scene, container_service, log_lines, service, unit
from tests.formats.test_run_output import REQUESTS

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


SERVES, REFUSED = "INFO:     Application startup complete.", "ConnectionRefusedError: [Errno 111] Connection refused"


def end(*texts: str) -> RunEnd:
    return read_run_end(log_lines(*texts).value)


def test_the_end_holds_the_last_lines_without_the_words_of_visitors() -> None:
    read = end("a ", SERVES, *("x",) * 100, REQUESTS["uwsgi"].format(SERVES), *("y",) * 100)
    assert (len(read.lines), read.texts.count(""), read.served_at) == (120, 1, -1)
    assert read_run_end(log_lines("a ", SERVES, "b").value, most=2).texts == (SERVES, "b")


def test_only_what_this_run_said_shows_that_it_came_up() -> None:
    lines = log_lines(SERVES, "b").value
    assert read_run_end(lines, NOW - 60).served_at == 0 and list(read_run_end(lines, NOW - 60).newest_first()) == [1]
    assert read_run_end(lines, NOW).served_at == -1
    assert read_run_end([replace(line, at=None) for line in lines], NOW).served_at == 0


def test_lines_above_one_line_end_with_it() -> None:
    read = end("a", "b", "c", "b")
    assert read.above(read.lines[3], 2) == ("b", "c") and read.above(read.lines[0], 2) == ()
    assert read.above(LogLine(None, "b", ""), 2) == ()


@pytest.mark.parametrize("server", REQUESTS)
@pytest.mark.parametrize("text", [
    "KEY environment variable is not set", "[Errno 98] Address already in use", "bind() [Errno 99]",
    "x: error: Invalid value for '--port': '' is not",
])
def test_no_visitor_says_why_a_run_ended(server: str, text: str) -> None:
    def reasons(read: RunEnd) -> list[object]:
        blank = replace(service(), unset_variables=(EnvAssignment("PORT", "compose.yaml:3", empty=True),))
        found = (missing_variables(read), blank_variables(read, blank), port_in_use_line(read), address_unavailable_line(read))
        return [one for one in found if one]

    read = end("begun", REQUESTS[server].format(text))
    assert reasons(end("begun", text)) and not reasons(read)
    assert [line.text for line in last_error_lines(read.lines)] == ["begun"]


@pytest.mark.parametrize("behind", ["SystemExit: 1", "asyncio.exceptions.CancelledError", "DeprecationWarning: old"])
def test_what_carries_an_end_hides_no_refusal(behind: str) -> None:
    assert dependency_error_line(end(REFUSED, behind)) is not None
    assert dependency_error_line(end(REFUSED, "ValueError: x")) is None


def test_a_name_without_an_address_is_another_systems_fault() -> None:
    frame = '  File "/usr/lib/python3.13/socket.py", line 977, in getaddrinfo'
    ended = end("ValueError: x", frame, "socket.gaierror: [Errno -2] Name or service not known")
    assert dependency_error_line(ended) is ended.lines[2]
    assert dependency_error_line(end(REFUSED, frame, "zlib.error: odd")) is None


def test_what_a_containers_script_started_ran_last_since_the_container_started() -> None:
    entry = BootEntry("local", "entrypoint", "/entry.sh", 4, "uvicorn a:b --port 8000", "", 8000, None, name="p-local-1")
    said = lines((9000.0, "KeyError: 'OLD'"), (60.0, "RuntimeError: reason"), (60.0, " "),
                 (60.0, "During handling of the above exception, another exception occurred:"), (60.0, " "),
                 (60.0, "Traceback (most recent call last):"), (60.0, "SystemExit: 3"))
    said = replace(said, value=tuple(replace(line, where="docker logs p-local-1") for line in said.value))
    one = service("uvicorn", 8000, None, unit=None, manager="none", boot_entry=entry, log=said)
    scene = Scene().with_service(one)
    scene.services.append(container_service("local", 80, pid=1, is_app_server=False))
    run = last_run_lines(scene.snapshot(), one)
    assert [line.text for line in run][:2] == ["RuntimeError: reason", said.value[3].text]
    assert run[-1].text == "SystemExit: 3"


def test_a_worker_may_boot_after_another_one_has_failed() -> None:
    """Which of two workers is first to log is chance; both belong to the master's start, and an older run does not."""
    texts = ("[2026-11-30 15:10:00 +0000] [99] [INFO] Starting gunicorn 23.0.0", "ValueError: old",
             "[2026-11-30 15:16:17 +0000] [245] [INFO] Starting gunicorn 23.0.0",
             "[2026-11-30 15:16:17 +0000] [246] [INFO] Booting worker with pid: 246",
             "Traceback (most recent call last):", '  File "/srv/shop/app.py", line 3, in <module>', "KeyError: 'SIGNING_KEY'",
             "[2026-11-30 15:16:18 +0000] [247] [INFO] Booting worker with pid: 247",
             "[2026-11-30 15:16:18 +0000] [245] [ERROR] Reason: Worker failed to boot.")
    made = tuple(LogLine(None, text, f"/srv/shop/out.log:{n}") for n, text in enumerate(texts))
    assert [line.text for line in unmanaged_run_lines(made, 0.0)] == list(texts[4:])
    well = (*made[:-1], replace(made[-1], text="[2026-11-30 15:16:18 +0000] [247] [INFO] Application startup complete."))
    assert [line.text for line in unmanaged_run_lines(well, 0.0)] == [well[-2].text, well[-1].text]
