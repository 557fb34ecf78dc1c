"""repair: rounds of diagnose, plan, confirm, apply and verify; a round that does not help is rolled back."""

from __future__ import annotations

import time
from contextlib import ExitStack

from fixer.app.credit_rounds import CreditRound, settle_credit
from fixer.app.incomplete_round import abandon_round, is_next_fault, other_fault
from fixer.app.inspect_target import open_named_target
from fixer.app.plan_fingerprint import plan_report
from fixer.app.policy_files import policy_check, read_policies
from fixer.app.repair_session import Operator, RepairSession, SessionResult, plan_identity, withheld_text
from fixer.app.request import RepairRequest
from fixer.app.wait_until_stable import (
    StableState,
    first_observation,
    has_skipped_server,
    observe_until_stable,
    wait_for_skipped_servers,
    wait_until_healthy,
)
from fixer.apply.file_state import changed_path_notes, identity_notes, with_real_paths
from fixer.apply.repair_run import RepairRun, unfinished_run
from fixer.apply.run_history import rolled_back_text
from fixer.apply.steps.nginx_step import NginxNotRunning
from fixer.errors import CannotObserve, Conflict, NeedsPerson, NotListening, StepFailed
from fixer.model.diagnosis import Finding, Repair
from fixer.model.host import Target
from fixer.model.plan import Plan, Withheld, has_only_starts
from fixer.model.report import SCHEMA_VERSION, RepairResult
from fixer.render.build_report import build_report, repair_report
from fixer.render.plan_text import plan_lines
from fixer.verify import unmeasured_marks

MAX_ROUNDS = 5
_ROLLED_BACK_NOTE = "that round was rolled back"


def repair(word: str, options: RepairRequest, person: Operator) -> RepairResult:
    """Repair the target, as far as the operator allows."""
    started = time.monotonic()
    with ExitStack() as doors:
        target = doors.enter_context(open_named_target(word))
        if target.ref.kind == "ssh" and not options.dry_run:
            target.journal_location()  # fails at once if nothing may be changed there
        rules = read_policies(target)
        recovered = _recover(target, options, person)
        if recovered and not options.dry_run:
            # the rollback may have recreated containers
            target = doors.enter_context(open_named_target(word))
        noted = (*(rule.summary_text() for rule in rules), *recovered)
        first = first_observation(target, options, after_recovery=bool(recovered) and not options.dry_run)
        course = RepairSession(target, options, person, first, first, dict(options.inputs))
        if rules and options.yes:
            course.forbids = policy_check(rules)
        with ExitStack() as stack:
            rounds = _Rounds(course, stack)
            end = rounds.run()
            journal = rounds.journal()
        applied = rounds.applied()
    duration = (time.monotonic() - started) * 1000
    before, after = (
        build_report(look.snapshot, look.diagnosis, duration_ms=duration, notes=notes)
        for look, notes in ((course.before, ()), (course.current, (*noted, *end.notes, *course.unused_inputs())))
    )
    withheld = tuple(withheld_text(item) for item in course.withheld) if end.exit_code else ()
    return RepairResult(
        SCHEMA_VERSION, str(target.ref), after.verdict, after.duration_ms, end.outcome, applied, withheld,
        before, after, journal, end.exit_code, course.pending,
    )


