"""A repair run: lock, recovery of an interrupted run, and rounds that are committed or rolled back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from fixer.apply.file_change import FileRestore, perform_change, prepare_change, store_before_image
from fixer.apply.interrupts import Interrupts
from fixer.apply.journal_folder import Journal, create_run, open_run, read_run, run_ids
from fixer.apply.journal_records import Intent, is_unfinished, rounds_of
from fixer.apply.reboot_recovery import automatic_steps_json
from fixer.apply.refusal_hint import refusal_hint
from fixer.apply.rollback import Restoration, recover, roll_back_round, wait_for_commands
from fixer.apply.run_history import forget, history, incomplete_run_notes, undo, unfinished_run
from fixer.apply.steps.node_access import Nodes
from fixer.apply.steps.perform import perform_step
from fixer.apply.target_lock import hold_lock, journal_access, locate_journal
from fixer.errors import Conflict, FixerError, Interrupted, NotListening, StartFailed, StepFailed, Unreachable
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.host import Target, Writer
from fixer.model.journal import Record
from fixer.model.plan import ComposeUp, Plan, ProgramAction, Step, WaitForListener, WriteFile, has_only_starts
from fixer.redaction.masked_steps import describe_step, step_to_json

with lazy_imports():  # only for their kinds of steps
    from fixer.apply.steps.container_step import require_unchanged_service
    from fixer.apply.steps.program_step import require_supervisor_access

__all__ = ["RepairRun", "Restoration", "forget", "history", "incomplete_run_notes", "undo", "unfinished_run"]


class RepairRun:
    """One `repair` run, as a context manager. It rolls back a round that is open when the block ends, however it ends.
    Nothing is written anywhere before the first round that has steps."""

    def __init__(self, target: Target, cause: str, now: float) -> None:
        self._target = target
        self._cause = cause
        self._now = now
        self._stack = ExitStack()
        self._interrupts = Interrupts()
        self._place: tuple[Writer, str] | None = None
        self._locked = False
        self._journal: Journal | None = None
        self._open = 0
        self.recovered: Restoration | None = None
        self.taken_back: Restoration | None = None  # result for the last round that was rolled back

    @classmethod
    def open(cls, target: Target, *, cause: str, now: float) -> Self:
        """Return the run, to be entered with `with`. `now` is epoch seconds; it names the run."""
        return cls(target, cause, now)

    @property
    def id(self) -> str | None:
        """Return the run's id; None until something is written."""
        return self._journal.run_id if self._journal else None

    @property
    def open_round(self) -> int:
        """Return the number of the open round; 0 if none is open."""
        return self._open

    @property
    def kept(self) -> bool:
        """Return whether a round was committed, so that there is something to undo."""
        return self._journal is not None and any(r.state == "committed" for r in rounds_of(self._journal.records))

    @property
    def applied(self) -> tuple[str, ...]:
        """Return descriptions of the committed steps; a wait that timed out is not one."""
        rounds = rounds_of(self._journal.records) if self._journal else ()
        return tuple(r.step_text(i) for r in rounds if r.state == "committed" for i in r.intents if i.done is not None)

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self._interrupts)
            writer, folder = self._where()
            with journal_access(folder):
                known = writer.files.state(folder).kind != "absent"
            if known:
                self._lock()
                with journal_access(folder):
                    self._recover()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if self._interrupts.abandoned:
                raise Interrupted("stopped at once, in the middle of a step", _INTERRUPTED_NOTE) from None
            if self._open and (error is None or isinstance(error, Exception | KeyboardInterrupt | SystemExit)):
                self.roll_back()
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted("interrupted; the open round was rolled back") from None

    def round(self, plan: Plan, tell: Callable[[str], None] | None = None) -> None:
        """Apply the plan's steps. On a failure, roll the round back and raise.
        If only the last step's wait failed (NotListening), the round stays open and the caller decides."""
        if not plan.steps:
            return
        if self._open:
            raise StepFailed("a round is open already: commit it or roll it back first")
        with self._interrupts.busy():
            journal, nodes = self._begin(plan)
            try:
                self._apply(plan.steps, journal, nodes, tell)
                self._stop_if_asked()
            except NotListening:
                raise
            except FixerError as error:
                raise self._after_roll_back(error) from error

    def commit(self, unmeasured: tuple[str, ...] = (), *, on_credit: bool = False) -> None:
        """Commit the open round. If the journal cannot be written, roll it back, as the next repair would.
        `unmeasured` are marks of its routes if only its mechanism proved it: a later look may refute that. `on_credit`:
        it has not helped yet."""
        if self._journal is not None and self._open:
            with self._interrupts.busy():
                try:
                    proof = "mechanism" if unmeasured else "credit" if on_credit else ""
                    self._journal.append(Record(0, 0.0, "committed", self._open, proof=proof, routes=unmeasured))
                except OSError as error:
                    why = f"the journal cannot be written: {error.strerror or error}"
                    raise self._after_roll_back(StepFailed(why)) from error
                self._open = 0

    def roll_back(self) -> Restoration:
        """Roll back the open round. The result lists conflicts."""
        result = Restoration()
        if self._journal is not None and self._open:
            with self._interrupts.busy():
                number, self._open = self._open, 0
                self.taken_back = result
                roll_back_round(self._journal, number, self._nodes(), result)
        return result

    def redeem(self, number: int) -> None:
        """Note that a round that was kept on credit has helped. Without the note it only reads as on credit."""
        if self._journal is not None:
            with self._interrupts.busy(), contextlib.suppress(OSError):
                self._journal.append(Record(0, 0.0, "committed", number))

    def take_back(self, number: int) -> Restoration:
        """Roll back a round that was committed. Stopped on the way, it is open: the next repair or undo goes on."""
        self._open = number
        return self.roll_back()

    def _where(self) -> tuple[Writer, str]:
        if self._place is None:
            self._place = locate_journal(self._target)
        return self._place

    def _nodes(self) -> Nodes:
        writer, _ = self._where()
        return Nodes(self._target, writer, writer.name)

    def _lock(self) -> None:
        writer, folder = self._where()
        with journal_access(folder):
            self._stack.enter_context(hold_lock(writer.files, folder, "a repair"))
        self._locked = True

    def _recover(self) -> None:
        writer, folder = self._where()
        for run_id in reversed(run_ids(writer.files, folder)):
            if is_unfinished(read_run(writer.files, folder, run_id).records):
                journal = open_run(writer.files, folder, run_id)
                with self._interrupts.busy():
                    self.recovered = recover(journal, self._nodes_of(journal))

    def _nodes_of(self, journal: Journal) -> Nodes:
        writer, _ = self._where()
        home = next((r.home for r in journal.records if r.phase == "begin"), "")
        return Nodes(self._target, writer, home or writer.name)

    def _begin(self, plan: Plan) -> tuple[Journal, Nodes]:
        """Lock and open the journal, in the first round only. Nothing on the target has changed when this returns."""
        writer, folder = self._where()
        if not self._locked:
            self._lock()
            if any(is_unfinished(read_run(writer.files, folder, i).records) for i in run_ids(writer.files, folder)):
                raise Conflict("another repair was interrupted meanwhile", "run the repair again")
        nodes = self._nodes()
        for step in plan.steps:
            if isinstance(step, ComposeUp):
                require_unchanged_service(step, nodes.engine())
            elif isinstance(step, ProgramAction):
                require_supervisor_access(step, nodes.runner(step.node))
        with journal_access(folder):
            if self._journal is None:
                begin = Record(0, 0.0, "begin", describe=self._cause, note=str(self._target.ref), home=writer.name)
                self._journal = create_run(writer.files, folder, self._new_id(), begin)
            number = len(rounds_of(self._journal.records)) + 1
            self._journal.append(Record(
                0, 0.0, "round", number, step=automatic_steps_json(plan.steps), describe=plan.summary,
                note=plan.cause or ""))
        self._open = number
        return self._journal, nodes

    def _new_id(self) -> str:
        """Return a run id that sorts after all others, even if the clock went back."""
        writer, folder = self._where()
        last, moment = max(run_ids(writer.files, folder), default=""), self._now
        while (run_id := time.strftime("%Y%m%d-%H%M%S", time.gmtime(moment))) <= last[:15]:
            moment += 1
        return f"{run_id}-{os.urandom(2).hex()}"

    def _apply(
        self, steps: tuple[Step, ...], journal: Journal, nodes: Nodes, tell: Callable[[str], None] | None
    ) -> None:
        for index, step in enumerate(steps):
            self._stop_if_asked()
            draft = Record(0, 0.0, "intent", self._open, index, step_to_json(step), describe_step(step))
            try:
                _apply_step(step, draft, journal, nodes)
            except NotListening as error:
                if step is not steps[-1]:
                    raise StepFailed(error.message, error.hint) from error
                raise
            except StartFailed as error:
                # the edits may be right all the same: the start may fail because of the next fault
                if has_only_starts(steps) or any(not isinstance(later, WaitForListener) for later in steps[index + 1:]):
                    raise
                raise NotListening(error.message, error.hint) from error
            except OSError as error:
                said = error.strerror or str(error)
                raise StepFailed(f"could not {draft.describe}: {said}{refusal_hint(step, said, nodes)}") from error
            if tell is not None:
                tell(draft.describe)

    def _stop_if_asked(self) -> None:
        if self._interrupts.asked:
            raise Interrupted("interrupted; the open round was rolled back")

    def _after_roll_back(self, error: FixerError) -> FixerError:
        if isinstance(error, Unreachable) and self._journal is not None:
            wait_for_commands(self._journal, self._nodes())
        left = self.roll_back().conflicts_text()
        return type(error)(error.message, left or error.hint or "the round was rolled back completely")


_INTERRUPTED_NOTE = "the next `fixer repair` or `fixer undo` rolls back the interrupted round"


def _apply_step(step: Step, draft: Record, journal: Journal, nodes: Nodes) -> None:
    """Write the intent, run the step, write done: in this order every interruption is recoverable."""
    if not isinstance(step, WriteFile):
        journal.append(draft)
        note = perform_step(step, nodes)
        journal.append(Record(0, 0.0, "done", draft.round, draft.index, note=note))
        return
    files = nodes.writer(step.node).files
    change = prepare_change(step, draft, files, journal.run_id)
    step = change.step
    store_before_image(change, journal)
    journal.append(change.intent)
    try:
        post = perform_change(change, files)
    except Conflict:
        FileRestore(step, Intent(change.intent, None), files, journal).sweep()
        journal.append(Record(0, 0.0, "withdrawn", draft.round, draft.index))
        raise
    journal.append(Record(0, 0.0, "done", draft.round, draft.index, post=post))
    if step.in_place:
        journal.drop_images(change.intent.blob)
