"""The log that a program started by hand has left in /tmp: the newest counts, and it is asked for only in need."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.query import Answer, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.files.log_files import LOG_LIMIT, UNMANAGED_LOGS
from tests.observe.capture_builders import NOW, capture, file, link, node, probe_answer, sockets, tcp_row
from tests.observe.test_next_queries import BACK, LISTENS, ROUTE, SITE, asked

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
