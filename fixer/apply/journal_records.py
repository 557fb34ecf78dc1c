"""Journal records as lines of ASCII JSON, and the state of a run that follows from them. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.journal import MECHANISM_MARK, FileState, Record, RunSummary

RoundState: TypeAlias = Literal["open", "committed", "rolled-back"]

_FIELDS = {field.name: field for field in dataclasses.fields(Record)}
_STATE_FIELDS = frozenset(field.name for field in dataclasses.fields(FileState))


@dataclass(frozen=True, slots=True)
class RunRecords:
    """The readable records of a run. `torn`: the last line is incomplete. `gaps`: missing sequence numbers."""

    records: tuple[Record, ...]
    torn: bool = False
    gaps: tuple[int, ...] = ()


def record_line(record: Record) -> bytes:
    """Return one line with its newline; omit fields with default values."""
    fields: dict[str, object] = {}
    for name, field in _FIELDS.items():
        value = getattr(record, name)
        if value == field.default:
            continue
        fields[name] = _state_fields(value) if isinstance(value, FileState) else value
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _state_fields(state: FileState) -> dict[str, object]:
    """Return all fields but the number of names of a file that has one: earlier versions did not write it."""
    fields = dataclasses.asdict(state)
    if state.links == 1:
        del fields["links"]
    return fields


def parse_records(data: bytes) -> RunRecords:
    """Return every readable record. A torn line (the last, or one that a later run ended) was never durable."""
    lines = data.split(b"\n")
    torn = bool(lines.pop())
    records = [record for record in map(_parse_line, lines) if record is not None]
    expected = {record.seq for record in records}
    gaps = tuple(n for n in range(max(expected, default=-1)) if n not in expected)
    return RunRecords(tuple(records), torn, gaps)


def _parse_line(line: bytes) -> Record | None:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            return None
        values = {name: value for name, value in fields.items() if name in _FIELDS}
        for name in ("pre", "post"):
            if values.get(name) is not None:
                values[name] = FileState(**{k: v for k, v in values[name].items() if k in _STATE_FIELDS})
        values["dirs"] = tuple(values.get("dirs", ()))
        values["routes"] = tuple(map(str, values.get("routes", ())))
        return Record(**values)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent of a run and its done record; `done` is None if the step was interrupted."""

    intent: Record
    done: Record | None


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a run and its intents, in the order in which they started."""

    number: int
    state: RoundState
    intents: tuple[Intent, ...]
    planned: str = ""  # JSON of steps that a boot may have run (reboot_recovery.automatic_steps)
    unmeasured: tuple[str, ...] = ()  # if it was kept and only its mechanism proved it: marks of its routes
    on_credit: bool = False  # kept without help so far: the next fault of its route or service showed

    def step_text(self, intent: Intent) -> str:
        """Return the description of a step of this round, with how the round was proven if answers did not."""
        credit = " (unproven alone: the next fault showed)" if self.on_credit else ""
        proof = MECHANISM_MARK if self.unmeasured else credit
        return f"{intent.intent.describe}{proof}"


def rounds_of(records: Iterable[Record]) -> tuple[Round, ...]:
    """Return the rounds of a run, first to last."""
    states: dict[int, RoundState] = {}
    plans: dict[int, str] = {}
    intents: dict[int, dict[int, Intent]] = {}
    last: dict[int, Record] = {}
    for record in records:
        match record.phase:
            case "round":
                states[record.round], plans[record.round] = "open", record.step
                intents[record.round] = {}
            case "intent" if record.round in intents:
                intents[record.round][record.index] = Intent(record, None)
            case "done" if record.index in intents.get(record.round, {}):
                intents[record.round][record.index] = Intent(intents[record.round][record.index].intent, record)
            case "withdrawn":
                intents.get(record.round, {}).pop(record.index, None)
            case "committed" | "rolled-back" as end:
                states[record.round], last[record.round] = end, record
            case "rolling-back" if record.round in states:
                states[record.round] = "open"  # also one that was committed: what stops here goes on later
            case _:
                pass
    return tuple(_round(n, states[n], tuple(intents[n].values()), plans[n], last.get(n)) for n in sorted(intents))


def _round(number: int, state: RoundState, intents: tuple[Intent, ...], planned: str, last: Record | None) -> Round:
    proof = last.proof if last is not None and state == "committed" else ""
    marks = last.routes if last is not None and proof == "mechanism" else ()
    return Round(number, state, intents, planned, marks, proof == "credit")


def is_undoing(records: Iterable[Record]) -> bool:
    """Return whether an undo started and did not end."""
    begun = False
    for record in records:
        if record.phase in ("undoing", "undone"):
            begun = record.phase == "undoing"
    return begun


RESTARTED = "started anew"  # value of `describe` in a restore that could have started something
_WORK_PHASES = frozenset({"round", "intent", "done", "committed"})


def work_end_time(records: Iterable[Record]) -> float:
    """Return the time of the last record whose work could have started something; 0 if there is none."""
    return max((r.at for r in records if r.phase in _WORK_PHASES or r.describe == RESTARTED), default=0.0)


def is_unfinished(records: Iterable[Record]) -> bool:
    """Return whether a round, or an undo, was interrupted."""
    records = tuple(records)
    return is_undoing(records) or any(r.state == "open" for r in rounds_of(records))


def is_step_undone(records: Iterable[Record], round_number: int, index: int) -> bool:
    """Return whether the journal says that this step was undone without a conflict."""
    told = {r.phase for r in records if (r.round, r.index) == (round_number, index)}
    return "restored" in told and "conflict" not in told


def summary_of(run_id: str, records: Iterable[Record]) -> RunSummary:
    """Return the run as `history` lists it."""
    records = tuple(records)
    begin = next((r for r in records if r.phase == "begin"), None)
    rounds = rounds_of(records)
    shown = [r for r in rounds if r.state != "rolled-back"] or rounds
    steps = tuple(r.step_text(i) for r in shown for i in r.intents if i.done is not None or r.state != "committed")
    return RunSummary(
        id=run_id,
        target=begin.note if begin else "",
        at=begin.at if begin else 0.0,
        state=_state_of(records, rounds),
        cause=_causes_of(records, {r.number for r in shown}) or (begin.describe if begin else ""),
        steps=steps,
        conflicts=_conflicts_of(records),
        last=max((r.at for r in records), default=0.0),
        unmeasured=tuple(dict.fromkeys(mark for r in shown for mark in r.unmeasured)),
    )


def _causes_of(records: tuple[Record, ...], numbers: set[int]) -> str:
    """Return the causes of those rounds, in order: a run may repair several faults in sequence."""
    return ", ".join(dict.fromkeys(r.note for r in records if r.phase == "round" and r.round in numbers and r.note))


def _state_of(
    records: tuple[Record, ...], rounds: tuple[Round, ...]
) -> Literal["committed", "rolled-back", "undone", "undone-with-conflicts", "unfinished", "nothing"]:
    if is_unfinished(records):
        return "unfinished"
    if any(r.phase == "undone" for r in records):
        return "undone-with-conflicts" if _conflicts_of(records) else "undone"
    if any(r.state == "committed" for r in rounds):
        return "committed"
    return "rolled-back" if any(r.intents for r in rounds) else "nothing"


def conflict_records(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the conflicts of the last undo, of the run or of each round, whether it ended or not."""
    conflicts: list[Record] = []
    for record in records:
        match record.phase:
            case "undoing":
                conflicts.clear()
            case "rolling-back":
                conflicts = [told for told in conflicts if told.round != record.round]
            case "conflict":
                conflicts.append(record)
            case _:
                pass
    return tuple(conflicts)


def _conflicts_of(records: tuple[Record, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told.note for told in conflict_records(records)))
