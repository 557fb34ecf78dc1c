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
])
def test_what_programs_say(text: str, kind: str, address: str, engine: str) -> None:
    said = dependency_complaint(read_run_end(log_lines(STARTED, text).value))
    assert said is not None and (said.kind, said.address, said.engine) == (kind, address, engine)
