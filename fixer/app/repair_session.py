"""State of one repair command: observations, committed rounds, inputs, and the operator's interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from fixer.app.abandoned_repairs import AbandonedRepairs, abandon_repair
from fixer.app.inspect_target import diagnose_snapshot, observe_and_diagnose
from fixer.app.request import RepairRequest
from fixer.lazy.dataclass import dataclass, field
from fixer.model.diagnosis import Finding, Need, Repair, Undetermined
from fixer.model.host import Target
from fixer.model.plan import Plan, Withheld, has_only_starts
from fixer.model.report import OutcomeKind, PlanReport, causes_by_missing_fact
from fixer.planner import RepairPolicy, plan
from fixer.render.terminal_text import Style
from fixer.verify import Observation, route_keys


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How a repair ends: outcome, exit code, and notes."""

    outcome: OutcomeKind
    exit_code: int
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class RepairSession:
    """One repair command from first to last observation."""

    target: Target
    options: RepairRequest
    person: Operator
    before: Observation
    current: Observation
    inputs: dict[str, str] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    withheld: tuple[Withheld, ...] = ()
    forbids: Callable[[Finding, Repair], str] | None = None
    attempted: set[tuple[object, ...]] = field(default_factory=set)
    retried: set[tuple[object, ...]] = field(default_factory=set)  # plans retried because nginx had ended
    safe_starts: dict[tuple[str, str | None], tuple[Finding, Repair]] = field(default_factory=dict)
    abandoned: list[AbandonedRepairs] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)  # what is unproven about committed repairs
    last_round_end: float = 0.0  # time.monotonic() at the end of the last round, 0 before the first
    pending: PlanReport | None = None  # the plan that was shown last, until it is agreed to
    requested_keys: set[str] = field(default_factory=set)  # keys that repairs have asked for so far

    def observe(self) -> Observation:
        """Observe again, with the inputs given so far."""
        quiet = time.monotonic() - self.last_round_end if self.last_round_end else 0.0
        return observe_and_diagnose(self.target, self.options.diagnose_request, self.inputs, quiet=lambda: quiet)

    def add_input(self, key: str, value: str) -> None:
        """Add an input and diagnose again: it may complete a repair."""
        self.inputs[key] = value
        self.current = diagnose_snapshot(self.target.ref, self.current.snapshot, self.inputs)

    def plan(self) -> Plan:
        """Return the plan of the next round. Only the first one rejects inputs that nothing asks for."""
        policy = RepairPolicy(self.options.allowed_risk(), self._forbidden)
        drawn = plan(
            self.current.diagnosis, policy, only=self.options.only, inputs=self.inputs, strict=not self.attempted,
        )
        self.withheld = drawn.withheld
        self.requested_keys |= {need.key for _, repair in self._offers() for need in repair.needs}
        self._remember_starts()
        return drawn

    def give_up(
        self, look: Observation, finding: Finding, summary: str, why: str, hint: str = "", *, tried: bool = True,
    ) -> None:
        """Abandon a finding and what depends on it for the rest of the run, and show that."""
        given_up = abandon_repair(look, finding, summary, why, hint, tried=tried)
        self.abandoned.append(given_up)
        self.person.show([given_up.note()])

    def _forbidden(self, finding: Finding, repair: Repair) -> str:
        """Return why a repair is not applied now: it depends on an abandoned one, or a policy forbids it."""
        for given_up in self.abandoned:
            if why := given_up.withheld_reason(self.current, finding, repair):
                return why
        return self.forbids(finding, repair) if self.forbids is not None else ""

    def awaits_person(self) -> bool:
        """Return whether a root fault that was not tried has only repairs for a person."""
        return any(
            fault.role == "root" and fault.repairs and all(repair.risk == "manual" for repair in fault.repairs)
            and not any(given_up.is_same(self.current, fault) for given_up in self.abandoned)
            for fault in self.current.diagnosis.findings)

    def unused_inputs(self) -> tuple[str, ...]:
        """Return a line for each input that no repair asked for in the run: perhaps a typo."""
        if not self.attempted:
            return ()
        return tuple(f"--set {key}: no repair needed it" for key in self.options.inputs
                     if key not in self.requested_keys)

    def unrepaired(self) -> tuple[str, ...]:
        """Return a line for each fault of the first observation that is no longer found and was not repaired.
        It ended with another fault, or only the next request of a visitor would show it."""
        tried = [(name[:3], name[-1]) for name in self.attempted]
        left = [(_fault_of(f), route_keys(self.current.snapshot, f.routes)) for f in self.current.diagnosis.findings]
        return tuple(
            f"Seen in the first observation only; not repaired: {f.summary} ({f.cause})"
            for f in self.before.diagnosis.findings
            if f.role == "root" and not any(
                fault == _fault_of(f) and (f.service or routes == route_keys(self.before.snapshot, f.routes))
                for fault, routes in (*tried, *left)))

    def pending_start_plan(self) -> Plan | None:
        """Return the start plan of a service that was at fault first and is still down while the routes are healthy.
        An upstream answers with one of its members, and nginx does not report the others as down."""
        for (node, name), (finding, repair) in self.safe_starts.items():
            service = next((s for s in self.current.snapshot.services if (s.node, s.name) == (node, name)), None)
            fits = self.options.only in (None, repair.id) and plan_identity(self.current, finding,
                                                                            repair) not in self.attempted
            fits = fits and not self._forbidden(finding, repair)
            if fits and service is not None and not service.running:
                return Plan(finding.cause, repair.id, repair.risk, repair.summary, repair.steps, proof=repair.proof)
        return None

    def _remember_starts(self) -> None:
        for finding, repair in self._offers():
            if repair.risk == "safe" and has_only_starts(repair.steps) and not repair.needs:
                self.safe_starts.setdefault((finding.node, finding.service), (finding, repair))

    def finding_of(self, drawn: Plan) -> tuple[Finding, Repair]:
        """Return the finding that the plan addresses, and its repair."""
        for finding, repair in (*self._offers(), *self.safe_starts.values()):
            if (finding.cause, repair.id, repair.steps) != (drawn.cause, drawn.repair_id, drawn.steps):
                continue
            if not self._forbidden(finding, repair):
                return finding, repair
        raise KeyError(drawn.repair_id)

    def missing_needs(self) -> tuple[Need, ...]:
        """Return the inputs that the first waiting repair still needs."""
        for _, repair in self._offers():
            if self.options.only not in (None, repair.id) or repair.risk == "manual":
                continue
            missing = tuple(need for need in repair.needs if need.key not in self.inputs and need.default is None)
            if missing:
                return missing
        return ()

    def missing_facts(self) -> tuple[str, ...]:
        """Return each missing fact once, with the undetermined causes that wait for it."""
        waiting = causes_by_missing_fact((check.cause, check.verdict.missing) for check in self.current.diagnosis.checks
                                         if isinstance(check.verdict, Undetermined))
        return tuple(f"{fact or 'no fact is named'} ({', '.join(causes)})" for fact, causes in waiting.items())

    def unknown_routes_text(self) -> str:
        """Return which routes could not be judged, as text."""
        known = any(entry.state != "unknown" for entry in self.current.diagnosis.health)
        return "routes that gave no answer in time could not be judged" if known else "no route could be judged"

    def has_fault(self) -> bool:
        """Return whether a cause is proven."""
        return any(finding.is_proven_fault for finding in self.current.diagnosis.findings)

    def _offers(self) -> Iterator[tuple[Finding, Repair]]:
        for finding in self.current.diagnosis.findings:
            if finding.is_at_fault:
                for repair in finding.repairs:
                    yield finding, repair


