"""Repeated observation until the result is stable: services take time, and one good observation proves little."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

from fixer.analysis.evidence import clock_of, processes_of
from fixer.analysis.hidden_failures import is_marked_as_probe
from fixer.analysis.service_state import restart_count_of, run_state_of, start_time_of
from fixer.app.inspect_target import StateNotes, observe_and_diagnose
from fixer.app.request import RepairRequest
from fixer.formats.application_servers import busy_limit_of
from fixer.hosts.machine.prefetch import forget_prefetched
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import UNEXPLAINED, Finding
from fixer.model.facts import Known
from fixer.model.host import Target
from fixer.model.snapshot import Nginx, RouteFacts, Snapshot
from fixer.verify import Observation, Verification, compare, is_still_found

STABLE_LIMIT = 30.0  # seconds for a repair to show its effect; only a failing one uses all
HEAL_LIMIT = 60.0  # seconds for faults that end by waiting
SKIPPED_SECONDS = 12.0  # nginx skips a failed member for fail_timeout (default 10 s)
PAUSE_SECONDS = 0.4
STABLE_OBSERVATIONS = 3  # this many observations in a row must agree
STABLE_SECONDS = 2.0  # and over this many seconds
WATCH_LIMIT = 12.0  # seconds to watch at most for a page that is asked only now
RECENT_PAUSES = 3  # between the last failures that visitors saw
RECENT_SECONDS = 60.0  # older failures tell nothing of the visitors of now
ASSUMED_PAUSE = 3.0  # seconds between visitors whom an nginx that did not run could not log

ObserveAgain: TypeAlias = Callable[[], Observation]


@dataclass(frozen=True, slots=True)
class StableState:
    """The last observation after a change, and what it proves."""

    observation: Observation
    verification: Verification


def observe_until_stable(look_again: ObserveAgain, before: Observation, addressed: Finding, *,
                         limit: float = STABLE_LIMIT) -> StableState:
    """Observe until the result is good and stable, or until `limit` seconds have passed.

    A next fault that shows at some moments only (a program that ends again and again, a full queue) is never stable. It
    has come if the addressed fault was never found again, and no route that answered got worse.
    """
    deadline = time.monotonic() + limit
    held_off = time.monotonic() + SKIPPED_SECONDS
    streak, watched = _Streak(), watch_seconds(before, addressed)
    revealed: list[StableState] = []
    settled = True
    while True:
        look = look_again()
        verification = compare(before, look, addressed)
        now = time.monotonic()
        streak.add(_state(look) if verification.is_better else None, now)
        settled = settled and not verification.regressions and not is_still_found(before, look, addressed)
        if verification.is_better and not look.is_healthy:
            revealed.append(StableState(look, verification))
        stable = streak.holds(now, watched if look.is_healthy else STABLE_SECONDS)
        if stable and not _is_starting(look) and (now >= held_off or not has_skipped_server(look)):
            return StableState(look, verification)
        if now >= deadline:
            if settled and len(revealed) >= STABLE_OBSERVATIONS:
                return revealed[-1]
            # a single good observation among bad ones is chance
            if verification.is_better and streak.length < STABLE_OBSERVATIONS - 1:
                verification = Verification(False, verification.is_fixed, ("the result is not stable",))
            return StableState(look, verification)
        time.sleep(PAUSE_SECONDS)


def watch_seconds(before: Observation, addressed: Finding) -> float:
    """Return how long the pages must stay well after a repair, in seconds.

    A fault of all pages hides that one of them is slow: nobody has come to it since, and nginx logs the end of its time
    limit only then: of its own, or of the server's for a worker. Visitors come as often as their failures were logged:
    two of their pauses (they log in first) and the limit pass. A limit that is longer than one may wait for is not
    waited for.
    """
    snapshot, longest = before.snapshot, STABLE_SECONDS
    for facts in snapshot.routes:
        nginx = snapshot.nginx_of(facts)
        if facts.route.id not in addressed.routes or nginx is None:
            continue
        pause = _pause_of_visitors(snapshot, nginx)
        wanted = 2 * pause + min([facts.route.read_timeout, *_busy_limits(snapshot, facts)])
        if pause and wanted + 1.0 <= WATCH_LIMIT:
            longest = max(longest, wanted + 1.0)     # times of the log are whole seconds
    return longest


def _busy_limits(snapshot: Snapshot, facts: RouteFacts) -> list[float]:
    """Return the limits of the servers behind the route, wherever nginx looks for them now."""
    named = {name for end in snapshot.endpoints if end.id in facts.endpoints
             for name in (end.configured_service, end.listening_service)}
    return [busy_limit_of(service) for service in snapshot.services
            if service.is_app_server and (service.id in named or not named - {None})]


def _pause_of_visitors(snapshot: Snapshot, nginx: Nginx) -> float:
    """Return the seconds between visitors of late, by their failures; 0.0 if none tell. An nginx that does not run, or
    has just been started, has logged none or few of them."""
    if nginx.master_pid is None:
        return ASSUMED_PAUSE
    now = clock_of(snapshot, nginx.node)
    seen = {int(event.at) for event in nginx.errors.or_else(())
            if now - event.at < RECENT_SECONDS and not is_marked_as_probe(event)}
    began = max((int(process.started_at) for process in processes_of(snapshot, nginx.node, (nginx.master_pid,))),
                default=0)
    if seen and now - began < RECENT_SECONDS:
        seen.add(began)
    return max([later - earlier for earlier, later in pairwise(sorted(seen))][-RECENT_PAUSES:], default=0)


def wait_until_healthy(look_again: ObserveAgain, first: Observation, *, limit: float = HEAL_LIMIT) -> Observation:
    """Wait for a fault that ends by itself; return the last observation, stable or at the limit (seconds)."""
    deadline = time.monotonic() + limit
    look, streak = first, _Streak()
    while time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        look = look_again()
        now = time.monotonic()
        streak.add(_state(look), now)
        if streak.holds(now, STABLE_SECONDS) and not _is_starting(look):
            return look
    return look


def wait_for_skipped_servers(look_again: ObserveAgain, first: Observation) -> Observation:
    """Wait while nginx skips servers that answer; it tries them again after fail_timeout.
    Stop early if the cause of the skip is found: then there is a fault to repair."""
    deadline = time.monotonic() + SKIPPED_SECONDS
    look = first
    while has_skipped_server(look) and not _at_fault(look) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        look = look_again()
    return look


class _Streak:
    """How long the same state has been observed without a break."""

    def __init__(self) -> None:
        self.length = 0
        self._state: object = None
        self._since = 0.0

    def add(self, state: object, now: float) -> None:
        if state is None:
            self.length = 0
        elif state == self._state and self.length:
            self.length += 1
        else:
            self.length, self._since = 1, now
        self._state = state

    def holds(self, now: float, seconds: float) -> bool:
        return self.length >= STABLE_OBSERVATIONS and now - self._since >= seconds


def _state(look: Observation) -> object:
    faults = [(f.cause, f.service, f.routes) for f in _at_fault(look)]
    return (look.diagnosis.verdict, tuple(faults))


def _at_fault(look: Observation) -> list[Finding]:
    return [f for f in look.diagnosis.findings if f.is_proven_fault]


def _is_starting(look: Observation) -> bool:
    """Return whether a service is still starting, so that the state is not final."""
    faults = _at_fault(look)
    return bool(faults) and any(repair.waits for fault in faults[:1] for repair in fault.repairs)


def has_skipped_server(look: Observation) -> bool:
    """Return whether a failing route without a cause has an answering member that nginx skips for now.
    A name with several addresses (localhost) counts as several members."""
    health = {health.route: health.state for health in look.diagnosis.health}
    blamed = {route for f in _at_fault(look) for route in f.routes}
    members = {e.id: len(e.addresses.value) if isinstance(e.addresses, Known) else 1 for e in look.snapshot.endpoints}
    answering = {
        e.id for e in look.snapshot.endpoints if isinstance(e.http, Known) and e.http.value.status is not None
    }
    return any(
        sum(members.get(name, 1) for name in facts.endpoints) > 1 and answering.intersection(facts.endpoints)
        and health.get(facts.route.id) in ("failing", "degraded") and facts.route.id not in blamed
        for facts in look.snapshot.routes
    )


# The first observation of a repair: at some moments the cause is not visible, and soon after it is.
MORE_OBSERVATIONS = 3  # observations
RETRY_SECONDS = 2.0  # seconds before each
JUST_STARTED = 10.0  # seconds


def first_observation(target: Target, options: RepairRequest, *, after_recovery: bool) -> Observation:
    """Observe; repeat while the moment may have been a bad one."""
    if after_recovery:
        forget_prefetched()
    quiet = StateNotes(target).quiet
    look = observe_and_diagnose(target, options.diagnose_request, options.inputs, quiet=quiet)
    for number in range(MORE_OBSERVATIONS):
        again = number == 0 and _may_come_up(look)
        if not (again or _has_slow_answers(look) or (after_recovery and _is_restarting(look))):
            break
        time.sleep(RETRY_SECONDS)
        look = observe_and_diagnose(target, options.diagnose_request, options.inputs, quiet=quiet)
    return look


def _may_come_up(look: Observation) -> bool:
    """Return whether the first fault is that of a service which its manager has just started again, and only a person
    could mend it: perhaps somebody did, and its socket opens a moment later."""
    for fault in _at_fault(look)[:1]:
        if any(repair.risk != "manual" for repair in fault.repairs):
            return False
        return any(
            run_state_of(service) == "running" and restart_count_of(service) > 0
            and 0.0 <= clock_of(look.snapshot, service.node) - start_time_of(service) < JUST_STARTED
            for service in look.snapshot.services if (service.name, service.node) == (fault.service, fault.node))
    return False


def _is_restarting(look: Observation) -> bool:
    """Return whether a service that was just rolled back may be restarting, with nothing logged yet."""
    return look.diagnosis.verdict != "healthy" and all(f.cause == UNEXPLAINED for f in look.diagnosis.findings)


def _has_slow_answers(look: Observation) -> bool:
    """Return whether no route could be judged because answers were slow.
    A restarting service first finishes its requests, while its socket accepts new connections."""
    return look.diagnosis.verdict == "unknown" and any(
        probe.error == "slow" for facts in look.snapshot.routes if isinstance(facts.probes, Known)
        for probe in facts.probes.value)
