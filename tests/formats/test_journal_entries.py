"""Tests of fixer/formats/journal_entries.py."""

from __future__ import annotations

import pytest

from fixer.formats.journal_entries import parse_entries
from fixer.model.unit_event import UnitEvent
from tests.formats.journal_builders import (
    AGAIN,
    ENDED,
    EXITED,
    FAILED,
    MICROSECONDS,
    OOM,
    SPAWN,
    STARTED,
    STOPPING,
    UNSTARTED,
    entry,
    systemd,
)

TEXT = (b"-- Boot 1 --\n1795533913.912829 host systemd[1]: Started api.service - The API.\n"
        b"1795533914.000001 host uvicorn[7]: Started 4 workers\n    of them one\n"
        b"1795533915.000000 host systemd[1]: api.service: Failed with result 'signal'.\n")


def test_text() -> None:
    first, second, third, last = parse_entries(TEXT)
    assert (first.at, first.text, first.is_systemd, first.event) == (
        1795533913.912829, "Started api.service - The API.", True, UnitEvent("started"))
    assert (second.is_systemd, second.event, second.writer) == (False, None, "unknown")
    assert (third.at, third.text) == (1795533914.000001, "of them one")
    assert last.event == UnitEvent("failed", "api.service", result="signal")
    assert last.told_event is None, "a program may give itself the name of systemd"


# What systemd logs with an id, in its own words, and as a message catalogue of another language could say it.
SAID = {
    "started": ("Started api.service - The API.", "Die API läuft.", STARTED, {"JOB_TYPE": "start", "JOB_RESULT": "done"}),
    "stopping": ("Stopping api.service - The API...", "Die API hält an.", STOPPING, {"JOB_TYPE": "stop"}),
    "start-failed": ("Failed to start api.service - The API.", "Kein Start.", UNSTARTED, {"JOB_TYPE": "start", "JOB_RESULT": "failed"}),
    "dependency": ("Dependency failed for api.service - The API.", "Kein Start.", UNSTARTED, {"JOB_TYPE": "start", "JOB_RESULT": "dependency"}),
    "exited": ("api.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED", "Ende.", EXITED,
               {"EXIT_CODE": "exited", "EXIT_STATUS": "3", "COMMAND": "ExecStart"}),
    "control": ("api.service: Control process exited, code=killed, status=9/KILL", "Ende.", EXITED,
                {"EXIT_CODE": "killed", "EXIT_STATUS": "9", "COMMAND": "ExecStartPre"}),
    "failed": ("api.service: Failed with result 'exit-code'.", "Fehler.", FAILED, {"UNIT_RESULT": "exit-code"}),
    "succeeded": ("api.service: Deactivated successfully.", "Gut.", ENDED, {}),
    "again": ("api.service: Scheduled restart job, restart counter is at 4.", "Noch einmal.", AGAIN, {"N_RESTARTS": "4"}),
    "oom": ("api.service: A process of this unit has been killed by the OOM killer.", "Kein Speicher.", OOM, {}),
}


@pytest.mark.parametrize("name", SAID)
def test_both_forms_and_any_language_give_one_event(name: str) -> None:
    english, other, number, fields = SAID[name]
    (text,) = parse_entries(f"1795533913.912829 host systemd[1]: {english}\n".encode())
    (told,) = parse_entries(systemd(english, number, **fields))
    (foreign,) = parse_entries(systemd(other, number, **fields))
    assert text.event is not None and text.event == told.event == foreign.event
    assert (told.at, told.text, told.is_systemd) == (text.at, text.text, True)
    assert (told.writer, told.told_event, text.told_event) == ("manager", told.event, None)


@pytest.mark.parametrize("words", ["api.service: Start request repeated too quickly.", "api.service: Watchdog timeout (limit 5s)!",
                                   "api.service: start operation timed out. Terminating.", "api.service: Consumed 2s CPU time."])
