"""What visitors of a random host get: the lab's oracle, and a quick look at how the pages fail."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from lab.errors import UnexpectedState
from lab.oracle import Baseline, NotHealthy, Site, ask, record
from lab.oracle.browser import Browser
from lab.oracle.types import Answer
from lab.random_hosts.running_host import RunningHost

PAGES = ("/login", "/health", "/api/whoami")
VISIT_SECONDS = 2.0     # between two visits while a solver is at work
QUICK = 4.0     # seconds that a quick look waits for a page
WELL_SECONDS = 60.0    # on a busy machine
FAIL_SECONDS = 40.0
UNSTEADY_LOOKS = 20     # failing looks in a row, no two alike, after which a host counts as failing in a changing way
OUT_OF_CONNECTIONS_LOOKS = 6    # which page meets that is chance: two looks that are alike prove nothing
VARYING = -1            # in place of a status that changes from look to look
_LOGGED = re.compile(r"\S+ \S+ \[(?:error|crit|emerg|alert)\] \d+#\d+: (?:\*\d+ )?(?P<what>.*)")
# without the scheme, which repeats nginx's own files: if it matters, the message tells of the handshake
_UPSTREAM = re.compile(r', upstream: "(?:[a-z]{1,8}://)?(?P<address>[^"]{0,300})"')
_CONTAINER = re.compile(r"\b(?:10|172|192)(?:\.\d{1,3}){3}\b")      # Docker gave it, and may give another
_PAGE = re.compile(r"/(?:login|health|api/\w{1,60})(?:\?[^\s?]{0,100})?\Z")


@dataclass(frozen=True, slots=True)
class Signature:
    """How a host fails: the status of each page (VARYING if it changes), and what nginx logged about it."""

    statuses: tuple[int, ...]
    logged: frozenset[str]

    @property
    def is_well(self) -> bool:
        """Return whether every page answers as on a host that is well."""
        return self.statuses == WELL.statuses

    @property
    def is_out_of_connections(self) -> bool:
        """Return whether nginx had no connection left for some request."""
        return any("worker_connections are not enough" in line for line in self.logged)

    @property
    def text(self) -> str:
        """Return the signature in one line, for a report."""
        return f"{self.statuses} {'; '.join(sorted(self.logged))}"[:400]


def site_of(host: RunningHost) -> Site:
    """Return the office of the host."""
    values = host.spec.values
    return Site(host.url, host=values["visit_name"], user=values["login"], password=values["password"])


def foreign_sites(host: RunningHost) -> tuple[Site, ...]:
    """Return the sites of somebody else."""
    return tuple(Site(host.url, host=name, pages=("/",)) for name in host.spec.foreign.sites)


@dataclass(slots=True)
class Visitors:
    """The oracle of one host: the healthy baselines, and every later question."""

    host: RunningHost
    baselines: tuple[Baseline, ...] = ()

    def record(self) -> None:
        """Record the healthy answers once all sites answer; raise UnexpectedState if they do not in time."""
        if self._times_out(lambda: not self._problem_of_record(), WELL_SECONDS):
            raise UnexpectedState(self._problem_of_record() or "the pages are not stable")

    def failing(self) -> tuple[str, ...]:
        """Return what fails now; empty if every site is well."""
        sites = (site_of(self.host), *foreign_sites(self.host))
        return ask(tuple(zip(sites, self.baselines, strict=True))).failing

    def foreign_failing(self) -> tuple[str, ...]:
        """Return what fails on the sites of somebody else."""
        pairs = tuple(zip(foreign_sites(self.host), self.baselines[1:], strict=True))
        return ask(pairs).failing if pairs else ()

    def becomes_well(self, seconds: float = WELL_SECONDS) -> tuple[str, ...]:
        """Wait until every site is well; return what still fails at the end."""
        return () if not self._times_out(lambda: self.signature().is_well and not self.failing(), seconds) \
            else self.failing()

    def begins_to_fail(self) -> Signature | None:
        """Wait until the office fails the same way twice in a row, or for long in changing ways: where nginx runs out
        of connections, each look finds other errors. Return None if it does not fail."""
        until = time.monotonic() + FAIL_SECONDS
        ill: list[Signature] = []
        last: Signature | None = None
        while time.monotonic() < until:
            seen = self.signature()
            ill = [] if seen.is_well else [*ill, seen]
            by_chance = any(one.is_out_of_connections for one in ill)
            if seen == last and not by_chance and (not seen.is_well or self.failing()):
                return seen
            if len(ill) >= (OUT_OF_CONNECTIONS_LOOKS if by_chance else UNSTEADY_LOOKS):
                return unsteady_signature(ill)
            last = seen
            time.sleep(0.7)
        return None

    def comes_to_answer(self, ways: Sequence[Signature]) -> Signature:
        """Wait until the pages answer in one of these ways; return how they answer at the end."""
        until = time.monotonic() + FAIL_SECONDS
        while not any(answers_alike(seen := self.signature(), way) for way in ways) and time.monotonic() < until:
            time.sleep(0.7)
        return seen

    @contextmanager
    def keep_visiting(self) -> Iterator[None]:
        """Let somebody log in and read the report every few seconds meanwhile: what nobody asks for, nginx never logs,
        and a fault that another one hides could not be noticed once that is repaired."""
        over = threading.Event()

        def visit() -> None:
            while not over.wait(VISIT_SECONDS):
                self._ask_report()

        visitor = threading.Thread(target=visit, daemon=True)
        visitor.start()
        try:
            yield
        finally:
            over.set()
            visitor.join()

    def signature(self) -> Signature:
        """Return how the pages answer now, and what nginx logs meanwhile."""
        mark = self.host.log_mark()
        browser = Browser(site_of(self.host), patience=QUICK)
        with ThreadPoolExecutor(len(PAGES) + 2) as pool:
            waiting = [*(pool.submit(browser.get, path) for path in PAGES),
                       pool.submit(browser.log_in, "no such password"), pool.submit(self._ask_report)]
            statuses = tuple(one.result().status for one in waiting)
        return Signature(statuses, logged_failures(self.host.logged_since(mark)))

    def _ask_report(self) -> Answer:
        """Log in and read the report; if nobody can log in, return that answer."""
        browser = Browser(site_of(self.host), patience=QUICK)
        entered = browser.log_in()
        return browser.get(browser.site.report, nonce="1") if browser.cookies else entered

    def _problem_of_record(self) -> str:
        try:
            self.baselines = tuple(record(site) for site in (site_of(self.host), *foreign_sites(self.host)))
        except NotHealthy as error:
            return str(error)
        return "" if not (failing := self.failing()) else failing[0]

    @staticmethod
    def _times_out(condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds; return whether it never did."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                return True
            time.sleep(0.4)
        return False


WELL = Signature((200, 200, 401, 401, 200), frozenset())


def answers_alike(seen: Signature, other: Signature) -> bool:
    """Return whether the pages answer alike, whatever nginx logs; a status that changes is like any."""
    return all(one == two or VARYING in (one, two) for one, two in zip(seen.statuses, other.statuses, strict=True))


def unsteady_signature(seen: Sequence[Signature]) -> Signature:
    """Return several ways to fail as one: what is the same in all of them, and everything that nginx logged."""
    pages = zip(*(one.statuses for one in seen), strict=True)
    statuses = tuple(each[0] if len(set(each)) == 1 else VARYING for each in pages)
    return Signature(statuses, frozenset(line for one in seen for line in one.logged))


def logged_failures(text: str) -> frozenset[str]:
    """Return nginx's complaints without times, clients and processes: what went wrong, and with which upstream."""
    found = set()
    for line in text.splitlines():
        if (logged := _LOGGED.match(line)) is None:
            continue
        upstream = _UPSTREAM.search(line)
        what = logged["what"].partition(", client: ")[0]
        text = f"{what} {_PAGE.sub('', upstream['address']) if upstream else ''}".strip()
        found.add(_CONTAINER.sub("CONTAINER", text))
    return frozenset(found)