def plan_identity(look: Observation, finding: Finding, repair: Repair) -> tuple[object, ...]:
    """Return a key that identifies a plan, so that no run applies it twice. Two sites can have the same fault."""
    routes = frozenset() if has_only_starts(repair.steps) else route_keys(look.snapshot, finding.routes)
    return finding.cause, finding.node, finding.service, repair.id, repair.summary, routes


def _fault_of(finding: Finding) -> tuple[object, ...]:
    return finding.cause, finding.node, finding.service


def withheld_text(withheld: Withheld) -> str:
    """Return a repair that was not applied, the reason, and the flag that allows it."""
    flag = f" (allow it with {withheld.flag})" if withheld.flag else ""
    return f"{withheld.repair_id} for {withheld.cause}: {withheld.why}{flag}"


class Operator(Protocol):
    """The operator as the use cases see one: reads progress, and may answer prompts."""

    @property
    def answers(self) -> bool:
        """Return whether prompts reach an operator: a terminal on both sides."""
        ...

    @property
    def style(self) -> Style:
        """Return the style of text for the operator."""
        ...

    def tell(self, line: str) -> None:
        """Print one line of progress: what is done."""
        ...

    def show(self, lines: list[str]) -> None:
        """Print a plan, before any prompt."""
        ...

    def agrees(self, question: str) -> bool:
        """Ask yes or no; no answer is no."""
        ...

    def gives(self, need: Need) -> str | None:
        """Ask for the value of a need, without echo if it is a secret; None if there is no answer."""
        ...
