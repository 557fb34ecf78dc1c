"""Tests of fixer/observe/nginx/file_limits.py."""

from __future__ import annotations

import time

import pytest

from fixer.model.query import Answer, Query, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.masked_capture import redact_capture
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import DEFAULT_LOG, log_query
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, node
from tests.observe.services_builders import SITE

LIMITS = "Limit                     Soft Limit           Hard Limit           Units     \n" \
         "Max cpu time              unlimited            unlimited            seconds   \n" \
         "Max open files            24                   {hard:<20} files     \n"
RAISES, CANNOT = "000001ffffffffff", "00000000a80425fb"
EVERYBODY, ROOTLESS = "         0          0 4294967295\n", "         0       1000          1\n"


def host(answers: dict[Query, Answer], message: str = "accept4() failed (24: Too many open files)"):
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - 9))
    log = file(DEFAULT_LOG, f"{stamp} [crit] 41#41: {message}\n")
    return capture(node({log_query(DEFAULT_LOG): Answer("ok", files=(log,)), **answers}, site=SITE))


def reads() -> list[ReadFile]:
    return [query for query in follow_up_queries(host({}), ObserveOptions())["local"]
            if isinstance(query, ReadFile) and query.path.startswith("/proc/") and query.path.endswith(("/limits", "/status", "/uid_map"))]


def test_the_limits_of_the_master_are_asked_only_where_its_log_says_that_they_are_reached() -> None:
    assert len(reads()) == 3 and len({query.path.split("/")[2] for query in reads()}) == 1
    asked = follow_up_queries(host({}, "connect() failed (111: Connection refused)"), ObserveOptions())["local"]
    assert not set(reads()) & set(asked)


@pytest.mark.parametrize(("hard", "rights", "users", "want"), [
    ("20000", CANNOT, EVERYBODY, (24, 20000)), ("20000", RAISES, EVERYBODY, (24, 0)), ("unlimited", CANNOT, EVERYBODY, (24, 0)),
    ("20000", RAISES, ROOTLESS, (24, 20000)),
])
def test_a_worker_gets_more_than_the_hard_limit_only_with_the_right_to_raise_it(hard: str, rights: str, users: str,
                                                                                want: tuple[int, int]) -> None:
    said = {"limits": LIMITS.format(hard=hard), "status": f"Name:\tnginx\nUid:\t0\t0\t0\t0\nCapEff:\t{rights}\n", "uid_map": users}
    answers: dict[Query, Answer] = {query: Answer("ok", files=(file(query.path, said[query.path.split("/")[-1]]),)) for query in reads()}
    whole = host(answers)
    assert build_snapshot(whole).nginxes[0].file_limits == build_snapshot(redact_capture(whole)).nginxes[0].file_limits == want


def test_what_was_not_read_is_no_limit() -> None:
    assert build_snapshot(host({})).nginxes[0].file_limits == (0, 0)
