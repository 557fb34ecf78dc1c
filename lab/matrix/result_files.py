"""Result files of a run: JSON for programs and for resuming, JUnit for CI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lab.errors import UsageError
from lab.trial.trial import Case, CaseResult, TrialStep

FORMAT = "badgateway-matrix/1"
_XML_INVALID = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")  # characters that XML 1.0 excludes


def case_to_json(case: Case) -> dict[str, Any]:
    """Return a case as a dict."""
    return {"scenario": case.scenario, "variant": case.variant, "stack": case.stack, "seed": case.seed,
            "inside": case.inside, "noise": case.noise}


def case_from_json(data: Mapping[str, Any]) -> Case:
    """Return the case of a dict."""
    return Case(data["scenario"], data["variant"], data["stack"], int(data["seed"]), bool(data["inside"]),
                int(data["noise"]))


def result_to_json(result: CaseResult) -> dict[str, Any]:
    """Return a result with all its steps."""
    return {
        **case_to_json(result.case), "ok": result.ok, "seconds": round(result.seconds, 1),
        "again": result.case.up_command,
        "wanted": result.wanted, "kept": result.failure_folder, "code": result.code_digest,
        "steps": [{"name": step.name, "seconds": round(step.seconds, 2), "problems": step.problems}
                  for step in result.steps],
    }


def result_from_json(data: Mapping[str, Any]) -> CaseResult:
    """Return the result of a dict."""
    steps = [TrialStep(step["name"], float(step["seconds"]), list(step["problems"])) for step in data["steps"]]
    return CaseResult(case_from_json(data), steps, data["wanted"], data.get("kept", ""), data.get("code", ""))


def to_json(results: Sequence[CaseResult], draw: str = "") -> str:
    """Return the JSON report, which `--resume` reads; `draw` is the key of the drawn part with three seeds."""
    return json.dumps({
        "format": FORMAT,
        **({"draw": draw} if draw else {}),
        "passed": sum(result.ok for result in results),
        "failed": sum(not result.ok for result in results),
        "cases": [result_to_json(result) for result in results],
    }, indent=1)


def read_results(path: Path) -> dict[Case, CaseResult]:
    """Return the results of an earlier run, by case; empty if the file does not exist yet."""
    return read_report(path)[0]


def read_report(path: Path) -> tuple[dict[Case, CaseResult], str]:
    """Return the results of an earlier run, by case, and its draw key ("" if unknown).
    Empty if the file does not exist yet; UsageError if it is no report."""
    if not path.exists():
        return {}, ""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError("another format")
        draw = data.get("draw", "")
        if not isinstance(draw, str):
            raise TypeError("draw is not a string")
        return {result.case: result for result in map(result_from_json, data["cases"])}, draw
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a report of lab matrix ({error})", "--json or --resume writes one") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def to_junit(results: Sequence[CaseResult], untried: Iterable[Case] = ()) -> str:
    """Return JUnit XML: one test case per case, problems as its failure, untried cases as skipped."""
    left = list(untried)
    suite = ElementTree.Element(
        "testsuite", name="lab matrix", tests=str(len(results) + len(left)), errors="0", skipped=str(len(left)),
        failures=str(sum(not result.ok for result in results)),
        time=f"{sum(result.seconds for result in results):.1f}",
    )
    for result in results:
        element = _junit_case(suite, result.case, result.seconds)
        if not result.ok:
            text = "\n".join([*result.problems, f"again: {result.case.up_command}", f"kept: {result.failure_folder}"])
            message = (result.problems or ["nothing was tried"])[0]
            failure = ElementTree.SubElement(element, "failure", message=xml_text(message), type="unexpected")
            failure.text = xml_text(text)
    for case in left:
        ElementTree.SubElement(_junit_case(suite, case, 0.0), "skipped", message="not tried")
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _junit_case(suite: ElementTree.Element, case: Case, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=case.scenario, name=case.name, time=f"{seconds:.1f}")


def xml_text(text: str) -> str:
    """Return a text without what XML excludes."""
    return _XML_INVALID.sub("?", text)
