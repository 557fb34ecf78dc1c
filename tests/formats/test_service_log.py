"""Tests of fixer/formats/service_log.py."""

from __future__ import annotations

import pytest

from fixer.formats.service_log import days_from_epoch, parse_docker_logs, parse_journal, parse_log_file, parse_time
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer
from tests.observe.capture_builders import file

PAINTED = (b'2026-11-27T12:00:00Z   File \x1b[35m"/code/main.py"\x1b[0m, line \x1b[35m2\x1b[0m, in \x1b[35m<module>\x1b[0m\r\n'
           b"2026-11-27T12:00:01Z \x1b[1;35mKeyError\x1b[0m: \x1b[35m'SECRET_KEY'\x1b[0m\r\n"
           b"2026-11-27T12:00:02Z \x1b]0;a title\x07INFO\r\n")


def test_words_that_a_program_painted_for_a_terminal() -> None:
    """Python 3.13 colours its tracebacks where it has a terminal: `tty: true` in a compose file is one."""
    found = parse_docker_logs(Answer("ok", PAINTED), "shop-api-1")
    assert isinstance(found, Known) and [line.text for line in found.value] == [
        '  File "/code/main.py", line 2, in <module>', "KeyError: 'SECRET_KEY'", "INFO"]


@pytest.mark.parametrize(("text", "epoch"), [
    ("1970-01-01T00:00:00Z", 0.0), ("2000-03-01T00:00:00Z", 951868800.0), ("2024-02-29T12:00:00.5Z", 1709208000.5),
    ("2026-11-24T01:30:00-02:00", 1795491000.0), ("0001-01-01T00:00:00Z", 0.0), ("soon", 0.0),
])
def test_times(text: str, epoch: float) -> None:
    assert parse_time(text) == epoch


def test_days() -> None:
    assert days_from_epoch(1970, 1, 1) == 0 and days_from_epoch(2100, 3, 1) - days_from_epoch(2100, 2, 28) == 1


def test_docker_logs_of_both_streams() -> None:
    said = Answer("ok", b"2026-11-24T15:34:34.2Z out\nno stamp\n", stderr=b"2026-11-24T15:34:34.1Z err\r\n")
    found = parse_docker_logs(said, "api")
    assert isinstance(found, Known) and [line.text for line in found.value] == ["no stamp", "err", "out"]
    assert parse_docker_logs(None, "api") == Unknown("not asked") and parse_docker_logs(Answer("failed"), "a") == Unknown("failed")


def test_a_journal() -> None:
    said = Answer("ok", b"-- Boot --\n1795533913.912829 host systemd[1]: Started.\n1795533914.0 host u[2]: a: b\ncontinued\n\xff\n")
    found = parse_journal(said, "u.service")
    assert isinstance(found, Known)
    assert [(line.at, line.text) for line in found.value] == [
        (1795533913.912829, "Started."), (1795533914.0, "a: b"), (1795533914.0, "continued"), (1795533914.0, "�")]
    assert parse_journal(None, "u") == Unknown("not asked")
    assert parse_journal(Answer("no-tool", message="no journalctl"), "u") == Unknown("no journalctl")


def test_a_log_file() -> None:
    whole = parse_log_file(Answer("ok", files=(file("/l", "a\n\nb\n"),)), "/l", 3600.0)
    assert isinstance(whole, Known) and [(line.at, line.text) for line in whole.value] == [(None, "a"), (None, "b")]
    cut = parse_log_file(Answer("ok", files=(FileAnswer("/l", "ok", None, b"alf a line\nb\n", True),)), "/l", 3600.0)
    assert isinstance(cut, Known) and [line.text for line in cut.value] == ["b"]
    timed = parse_log_file(Answer("ok", files=(file("/l", "[2027-01-15 10:00:00 +0200] [7] [INFO] up\n2027-01-15 10:00:00 local\n"),)), "/l", 3600.0)
    assert isinstance(timed, Known)
    assert [line.at for line in timed.value] == [parse_time("2027-01-15T08:00:00Z"), None], "only a time with its zone is one"
    dated = parse_log_file(Answer("ok", files=(file("/l", "[pid: 7|app: 0|req: 1/1] ::1 () {1 vars} [Fri Jan  5 09:52:41 2027] GET /\n"
                                                    "DAMN ! worker 1 (pid: 7) died\n[Fri Foo 15 09:52:41 2027]\n"),)), "/l", 3600.0)
    assert isinstance(dated, Known)
    assert [line.at for line in dated.value] == [parse_time("2027-01-05T08:52:41Z"), None, None], "uWSGI writes local time"
    master = parse_log_file(Answer("ok", files=(file("/l", "Fri Jan 15 09:52:41 2027 - *** HARAKIRI ON WORKER 1 (pid: 7, try: 1) ***\n"
                                                     "worker said: Fri Jan 15 09:52:41 2027 - x\n"),)), "/l", 3600.0)
    assert isinstance(master, Known)
    assert [line.at for line in master.value] == [parse_time("2027-01-15T08:52:41Z"), None], "its master's lines begin with it"
    assert parse_log_file(None, "/l", 0.0) == Unknown("not asked")
    assert parse_log_file(Answer("denied", files=(FileAnswer("/l", "denied"),)), "/l", 0.0) == Unknown("denied")
