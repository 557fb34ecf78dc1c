"""The steps by which supervisord starts a program."""

from __future__ import annotations

import pytest

from fixer.managers import starter_of
from fixer.managers.supervisord_steps import SupervisordSteps, failed_supervisord_unit
from fixer.model.plan import ProgramAction, UnitAction, WriteFile
from tests.causes.snapshot_builders import NOW, Scene, file, listener, supervised_service, unit

CONF = "/etc/supervisor/conf.d/shop.conf"


@pytest.mark.parametrize(("restarts", "bound", "age", "was"), [
    (3, False, 900, "STARTING"), (3, True, 900, "RUNNING"), (0, False, 900, "RUNNING"), (0, True, 4, "RUNNING"),
    (3, True, 4, "STARTING"),           # its parent listens first, and its workers fail after that
])
def test_running_between_two_ends_is_no_state_to_go_back_to(restarts: int, bound: bool, age: int, was: str) -> None:
    """An undo that puts the fault back must not demand that the program runs with it."""
    made = supervised_service("RUNNING", program={"restarts": restarts, "started_at": NOW - age})
    seen = Scene().with_service(made, *((listener(8000, made.pids[0]),) if bound else ()))
    assert SupervisordSteps(seen.snapshot(), made).action("update").was == was


def test_a_program_that_no_boot_starts_is_set_to_start_and_its_files_are_read() -> None:
    text = "[program:shop]\nautostart=false\n"
    at = text.index("false")
    made = supervised_service("STOPPED", program={"autostart": False, "autostart_span": (at, at + 5), "file": CONF})
    scene = Scene().with_service(made)
    scene.files.append(file(CONF, text))
    edit, action = starter_of(scene.snapshot(), made).start_steps()
    assert isinstance(edit, WriteFile) and edit.after == b"[program:shop]\nautostart=true\n"
    assert isinstance(action, ProgramAction) and action.verb == "update"


@pytest.mark.parametrize(("own", "verbs"), [
    ({"active_state": "inactive", "result": "success"}, ["start"]),
    ({"active_state": "inactive", "result": "success", "unit_file_state": "disabled"}, ["enable", "start"]),
    ({"active_state": "failed", "result": "exit-code"}, []),
])
def test_of_a_program_whose_supervisord_is_down_its_unit_is_started(own: dict[str, object], verbs: list[str]) -> None:
    made = supervised_service("DOWN", program={"unit": unit("supervisor.service", **own)})
    steps = starter_of(Scene().with_service(made).snapshot(), made).apply_steps()
    assert [step.verb for step in steps if isinstance(step, UnitAction)] == verbs
    assert (failed_supervisord_unit(made) is None) is bool(verbs)


def test_a_program_that_supervisord_has_not_read_is_read() -> None:
    """A start would end with "no such process"."""
    made = supervised_service("UNREAD")
    (action,) = starter_of(Scene().with_service(made).snapshot(), made).start_steps()
    assert isinstance(action, ProgramAction) and (action.verb, action.was) == ("update", "UNREAD")
    assert starter_of(Scene().with_service(made).snapshot(), made).by_hand() == f"supervisorctl update {made.name}"


def test_a_file_that_no_include_names_is_included_first() -> None:
    main = "[include]\nfiles = conf.d/*.conf\n"
    lacks = {"missing_include": (main.index("conf.d"), "/etc/supervisor/conf.d/shop.ini ")}
    made = supervised_service("UNREAD", program=lacks)
    scene = Scene().with_service(made)
    scene.files.append(file("/etc/supervisor/supervisord.conf", main))
    edit, action = starter_of(scene.snapshot(), made).start_steps()
    assert isinstance(edit, WriteFile) and edit.after == b"[include]\nfiles = /etc/supervisor/conf.d/shop.ini conf.d/*.conf\n"
    assert isinstance(action, ProgramAction) and action.verb == "update"
    assert "files =" in starter_of(scene.snapshot(), made).by_hand()
    assert starter_of(Scene().with_service(made).snapshot(), made).start_steps() == (), "its file was not read"


def test_what_an_operator_runs() -> None:
    made = supervised_service("STOPPED")
    assert starter_of(Scene().with_service(made).snapshot(), made).by_hand() == f"supervisorctl start {made.name}"
