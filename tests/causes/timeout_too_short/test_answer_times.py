"""Tests of fixer/causes/timeout_too_short/answer_times.py, and of servers that only nginx can ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import LogLine
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    TIMED_OUT,
    Scene,
    container_service,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)
from tests.causes.timeout_too_short.timeout_too_short_builders import found, late, without_http

CAUSE = "timeout-too-short"
ANSWERED = "the backend answers other requests at once"
UWSGI = ("/usr/bin/uwsgi", "--socket", "127.0.0.1:8000")


def request_line(path: str = "/report", ms: int = 2600, status: int = 200, at: float = NOW - 4.4) -> LogLine:
    text = (f"[pid: 200|app: 0|req: 9/30] 10.0.0.9 () {{38 vars in 573 bytes}} [Mon Nov 30 22:58:01 2026] GET {path} => "
            f"generated 889 bytes in {ms} msecs (HTTP/1.1 {status}) 2 headers in 76 bytes (1 switches on core 0)")
    return LogLine(at, text, "journalctl -u backend.service")


def logging(scene: Scene, *lines: LogLine, **changes: Any) -> Scene:
    """The server's log has these lines."""
    scene.services[0] = service(argv=UWSGI, runtime="uwsgi", log=Known(lines), **changes)
    return scene


@pytest.mark.parametrize("kind", ["uwsgi_pass", "fastcgi_pass", "scgi_pass", "grpc_pass"])
@pytest.mark.parametrize("scene", [late, lambda: late(2, ago=90)])
def test_what_nginx_hands_on_shows_that_the_server_answers_at_once(kind: str, scene: Any) -> None:
    diagnosis = diagnose(without_http(scene(), kind).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("read-timeout-too-short", "likely") and ANSWERED in first.summary
    assert any(shown.text == "answers 200 in 3 ms through nginx" for shown in first.evidence)
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert f"{kind.removesuffix('_pass')}_read_timeout 60s;".encode() in (write.after or b"")


@pytest.mark.parametrize("answer", [TIMED_OUT, probe(403, body="<hr><center>nginx</center>")])
def test_unknown_where_the_server_gave_none_of_the_answers(answer: Any) -> None:
    verdict = verdict_of(diagnose(without_http(late()).answers(answer).snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "answers when asked directly" in verdict.missing[0]


@pytest.mark.parametrize("scene", [
    without_http(late()).answers(probe(200, ms=1800.0)),
    without_http(late()).endpoint(listener=Known(replace(listener(8000, 200), queued=3))),
])
def test_miss_a_server_that_is_slow_for_every_page_or_has_a_queue(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_the_log_of_the_server_proves_a_single_late_page() -> None:
    first = found(logging(without_http(late(1, ago=5)), request_line()))
    assert first.confidence == "likely" and f"one took 2.6 s by the log of its server, and {ANSWERED}" in first.summary
    assert first.evidence[-1].source == "service-log" and "2600 msecs" in first.evidence[-1].text


def test_the_time_of_a_server_that_is_asked_by_http_counts_too_and_may_be_that_of_the_start() -> None:
    assert "one took 7.1 s" in found(logging(late(1, ago=5), request_line(ms=7100, at=NOW - 7))).summary


@pytest.mark.parametrize("line", [
    request_line("/export"), request_line(ms=1900), request_line(status=500), request_line(at=NOW - 60),
    replace(request_line(), at=None),
])
def test_a_line_about_another_request_proves_nothing(line: LogLine) -> None:
    assert found(logging(late(1, ago=5), line)).confidence == "possible"


def test_a_page_that_takes_longer_than_the_default_needs_a_number() -> None:
    (repair,) = found(logging(late(1, ago=50, seconds=30.0), request_line(ms=80_000, at=NOW - 1))).repairs
    assert (repair.steps, repair.needs[0].default) == ((), None)


def own_page(*lines: LogLine, **changes: Any) -> Scene:
    """The page that we ask for is itself late, and the server cannot be asked for it directly."""
    return logging(without_http(late(1, path="/").answers(TIMED_OUT)), *lines, **changes)


def test_hit_the_page_itself_is_late_by_the_log_of_the_server() -> None:
    diagnosis = diagnose(own_page(request_line("/")).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert first.confidence == "likely" and "one took 2.6 s by the log of its server" in first.summary
    assert ANSWERED not in first.summary


@pytest.mark.parametrize("scene", [
    own_page(), own_page(request_line("/report")), own_page(request_line("/", status=502)),
    own_page(request_line("/"), unit_changes={"active_enter": NOW - 2}),
    own_page(request_line("/")).endpoint(listener=Known(replace(listener(8000, 200), queued=3))),
    own_page(request_line("/")).endpoint(listener=Known(replace(listener(8000, 200), established=30))),
])
def test_miss_a_late_page_that_no_line_or_that_load_explains(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_a_program_in_a_container_writes_to_the_log_of_the_container() -> None:
    scene = late(1, ago=5)
    box = container_service(pid=200, runtime="uwsgi", log=Known((request_line(),)))
    scene.services = [replace(scene.services[0], log=Unknown("not asked")), replace(box, node="local")]
    assert "one took 2.6 s" in found(scene.endpoint(configured_service=scene.services[0].id)).summary


def test_an_upload_that_is_not_read_has_no_time_of_an_answer() -> None:
    first = found(logging(late(phase="sending request to upstream"), request_line()))
    assert first.variant == "send-timeout-upload" and "one took" not in first.summary


def test_miss_a_page_that_is_quick_now() -> None:
    scene = without_http(late()).answers(GOOD, replace(GOOD, page="/report"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
