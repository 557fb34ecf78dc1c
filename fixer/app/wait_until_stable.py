"""Looking again after a change, until what is seen holds: a service may need time, and a good moment proves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from fixer.app.inspect_target import StateNotes, observe_and_diagnose
from fixer.app.request import RepairRequest
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.host import Target
from fixer.verify import Observation, Verification, compare

STABLE_LIMIT = 30.0         # seconds that a repair has to show its effect; only one that fails takes them all
HEAL_LIMIT = 60.0    # seconds for what heals by waiting
SKIPPED_SECONDS = 12.0      # nginx leaves a member of a group out for fail_timeout (10 s unless it is told otherwise)
PAUSE_SECONDS = 0.4
STABLE_OBSERVATIONS = 3     # as many looks in a row must agree
STABLE_SECONDS = 2.0         # and over as many seconds

ObserveAgain: TypeAlias = Callable[[], Observation]


@dataclass(frozen=True, slots=True)
class StableState:
    """The last look after a change, and what it proves."""

    observation: Observation
    verification: Verification


def observe_until_stable(look_again: ObserveAgain, before: Observation, addressed: Finding, *,
                         limit: float = STABLE_LIMIT) -> StableState:
    """Look until the same good answer has come several times in a row, or until the time is over."""
    deadline = time.monotonic() + limit
    held_off = time.monotonic() + SKIPPED_SECONDS
    streak = _Streak()
    while True:
        look = look_again()
        verification = compare(before, look, addressed)
        now = time.monotonic()
        streak.add(_state(look) if verification.is_better else None, now)
        if streak.holds(now) and not _is_starting(look) and (now >= held_off or not has_skipped_server(look)):
            return StableState(look, verification)
        if now >= deadline:
            # a single good look among bad ones is luck
            if verification.is_better and streak.length < STABLE_OBSERVATIONS - 1:
                verification = Verification(False, verification.is_fixed, ("what was seen does not hold",))
            return StableState(look, verification)
        time.sleep(PAUSE_SECONDS)


def wait_until_healthy(look_again: ObserveAgain, first: Observation, *, limit: float = HEAL_LIMIT) -> Observation:
    """Wait for what heals by itself; the last look, when it is well or can no longer heal or the time is over."""
    deadline = time.monotonic() + limit
    look, streak = first, _Streak()
    while time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        look = look_again()
        now = time.monotonic()
        streak.add(_state(look), now)
        if streak.holds(now) and not _is_starting(look):
            return look
    return look


def wait_for_skipped_servers(look_again: ObserveAgain, first: Observation) -> Observation:
    """Wait while nginx leaves out servers that answer: it asks them again once that time is over. What let it leave
    them out may show meanwhile: then there is something to mend."""
    deadline = time.monotonic() + SKIPPED_SECONDS
    look = first
    while has_skipped_server(look) and not _at_fault(look) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        look = look_again()
    return look


class _Streak:
    """How long the same state has been seen without a break."""

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

    def holds(self, now: float) -> bool:
        return self.length >= STABLE_OBSERVATIONS and now - self._since >= STABLE_SECONDS


def _state(look: Observation) -> object:
    faults = [(f.cause, f.service, f.routes) for f in _at_fault(look)]
    return (look.diagnosis.verdict, tuple(faults))


def _at_fault(look: Observation) -> list[Finding]:
    return [f for f in look.diagnosis.findings if f.role in ("root", "contributing")]


def _is_starting(look: Observation) -> bool:
    """Something is still starting: whatever is seen now is not the end."""
    faults = _at_fault(look)
    return bool(faults) and any(repair.waits for fault in faults[:1] for repair in fault.repairs)


def has_skipped_server(look: Observation) -> bool:
    """A route still fails with no cause, though a member of its group answers: nginx has counted that out for now. A
    name of several addresses (localhost) is such a group too."""
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


# The look that a repair begins with: some moments tell nobody what is wrong, and soon somebody can.
MORE_OBSERVATIONS = 3             # looks
RETRY_SECONDS = 2.0        # seconds before each


def first_observation(target: Target, options: RepairRequest, *, after_recovery: bool) -> Observation:
    """Look, and again where that moment may have been a bad one."""
    quiet = StateNotes(target).quiet
    look = observe_and_diagnose(target, options.diagnose_request, options.inputs, quiet=quiet)
    for _ in range(MORE_OBSERVATIONS):
        if not (_has_slow_answers(look) or (after_recovery and _is_restarting(look))):
            break
        time.sleep(RETRY_SECONDS)
        look = observe_and_diagnose(target, options.diagnose_request, options.inputs, quiet=quiet)
    return look


def _is_restarting(look: Observation) -> bool:
    """What has just been taken back may be between two starts, with no word in its log yet."""
    return look.diagnosis.verdict != "healthy" and not look.diagnosis.findings


def _has_slow_answers(look: Observation) -> bool:
    """Nothing could be judged, since an answer did not come in time: a service that is being restarted ends first what
    it has under way, while its socket keeps whoever comes."""
    return look.diagnosis.verdict == "unknown" and any(
        probe.error == "slow" for facts in look.snapshot.routes if isinstance(facts.probes, Known)
        for probe in facts.probes.value)
