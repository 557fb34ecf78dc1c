"""Tests of fixer/redaction/commands.py."""

from __future__ import annotations

import pytest

from fixer.redaction.commands import redact_argv, redact_value

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(("name", "value", "kept"), [
    ("PORT", "8000", True), ("APP_HOST", "0.0.0.0", True), ("ANY", "8000", True), ("LISTEN_ON", "127.0.0.1:80", True),
    ("PORT", "${PORT:-80}", True), ("ANY", "", True), ("ARGS", "--port 8000", True), ("ANY", SECRET, False),
    ("SECRET_KEY", "abc", False), ("DATABASE_URL", "postgres://u:p@h/d", False), ("PORT", "a b c", False),
])
def test_values(name: str, value: str, kept: bool) -> None:
    assert (redact_value(name, value) == value) is kept


def test_the_plugins_of_uwsgi_are_shown() -> None:
    """They say which interpreter runs the application."""
    said = ["uwsgi", "--plugin", "python3", "--need-plugins=http", "--plugin", "Zx9Kq7LmT4vB2nW8"]
    assert redact_argv(said)[:-1] == said[:-1] and said[-1] not in redact_argv(said)


def test_the_port_of_an_instance_is_shown() -> None:
    """It was masked, and a bundle did not tell which service should listen."""
    said = ["granian", "--port", "81%i", "--bind", "127.0.0.1:80%I", "-b", "0.0.0.0:90%(process_num)02d", "--port=%i"]
    assert redact_argv(said) == said
    for word in ("%secret", "2024%k1999", "2024%i1999"):
        assert word not in redact_argv(["app", "--pin", word])
