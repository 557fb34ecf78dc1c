"""Tests of fixer/redaction/allowed.py."""

from __future__ import annotations

import re

import pytest

from fixer.redaction import allowed
from fixer.redaction.allowed import FOLLOWERS, pattern, row

ROWS = sorted(allowed._ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_an_ere_that_python_and_awk_read_alike(name: str) -> None:
    text = pattern(name)
    re.compile(text)
    assert not re.search(r"\(\?|\\[dwsbDWSB]|@[A-Z_]+@", text), "no group of Python's own, no class with a backslash, no row left open"
    assert not re.search(r"[^\[\\]\{[0-9]+(,[0-9]*)?\}", text), "no interval: mawk has none"


def test_rows_are_compiled_at_first_use() -> None:
    assert row("PLAIN").fullmatch("8000") and not row("PLAIN").fullmatch("letmein")


def test_each_letter_has_its_followers() -> None:
    assert sorted(FOLLOWERS) == list("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(("name", "shown"), [
    ("NGINX_SHOW", "proxy_pass"), ("NGINX_SHOW", "server_name"), ("UNIT_SHOW", "workingdirectory"), ("YAML_SHOW", "ports"), ("OPTION", "--bind"),
])
def test_what_causes_read(name: str, shown: str) -> None:
    assert row(name).fullmatch(shown)


@pytest.mark.parametrize(("name", "masked"), [
    ("NGINX_SHOW", "proxy_set_body"), ("NGINX_SHOW", "env"), ("NGINX_SHOW", "auth_jwt_key"), ("UNIT_SHOW", "description"), ("UNIT_SHOW", "environment"),
    ("YAML_SHOW", "environment"), ("YAML_SHOW", "content"), ("OPTION", "--password"), ("OPTION", "--anything"),
])
def test_what_none_reads(name: str, masked: str) -> None:
    assert not row(name).fullmatch(masked)
