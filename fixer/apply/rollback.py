"""Rollback from the journal alone: for a failed round, a crash and an undo. It can be repeated."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Sequence
from functools import partial

from fixer.apply.file_change import FileRestore
from fixer.apply.journal_folder import Journal, last_work_time
from fixer.apply.journal_records import RESTARTED, Intent, Round, is_step_undone, is_undoing, rounds_of
from fixer.apply.memory_loss import discards_memory, is_plain_restart, restarts_only
from fixer.apply.reboot_recovery import (
    AutomaticStep,
    apply_restored_files,
    automatic_steps,
    has_booted,
    must_read_again,
    was_running,
)
from fixer.apply.refusal_hint import refusal_hint
from fixer.apply.steps.nginx_step import ConfigRefused, NginxNotRunning, age_of_refused_file, check_config
from fixer.apply.steps.node_access import Nodes
from fixer.apply.steps.perform import stop_seconds, undo_after_files, undo_before_files
from fixer.apply.steps.start_marks import LEFT_RUNNING_NOTE, StepStart
from fixer.errors import Conflict, ConnectionLost, FixerError, Unreachable
from fixer.hosts.docker_engine.docker_cli import is_daemon_unreachable
from fixer.lazy.dataclass import dataclass, field, replace
from fixer.model.journal import FileState, Phase, Record
from fixer.model.plan import (
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    NetworkAction,
    ProgramAction,
    ReloadNginx,
    ServiceAction,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from fixer.model.report import INCOMPLETE_UNDO_TEXT, NOT_UNDONE_TEXT
from fixer.nginx.error_kinds import HOST_NOT_FOUND
from fixer.redaction.masked_steps import describe_step, is_reversible, step_from_json, step_to_json


@dataclass(slots=True)
class Restoration:
    """The result of a rollback: restored items, conflicts, irreversible steps and notes.
    `lost`: no connection, or the disk refuses writes. The journal stays open, and the next repair or undo continues."""

    restored: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    irreversible: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lost: bool = False

    def conflicts_text(self) -> str:
        """Return one line about what was not restored; empty if all was."""
        lines = (*self.conflicts, *([RESUMES_NOTE] if self.lost else []))
        return f"{INCOMPLETE_UNDO_TEXT}: {'; '.join(lines)}" if self.conflicts else ""


# The disk is full, read-only or broken: nobody changed the file. It is restored once the disk works.
_TEMPORARY_ERRNOS = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})
RESUMES_NOTE = "the next repair or undo continues from here"
_EARLIER_REFUSED_NOTE = "nginx was not reloaded, because it refuses the earlier configuration"
_FIRST_EXTRA_INDEX = 1000  # index of the first step without an intent
_CLOCK_MARGIN = 1.0  # change times have a resolution of one second
# seconds that a command may outlive the fixer that started it: docker restarts a container
COMMAND_SECONDS = 15.0


def recover(journal: Journal, nodes: Nodes) -> Restoration:
    """Finish what was interrupted: roll back an open round, or continue an undo."""
    wait_for_commands(journal, nodes)
    if is_undoing(journal.records):
        return undo_run(journal, nodes)
    result = Restoration()
    for number in [r.number for r in rounds_of(journal.records) if r.state == "open"]:
        roll_back_round(journal, number, nodes, result)
    return result


def wait_for_commands(journal: Journal, nodes: Nodes) -> None:
    """Wait for commands without a done record: one that is still running would act after its rollback.
    Their time limit starts at the last record."""
    undoing = is_undoing(journal.records)
    open_ = [item for r in rounds_of(journal.records) if undoing or r.state == "open" for item in r.intents]
    begun = [step for item in open_ if undoing or item.done is None for step in _step_of_intent(item)]
    commands = [step for step in begun if not isinstance(step, WriteFile | CheckNginx | WaitForListener)]
    if commands:
        age = max(0.0, time.time() - journal.records[-1].at)
        time.sleep(max(0.0, COMMAND_SECONDS + max(_stop_seconds(step, nodes) for step in commands) - age))


def _step_of_intent(item: Intent) -> tuple[Step, ...]:
    try:
        return (step_from_json(item.intent.step),)
    except ValueError:
        return ()


def _stop_seconds(step: Step, nodes: Nodes) -> float:
    """Return the extra seconds that a container may need to stop, by its own settings."""
    if not isinstance(step, ContainerAction | ComposeUp):
        return 0.0
    try:
        return stop_seconds(step, nodes)
    except (FixerError, OSError):  # the rollback itself reports it
        return 0.0


def undo_run(journal: Journal, nodes: Nodes) -> Restoration:
    """Roll back every round that is committed or open, last first."""
    result = Restoration()
    journal.note("undoing")
    for round_ in reversed(rounds_of(journal.records)):
        if round_.state != "rolled-back" or _has_conflicts(journal, round_):
            _Rollback(journal, round_, nodes, result).run()
    _end_journal(journal, Record(0, 0.0, "undone"), result)
    return result


def _end_journal(journal: Journal, record: Record, result: Restoration) -> None:
    """Append the final record. Without it the next run checks again, and does what is left."""
    if result.lost:
        result.notes.append(RESUMES_NOTE)
        return
    try:
        journal.append(record)
    except OSError as error:
        result.notes.append(f"the journal could not be closed ({error.strerror}); the next repair or undo closes it")


def roll_back_round(journal: Journal, number: int, nodes: Nodes, result: Restoration) -> None:
    """Roll back one round and journal that. Conflicts are in `result`; they stop nothing."""
    round_ = next(r for r in rounds_of(journal.records) if r.number == number)
    step = Record(0, 0.0, "rolling-back", number)
    _append_note(journal, step)
    _Rollback(journal, round_, nodes, result).run()
    _end_journal(journal, Record(0, 0.0, "rolled-back", number), result)


def _has_conflicts(journal: Journal, round_: Round) -> bool:
    """Return whether the rolled-back round has conflicts: an undo tries those again."""
    return any(r.phase == "conflict" and r.round == round_.number for r in journal.records)


def _append_note(journal: Journal, like: Record, note: str = "") -> None:
    """Append a record that the rollback does not need: it helps readers and saves work. Ignore a full disk."""
    with contextlib.suppress(OSError):
        journal.append(replace(like, note=note))


@dataclass(slots=True)
class _Rollback:
    """One round in rollback: undo steps in reverse order, remove leftovers, then apply effects in forward order."""

    journal: Journal
    round: Round
    nodes: Nodes
    result: Restoration
    files_moved: bool = False
    refused: frozenset[int] = frozenset()  # reloads that nginx refused before any file was restored
    began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        steps = [(item, step) for item in self.round.intents if (step := self._step_of(item)) is not None]
        self._check_gaps()
        self.refused = frozenset(item.intent.index for item, step in steps if isinstance(step, ReloadNginx)
                                 and item.done is not None and self._is_refused(item, step, steps))
        only_restarts = restarts_only([step for _, step in steps])
        if not any(isinstance(step, WriteFile) for _, step in steps):
            # What was held in memory is in no file that a reload or restart could restore.
            self.result.irreversible += [i.intent.describe for i, step in steps if discards_memory(step)
                                         and (only_restarts or not is_plain_restart(step))]
        for item, step in reversed(steps):
            if isinstance(step, WriteFile):
                self._attempt(item, partial(self._restore, item, step))
            elif not is_reversible(step):
                self.result.irreversible.append(item.intent.describe)
            elif not self._is_back(item) or self._boot_undid(item, step):
                mark = item.done.note if item.done else ""
                last = partial(last_work_time, self.journal)
                started = StepStart(mark, item.intent.at, last, self._was_left(item), cut_off=item.done is None)
                self._attempt(item, partial(undo_before_files, step, self.nodes, started))
        for item, step in reversed(steps):
            if isinstance(step, WriteFile):
                self._attempt(item, partial(self._sweep, item, step))
        if not self.result.lost:  # torn in-place writes of this rollback need the images
            self._drop_images()
        for item, step in sorted(steps, key=lambda pair: not isinstance(pair[1], DaemonReload)):
            if only_restarts and is_plain_restart(step):
                continue    # one more would interrupt its service, and bring nothing back
            if not isinstance(step, WriteFile) and (self.files_moved or not self._is_back(item)):
                starts_anew = not isinstance(step, ReloadNginx | DaemonReload)
                self._attempt(item, partial(self._effect, item, step), RESTARTED if starts_anew else "")

        self._bring_what_came_by_itself(steps)

    def _bring_what_came_by_itself(self, steps: Sequence[tuple[Intent, Step]]) -> None:
        """Reload services for steps that the round never reached but that took effect anyway.
        Their files did it, or what a failed service needed was available for a while (a database that was started)."""
        wrote = [item for item, step in steps if isinstance(step, WriteFile)]
        did = wrote or [item for item, _ in steps]
        if not did or not (self.files_moved or any(map(self._is_back, did))) or self.result.lost:
            return
        begun = {step_to_json(step) for _, step in steps}
        for number, step in enumerate(s for s in automatic_steps(self.round.planned) if step_to_json(s) not in begun):
            record = Record(0, 0.0, "intent", self.round.number, _FIRST_EXTRA_INDEX + number,
                            describe=describe_step(step))
            if wrote or was_running(step):
                self._attempt(Intent(record, None), partial(self._read_anew, step, did[0].intent.at))

    def _read_anew(self, step: AutomaticStep, since: float) -> str:
        if not must_read_again(step, self.nodes, since):
            return ""
        try:
            return apply_restored_files(step, self.nodes)
        except (ConfigRefused, NginxNotRunning) as error:
            self._note(f"{_EARLIER_REFUSED_NOTE if isinstance(error, ConfigRefused) else 'nginx was not reloaded'}: "
                       f"{error.message}")
            return ""

    def _drop_images(self) -> None:
        """Remove the images, also one whose intent was never written."""
        try:
            self.journal.drop_images()
        except OSError:  # they may hold secrets: the next attempt removes them
            self.result.lost = True

    def _step_of(self, item: Intent) -> Step | None:
        try:
            return step_from_json(item.intent.step)
        except ValueError:
            self._conflict(item, f"step not understood: {item.intent.describe}")
            return None

    def _check_gaps(self) -> None:
        if self.journal.gaps:
            place = f"{self.journal.folder}/journal.jsonl"
            note = f"{place} is damaged: {len(self.journal.gaps)} records cannot be read"
            if note not in self.result.conflicts:
                self.result.conflicts.append(note)

    def _was_left(self, item: Intent) -> bool:
        at = (item.intent.round, item.intent.index)
        said = [r.note for r in self.journal.records if r.phase == "conflict" and (r.round, r.index) == at]
        return any(note.endswith(LEFT_RUNNING_NOTE) for note in said)

    def _boot_undid(self, item: Intent, step: Step) -> bool:
        """Return whether the machine booted after this step was undone, and so runs with the round's files."""
        wrote = any(isinstance(step, WriteFile) for item in self.round.intents for step in _step_of_intent(item))
        if not wrote or not isinstance(step, UnitAction | ProgramAction | ServiceAction):
            return False
        at = (item.intent.round, item.intent.index)
        back = max(r.at for r in self.journal.records if r.phase == "restored" and (r.round, r.index) == at)
        return has_booted(self.nodes.runner(step.node), back)

    def _is_back(self, item: Intent) -> bool:
        return is_step_undone(self.journal.records, item.intent.round, item.intent.index)

    def _restore(self, item: Intent, step: WriteFile) -> str:
        files = self.nodes.writer(step.node).files
        restore = FileRestore(step, item, files, self.journal, self._found_before(item, step))
        if not restore.run():
            return ""
        self.files_moved = True
        verb = "removed" if item.intent.pre and item.intent.pre.kind == "absent" else "restored"
        return f"{verb} {step.display_path or step.path}"

    def _found_before(self, item: Intent, step: WriteFile) -> tuple[FileState, ...]:
        """Return the states that earlier writes of this file found, in this round or in all that are undone."""
        me, undoing = (item.intent.round, item.intent.index), is_undoing(self.journal.records)
        back = [r for r in rounds_of(self.journal.records)
                if r.number == self.round.number or (undoing and r.state != "rolled-back")]
        return tuple(
            other.intent.pre for round_ in back for other in round_.intents for write in _step_of_intent(other)
            if (other.intent.round, other.intent.index) < me and isinstance(write, WriteFile)
            and (write.node, write.path) == (step.node, step.path) and other.intent.pre is not None)

    def _sweep(self, item: Intent, step: WriteFile) -> str:
        FileRestore(step, item, self.nodes.writer(step.node).files, self.journal).sweep()
        return ""

    def _is_refused(self, item: Intent, step: ReloadNginx, steps: Sequence[tuple[Intent, Step]]) -> bool:
        """Return whether nginx now refuses the repair's own files, for a reason that the rollback does not remove.
        Until that is fixed, the reload of the round cannot be undone."""
        at = (item.intent.round, item.intent.index)
        # names of containers and networks are undone with them, also in an interrupted undo
        names = any(isinstance(other, NetworkAction | ContainerAction | ComposeUp) for _, other in steps)
        said = [r.note for r in self.journal.records if r.phase == "conflict" and (r.round, r.index) == at]
        if any(not names or HOST_NOT_FOUND not in note for note in said):
            return True
        # files that the rollback of a later round restored
        if any(note.startswith(_EARLIER_REFUSED_NOTE) for note in self.result.notes):
            return False
        try:
            for other, write in steps:
                if isinstance(write, WriteFile):
                    files = self.nodes.writer(write.node).files
                    if not FileRestore(write, other, files, self.journal).is_in_force():
                        return False
            check_config(step, self.nodes.runner(step.node))
        except ConfigRefused as error:
            return not names or HOST_NOT_FOUND not in error.message
        except (FixerError, OSError, ValueError):  # the rollback itself reports it
            return False
        return False

    def _effect(self, item: Intent, step: Step) -> str:
        try:
            return undo_after_files(step, self.nodes)
        except ConfigRefused as error:
            if item.intent.index in self.refused or self._is_anothers(step, error):
                raise
            self._note(f"{_EARLIER_REFUSED_NOTE}: {error.message}")
        except (NginxNotRunning, Unreachable) as error:
            if not isinstance(step, ReloadNginx) or _is_lost(error):
                raise
            self._note(f"nginx was not reloaded: {error.message}")
        return ""

    def _note(self, note: str) -> None:
        if note not in self.result.notes:
            self.result.notes.append(note)

    def _is_anothers(self, step: Step, error: ConfigRefused) -> bool:
        """Return whether nginx complains about a file that somebody else changed since this rollback started."""
        if not isinstance(step, ReloadNginx):
            return False
        every = [item for round_ in rounds_of(self.journal.records) for item in round_.intents]
        written = [step for item in every for step in _step_of_intent(item) if isinstance(step, WriteFile)]
        ours = {path for step in written for path in (step.path, step.display_path)}
        age = age_of_refused_file(error, self.nodes.runner(step.node), ours)
        return age is not None and age <= time.monotonic() - self.began + _CLOCK_MARGIN

    def _attempt(self, item: Intent, work: Callable[[], str], how: str = "") -> None:
        """Run one part of the rollback. A failure becomes a conflict, and the rest continues."""
        try:
            done = work()
        except Conflict as error:
            self._conflict(item, error.message)
        except FixerError as error:
            self._failed(item, error.message, later=_is_lost(error))
        except OSError as error:
            said = error.strerror or str(error)
            hints = [refusal_hint(step, said, self.nodes) for step in _step_of_intent(item)]
            self._failed(item, "".join((said, *hints)), later=error.errno in _TEMPORARY_ERRNOS)
        except ValueError as error:
            self._failed(item, str(error), later=False)
        else:
            if done:
                self.result.restored.append(done)
                _append_note(self.journal, _record_for(item, "restored", how), done)

    def _failed(self, item: Intent, reason: str, *, later: bool) -> None:
        """Record a failure. One that can be retried later is no conflict of the journal, which stays open."""
        note = f"{item.intent.describe}{NOT_UNDONE_TEXT}{reason}"
        self.result.lost |= later
        if not later:
            self._conflict(item, note)
        elif note not in self.result.conflicts:
            self.result.conflicts.append(note)

    def _conflict(self, item: Intent, note: str) -> None:
        if note not in self.result.conflicts:
            self.result.conflicts.append(note)
            _append_note(self.journal, _record_for(item, "conflict"), note)


def _is_lost(error: FixerError) -> bool:
    """Return whether the connection or the daemon is missing. A removed container never returns; a daemon does."""
    return isinstance(error,
                      ConnectionLost) or (isinstance(error, Unreachable) and is_daemon_unreachable(error.message))


def _record_for(item: Intent, phase: Phase, how: str = "") -> Record:
    return Record(0, 0.0, phase, item.intent.round, item.intent.index, describe=how)
