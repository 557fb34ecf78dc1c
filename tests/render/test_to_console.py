"""The page a person reads: golden pages, any width, nothing hostile gets through, no colour without a terminal."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixer.model.facts import Evidence
from fixer.model.report import CheckReport, ProbeReport, Report
from fixer.render.outcome_text import catalogue_text, failure_text, history_text, repair_text, undo_text, verify_text
from fixer.render.plan_text import plan_lines
from fixer.render.terminal_text import PLAIN, Style, count_columns
from fixer.render.to_console import address_of, headline, render
from tests.render import report_samples as s

GOLDEN = Path(__file__).parent / "golden"
RICH = Style(colour=True, symbols=True)
SYMBOLS = Style(symbols=True)

WIDTHS = (40, 60, 80, 100, 160)


def styled(width: int) -> Style:
    return replace(SYMBOLS, width=width)


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
    "wordy": render(s.WORDY, SYMBOLS, as_root="sudo fixer diagnose"),
    **{f"wordy-{width}": render(s.WORDY, styled(width), as_root="sudo fixer diagnose") for width in WIDTHS if width != 80},
    "wordy-verbose": render(s.WORDY, SYMBOLS, verbose=True),
    "causes-40": catalogue_text(s.CATALOGUE, styled(40)),
    "verified-40": verify_text(s.VERIFIED, styled(40)),
    "needs-input-40": repair_text(s.WAITS_FOR_OPERATOR, styled(40)),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_golden_page(name: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    if "BADGATEWAY_WRITE_GOLDEN" in os.environ:
        golden.write_text(PAGES[name], encoding="utf-8")
    assert PAGES[name] == golden.read_text(encoding="utf-8")


def width_of(name: str) -> int:
    width = name.rpartition("-")[2]
    return int(width) if width.isdecimal() else 80


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_wide_as_the_terminal_but_for_a_longer_word(name: str) -> None:
    for line in re.sub(r"\x1b\[\d+m", "", PAGES[name]).splitlines():
        assert count_columns(line) <= width_of(name) or " " not in line.strip("+-| "), line


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("report", [s.BROKEN, s.CHAIN, s.WORDY])
def test_no_width_cuts_the_evidence_or_breaks_a_word(report: Report, width: int, verbose: bool) -> None:
    page = " ".join(render(report, styled(width), verbose=verbose).split())
    wide = set(" ".join(render(report, styled(1000), verbose=verbose).split()).split())
    assert wide - {"\\"} == set(page.split()) - {"|", "\\"}
    assert "..." not in page and "…" not in page
    for finding in report.findings:
        for item in finding.evidence[:8] if finding.role == "root" else ():
            assert all(word in page.split() for word in f"{item.where} {item.text}".split())


def test_evidence_of_absurd_length_loses_its_middle_and_says_so() -> None:
    item = Evidence("nginx-config", "nginx.conf:1", "first " + "x " * 5000 + "last")
    report = replace(s.BROKEN, findings=(replace(s.WRONG_PORT, evidence=(item,)),))
    page = render(report, PLAIN)
    assert "first x" in page and "x last" in page and "(8010 characters left out: fixer diagnose --verbose)" in " ".join(page.split())
    assert render(report, PLAIN, verbose=True).count(" x") >= 4990


def test_who_is_not_root_is_told_so_first() -> None:
    report = replace(s.WORDY, routes=s.BROKEN.routes)
    assert render(report, SYMBOLS, as_root="sudo fixer diagnose").splitlines()[:3] == [
        "✗ /api on http://*:80 answers 502 (3 of 3 requests)", "  Run: sudo fixer diagnose",
        "  Without root some owners of sockets and some files are unknown."]
    assert "note: local: not root" not in render(s.WORDY, SYMBOLS, as_root="sudo fixer diagnose")


@pytest.mark.parametrize(("change", "as_root"), [
    ({}, ""), ({"without_root": ()}, "sudo fixer diagnose"), ({"verdict": "healthy"}, "sudo fixer diagnose"),
    ({"checks": s.CHECKS[:5]}, "sudo fixer diagnose"),
])
def test_sudo_is_named_only_where_it_would_tell_more(change: dict[str, Any], as_root: str) -> None:
    page = render(replace(s.WORDY, **change), SYMBOLS, as_root=as_root)
    assert "Run:" not in page and "note: local: not root" in page


def test_a_repair_tells_it_too() -> None:
    result = replace(s.WAITS_FOR_OPERATOR, after=s.WORDY)
    page = repair_text(result, SYMBOLS, as_root="sudo fixer repair")
    assert "\n  Run: sudo fixer repair\n" in page and "note: local: not root" not in page
    assert "note: local: not root" in repair_text(result, SYMBOLS)


@pytest.mark.parametrize("verbose", [False, True])
def test_a_reason_is_told_once_with_the_causes_that_wait_for_it(verbose: bool) -> None:
    page = " ".join(render(s.WORDY, styled(160), verbose=verbose).split())
    assert page.count("which service belongs behind 127.0.0.1:8001") == 1
    assert "behind 127.0.0.1:8001 crash-code-error, crash-killed, crash-oom, unit-misconfigured" in page


def test_of_many_missing_facts_those_are_shown_that_most_causes_wait_for() -> None:
    checks = tuple(replace(s.CHECKS[5], cause=f"c{n}", missing=(f"fact {n}", "fact 7")) for n in range(9))
    page = render(replace(s.BROKEN, checks=checks), PLAIN)
    assert page.index("fact 7") < page.index("fact 0") and "fact 3" not in page
    assert "  and 5 more missing facts (--verbose)\n" in page
    assert "fact 8" in render(replace(s.BROKEN, checks=checks), PLAIN, verbose=True)


def test_a_family_stands_once_in_the_catalogue() -> None:
    causes = (*s.CATALOGUE.causes, replace(s.CATALOGUE.causes[0], id="wrong-host"))
    page = catalogue_text(replace(s.CATALOGUE, causes=causes))
    assert page.count("wrong port\n") == 1 and page.index("wrong-host") < page.index("backend-down")


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


def test_an_error_of_the_application_is_in_the_first_line() -> None:
    failing = replace(s.HEALTHY.routes[0], passed_on=True)
    page = render(replace(s.HEALTHY, routes=(failing, *s.HEALTHY.routes[1:])), PLAIN)
    assert page.splitlines()[0].startswith("! 2 routes answer through nginx, 1 of them with an error of the application")


def test_a_route_that_gave_no_answer_is_not_passed_over_beside_one_that_did() -> None:
    late = replace(s.API, id="r9", state="unknown", probe=ProbeReport(None, 2000.0, "slow"))
    well = replace(s.HEALTHY, routes=(*s.HEALTHY.routes, late))
    assert headline(well, styled(100))[0].endswith("through nginx; 1 gave no answer in time (see below)")


@pytest.mark.parametrize(("scheme", "listen", "names", "address"), [
    ("http", "0.0.0.0:80", ("_",), "http://*:80"), ("https", "[::]:443", ("a.example",), "https://a.example"),
    ("http", "0.0.0.0:8080", (), "http://*:8080"), ("https", "0.0.0.0:443", ("",), "https://*"),
    ("http", "0.0.0.0:80", ("_", "shop.example"), "http://shop.example:80"),
    ("https", "0.0.0.0:8443", ("a.example",), "https://a.example:8443"), ("http", "0.0.0.0:443", ("a",), "http://a:443"),
    ("http", "unix:/run/n.sock", ("a",), "a (unix:/run/n.sock)"),
])
def test_a_route_has_an_address(scheme: str, listen: str, names: tuple[str, ...], address: str) -> None:
    """By whether its listener speaks TLS, not by its port."""
    assert address_of(replace(s.API, scheme=scheme, listen=listen, server_names=names)) == address   # type: ignore[arg-type]


def test_the_verdict_does_not_depend_on_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")     # rendering is pure: only its style says how wide
    assert render(s.BROKEN, SYMBOLS) == PAGES["broken"]
    assert {" ".join(" ".join(headline(s.WORDY, styled(width))).split()) for width in WIDTHS} == {
        " ".join(" ".join(headline(s.WORDY, styled(1000))).split())}


def test_routes_that_are_well_are_told_beside_those_that_nobody_could_judge() -> None:
    well, late = (replace(s.BROKEN.routes[0], state=state) for state in ("ok", "unknown"))
    report = replace(s.BROKEN, verdict="unknown", findings=(), routes=(well, late))
    assert headline(report, styled(100))[0] == "? 1 route answers through nginx; 1 gave no answer in time and could not be judged"


def test_an_empty_report_is_a_page() -> None:
    assert render(Report(1, "local", "unknown", 0.0, (), (), (), ()), PLAIN) == "? no route of local could be judged\n"


def test_of_many_causes_that_wait_for_one_fact_the_first_are_named() -> None:
    many = tuple(CheckReport(f"cause-{n}", "undetermined", (), ("what shows once wrong-port is repaired",)) for n in range(9))
    short, full = (render(replace(s.BROKEN, checks=many), SYMBOLS, verbose=verbose) for verbose in (False, True))
    assert "cause-0, cause-1, cause-2, 6 more (--verbose)" in short and "cause-8" not in short
    assert "cause-8" in full
    assert "cause-7" in render(replace(s.BROKEN, checks=many[:8]), SYMBOLS)
