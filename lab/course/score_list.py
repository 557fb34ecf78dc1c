"""`lab scores`: the attempts of all people, and the sum of each."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from fixer.render.terminal_text import count_columns, pad
from lab.course.lesson import Attempt, minutes_text
from lab.languages.translate import say


def scores_json(attempts: Sequence[Attempt]) -> str:
    """Return the attempts and sums as one object; a lesson that runs keeps its fault to itself."""
    shown = [asdict(one) if not one.is_open else {**asdict(one), "scenario": None, "variant": None, "seed": None}
             for one in attempts]
    people = [{"person": name, "lessons": lessons, "solved": solved, "points": points}
              for name, lessons, solved, points in _sums(attempts)]
    return json.dumps({"attempts": shown, "people": people}, indent=2)


def scores_text(attempts: Sequence[Attempt]) -> str:
    """Return the table for a terminal."""
    if not attempts:
        return say("console/nobody-tried", "nobody has tried yet; begin: lab play")
    person, points = say("console/PERSON", "PERSON"), say("console/POINTS", "POINTS")
    rows: list[tuple[str, ...]] = [(
        say("console/WHEN", "WHEN"), person, say("console/LEVEL", "LEVEL"), say("console/FAULT", "FAULT"),
        say("console/REPAIR", "REPAIR"), say("console/CAUSE", "CAUSE"), say("console/HINTS", "HINTS"),
        say("console/TIME", "TIME"), points)]
    rows += [_row(one) for one in attempts]
    sums = [(person, say("console/LESSONS", "LESSONS"), say("console/SOLVED", "SOLVED"), points)]
    sums += [(name, str(lessons), str(solved), str(points)) for name, lessons, solved, points in _sums(attempts)]
    return f"{_table(rows)}\n\n{_table(sums)}"


def _row(one: Attempt) -> tuple[str, ...]:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.started))
    if one.is_open:
        return when, one.person, str(one.difficulty), say("console/runs", "(runs)"), "", "", "", "", ""
    cause = say("console/named-right", "right") if one.cause_right else (
        one.cause or say("console/none-named", "none named"))
    repair = say("console/page-well", "well") if one.fixed else say("console/page-broken", "broken")
    return (when, one.person, str(one.difficulty), f"{one.scenario}/{one.variant}", repair, cause, str(one.hints),
            minutes_text(one.seconds()), str(one.points))


def _sums(attempts: Sequence[Attempt]) -> list[tuple[str, int, int, int]]:
    """Return name, lessons, solved ones and points of each person, the most points first."""
    people = dict.fromkeys(one.person for one in attempts)
    sums = [(name, len(own := [one for one in attempts if one.person == name]), sum(one.solved for one in own),
             sum(one.points for one in own)) for name in people]
    return sorted(sums, key=lambda row: (-row[3], row[0]))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(count_columns(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
