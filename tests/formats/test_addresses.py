"""Tests of fixer/formats/addresses.py."""

from __future__ import annotations

import pytest

from fixer.formats.addresses import is_host_name, is_loopback, is_own_host, is_wildcard, reached_at


@pytest.mark.parametrize(("address", "loopback", "own", "wildcard", "reached"), [
    ("127.0.0.1", True, True, False, "127.0.0.1"), ("127.1.2.3", True, True, False, "127.1.2.3"),
    ("::1", True, True, False, "::1"), ("::ffff:127.0.0.1", True, True, False, "::ffff:127.0.0.1"),
    ("localhost", False, True, False, "localhost"), ("localhost.localdomain", False, True, False, "localhost.localdomain"),
    ("127.example", False, False, False, "127.example"), ("128.0.0.1", False, False, False, "128.0.0.1"),
    ("::ffff:10.0.0.1", False, False, False, "::ffff:10.0.0.1"), ("0.0.0.0", False, False, True, "127.0.0.1"),
    ("", False, False, True, "127.0.0.1"), ("*", False, False, True, "127.0.0.1"), ("::", False, False, True, "::1"),
    ("[::]", False, False, True, "::1"), ("[::1]", False, False, False, "[::1]"),
])
def test_what_an_address_stands_for(address: str, loopback: bool, own: bool, wildcard: bool, reached: str) -> None:
    assert (is_loopback(address), is_own_host(address), is_wildcard(address)) == (loopback, own, wildcard)
    assert reached_at(address) == reached


@pytest.mark.parametrize(("text", "is_name"), [
    ("shop.internal", True), ("api", True), ("3scale.net", True), ("a_b.example", True), ("127.0.0.1", False),
    ("::1", False), ("[::1]", False), ("_", False), ("", False), ("*.example.com", False), ("$host", False),
    ("~^a$", False), ("a b", False), ("a" * 300, False),
])
def test_what_a_handshake_sends_as_a_name(text: str, is_name: bool) -> None:
    assert is_host_name(text) is is_name
