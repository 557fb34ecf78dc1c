"""Load test: how many requests fail, how long they take, whether the work is still done."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from lab.oracle.browser import Browser
from lab.oracle.checks import ask_report, difference_text
from lab.oracle.types import Baseline, Check, LoadResult, Site

_MAX_ROUNDS = 3  # of as many requests as the scenario defines
SHORT_BURST = 12  # requests that show an overload; they cannot prove a failure rate of one in a hundred


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """The load at which a site is judged: drawn by the scenario, never read back from the stack.
    `limit` is a visitor's time limit in a healthy site (the scenario's own proxy_read_timeout): raising it in nginx
    does not help. `work` is the duration of one report alone: a much faster reply is not the same report. Times are in
    seconds."""

    limit: float
    work: float
    requests: int = 50
    at_once: int = 4
    broken_share: float = 0.4
    well_share: float = 0.01
    short_of: int = 0  # requests of the full proof, if this load is only a short burst of it

    def short_burst(self) -> LoadSpec:
        """Return the same load with few requests, for a demonstration."""
        return self if self.requests <= SHORT_BURST else replace(self, requests=SHORT_BURST, short_of=self.requests)


class _Tally:
    """Counter of requests until all are done, or until the site is certainly broken."""

    def __init__(self, spec: LoadSpec, stop_early: bool) -> None:
        self.spec = spec
        self._lock = threading.Lock()
        self._left = spec.requests
        self._enough = max(1, round(spec.broken_share * spec.requests)) if stop_early else spec.requests + 1
        self._limit = spec.limit
        self._bad = 0
        self.taken: list[float] = []
        self.wrong: list[str] = []

    def take(self) -> bool:
        """Return whether to send another request."""
        with self._lock:
            if not self._left or self._bad >= self._enough:
                return False
            self._left -= 1
            return True

    def add(self, seconds: float, wrong: str) -> None:
        """Add a finished request."""
        with self._lock:
            self.taken.append(seconds)
            self._bad += bool(wrong) or seconds >= self._limit
            if wrong:
                self.wrong.append(wrong)


def _visit(site: Site, session: Mapping[str, str], baseline: Baseline, tally: _Tally, patience: float) -> None:
    browser = Browser(site, patience=patience)
    browser.cookies.update(session)
    pauses = random.Random()  # noqa: S311  pauses of people, not secrets
    while tally.take():
        time.sleep(pauses.uniform(0.1, 0.5))
        start = time.monotonic()
        answer, proven = ask_report(browser)
        wrong = difference_text(answer, baseline.answers.get(site.report)) or ("" if proven else "wrong receipt")
        tally.add(time.monotonic() - start, wrong)


def percentile95(seconds: list[float]) -> float:
    """Return the smallest value that 95 of 100 do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * 95 // 100) - 1)] if ordered else 0.0


def measure_load(site: Site, baseline: Baseline, spec: LoadSpec, *,
            stop_early: bool = True) -> tuple[LoadResult, tuple[Check, ...]]:
    """Measure at the load. Stop early once so many failed that the site cannot be well.
    Forty or fifty requests cannot distinguish one failure in a hundred from one in fifty. If the failures would be few
    enough for up to three times as many requests, another round follows."""
    browser = Browser(site)
    browser.log_in()
    cookies = browser.cookies or baseline.session
    taken, wrong = _run_round(site, baseline, cookies, _Tally(spec, stop_early))
    while _needs_more_requests(len(wrong), len(taken), spec):
        more, more_wrong = _run_round(site, baseline, cookies, _Tally(spec, stop_early))
        taken, wrong = taken + more, wrong + more_wrong
    return judge_load(taken, wrong, spec)


def _needs_more_requests(failed: int, asked: int, spec: LoadSpec) -> bool:
    """Return whether too many of the full rounds' requests failed, but few enough of the maximum."""
    full = asked > 0 and asked % spec.requests == 0
    return full and spec.well_share * asked < failed <= spec.well_share * _MAX_ROUNDS * spec.requests


def _run_round(
    site: Site, baseline: Baseline, cookies: Mapping[str, str], tally: _Tally,
) -> tuple[list[float], list[str]]:
    spec = tally.spec
    with ThreadPoolExecutor(spec.at_once) as pool:
        visits = [pool.submit(_visit, site, cookies, baseline, tally, spec.limit * 2) for _ in range(spec.at_once)]
        for visit in visits:
            visit.result()
    return tally.taken, tally.wrong


def judge_load(taken: list[float], wrong: list[str], spec: LoadSpec) -> tuple[LoadResult, tuple[Check, ...]]:
    """Judge: few enough fail, the 95th percentile is within the limit, and every report took its work's time."""
    measured = LoadResult(len(taken), len(wrong), percentile95(taken), min(taken, default=0.0), spec.short_of)
    few = measured.share <= spec.well_share
    good = sorted(taken)
    quick = [seconds for seconds in good if seconds < 0.8 * spec.work] if few else []
    quick = quick[measured.failed:]  # a refusal is fast, and counts as a failure already
    return measured, (
        Check("reports under load", few,
              "" if few else f"{measured.failed} of {measured.asked} failed, first: {wrong[0] if wrong else '?'}"),
        Check("reports in time", measured.p95 < spec.limit,
              "" if measured.p95 < spec.limit else f"95th percentile {measured.p95:.1f} s, limit {spec.limit:g} s"),
        Check("reports do their work", not quick,
              f"{len(quick)} answered in {quick[0]:.2f} s, but the work alone takes {spec.work:g} s" if quick else ""),
    )
