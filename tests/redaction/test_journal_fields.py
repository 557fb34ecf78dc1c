"""Tests of fixer/redaction/journal_fields.py, and that the awk of the collect script shows the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from fixer.formats.journal_entries import FIELDS, MESSAGE_IDS, parse_entries
from fixer.hosts.collect_script import redact_program
from fixer.redaction.all_files import redact_journal
from fixer.redaction.allowed import row
from fixer.redaction.log_lines import mask_logs
from fixer.redaction.masks import Masks
from fixer.redaction.secrets import MASKED_NAME_PARTS
from tests.formats.journal_builders import EXITED, FAILED, MICROSECONDS, STARTED, entry, systemd
from tests.trust.drawn_secrets import draw

S = "hunter2-Xy9"
HEX = "0123456789abcdef0123456789abcdef"
awk = pytest.mark.skipif(shutil.which("awk") is None, reason="the script needs awk")


def by_script(data: bytes) -> bytes:
    """The journal as the collect script masks it."""
    program = redact_program(MASKED_NAME_PARTS.replace("(?:", "("))
    done = subprocess.run(["awk", "-v", "N=nonce", "-v", "P=/.", "-v", "U=", "-v", "K=", program],
                          input=b"nonce journal out api.service\n" + data + b"nonce end\n", capture_output=True, check=True,
                          env={**os.environ, "LC_ALL": "C"})
    return done.stdout.partition(b"\n")[2].rpartition(b"nonce end")[0]


def shown(data: bytes) -> list[dict[str, str]]:
    return [json.loads(line) for line in redact_journal(data).splitlines()]


ENTRIES = {
    "systemd": systemd("Started api.service - The API.", STARTED, JOB_TYPE="start", JOB_RESULT="done"),
    "end": systemd("api.service: Main process exited, code=killed, status=9/KILL", EXITED, EXIT_CODE="killed", EXIT_STATUS="9", COMMAND="ExecStart"),
    "result": systemd("api.service: Failed with result 'signal'.", FAILED, UNIT_RESULT="signal"),
    "program": entry(f"error: password: {S}", pid=7, name="uvicorn"),
    "untold": entry(f"nothing of it: {S}", pid=7, name="uvicorn"),
    "octets": entry(list(f"error: \x1b[31mpassword: {S}".encode()), pid=7, name="uvicorn"),
    "lines": entry(f'error\n  File "/srv/a.py", line 1, in run\n    connect("{S}")\nKeyError: "a\\b"\ttab', pid=7, name="uvicorn"),
    "wide": entry("error: Größe → falsch", pid=7, name="uvicorn"),
    "time": entry(f"12.5 {S} {S}: nothing", pid=7, name="uvicorn"),
    "fields": entry("error", pid=7, name="uvicorn", EXIT_CODE=S, UNIT_RESULT=S, ERRNO=S, MESSAGE_ID=HEX, COMMAND=f"login {S}", DB_PASSWORD=S,
                    EXIT_STATUS=[S], JOB_TYPE=list(S.encode())),
    "several": entry([f"error: password: {S}", S], pid=7, name="uvicorn"),
    "silent": entry(None, pid=7, name="uvicorn"),
    "damaged": b'{"MESSAGE":"error: password: ' + S.encode() + b'\n',
    "text": f"1795533913.912829 host uvicorn[7]: error: password: {S}\n".encode(),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_no_secret_is_left_of_an_entry(name: str) -> None:
    assert S.encode() not in redact_journal(ENTRIES[name]) and HEX.encode() not in redact_journal(ENTRIES[name])


@awk
@pytest.mark.parametrize("name", ENTRIES)
def test_the_script_shows_the_same_of_it(name: str) -> None:
    assert by_script(ENTRIES[name]) == redact_journal(ENTRIES[name])


@awk
def test_the_script_shows_the_same_of_all_of_them() -> None:
    every = b"".join(ENTRIES.values())
    assert by_script(every) == redact_journal(every)


def test_what_systemd_says_is_shown() -> None:
    data = ENTRIES["systemd"] + ENTRIES["end"] + ENTRIES["result"]
    assert parse_entries(redact_journal(data)) == parse_entries(data)
    first, end, result = shown(data)
    assert first == {"__REALTIME_TIMESTAMP": str(MICROSECONDS), "_PID": "1", "SYSLOG_IDENTIFIER": "systemd", "UNIT": "api.service", "MESSAGE_ID": STARTED,
                     "JOB_TYPE": "start", "JOB_RESULT": "done", "MESSAGE": "Started api.service - The API."}
    assert (end["EXIT_STATUS"], result["UNIT_RESULT"]) == ("9", "signal")


def test_each_field_that_is_asked_for_has_its_row() -> None:
    rows = [row(f"JOURNAL_{kind}") for kind in ("NAME", "TIME", "COUNT", "WORD")]
    assert all(any(one.fullmatch(name) for one in rows) for name in FIELDS if name not in ("MESSAGE", "MESSAGE_ID"))
    assert all(row("JOURNAL_ID").fullmatch(number) for number in MESSAGE_IDS)


def test_what_looks_like_a_time_in_a_message_is_none() -> None:
    (told,) = shown(entry(f"12.5 {S} {S}: nothing", pid=7, name="uvicorn"))
    assert told["MESSAGE"] == "[masked 1]"


@pytest.mark.parametrize("seed", [31, 32])
def test_a_message_is_masked_as_the_line_of_a_log(seed: int) -> None:
    for secret, kind, text in draw(seed):
        if kind in ("log", "nginx-log"):
            told = shown(entry(text, pid=7, name="app"))[0]["MESSAGE"]
            head = "1.5 host app[7]: "
            as_text = mask_logs("\n".join(head + line for line in text.split("\n")), Masks())
            assert told == as_text.replace(head, ""), f"{secret.place}, {secret.kind}"


@awk
@pytest.mark.parametrize("seed", [31])
def test_the_script_leaks_no_drawn_secret_of_a_message(seed: int) -> None:
    drawn = [(secret, text) for secret, kind, text in draw(seed) if kind in ("log", "nginx-log")]
    lines = by_script(b"".join(entry(text, pid=7, name="app") for _, text in drawn)).splitlines()
    assert len(lines) == len(drawn)
    leaked = [secret.place for (secret, _), line in zip(drawn, lines, strict=True) if any(form.encode() in line for form in secret.forms)]
    assert leaked == []


@awk
def test_a_long_message_costs_no_more_than_its_length() -> None:
    for text in ("a\n" * 40_000, '"\\' * 40_000, "é" * 40_000):
        assert by_script(entry(f"error {text}", pid=7, name="app")).startswith(b'{"__REALTIME')
