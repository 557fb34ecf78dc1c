"""Tests of fixer/analysis/dependency/complaint.py."""

from __future__ import annotations

import pytest

from fixer.analysis.dependency.complaint import dependency_complaint
from fixer.analysis.run_log import read_run_end
from tests.causes.snapshot_builders import log_lines

STARTED = "Started backend.service - Office."


@pytest.mark.parametrize(("text", "kind", "address", "engine"), [
    ("asyncpg.exceptions.TooManyConnectionsError: sorry, too many clients already", "full", "its address", "postgresql"),
    ("pymysql.err.OperationalError: (1040, 'Too many connections')", "full", "its address", "mysql"),
    ("redis.exceptions.ConnectionError: max number of clients reached", "full", "its address", "redis"),
    ("ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)", "refused", "127.0.0.1:5432", "postgresql"),
    ("Error: connect ECONNREFUSED 127.0.0.1:6379", "refused", "127.0.0.1:6379", "redis"),
    ("Error: getaddrinfo ENOTFOUND pg", "name", "pg", ""),
    ("redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.", "refused",
     "localhost:6379", "redis"),
    ("pymongo.errors.ServerSelectionTimeoutError: localhost:27017: [Errno 111] Connection refused", "refused",
     "localhost:27017", "mongodb"),
    ('OperationalError: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory',
     "refused", "/var/run/postgresql/.s.PGSQL.5432", "postgresql"),
    ("FATAL:  the database system is starting up", "starting", "its address", ""),
    ("socket.gaierror: [Errno -2] Name or service not known", "name", "its address", ""),
    ("pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)\")",
     "refused", "127.0.0.1:3306", "mysql"),
    ("wait-for-it.sh: timeout occurred after waiting 15 seconds for db:5432", "refused", "db:5432", "postgresql"),
    ("Timed out waiting for tcp://store:7000", "refused", "store:7000", ""),
    ("db:5432 - no response", "refused", "db:5432", "postgresql"),
    ("Problem with dial: dial tcp 172.18.0.9:5432: connect: connection refused. Sleeping 1s", "refused", "172.18.0.9:5432",
     "postgresql"),
    ("Problem with dial: dial tcp: lookup dbx on 127.0.0.11:53: no such host. Sleeping 1s", "name", "dbx", ""),
    ('nc: getaddrinfo for host "dbx" port 5432: Name or service not known', "name", "dbx:5432", "postgresql"),
    ("nc: connect to db (172.18.0.9) port 5432 (tcp) failed: Connection refused", "refused", "db:5432", "postgresql"),
    ("curl: (7) Failed to connect to search port 9200 after 0 ms: Couldn't connect to server", "refused", "search:9200", ""),
    ("curl: (6) Could not resolve host: searchx", "name", "searchx", ""),
])
def test_what_programs_say(text: str, kind: str, address: str, engine: str) -> None:
    said = dependency_complaint(read_run_end(log_lines(STARTED, text).value))
    assert said is not None and (said.kind, said.address, said.engine) == (kind, address, engine)


FRAMES = ("Traceback (most recent call last):", '  File "/srv/shop/web.py", line 3, in <module>',
          "    {}", "            ~~~~~~~~~~~^^^^^", '  File "/usr/lib/python3.13/socket.py", line 864, in create_connection',
          "    raise exceptions[0]", '  File "/usr/lib/python3.13/socket.py", line 849, in create_connection',
          "    sock.connect(sa)", "    ~~~~~~~~~~~~^^^^")
NO_NAME = "socket.gaierror: [Errno -3] Temporary failure in name resolution"
REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"


@pytest.mark.parametrize(("call", "ended", "kind", "address"), [
    ('STOCK = socket.create_connection(("127.0.0.1", 8127), 5).makefile()', REFUSED, "refused", "127.0.0.1:8127"),
    ("s.connect(('stock.internal', 9000))", REFUSED, "refused", "stock.internal:9000"),
    ('s.connect(("10.0.0.9", 9000))', "TimeoutError: timed out", "slow", "10.0.0.9:9000"),
    ('s.connect(("10.0.0.9", 9000))', "OSError: [Errno 113] No route to host", "slow", "10.0.0.9:9000"),
    ('STOCK = socket.create_connection(("stock", 5258), 5)', NO_NAME, "name", "stock:5258"),
    ('HTTPConnection("stock", 80).request("GET", "/")', NO_NAME, "name", "stock:80"),
    ("s.connect((HOST, PORT))", NO_NAME, "name", "its address"),
    ("s.connect((HOST, PORT))", REFUSED, "", ""), ('s.bind(("127.0.0.1", 8127))', REFUSED, "", ""),
])
def test_an_exception_without_an_address_has_that_of_the_call_that_its_traceback_quotes(
        call: str, ended: str, kind: str, address: str) -> None:
    before = (STARTED, 'x.connect(("10.1.1.1", 1))')       # above the traceback: of something else
    first, *frames = (line.format(call) for line in FRAMES)
    within = [word for number in range(20) for word in (f'  File "/usr/lib/python3/server.py", line {number}, in load', "    load()")]
    said = dependency_complaint(read_run_end(log_lines(*before, first, *within, *frames, ended).value))
    assert (said.kind, said.address, said.engine) == (kind, address, "") if said is not None else not kind


@pytest.mark.parametrize("text", [
    "WORKER TIMEOUT (pid:7)", "timeout of 30 seconds, listening on 0.0.0.0:8000", "giving up on the queue at 10:15",
])
def test_a_timeout_of_something_else_names_no_address(text: str) -> None:
    assert dependency_complaint(read_run_end(log_lines(STARTED, text).value)) is None


def test_an_earlier_complaint_is_not_what_ended_the_last_run() -> None:
    earlier = 'connection to server at "db" (10.0.0.2), port 5432 failed: Connection refused'
    assert dependency_complaint(read_run_end(log_lines(earlier, "pump.log: giving up").value)) is not None
    assert dependency_complaint(read_run_end(log_lines(earlier, *FRAMES[:2], "zlib.error: odd").value)) is None


def test_the_complaint_that_a_program_wraps_in_an_exception_of_its_own_counts() -> None:
    wrapped = ('OSError: connection to server at "db" (10.0.0.2), port 5432 failed: Connection refused', "",
               "The above exception was the direct cause of the following exception:", "", *FRAMES[:2], "shop.NotReady: no stock")
    said = dependency_complaint(read_run_end(log_lines(*wrapped).value))
    assert said is not None and said.address == "db:5432"
