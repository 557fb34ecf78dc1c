"""Tests of fixer/formats/journal_entries.py."""

from __future__ import annotations

from fixer.formats.journal_entries import parse_entries
from fixer.model.unit_event import UnitEvent

TEXT = (b"-- Boot 1 --\n1795533913.912829 host systemd[1]: Started api.service - The API.\n"
        b"1795533914.000001 host uvicorn[7]: Started 4 workers\n    of them one\n"
        b"1795533915.000000 host systemd[1]: api.service: Failed with result 'signal'.\n")


def test_text() -> None:
    first, second, third, last = parse_entries(TEXT)
    assert (first.at, first.text, first.is_systemd, first.event) == (
        1795533913.912829, "Started api.service - The API.", True, UnitEvent("started"))
    assert (second.is_systemd, second.event, second.writer) == (False, None, "unknown")
    assert (third.at, third.text) == (1795533914.000001, "of them one")
    assert last.event == UnitEvent("failed", "api.service", result="signal")
    assert last.told_event is None, "a program may give itself the name of systemd"
