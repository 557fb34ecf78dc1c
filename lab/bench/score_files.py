"""Scores as files: JSON for programs, JUnit for CI, Markdown for a job's summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from lab.bench.score import Score
from lab.bench.score_table import HEADER, score_line, score_rows, solver_names
from lab.matrix.result_files import case_from_json, case_to_json, xml_text


def score_to_json(score: Score) -> dict[str, Any]:
    """Return a score as a dict."""
    case = case_to_json(score.case)
    return {
        "solver": score.solver, **case, "yardstick": score.yardstick, "cause_right": score.cause,
        "repaired": score.repaired, "survived_restart": score.survived, "harm": score.harm, "solved": score.solved,
        "seconds": round(score.seconds, 2), "trouble": score.error,
    }


def score_from_json(data: Mapping[str, Any]) -> Score:
    """Return the score of a dict."""
    return Score(data["solver"], case_from_json(data), data["yardstick"], data["cause_right"], data["repaired"],
                 data["survived_restart"], list(data["harm"]), data["solved"], data["seconds"], data["trouble"])


def to_json(scores: Sequence[Score]) -> str:
    """Return the report as JSON."""
    return json.dumps({
        "solvers": [{"solver": name, "cases": len(mine), "solved": sum(s.solved for s in mine)}
                    for name in solver_names(scores) if (mine := [s for s in scores if s.solver == name])],
        "scores": [score_to_json(score) for score in scores],
    }, indent=1)


def to_junit(scores: Sequence[Score]) -> str:
    """Return JUnit XML: a test case for each score. A yardstick that loses is skipped."""
    lost = [score for score in scores if not score.solved]
    suite = ElementTree.Element(
        "testsuite", name="lab bench", tests=str(len(scores)), errors="0",
        failures=str(sum(not score.yardstick for score in lost)), skipped=str(sum(score.yardstick for score in lost)),
        time=f"{sum(score.seconds for score in scores):.1f}",
    )
    for score in scores:
        element = ElementTree.SubElement(suite, "testcase", classname=score.solver, name=score.case.name,
                                         time=f"{score.seconds:.1f}")
        if score.solved:
            continue
        line = xml_text(score_line(score))
        if score.yardstick:
            ElementTree.SubElement(element, "skipped", message=f"a yardstick: {line}")
        else:
            failure = ElementTree.SubElement(element, "failure", message=line, type="unsolved")
            failure.text = xml_text("\n".join([*score.harm, f"again: {score.case.up_command}"]))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def to_markdown(scores: Sequence[Score]) -> str:
    """Return the table of all solvers, and what each did not solve."""
    rows = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *score_rows(scores)]
    lines = ["# Bench", "", *("| " + " | ".join(_cell(text) for text in row) + " |" for row in rows)]
    for name in solver_names(scores):
        lost = [score for score in scores if score.solver == name and not score.solved]
        if lost:
            lines += ["", f"## Not solved by {_cell(name)}", ""]
            lines += [f"- **{score.case.name}**, `{score.case.up_command}`: {_cell(score_line(score))}"
                      for score in lost]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
