"""Programs of supervisord behind a route: the same causes, told by another manager and repaired through it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import ProgramAction, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import EnvSlot, Service
from fixer.repairs.start_service import program_action
from fixer.repairs.write_variables import quote_value, write_variables
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    file,
    finding_of,
    listener,
    log_lines,
    roots,
    service,
    supervised_service,
    unit,
)

CONF = "/etc/supervisor/conf.d/shop.conf"
TEXT = '[program:shop]\ncommand=/usr/bin/uvicorn shop:app\nautostart=false\nenvironment=MODE="x"\n'
MISSING = ("  File \"/srv/shop/app.py\", line 2, in <module>", "    KEY = os.environ[\"SHOP_KEY\"]", "KeyError: 'SHOP_KEY'")


def scene(made: Service) -> Scene:
    found = Scene().with_service(made).refused()
    found.files.append(file(CONF, TEXT))
    return found


def verbs(repair: Repair) -> list[str]:
    return [s.verb for s in repair.steps if isinstance(s, ProgramAction | UnitAction)]


def test_a_stopped_program_is_started() -> None:
    diagnosis = diagnose(scene(supervised_service("STOPPED")).snapshot())
    assert roots(diagnosis) == ["backend-down"]
    found = diagnosis.findings[0]
    assert (found.variant, found.evidence[0].source) == ("backend-not-running", "program")
    assert (found.repairs[0].risk, verbs(found.repairs[0])) == ("safe", ["start"])
    assert isinstance(found.repairs[0].steps[-1], WaitForListener)


def test_a_program_that_no_boot_starts_is_told_to_be() -> None:
    at = TEXT.index("false")
    made = supervised_service("STOPPED", program={"autostart": False, "autostart_span": (at, at + 5)})
    repair = diagnose(scene(made).snapshot()).findings[0].repairs[0]
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after == TEXT.replace("false", "true").encode()
    assert verbs(repair) == ["update"] and "enable it at boot" in repair.summary


def test_a_program_that_ended_in_order_stays_away() -> None:
    found = diagnose(scene(supervised_service("EXITED", program={"ended": "exit status 0"})).snapshot()).findings[0]
    assert (found.cause, found.variant, verbs(found.repairs[0])) == ("backend-down", "clean-exit-not-restarted", ["start"])


@pytest.mark.parametrize(("enabled", "expected"), [("enabled", ["start"]), ("disabled", ["enable", "start"])])
def test_a_supervisord_that_does_not_run_is_the_root(enabled: str, expected: list[str]) -> None:
    own = replace(unit("supervisor.service"), active_state="inactive", unit_file_state=enabled)
    found = diagnose(scene(supervised_service("DOWN", program={"unit": own})).snapshot()).findings[0]
    assert found.cause == "backend-down" and "supervisord does not" in found.summary
    assert verbs(found.repairs[0]) == expected
    nobody = diagnose(scene(supervised_service("DOWN")).snapshot()).findings[0]
    assert nobody.repairs[0].risk == "manual"


def test_programs_of_a_supervisord_that_was_put_to_rest_are_nobodys_guess() -> None:
    own = replace(unit("supervisor.service"), active_state="inactive", unit_file_state="disabled")
    diagnosis = diagnose(scene(supervised_service("DOWN", 9999, program={"unit": own})).snapshot())
    assert all(found.service is None for found in diagnosis.findings)


@pytest.mark.parametrize(("restarts", "bound", "age", "was"), [
    (3, False, 900, "STARTING"), (3, True, 900, "RUNNING"), (0, False, 900, "RUNNING"), (0, True, 4, "RUNNING"),
    (3, True, 4, "STARTING"),           # its parent listens first, and its workers fail after that
])
def test_running_between_two_ends_is_no_state_to_go_back_to(restarts: int, bound: bool, age: int, was: str) -> None:
    """An undo that puts the fault back must not demand that the program runs with it."""
    made = supervised_service("RUNNING", program={"restarts": restarts, "started_at": NOW - age})
    seen = Scene().with_service(made, *((listener(8000, made.pids[0]),) if bound else ()))
    assert made.program is not None
    assert program_action(seen.snapshot(), made, made.program, "update").was == was


def test_one_that_was_killed() -> None:
    gone = {"signal": 9, "expected": False, "ended": "terminated by SIGKILL", "autorestart": "false"}
    found = diagnose(scene(supervised_service("EXITED", program=gone)).snapshot()).findings[0]
    assert (found.cause, found.variant) == ("crash-killed", "killed-mid-request")
    assert [verbs(r) for r in found.repairs] == [["start"]]


def test_one_that_supervisord_starts_no_more() -> None:
    gave_up = {"expected": False, "ended": "exit status 1"}
    lines = log_lines("ConnectionRefusedError: [Errno 111] Connection refused", "gave up: shop entered FATAL state, too many start retries too quickly")
    found = diagnose(scene(supervised_service("FATAL", program=gave_up, log=lines)).snapshot()).findings[0]
    assert (found.cause, found.variant) == ("crash-loop-gave-up", "supervisor-fatal")
    assert verbs(found.repairs[0]) == ["start"]
    # it was started again since: what supervisord said then is over
    again = diagnose(scene(supervised_service("BACKOFF", program={**gave_up, "restarts": 3}, log=lines)).snapshot()).findings[0]
    assert again.variant == "crash-loop-below-limit"


@pytest.mark.parametrize("state", ["FATAL", "BACKOFF", "STARTING"])
def test_a_missing_variable_goes_where_the_program_takes_its_others(state: str) -> None:
    made = supervised_service(state, program={"restarts": 3, "expected": False, "started_at": NOW - 4}, log=log_lines(*MISSING, ago=1), env_slots=(
        EnvSlot("local", CONF, len(TEXT) - 1, ",{name}={value}", "supervisor"),), env_files=(CONF,))
    found = finding_of(diagnose(scene(made).snapshot(), {"SHOP_KEY": "se cret%1"}), "crash-missing-env")
    repair = found.repairs[0]
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after is not None
    assert write.after.decode() == TEXT[:-1] + ',SHOP_KEY="se cret%%1"\n'
    assert b"se cret%%1" in write.mask
    assert verbs(repair) == ["update"]


def test_two_variables_make_one_setting() -> None:
    made = supervised_service("FATAL", env_slots=(
        EnvSlot("local", CONF, len("[program:shop]"), "\nenvironment={name}={value}", "supervisor"),))
    written = write_variables(scene(made).snapshot(), made, {"A": "1", "B": "it's"})
    step = written.steps[0]     # type: ignore[union-attr]
    assert isinstance(step, WriteFile) and step.after is not None
    assert step.after.startswith(b'[program:shop]\nenvironment=A="1",B="it\'s"\ncommand')


@pytest.mark.parametrize("value", ["both ' and \"", "a ;b", "'quoted", "a #b"])
def test_what_its_format_cannot_hold_is_a_persons_work(value: str) -> None:
    made = supervised_service("FATAL", env_slots=(EnvSlot("local", CONF, 0, ",{name}={value}", "supervisor"),))
    assert "escape" in write_variables(scene(made).snapshot(), made, {"A": value}).reason    # type: ignore[union-attr]
    assert quote_value('say "x"', "supervisor") == "'say \"x\"'"


def test_a_program_on_another_port_is_pointed_at() -> None:
    made = supervised_service("RUNNING", 8001)
    moved = Scene().with_service(made, listener(8001, 300)).refused()
    assert roots(diagnose(moved.snapshot())) == ["wrong-port"]


def test_a_program_that_runs_well_is_left_alone() -> None:
    well = Scene().with_service(supervised_service(), listener(8000, 300))
    assert diagnose(well.snapshot()).findings == ()


def test_a_state_that_nobody_knows_is_not_guessed_at() -> None:
    unknown = Scene().with_service(supervised_service("UNKNOWN")).refused().snapshot()
    assert roots(diagnose(unknown)) == []
    told = replace(unknown.services[0], bindings=Known(()), env=())
    assert told.running is False
    assert Evidence("program", "x", "y").source == "program"


def test_a_command_that_supervisord_cannot_find_is_told_with_its_section() -> None:
    said = "can't find command '/srv/shop/env/bin/uvicorn'"
    made = supervised_service("FATAL", program={"ended": said}, log=log_lines(f"spawnerr: {said}", "gave up: shop entered FATAL state"))
    first = diagnose(scene(made).snapshot()).findings[0]
    assert (first.cause, first.variant) == ("crash-loop-gave-up", "supervisor-fatal") and said in first.summary
    assert said in first.repairs[0].manual and f"{CONF}:1" in first.repairs[0].manual


def test_a_folder_that_supervisord_cannot_enter_is_told_as_its_child_said_it() -> None:
    lines = ("supervisor: couldn't chdir to /srv/shop2: ENOENT", "supervisor: child process was not spawned",
             "gave up: shop entered FATAL state, too many start retries too quickly")
    ended = {"ended": "exit status 127", "expected": False}
    first = diagnose(scene(supervised_service("FATAL", program=ended, log=log_lines(*lines))).snapshot()).findings[0]
    assert first.cause == "crash-loop-gave-up" and "couldn't chdir to /srv/shop2: ENOENT" in first.summary


@pytest.mark.parametrize("state", ["failed", "activating"])
def test_a_supervisord_that_ends_by_itself_is_not_started_in_hope(state: str) -> None:
    own = replace(unit("supervisor.service"), active_state=state, result="exit-code", exec_main_status=2)
    (repair,) = diagnose(scene(supervised_service("DOWN", program={"unit": own})).snapshot()).findings[0].repairs
    assert repair.risk == "manual" and not repair.steps and "journalctl -u supervisor.service" in repair.manual
    killed = diagnose(scene(supervised_service("DOWN", program={"unit": replace(own, result="signal")})).snapshot()).findings[0]
    assert verbs(killed.repairs[0]) == ["start"]


@pytest.mark.parametrize(("said", "expected"), [
    ("Error: The directory named as part of the path /var/log/shop/out.log does not exist in section 'program:shop' "
     "(file: '/etc/supervisor/conf.d/shop.conf')", "mkdir -p /var/log/shop, then start supervisor.service"),
    ("Error: Invalid user name shop in section 'program:shop' (file: '/etc/supervisor/conf.d/shop.conf')",
     "Invalid user name shop in section 'program:shop' (file: '/etc/supervisor/conf.d/shop.conf'); mend that"),
    ("Error: The directory named as part of the path /$(reboot)/x does not exist in section", "mend that, then start"),
])
def test_why_supervisord_itself_ends_is_told_in_its_own_words(said: str, expected: str) -> None:
    own = replace(unit("supervisor.service"), active_state="failed", result="exit-code", exec_main_status=2)
    found = scene(supervised_service("DOWN", program={"unit": own}))
    lines = log_lines(f"1795817278.581788 host supervisord[251]: {said}",
                "1795817278.581788 host supervisord[251]: For help, use /usr/bin/supervisord -h")
    found.services.append(service("supervisor.service", 9001, None, unit=own, is_app_server=False, log=lines))
    first = diagnose(found.snapshot()).findings[0]
    assert expected in first.repairs[0].manual and first.repairs[0].risk == "manual"
    assert any(e.source == "service-log" and said.startswith(e.text[:50]) for e in first.evidence)
