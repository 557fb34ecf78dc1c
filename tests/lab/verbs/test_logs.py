"""Tests of lab/verbs/logs.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.errors import UsageError
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.verbs import logs
from lab.verbs.logs import logs_argv, show_logs
from tests.lab.stack.test_lab_parts import STACK


def test_a_part_has_the_log_of_its_container(record: LabRecord) -> None:
    assert "shop-3f2a-api-1" in logs_argv(Lab(record), "api", STACK, follow=False)
    assert "shop-3f2a-printd-1" in logs_argv(Lab(record), "printd", STACK, follow=False)


def test_logs_of_a_machine_are_those_of_the_part_that_is_named(record: LabRecord) -> None:
    """The application may write beside the journal; a slip of the pen is told, not answered with everything."""
    machine = Lab(replace(record, stack="host", parameters={**record.parameters, "unit": "till", "second_unit": "crew", "word": "till"}))
    whole, web, backend = (logs_argv(machine, part, [], follow=True)[-1] for part in ("", "web", "till"))
    for told in ("/var/log/nginx/*.log", "/var/log/supervisor/*.log", "/var/log/till.log", "/tmp/till.log", "journalctl"):
        assert told in whole
    assert "-u nginx" in web and "supervisor" not in web
    assert "-u till" in backend and "nginx" not in backend
    with pytest.raises(UsageError, match="no part called 'db'"):
        logs_argv(machine, "db", [], follow=True)


def test_every_part_of_an_all_in_one_container_has_its_one_log(record: LabRecord) -> None:
    one = Lab(replace(record, stack="all-in-one", parameters={**record.parameters, "unit": "till"}))
    assert logs_argv(one, "till", [], follow=False) == logs_argv(one, "", [], follow=False)
    with pytest.raises(UsageError, match="no part called 'db'"):
        logs_argv(one, "db", [], follow=False)


@pytest.mark.parametrize(("terminal", "asked", "follows"), [
    (True, None, True), (False, None, False), (False, True, True), (True, False, False)])
def test_logs_are_followed_on_a_terminal_only(
    terminal: bool, asked: bool | None, follows: bool, record: LabRecord, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What follows behind a pipe that closes would stay in the machine, for all who look at its processes."""
    begun: list[list[str]] = []
    monkeypatch.setattr(logs, "find_lab_and_part", lambda lab, part: (Lab(record), part))
    monkeypatch.setattr(logs, "listed_parts", lambda lab: STACK)
    monkeypatch.setattr(logs.os, "execvp", lambda program, argv: begun.append(argv))
    monkeypatch.setattr(logs.sys.stdout, "isatty", lambda: terminal)
    show_logs("", "", follow=asked)
    assert ("-f" in begun[0]) is follows
