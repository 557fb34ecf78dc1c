"""Journal records as lines of ASCII JSON, and what a run's records say about it. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.journal import FileState, Record, RunSummary

RoundState: TypeAlias = Literal["open", "committed", "rolled-back"]

_FIELDS = {field.name: field for field in dataclasses.fields(Record)}
_STATE_FIELDS = frozenset(field.name for field in dataclasses.fields(FileState))


@dataclass(frozen=True, slots=True)
class RunRecords:
    """The readable records of a run. `torn`: the last line has no end. `gaps`: numbers that are missing."""

    records: tuple[Record, ...]
    torn: bool = False
    gaps: tuple[int, ...] = ()


def record_line(record: Record) -> bytes:
    """One line, ended by its newline; fields with their default value are left out."""
    fields: dict[str, object] = {}
    for name, field in _FIELDS.items():
        value = getattr(record, name)
        if value == field.default:
            continue
        fields[name] = dataclasses.asdict(value) if isinstance(value, FileState) else value
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def parse_records(data: bytes) -> RunRecords:
    """Every record that can be read. A torn line (the last, or one that a later run ended) was never promised."""
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
        return Record(**values)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run began to do: its intent, and the record that says it was done (None: interrupted in between)."""

    intent: Record
    done: Record | None


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a run and its intents in the order in which they were begun."""

    number: int
    state: RoundState
    intents: tuple[Intent, ...]
    planned: str = ""       # steps that a boot may have brought into effect (rebooted.planned)


def rounds_of(records: Iterable[Record]) -> tuple[Round, ...]:
    """The rounds of a run, first to last."""
    states: dict[int, RoundState] = {}
    plans: dict[int, str] = {}
    intents: dict[int, dict[int, Intent]] = {}
    for record in records:
        match record.phase:
            case "round":
                states[record.round], plans[record.round] = "open", record.step
                intents[record.round] = {}
            case "intent" if record.round in intents:
                intents[record.round][record.index] = Intent(record, None)
            case "done" if record.index in intents.get(record.round, {}):
                intents[record.round][record.index] = Intent(intents[record.round][record.index].intent, record)
            case "committed" | "rolled-back" as end:
                states[record.round] = end
            case _:
                pass
    return tuple(Round(n, states[n], tuple(intents[n].values()), plans[n]) for n in sorted(intents))


def is_undoing(records: Iterable[Record]) -> bool:
    """True when an undo was begun and not ended."""
    begun = False
    for record in records:
        if record.phase in ("undoing", "undone"):
            begun = record.phase == "undoing"
    return begun


RESTARTED = "started anew"     # what a way back did, where that could have started something
_WORK_PHASES = frozenset({"round", "intent", "done", "committed"})


def work_end_time(records: Iterable[Record]) -> float:
    """When the last of what these records tell was done, that could have started something."""
    return max((r.at for r in records if r.phase in _WORK_PHASES or r.describe == RESTARTED), default=0.0)


def is_unfinished(records: Iterable[Record]) -> bool:
    """True when a round, or an undo, was interrupted."""
    records = tuple(records)
    return is_undoing(records) or any(r.state == "open" for r in rounds_of(records))


def is_step_undone(records: Iterable[Record], round_number: int, index: int) -> bool:
    """True when the journal says that this step was taken back already, and not that a part of it was not."""
    told = {r.phase for r in records if (r.round, r.index) == (round_number, index)}
    return "restored" in told and "conflict" not in told


def summary_of(run_id: str, records: Iterable[Record]) -> RunSummary:
    """The run as `history` lists it."""
    records = tuple(records)
    begin = next((r for r in records if r.phase == "begin"), None)
    rounds = rounds_of(records)
    shown = [r for r in rounds if r.state != "rolled-back"] or rounds
    steps = tuple(i.intent.describe for r in shown for i in r.intents if i.done is not None or r.state != "committed")
    return RunSummary(
        id=run_id,
        target=begin.note if begin else "",
        at=begin.at if begin else 0.0,
        state=_state_of(records, rounds),
        cause=_causes_of(records, {r.number for r in shown}) or (begin.describe if begin else ""),
        steps=steps,
        conflicts=_conflicts_of(records),
        last=max((r.at for r in records), default=0.0),
    )


def _causes_of(records: tuple[Record, ...], numbers: set[int]) -> str:
    """What those rounds were for, in their order: a run may have met one fault behind another."""
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


def _conflicts_of(records: tuple[Record, ...]) -> tuple[str, ...]:
    """The conflicts of the last attempt to take something back, ended or not: of the whole run, or of each round."""
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
    return tuple(dict.fromkeys(told.note for told in conflicts))
