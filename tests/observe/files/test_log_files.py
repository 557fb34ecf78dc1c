"""The log that a program started by hand has left in /tmp: the newest counts, and it is asked for only in need."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.snapshot import LogLine
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.files.log_files import LOG_LIMIT, UNMANAGED_LOGS, log_file_query
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.systemd.unit_journal import journal_query
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, link, node, probe_answer, sockets, tcp_row
from tests.observe.next_queries_builders import BACK, LISTENS, ROUTE, SITE, asked
from tests.observe.nginx.endpoints_builders import SHOW

ENDED = """INFO:     Started server process [7]
  File "/usr/lib/python3/dist-packages/uvicorn/importer.py", line 19, in import_from_string
KeyError: 'OFFICE_SIGNING_KEY'
"""


def _answers(ended: str = ENDED, *, ago: float = 60.0) -> dict:  # type: ignore[type-arg]
    newest = file("/tmp/backend_1201.log", "x", mtime=NOW - ago)
    found = (file("/tmp/old.log", "x", mtime=NOW - 9000), newest, link("/tmp/z.log", "/etc/shadow"))
    return {
        UNMANAGED_LOGS: Answer("ok", files=found),
        ReadFile(newest.path, LOG_LIMIT, tail=True): Answer("ok", files=(file(newest.path, ended, mtime=NOW - ago),)),
        ROUTE: probe_answer(502), BACK: probe_answer(error="refused", errno=111, phase="connect"),
    }


def test_it_is_asked_for_only_where_nobody_listens_and_no_application_is_known() -> None:
    assert UNMANAGED_LOGS in asked(node(site=SITE)) and UNMANAGED_LOGS not in asked(node(site=SITE, listening=LISTENS))
    answers = _answers()
    assert next(q for q in asked(node({UNMANAGED_LOGS: answers[UNMANAGED_LOGS]}, site=SITE)) if isinstance(q, ReadFile) and q.tail).path == \
        "/tmp/backend_1201.log"


def test_what_it_ends_with_is_told_with_the_backend_that_does_not_run() -> None:
    [found] = diagnose(build_snapshot(capture(node(_answers(), site=SITE)))).findings
    assert (found.cause, found.repairs[0].risk) == ("backend-down", "manual")
    assert "KeyError: 'OFFICE_SIGNING_KEY'" in found.detail[0]
    assert ("/tmp/backend_1201.log", "KeyError: 'OFFICE_SIGNING_KEY'") in [(e.where, e.text) for e in found.evidence]


def test_the_log_of_another_boot_or_of_something_else_is_no_evidence() -> None:
    for answers in (_answers(ago=5000.0), _answers("cron: Error 5\nValueError: no\n")):
        [found] = diagnose(build_snapshot(capture(node(answers, site=SITE)))).findings
        assert found.cause == "backend-down" and not found.detail


def test_a_listener_elsewhere_changes_nothing() -> None:
    other = sockets([tcp_row("127.0.0.1", 5432, 5)], {5: [7]})
    assert UNMANAGED_LOGS in asked(node(site=SITE, listening=other))


# Output of units that goes to files of their own: by the unit's settings, by a shell's redirection.
UNIT_LOG_FILES_SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
JOURNAL = f"{NOW - 9} host systemd[1]: back.service: Failed with result 'exit-code'.\n".encode()
OLD = "Traceback (most recent call last):\nKeyError: 'OLD'\n"
FIRST = "Traceback (most recent call last):\nValueError: a\nThe above exception was the direct cause of the following\n"
LAST = 'Traceback (most recent call last):\n  File "/srv/main.py", line 1\nKeyError: \'NEW\'\n'


def log(unit: str, path: str, text: str, script: str = "") -> list[LogLine]:
    answers = {journal_query("back.service"): Answer("ok", JOURNAL),
               log_file_query(path): Answer("ok", files=(file(path, text, mtime=NOW - 5),)),
               ReadFile("/srv/run", 1 << 16): Answer("ok", files=(file("/srv/run", script),))}
    seen = build_snapshot(capture(node(answers, site=UNIT_LOG_FILES_SITE, units=[file("/etc/systemd/system/back.service", f"[Service]\n{unit}")],
                                 show=SHOW.format("back.service", "failed", 0))))
    found = next(s for s in seen.services if s.name == "back.service")
    assert isinstance(found.log, Known)
    return list(found.log.value)


@pytest.mark.parametrize(("unit", "script"), [
    ("ExecStart=uvicorn a\nStandardOutput=append:/var/log/back.log", ""),
    ("ExecStart=uvicorn a\nStandardOutput=journal\nStandardError=file:/var/log/back.log", ""),
    ("ExecStart=uvicorn a\nStandardOutput=append:/var/log/%N.log", ""),
    ("ExecStart=/bin/sh -c 'exec uvicorn a >> /var/log/back.log 2>&1'", ""),
    ("ExecStart=gunicorn -w 2 --error-logfile /var/log/back.log a", ""),
    ("ExecStart=/srv/run", "#!/bin/sh\nexec gunicorn --log-file=/var/log/back.log a\n"),
    ("ExecStart=/srv/run", "#!/bin/sh\ncd /var\nexec uvicorn a --port 8000 > log/back.log 2>&1 < /dev/null\n"),
])
def test_its_last_words_follow_the_journal(unit: str, script: str) -> None:
    lines = log(unit, "/var/log/back.log", OLD + LAST, script)
    assert [line.text for line in lines] == ["back.service: Failed with result 'exit-code'.", *LAST.splitlines()]
    assert {(line.at, line.where) for line in lines[1:]} == {(NOW - 5, "/var/log/back.log")}


def test_the_journal_of_its_own_that_a_unit_has_is_read_too() -> None:
    told = "ExecStart=uvicorn a\nLogNamespace=%p-logs"
    (first, apart) = (journal_query("back.service"), Command("journal", ("back.service", "200", "back-logs")))
    every = JOURNAL + f"{NOW - 8} host uvicorn[9]: KeyError: 'NEW'\n".encode()
    for answer, expected in ((Answer("ok", every), 2), (Answer("failed"), 1), (None, 1)):
        answers = {first: Answer("ok", JOURNAL), **({apart: answer} if answer is not None else {})}
        seen = capture(node(answers, site=UNIT_LOG_FILES_SITE, units=[file("/etc/systemd/system/back.service", f"[Service]\n{told}")],
                            show=SHOW.format("back.service", "failed", 0)))
        found = next(s for s in build_snapshot(seen).services if s.name == "back.service")
        assert isinstance(found.log, Known) and len(found.log.value) == expected
        assert apart in answers or apart in follow_up_queries(seen, ObserveOptions())["local"]


def test_an_older_run_and_visitors_words_are_left_out_and_a_chain_is_kept() -> None:
    unit = "ExecStart=uvicorn a\nStandardError=append:/var/log/back.log"
    lines = log(unit, "/var/log/back.log", OLD + 'INFO: "GET /KeyError HTTP/1.1" 200 OK\n' + FIRST + LAST)
    assert [line.text for line in lines[1:]] == [*FIRST.splitlines(), *LAST.splitlines()]


@pytest.mark.parametrize("unit", [
    "ExecStart=uvicorn a\nStandardOutput=append:/var/log/%m.log", "ExecStart=uvicorn a > /dev/null 2>&1",
    "ExecStart=uvicorn a\nStandardOutput=journal",
])
def test_what_goes_to_no_file_is_the_journals(unit: str) -> None:
    assert len(log(unit, "/var/log/back.log", LAST)) == 1


def test_the_way_to_a_path_that_its_error_names_is_looked_at() -> None:
    """Only what they are: a log of anybody may name any path."""
    denied = "[9] [INFO] Starting gunicorn 23.0.0\nPermissionError: [Errno 13] Permission denied: '/etc/depot/settings.json'\n"
    wanted = asked(node(_answers(denied), site=SITE))
    assert {ReadFile(path, 0) for path in ("/etc", "/etc/depot", "/etc/depot/settings.json")} < set(wanted)
    assert build_snapshot(capture(node(_answers(denied), site=SITE))).hand_started_logs[0].uid == 0
