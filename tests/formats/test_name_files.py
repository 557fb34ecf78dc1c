"""Tests of fixer/formats/name_files.py."""

from __future__ import annotations

import time

import pytest

from fixer.formats.name_files import hosts_line_of, name_servers_in, parse_hosts, says_name_unresolved


def test_who_asks_for_ipv4_gets_it_of_a_loopback_that_only_ipv6_has() -> None:
    """As the C library answers: nginx reaches what listens on 127.0.0.1, though no line says so."""
    assert parse_hosts(b"::1 localhost\n") == {"localhost": ("::1", "127.0.0.1")}
    assert parse_hosts(b"127.0.0.1 localhost\n::1 localhost six\n")["localhost"] == ("127.0.0.1", "::1")
    assert parse_hosts(b"fe80::1 db\n") == {"db": ("fe80::1",)}


def test_a_hosts_file_of_very_many_lines_costs_its_length() -> None:
    began = time.process_time()
    same = parse_hosts(b"10.0.0.1 db\n" * 40_000)
    many = parse_hosts(b"".join(b"10.%d.%d.%d db\n" % (n >> 16, n >> 8 & 255, n & 255) for n in range(40_000)))
    assert same == {"db": ("10.0.0.1",)} and len(many["db"]) == 40_000
    assert time.process_time() - began < 2


def test_the_line_that_names_a_host() -> None:
    assert hosts_line_of(b"# db\n1.2.3.4 other # db\n10.0.0.7 a DB\n", "db") == 3 and hosts_line_of(b"", "db") == 0


def test_the_name_servers_of_a_resolv_conf() -> None:
    text = b"# nameserver 9.9.9.9\nnameserver 10.0.2.3\n\tnameserver fd00::3 # six\nnameserver 10.0.2.3\nnameserver [masked 1]\nsearch a\n"
    assert name_servers_in(text) == ("10.0.2.3", "fd00::3") and name_servers_in(b"\xff\0") == ()


@pytest.mark.parametrize(("line", "expected"), [
    ("socket.gaierror: [Errno -2] Name or service not known", True), ("Error: getaddrinfo ENOTFOUND db", True),
    ('psycopg2.OperationalError: could not translate host name "db" to address: x', True),
    ("redis.exceptions.ConnectionError: Error -3 connecting to db:6379. Temporary failure in name resolution.", True),
    ("ConnectionRefusedError: [Errno 111] Connection refused", False), ("OSError: [Errno -22]", False),
])
def test_lines_about_a_name_without_an_address(line: str, *, expected: bool) -> None:
    assert says_name_unresolved(["x", line]) is expected
