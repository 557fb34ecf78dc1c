"""nginx's errors in the journal: told to go to stderr or to the system's log, no file holds them."""

from __future__ import annotations

import time

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, FileAnswer, Query, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import NOW, capture, file, node, probe_answer
from tests.observe.test_next_queries import BACK, ROUTE, SITE, asked

FIRST, LATER = Command("journal", ("nginx.service", "400")), Command("journal", ("nginx.service", "399"))


def tree(*, log: str, site: str = SITE) -> dict[Query, Answer]:
    main: FileAnswer = file("/etc/nginx/nginx.conf", f"{log}\nhttp {{ include /etc/nginx/sites/*; }}\n")
    return {ReadTree("/etc/nginx"): Answer("ok", files=(main, file("/etc/nginx/sites/shop", site)))}


def journal(head: str) -> bytes:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW))
    return (f'{NOW:.6f} host nginx[41]: {head}{stamp} [error] 41#41: *1 connect() failed (111: Connection refused) while '
            'connecting to upstream, client: 127.0.0.1, server: a.example, request: "GET / HTTP/1.1", '
            'upstream: "http://127.0.0.1:8000/", host: "a.example"\n').encode()


@pytest.mark.parametrize(("log", "there"), [
    ("error_log stderr;", True), ("error_log syslog:server=unix:/dev/log,nohostname error;", True),
    ("error_log syslog:server=unix:/run/systemd/journal/dev-log;", True),
    ("error_log syslog:server=10.0.0.9:514;", False), ("error_log /var/log/nginx/error.log;", False),
])
def test_it_is_asked_for_where_the_errors_go_there(log: str, there: bool) -> None:
    assert (FIRST in asked(node(tree(log=log)))) is there


@pytest.mark.parametrize("head", ["", "host nginx: ", "nginx: "])
def test_its_lines_are_events_with_or_without_a_host_and_a_tag(head: str) -> None:
    answers = tree(log="error_log stderr;") | {FIRST: Answer("ok", journal(head))}
    errors = build_snapshot(capture(node(answers))).nginxes[0].errors
    assert isinstance(errors, Known)
    assert [(e.errno, e.request, e.where.partition(":")[0]) for e in errors.value] == [
        (111, "GET / HTTP/1.1", "journal nginx.service")]


def test_words_of_a_visitor_before_the_time_make_no_event_of_it() -> None:
    answers = tree(log="error_log stderr;") | {FIRST: Answer("ok", journal('"GET /x '))}
    errors = build_snapshot(capture(node(answers))).nginxes[0].errors
    assert isinstance(errors, Known) and errors.value == ()


def test_it_is_read_once_more_where_an_error_page_hides_what_our_request_met() -> None:
    masked = SITE.replace("location", "error_page 502 =200 /soon.html; location")
    probes = {ROUTE: probe_answer(200), BACK: probe_answer(200)}
    answers = tree(log="error_log stderr;", site=masked) | probes | {FIRST: Answer("ok", b"")}
    assert LATER in asked(node(answers))
    answers |= {LATER: Answer("ok", journal(""))}
    errors = build_snapshot(capture(node(answers))).nginxes[0].errors
    assert isinstance(errors, Known) and len(errors.value) == 1
