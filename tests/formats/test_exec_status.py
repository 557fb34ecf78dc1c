"""How systemd and supervisord say that a program was never started, and what that step was about."""

from __future__ import annotations

import pytest

from fixer.formats.exec_status import (
    child_spawn_error,
    failed_pre_command,
    has_failed_before_start,
    is_pre_command_retried,
    paths_of_step,
    spawn_error,
)
from fixer.model.service import PreCommand, UnitValue
from tests.causes.snapshot_builders import FAILED, unit

DONE, FAILED_CHECK = PreCommand("/bin/true", "exited", 0), PreCommand("/opt/check", "exited", 1)
KILLED, NOT_RUN = PreCommand("/opt/check", "killed", 0), PreCommand("/opt/check", "", 0)
DOWN = {**FAILED, "exec_main_code": 0, "exec_main_status": 0}


def setting(key: str, value: str) -> UnitValue:
    return UnitValue(key, value, "/etc/systemd/system/a.service", 3, 0, len(value))


@pytest.mark.parametrize(("pre", "changes", "expected"), [
    ((DONE, FAILED_CHECK), {}, FAILED_CHECK), ((KILLED,), {"result": "signal"}, KILLED), ((DONE,), {}, None), ((), {}, None),
    ((NOT_RUN, FAILED_CHECK), {}, FAILED_CHECK),
    ((FAILED_CHECK,), {"main_pid": 9}, None),               # the program runs
    ((FAILED_CHECK,), {"exec_main_status": 3}, None),       # the program ended by itself
    ((FAILED_CHECK,), {"result": "success"}, None),
])
def test_the_command_before_the_program_that_failed(pre, changes, expected) -> None:
    assert failed_pre_command(unit("a.service", **{**DOWN, "pre": pre, **changes})) == expected


@pytest.mark.parametrize(("pre", "changes", "retried"), [
    ((NOT_RUN,), {"active_state": "activating", "sub_state": "start-pre"}, True),
    ((NOT_RUN, NOT_RUN), {"active_state": "activating", "sub_state": "start-pre"}, False),    # which of them is not known
    ((NOT_RUN,), {"active_state": "activating", "sub_state": "auto-restart"}, False),
    ((NOT_RUN,), {}, True), ((FAILED_CHECK,), {}, False), ((NOT_RUN,), {"exec_main_code": 1}, False),
    ((NOT_RUN,), {"result": "oom-kill"}, False), ((), {}, False),
])
def test_a_command_before_the_program_is_tried_again(pre, changes, retried: bool) -> None:
    assert is_pre_command_retried(unit("a.service", **{**DOWN, "pre": pre, **changes})) is retried


@pytest.mark.parametrize(("changes", "before"), [
    ({"exec_main_status": 203}, True), ({"exec_main_status": 200}, True), ({"exec_main_status": 1}, False),
    ({"exec_main_status": 238}, False),                     # a program may end so itself
    ({"exec_main_status": 203, "main_pid": 7}, False), ({"exec_main_status": 203, "result": "signal"}, False),
    ({"pre": (FAILED_CHECK,)}, True),
])
def test_whether_the_program_was_never_started(changes, before: bool) -> None:
    assert has_failed_before_start(unit("a.service", **{**DOWN, **changes})) is before


@pytest.mark.parametrize(("status", "lines", "expected"), [
    (209, [("StandardOutput", "append:/var/log/a.log"), ("StandardError", "file:/var/log/b.log")], ("/var/log/a.log",)),
    (209, [("StandardOutput", "journal")], ()), (209, [("StandardOutput", "file:/var/log/%n.log")], ()),
    (209, [("StandardOutput", "file:/a"), ("StandardOutput", "file:/a")], ("/a",)),
    (210, [("RootDirectory", "/srv/root")], ("/srv/root",)), (210, [("RootDirectory", "root")], ()),
    (243, [("LoadCredential", "key:/etc/key"), ("LoadCredential", "other")], ("/etc/key",)),
    (208, [("StandardInput", '"file:/run/in"')], ("/run/in",)), (999, [("RootDirectory", "/srv")], ()),
])
def test_the_files_that_the_settings_of_a_step_name(status, lines, expected) -> None:
    assert paths_of_step(status, [setting(*line) for line in lines]) == expected


@pytest.mark.parametrize(("said", "expected"), [
    ("can't find command '/opt/a'", (203, "missing")), ("command at '/opt/a' is not executable", (203, "denied")),
    ("no permission to run command '/opt/a'", (203, "denied")), ("unknown error", None), ("", None),
])
def test_what_supervisord_says_before_it_forks(said: str, expected: tuple[int, str] | None) -> None:
    assert spawn_error(said) == expected


@pytest.mark.parametrize(("line", "expected"), [
    ("supervisor: couldn't exec /opt/a: ENOENT\n", (203, "missing")), ("supervisor: couldn't exec /opt/a: ENOEXEC", (203, "format")),
    ("supervisor: couldn't chdir to /srv/a: EACCES", (200, "denied")), ("supervisor: couldn't chdir to /srv/a: ENOTDIR", (200, "missing")),
    ("supervisor: couldn't exec /opt/a: EIO", (203, "unknown")), ("he said supervisor: couldn't exec /opt/a: ENOENT", None),
    ("supervisor: child process was not spawned", None),
])
def test_what_the_child_leaves_in_the_log(line: str, expected: tuple[int, str] | None) -> None:
    assert child_spawn_error(line) == expected