def test_what_has_no_id_is_read_by_its_words(words: str) -> None:
    (text,), (told,) = parse_entries(f"1795533913.9 host systemd[1]: {words}\n".encode()), parse_entries(systemd(words))
    assert text.event == told.event


def test_a_start_that_a_condition_skipped_has_the_id_of_one_that_is_done() -> None:
    words = "api.service - The API was skipped because of an unmet condition check (ConditionPathExists=/srv/on)."
    (told,) = parse_entries(systemd(words, STARTED, JOB_TYPE="start", JOB_RESULT="done"))
    assert told.event == UnitEvent("condition-unmet", subject="ConditionPathExists", detail="/srv/on")


def test_a_failed_stop_job_is_no_failed_start() -> None:
    (told,) = parse_entries(systemd("Stopping timed out.", UNSTARTED, JOB_TYPE="stop", JOB_RESULT="timeout"))
    assert told.event is None


def test_the_command_of_a_forking_unit_is_told_by_words_only() -> None:
    fields = {"EXIT_CODE": "exited", "EXIT_STATUS": "1", "COMMAND": "ExecStart"}
    (told,) = parse_entries(systemd("api.service: Control process exited, code=exited, status=1/FAILURE", EXITED, **fields))
    assert told.event is not None and told.event.kind == "control-exited"


def test_a_failed_step_is_logged_by_the_child() -> None:
    words = "api.service: Failed at step EXEC spawning /srv/run: %s"
    (told,) = parse_entries(entry(words % "Datei nicht gefunden", pid=9, name="(run)", MESSAGE_ID=SPAWN, ERRNO="2", UNIT="api.service"))
    assert (told.writer, told.is_systemd) == ("manager", False)
    assert told.event == UnitEvent("step-failed", "api.service", subject="EXEC", reason="missing")
    (bare,) = parse_entries(entry(words % "Permission denied", pid=9, name="(run)", MESSAGE_ID=SPAWN))
    assert bare.event is not None and bare.event.reason == "denied"


def test_a_program_that_speaks_like_systemd_says_nothing() -> None:
    said = entry("api.service: Failed with result 'signal'.", pid=7, name="systemd") + entry("Started 4 workers", pid=7, name="uvicorn")
    assert [(one.event, one.writer, one.is_systemd) for one in parse_entries(said)] == [(None, "program", False)] * 2


def test_a_message_of_bytes_and_of_several_lines() -> None:
    raw = entry(list(b"caf\xe9 \x1b[31mred\x1b[0m"), pid=7, name="app")
    lines = entry('Traceback:\n  File "a.py", line 1\n\nKeyError\r', at=88, pid=7, name="app", _SOURCE_REALTIME_TIMESTAMP=str(MICROSECONDS + 1))
    found = parse_entries(raw + lines + entry(None, pid=7) + entry(["one", "two"], pid=7))
    assert [one.text for one in found] == ["caf\ufffd red", "Traceback:", '  File "a.py", line 1', "KeyError", "", "one"]
    assert [one.at for one in found[:3]] == [1795533913.912829, 1795533913.91283, 1795533913.91283]


@pytest.mark.parametrize("line", [b'{"MESSAGE":', b"{" * 5000, b'{"a":1}', b'{"MESSAGE":"\\ud800"}', b'{"MESSAGE":[[[1]]]}',
                                  b'{"MESSAGE":"x","_PID":{"a":1},"__REALTIME_TIMESTAMP":"-1","EXIT_STATUS":[99999]}'])
def test_what_no_journal_prints_harms_nothing(line: bytes) -> None:
    for one in parse_entries(TEXT + line + b"\n"):
        one.text.encode()


def test_an_answer_is_read_once() -> None:
    """The unit's state and its log come from the same lines."""
    data = b'{"MESSAGE": "a", "_PID": "7"}\n'
    assert parse_entries(data) is parse_entries(data)
    assert parse_entries(bytes(bytearray(data))) == parse_entries(data)
