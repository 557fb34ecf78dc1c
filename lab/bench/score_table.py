"""The scores of all solvers side by side, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence

from lab.bench.score import Score

HEADER = ("solver", "cases", "cause right", "repaired", "survived restart", "harm done", "solved", "seconds")


def score_table(scores: Sequence[Score]) -> str:
    """Return one row per solver; `-` if a question did not apply."""
    rows = [HEADER, *(_row(name, [s for s in scores if s.solver == name]) for name in _solver_names(scores))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = (
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line) for line in lines)


def _solver_names(scores: Iterable[Score]) -> list[str]:
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


def to_json(scores: Sequence[Score]) -> str:
    """Return the report as JSON."""
    return json.dumps({
        "solvers": [{"solver": name, "cases": len(mine), "solved": sum(s.solved for s in mine)}
                    for name in _solver_names(scores) if (mine := [s for s in scores if s.solver == name])],
        "scores": [
            {
                "solver": s.solver, "scenario": s.case.scenario, "variant": s.case.variant, "stack": s.case.stack,
                "seed": s.case.seed, "inside": s.case.inside, "cause_right": s.cause, "repaired": s.repaired,
                "survived_restart": s.survived, "harm": s.harm, "solved": s.solved, "seconds": round(s.seconds, 2),
                "trouble": s.error,
            }
            for s in scores
        ],
    }, indent=1)