def _recover(target: Target, options: RepairRequest, person: Operator) -> tuple[str, ...]:
    """Roll back an interrupted run, if the operator agrees. Return notes about it."""
    if target.ref.kind == "bundle":
        return ()
    cut_off = unfinished_run(target)
    if cut_off is None:
        return ()
    said = f"Repair {cut_off.id} was interrupted"
    if options.dry_run:
        return (f"{said}. The next repair rolls it back first.",)
    if options.plan is not None:  # a rollback is no part of that plan
        raise NeedsPerson(f"{said}.", f"Roll it back first: fixer undo{_target_word(target)}")
    if not options.yes and not (person.answers and person.agrees(f"{said}. Roll it back first?")):
        raise NeedsPerson(f"{said}.", "Roll it back first: `fixer undo`, or add `--yes`.")
    with RepairRun.open(target, cause=cut_off.cause, now=time.time()) as run:
        recovered = run.recovered
    conflicts = recovered.conflicts if recovered is not None else []
    if recovered is not None and recovered.lost:
        raise NeedsPerson(f"{said}. It cannot be rolled back yet: {'; '.join(conflicts)}",
                          "remove that obstacle; then run fixer repair or fixer undo, which rolls it back")
    said = f"{said}: {rolled_back_text(target, cut_off.id)}"
    person.tell(said)
    return (said, *(f"left unchanged: {conflict}" for conflict in conflicts))


def _target_word(target: Target) -> str:
    """Return the target as the argument of a command line, with a space in front; empty for `local`."""
    return "" if target.ref.kind == "local" else f" {target.ref}"


