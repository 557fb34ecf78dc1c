"""The page a person reads: golden pages, 80 columns, nothing hostile gets through, no colour without a terminal."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.model.report import ProbeReport, Report
from fixer.render.outcome_text import catalogue_text, failure_text, history_text, repair_text, undo_text, verify_text
from fixer.render.plan_text import plan_lines
from fixer.render.terminal_text import PLAIN, Style, count_columns
from fixer.render.to_console import address_of, headline, render
from tests.render import report_samples as s

GOLDEN = Path(__file__).parent / "golden"
RICH = Style(colour=True, symbols=True)
SYMBOLS = Style(symbols=True)

PAGES = {
    "broken": render(s.BROKEN, SYMBOLS),
    "broken-verbose": render(s.BROKEN, SYMBOLS, verbose=True),
    "broken-ascii": render(s.BROKEN, PLAIN),
    "broken-colour": render(s.BROKEN, RICH),
    "chain": render(s.CHAIN, SYMBOLS),
    "chain-verbose": render(s.CHAIN, SYMBOLS, verbose=True),
    "healthy": render(s.HEALTHY, SYMBOLS),
    "unknown": render(s.UNKNOWN, SYMBOLS),
    "by-hand": render(s.with_repairs(s.BY_HAND), SYMBOLS),
    "waiting": render(s.with_repairs(s.WAITING), SYMBOLS),
    "no-repair": render(s.with_repairs(), SYMBOLS),
    "long-diff": render(s.with_repairs(s.CREATED), SYMBOLS),
    "removed": render(s.with_repairs(s.REMOVED), SYMBOLS),
    "repaired": repair_text(s.REPAIRED, SYMBOLS),
    "nothing": repair_text(s.NOTHING, PLAIN),
    "needs-input": repair_text(s.WAITS_FOR_OPERATOR, SYMBOLS),
    "verified": verify_text(s.VERIFIED, SYMBOLS),
    "verified-colour": verify_text(s.VERIFIED, RICH),
    "undone": undo_text(s.UNDONE, SYMBOLS),
    "undone-in-part": undo_text(s.UNDONE_IN_PART, SYMBOLS),
    "history": history_text(s.HISTORY),
    "causes": catalogue_text(s.CATALOGUE),
    "plan": "\n".join(plan_lines("wrong-port", s.POINT, SYMBOLS)) + "\n",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_golden_page(name: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    if "BADGATEWAY_WRITE_GOLDEN" in os.environ:
        golden.write_text(PAGES[name], encoding="utf-8")
    assert PAGES[name] == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_80_columns_wide(name: str) -> None:
    for line in re.sub(r"\x1b\[\d+m", "", PAGES[name]).splitlines():
        assert count_columns(line) <= 80, line


@pytest.mark.parametrize("name", [name for name in PAGES if "colour" not in name])
def test_no_escape_code_without_colour(name: str) -> None:
    assert "\x1b" not in PAGES[name]


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("style", [PLAIN, SYMBOLS])
def test_hostile_text_reaches_no_terminal(style: Style, verbose: bool) -> None:
    page = render(s.hostile_report(), style, verbose=verbose)
    page += "\n".join(plan_lines(s.HOSTILE, s.hostile_report().findings[0].repairs[0], style))
    page += failure_text(s.HOSTILE, s.HOSTILE)
    page += undo_text(replace(s.UNDONE_IN_PART, conflicts=(s.HOSTILE,), id=s.HOSTILE), style)
    page += history_text(replace(s.HISTORY, target=s.HOSTILE, runs=(replace(s.RUN, id=s.HOSTILE, steps=(s.HOSTILE,)),)))
    page += repair_text(replace(s.WAITS_FOR_OPERATOR, target=s.HOSTILE, journal=s.HOSTILE, after=s.hostile_report()), style)
    assert all(char == "\n" or char.isprintable() for char in page)
    assert "\\x1b[31mred" in page and "\\u202e" in page


def test_hostile_text_keeps_the_page_narrow() -> None:
    lines = render(s.hostile_report(), PLAIN).splitlines()
    wide = [line for line in lines if count_columns(line) > 80]
    assert not [line for line in wide if not line.lstrip().startswith(("+", "-", "sudo", "fixer repair"))]


def test_the_cause_comes_before_its_proof_and_the_change_last() -> None:
    page = PAGES["broken"]
    order = [page.index(word) for word in ("answers 502", "wrong-port", "error.log", "Ruled out", "Repair, safe", "+ ")]
    assert order == sorted(order)


def test_many_bad_routes_are_counted() -> None:
    routes = tuple(replace(s.API, id=f"r{n}", location=f"/{n}") for n in range(9))
    lines = headline(replace(s.BROKEN, routes=routes), PLAIN)
    assert len(lines) == 6
    assert lines[-1] == "  and 4 more routes"


@pytest.mark.parametrize(("probe", "said"), [
    (None, "fails"), (ProbeReport(503, 1.0, None), "answers 503"), (ProbeReport(None, 1.0, "reset"), "gives no answer (reset)"),
])
def test_a_route_without_a_reason_tells_what_its_probe_saw(probe: ProbeReport | None, said: str) -> None:
    route = replace(s.API, reason="", probe=probe, state="degraded")
    assert headline(replace(s.BROKEN, routes=(route,)), PLAIN)[0].endswith(said)


@pytest.mark.parametrize(("verdict", "said"), [("broken", "is broken"), ("degraded", "some requests"), ("unknown", "judged")])
def test_a_verdict_without_a_bad_route_is_said(verdict: str, said: str) -> None:
    report = replace(s.BROKEN, routes=(), verdict=verdict)  # type: ignore[arg-type]
    assert said in headline(report, PLAIN)[0]


def test_healthy_without_a_route_offers_nothing() -> None:
    page = render(replace(s.HEALTHY, routes=(), checks=()), PLAIN)
    assert page == "OK healthy; nothing to repair\n"


def test_a_route_that_gave_no_answer_is_not_passed_over_beside_one_that_did() -> None:
    late = replace(s.API, id="r9", state="unknown", probe=ProbeReport(None, 2000.0, "slow"))
    well = replace(s.HEALTHY, routes=(*s.HEALTHY.routes, late))
    assert headline(well, PLAIN)[0].endswith("through nginx; 1 gave no answer in time (see below)")


@pytest.mark.parametrize(("scheme", "listen", "names", "address"), [
    ("http", "0.0.0.0:80", ("_",), "http://_:80"), ("https", "[::]:443", ("a.example",), "https://a.example"),
    ("http", "0.0.0.0:8080", (), "http://_:8080"), ("https", "0.0.0.0:443", ("",), "https://_"),
    ("https", "0.0.0.0:8443", ("a.example",), "https://a.example:8443"), ("http", "0.0.0.0:443", ("a",), "http://a:443"),
    ("http", "unix:/run/n.sock", ("a",), "a (unix:/run/n.sock)"),
])
def test_a_route_has_an_address(scheme: str, listen: str, names: tuple[str, ...], address: str) -> None:
    """By whether its listener speaks TLS, not by its port."""
    assert address_of(replace(s.API, scheme=scheme, listen=listen, server_names=names)) == address   # type: ignore[arg-type]


def test_the_verdict_does_not_depend_on_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert render(s.BROKEN, SYMBOLS) == PAGES["broken"]


def test_routes_that_are_well_are_told_beside_those_that_nobody_could_judge() -> None:
    well, late = (replace(s.BROKEN.routes[0], state=state) for state in ("ok", "unknown"))
    first = render(replace(s.BROKEN, verdict="unknown", findings=(), routes=(well, late))).splitlines()[0]
    assert first == "? 1 route answers through nginx; 1 gave no answer in time and could not be judged"


def test_an_empty_report_is_a_page() -> None:
    assert render(Report(1, "local", "unknown", 0.0, (), (), (), ()), PLAIN) == "? no route of local could be judged\n"
