"""The scores of all solvers side by side, as a table for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from lab.bench.score import Score

HEADER = ("solver", "cases", "cause right", "repaired", "survived restart", "harm done", "solved", "seconds")


def score_table(scores: Sequence[Score]) -> str:
    """Return one row per solver; `-` if a question did not apply."""
    rows = [HEADER, *score_rows(scores)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = (
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line) for line in lines)


def score_rows(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """Return the cells below HEADER, one row per solver."""
    return [_row(name, [score for score in scores if score.solver == name]) for name in solver_names(scores)]


def solver_names(scores: Iterable[Score]) -> list[str]:
    """Return the solvers' names in the order of the command line."""
    return list(dict.fromkeys(score.solver for score in scores))


def _row(name: str, scores: Sequence[Score]) -> tuple[str, ...]:
    judged = [score for score in scores if not score.error]
    return (
        name if len(name) <= 40 else name[:37] + "...", str(len(scores)), _share_text([s.cause for s in judged]),
        _share_text([s.repaired for s in judged]), _share_text([s.survived for s in judged]),
        str(sum(bool(s.harm) for s in judged)), _share_text([s.solved for s in scores]),
        f"{statistics.median(s.seconds for s in judged):.1f}" if judged else "-",
    )


def _share_text(answers: Sequence[bool | None]) -> str:
    asked = [answer for answer in answers if answer is not None]
    return f"{sum(asked)} of {len(asked)}" if asked else "-"


def score_line(score: Score) -> str:
    """Return the result of one case, to follow its name."""
    if score.error:
        return f"could not be scored: {score.error}"
    parts = [f"{'✔' if score.solved else '✘'} {score.seconds:.1f} s"]
    if score.cause is not None:
        parts.append("cause right" if score.cause else "cause not named")
    if score.repaired is not None:
        parts.append("repaired" if score.repaired else "not repaired")
    if score.survived is False:
        parts.append("broken again after a restart")
    return ", ".join(parts + score.harm[:3])