class _Rounds:
    """The rounds of one run. The run, with its lock and journal, opens when the first change is agreed."""

    def __init__(self, course: RepairSession, stack: ExitStack) -> None:
        self._course = course
        self._person = course.person
        self._stack = stack
        self._run: RepairRun | None = None
        self._credit: list[CreditRound] = []

    def run(self) -> SessionResult:
        """Run rounds until there is a result, at most MAX_ROUNDS. Then settle what was kept on credit."""
        ends = (self._round() for _ in range(MAX_ROUNDS))
        end = next(filter(None, ends), None) or self._healthy_result() or self._stopped(
            f"stopped after {MAX_ROUNDS} rounds", *self._abandoned_notes())
        notes = settle_credit(self._run, self._course, self._credit) if self._run is not None else ()
        if not notes:
            return end
        self._observe_again(*notes)
        if self._has_committed():
            return SessionResult(end.outcome, end.exit_code, (*end.notes, *notes))
        return SessionResult("rolled-back", 1, (*end.notes, *notes))

    def applied(self) -> tuple[str, ...]:
        """Return descriptions of the steps that are in force."""
        return self._run.applied if self._run is not None else ()

    def journal(self) -> str | None:
        """Return the id of the run that can be undone; None if no change is in force."""
        return self._run.id if self._run is not None and self._run.kept else None

    def _round(self) -> SessionResult | None:
        course = self._course
        end = self._healthy_result()
        if end is not None:
            return self._rest(end)
        drawn = course.plan()
        while not drawn.steps and not drawn.waits and self._ask_for_values():
            drawn = course.plan()
        if drawn.waits:
            return self._wait(drawn)
        if not drawn.steps:
            return None if self._asked_again() else self._nothing_allowed()
        finding, chosen = course.finding_of(drawn)
        name = plan_identity(course.current, finding, chosen)
        if name in course.attempted:
            course.give_up(course.current, finding, drawn.summary, "it was applied already, and fixer offers it again")
            return None
        course.attempted.add(name)
        meant = with_real_paths(drawn, course.target)
        elsewhere = (*changed_path_notes(drawn, meant), *identity_notes(meant, course.target))
        return self._declined(meant, finding, chosen, elsewhere) or self._make(meant, finding)

    def _healthy_result(self) -> SessionResult | None:
        course, kept = self._course, self._has_committed()
        if course.current.is_healthy and course.abandoned and not kept:
            return SessionResult("rolled-back", 1,
                                 ("the target is healthy now; no repair is in force", *self._abandoned_notes()))
        if course.current.is_healthy:
            return SessionResult("repaired", 0,
                                 (*course.doubts, *self._abandoned_notes(), *course.unrepaired())) if kept else (
                SessionResult("nothing-to-do", 0, self._abandoned_notes()))
        if course.current.diagnosis.verdict == "unknown" and not kept and not course.abandoned:
            return SessionResult("failed", 3, (course.unknown_routes_text(), *course.missing_facts()))
        return None

    def _rest(self, end: SessionResult) -> SessionResult | None:
        """Start other stopped services once the routes are healthy. A failed start leaves the routes as they are."""
        course, notes = self._course, list(end.notes)
        while end.outcome == "repaired" and (drawn := course.pending_start_plan()) is not None:
            finding, chosen = course.finding_of(drawn)
            course.attempted.add(plan_identity(course.current, finding, chosen))
            if refused := self._declined(drawn, finding, chosen):
                notes += [f"{drawn.summary}: not done", *refused.notes]
            elif ended := self._make(drawn, finding):
                return ended
            if not course.current.is_healthy:
                return None
        return SessionResult(end.outcome, end.exit_code, tuple(dict.fromkeys((*notes, *self._abandoned_notes()))))

    def _has_committed(self) -> bool:
        return self._run is not None and self._run.kept

    def _wait(self, drawn: Plan) -> SessionResult | None:
        if self._course.options.dry_run:
            return self._stopped(f"dry run: {drawn.summary}")
        self._person.show([f"{drawn.summary} (at most 60 s)"])
        self._course.current = wait_until_healthy(self._course.observe, self._course.current)
        again = self._course.plan()
        return self._stopped(f"{drawn.summary}: still not healthy after 60 s") if again.waits else None

    def _asked_again(self) -> bool:
        """If nginx skips a member that answers, and no cause is found, wait. Return whether to plan again."""
        course = self._course
        if course.options.dry_run or course.has_fault() or not has_skipped_server(course.current):
            return False
        self._person.show(["a server that nginx skips answers again: waiting until nginx tries it (at most 12 s)"])
        course.current = wait_for_skipped_servers(course.observe, course.current)
        return course.has_fault() or not has_skipped_server(course.current)

    def _abandoned_notes(self) -> tuple[str, ...]:
        """Return one line per abandoned repair, and its hints."""
        return tuple(line for given_up in self._course.abandoned for line in (given_up.note(), *given_up.hints))

    def _nothing_allowed(self) -> SessionResult:
        course = self._course
        if course.abandoned:
            return self._not_all_well()
        if course.withheld:
            return self._stopped()
        if course.has_fault():
            return self._stopped("fixer knows no repair for these findings: repair them by hand")
        advice = tuple(f"advice: {finding.cause}: {finding.summary}" for finding in course.current.diagnosis.findings
                       if finding.role == "advice" and not finding.is_past)
        facts = course.missing_facts() or (() if advice else ("no observed fact explains it",))
        return self._stopped("no cause is proven", *advice, *(f"not known: {fact}" for fact in facts))

    def _not_all_well(self) -> SessionResult:
        """Return the result when a repair was abandoned and no other is possible."""
        course = self._course
        if self._has_committed():
            return self._stopped(*self._abandoned_notes(), "the repairs that helped stay in force")
        if any(item.flag for item in course.withheld) or course.awaits_person() or not all(
                given_up.tried for given_up in course.abandoned):
            return self._stopped(*self._abandoned_notes())
        return SessionResult("rolled-back", 1, self._abandoned_notes())

    def _stopped(self, *notes: str) -> SessionResult:
        return SessionResult("needs-input", 4, notes)

    def _ask_for_values(self) -> bool:
        """Ask the operator for the inputs of the first waiting repair; False if none can be asked for."""
        course = self._course
        if course.options.yes or course.options.dry_run or not self._person.answers:
            return False
        needs = course.missing_needs()
        for need in needs:
            value = self._person.gives(need)
            if value is None:
                return False
            course.add_input(need.key, value)
        return bool(needs)

    def _declined(
        self, drawn: Plan, finding: Finding, chosen: Repair, elsewhere: tuple[str, ...] = ()
    ) -> SessionResult | None:
        """Show the plan and ask for consent; return a result if it is refused, else None."""
        course, options = self._course, self._course.options
        course.pending = plan_report(drawn, finding, chosen, course.current)
        first = (*elsewhere, *course.pending.warnings)
        self._person.show(plan_lines(finding.cause, repair_report(chosen), self._person.style, first))
        if options.dry_run:
            return self._stopped("dry run: nothing was changed", *self._flags_for(drawn))
        if options.plan not in (None, course.pending.id):
            return self._other_plan(drawn, course.pending.id)
        if options.yes:
            return None
        if not self._person.answers:
            return self._stopped("Cannot ask: standard input is not a terminal. Add `--yes`.", *self._flags_for(drawn))
        question = self._person.style.say("console/make-this-change", "Make this change?")
        return None if self._person.agrees(question) else self._stopped("declined: nothing was changed")

    def _other_plan(self, drawn: Plan, plan_id: str) -> SessionResult:
        """Stop before a plan that is not the one that `--plan` names."""
        why, course = "it is another plan than the one that is named", self._course
        other = Withheld(drawn.repair_id or "", drawn.cause or "", why, f"--plan {plan_id}")
        course.withheld = (other, *course.withheld)
        return self._stopped("that plan is done; what is still at fault needs another plan" if len(course.attempted) > 1
                             else "the host, or what fixer finds on it, has changed since that plan was made: nothing "
                                  "was changed")

    def _flags_for(self, drawn: Plan) -> tuple[str, ...]:
        """Return how to apply the plan without a prompt; list it as withheld too, since programs read that."""
        course = self._course
        flags = "--yes" if drawn.risk == "safe" else f"--yes --max-risk {drawn.risk}"
        why = f"it is {drawn.risk}, and " + ("this is a dry run" if course.options.dry_run else "it is not confirmed")
        course.withheld = (Withheld(drawn.repair_id or "", drawn.cause or "", why, flags), *course.withheld)
        sudo = "sudo " if course.target.ref.kind == "local" else ""      # as the report names it
        return (f"to apply it: {sudo}fixer repair{_target_word(course.target)} {flags}",)

    def _make(self, drawn: Plan, finding: Finding) -> SessionResult | None:
        """Apply the plan, wait until stable, keep it if better, else roll it back. Return None for another round."""
        course, before = self._course, self._course.current
        course.pending = None
        run = self._opened(finding.cause)
        try:
            run.round(drawn, self._person.tell)
        except NotListening as error:
            return self._keep_if_next_fault(run, drawn, error, finding)
        except Conflict as error:
            if run.id is None:  # nothing started: the conflict concerns the run, not this round
                return self._over(error.message, error.hint)
            return self._failed(run, drawn, finding, error.message, error.hint)
        except StepFailed as error:
            return self._failed(run, drawn, finding, error.message, error.hint,
                                unread=isinstance(error, NginxNotRunning))
        except NeedsPerson as error:
            course.current = course.observe()
            course.give_up(before, finding, drawn.summary, error.message, error.hint, tried=False)
            return None
        course.last_round_end = time.monotonic()
        settled = observe_until_stable(course.observe, before, finding)
        if settled.verification.is_better:
            return self._keep(run, drawn, finding, settled, f"{finding.cause} is fixed")
        reasons = settled.verification.regressions or (
            "no page answers better" if settled.verification.is_fixed else f"{finding.cause} is still found",)
        return self._roll_back(run, drawn, finding, f"not better: {'; '.join(reasons)}")

    def _keep_if_next_fault(self, run: RepairRun, drawn: Plan, error: NotListening,
                            finding: Finding) -> SessionResult | None:
        """Keep a round after which nothing listens only if a repairable next fault shows.
        A program reports one missing variable at a time, and a stopped one reports none."""
        course, before = self._course, self._course.current
        course.last_round_end = time.monotonic()
        settled = observe_until_stable(course.observe, before, finding)
        course.last_round_end = time.monotonic()
        follows = any(found.role == "root" and any(r.risk != "manual" for r in found.repairs)
                      and is_next_fault(found, settled.observation, finding, before, drawn)
                      for found in settled.observation.diagnosis.findings)
        if settled.verification.is_better and follows:
            return self._keep(run, drawn, finding, settled, f"{finding.cause} is fixed; {error.message}")
        laid = other_fault(settled.observation, finding)
        if laid is None:
            return self._roll_back(run, drawn, finding, error.message)
        told = f"{error.message}. Its start showed why: {laid.summary} ({laid.cause})"
        return self._roll_back(run, drawn, finding, told, next((r.manual for r in laid.repairs if r.manual), ""))

    def _keep(self, run: RepairRun, drawn: Plan, finding: Finding, settled: StableState,
              told: str) -> SessionResult | None:
        """Commit the round to the journal, then keep it."""
        before, helped = self._course.current, settled.verification.has_helped
        number = run.open_round
        try:
            run.commit(unmeasured_marks(before, finding) if drawn.proof == "mechanism" else (), on_credit=not helped)
        except StepFailed as error:
            return self._failed(run, drawn, finding, error.message, error.hint)
        if not helped:
            self._credit.append(CreditRound(number, finding, before))
        self._course.current = settled.observation
        self._course.doubts += [r.doubt for r in finding.repairs if r.id == drawn.repair_id and r.doubt]
        self._person.tell(f"{told} (proof: mechanism)" if drawn.proof == "mechanism" else told)
        return None

    def _failed(self, run: RepairRun, drawn: Plan, finding: Finding, why: str, hint: str, *, unread: bool = False,
                ) -> SessionResult | None:
        """Go on after a round that rolled itself back if it revealed the next fault, else abandon it."""
        before = self._course.current
        self._course.last_round_end = time.monotonic()
        if run.taken_back is None or run.taken_back.conflicts:
            return self._over(why, hint)
        self._observe_again(why)
        if not self._reveals_next_fault(drawn, finding, why):
            abandon_round(self._course, before, drawn, finding, (why, hint), unread=unread)
        return None

    def _roll_back(self, run: RepairRun, drawn: Plan, finding: Finding, why: str,
                   hint: str = "") -> SessionResult | None:
        """Roll the round back and continue without it; stop if something could not be rolled back."""
        before, left = self._course.current, run.roll_back().conflicts_text()
        self._course.last_round_end = time.monotonic()
        if left:
            return self._over(why, left)
        self._observe_again(why)
        if hint or not self._reveals_next_fault(drawn, finding, why):
            abandon_round(self._course, before, drawn, finding,
                          (why, "; ".join(filter(None, (hint, _ROLLED_BACK_NOTE)))))
        return None

    def _over(self, *notes: str) -> SessionResult:
        """Return the result of a run that cannot continue after its last round."""
        said = tuple(note for note in (*notes, *self._abandoned_notes()) if note)
        self._observe_again(*said)
        if self._has_committed():
            return SessionResult("needs-input", 4,
                                 (*said, "the last round was rolled back; earlier repairs stay in force"))
        return SessionResult("rolled-back", 1, said)

    def _observe_again(self, *said: str) -> None:
        """Observe again after a rollback."""
        try:
            self._course.current = self._course.observe()
        except CannotObserve as error:
            raise type(error)(error.message, "; ".join(word for word in (*said, error.hint) if word)) from error

    def _reveals_next_fault(self, drawn: Plan, finding: Finding, why: str) -> bool:
        """Return whether a failed start, now rolled back, revealed why the service is down.
        Stopping a unit erases systemd's reason for its failure, and a stopped program logs nothing."""
        first = other_fault(self._course.current, finding) if has_only_starts(drawn.steps) else None
        if first is None:
            return False
        self._person.tell(f"{why}; rolled back. The cause is visible now: {first.cause}")
        return True

    def _opened(self, cause: str) -> RepairRun:
        if self._run is None:
            self._run = self._stack.enter_context(RepairRun.open(self._course.target, cause=cause, now=time.time()))
        return self._run
