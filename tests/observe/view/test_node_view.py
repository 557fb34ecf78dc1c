"""Tests of fixer/observe/view/node_view.py."""

from __future__ import annotations

import time

from fixer.observe.view.node_view import parse_hosts


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
