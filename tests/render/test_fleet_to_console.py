"""Tests of fixer/render/fleet_to_console.py."""

from __future__ import annotations

import pytest

from fixer.render.fleet_to_console import count_text, headline, names_text, render
from fixer.render.terminal_text import Style
from tests.render import fleet_samples as s

SHOWN = """\
17 hosts: 2 healthy (1 repaired) · 12 wrong-port (container-wrong-port) (web-3, …) · 1 no cause
  proven (web-2) · 2 could not be looked at

  wrong-port (container-wrong-port)
    12 hosts: web-3, web-4, web-5, web-6, web-7, web-8, web-9, web-10 and 4 more
    beside another cause on 1 host: web-40
    nginx hands /api to 127.0.0.1:8001, where nothing listens. (web-3)
    Repair, safe: point-route-at-listener on 12 of 13
    Repair, by hand: edit on 1 of 13

  no cause proven
    1 host: web-2

  could not be looked at
    nothing answers at port 22: web-50, web-51

  note: the last report of a host counts; earlier ones: 1
"""


def test_a_fleet_is_shown_by_cause() -> None:
    assert render(s.MIXED, Style(symbols=True, width=100)) == SHOWN


def test_verbose_names_every_host() -> None:
    shown = render(s.MIXED, verbose=True)
    assert " more" not in shown and "web-13, web-14" in shown and shown.isascii()


@pytest.mark.parametrize(("report", "colour", "text"), [
    (s.HEALTHY, 32, "1 host: 1 healthy"), (s.UNSEEN, 33, "2 hosts: 1 healthy · 2 could not be looked at"),
])
def test_the_first_line_has_the_colour_of_the_verdict(report: s.FleetReport, colour: int, text: str) -> None:
    first = render(report, Style(colour=True, symbols=True)).splitlines()[0]
    assert first == f"\x1b[{colour}m{text}\x1b[0m"


def test_nothing_of_a_host_reaches_the_terminal_raw() -> None:
    shown = render(s.EVIL, verbose=True)
    assert "\x1b" not in shown and "\u202e" not in shown and "\udcff" not in shown


def test_the_counts_and_names() -> None:
    assert headline(s.MIXED) == "2 healthy (1 repaired) · 12 wrong-port (container-wrong-port) · 1 no cause proven · 2 could not be looked at"
    assert (names_text(("a", "b", "c"), 2), names_text(("a", "b"), 2), count_text(1)) == ("a, b and 1 more", "a, b", "1 host")
