"""Tests of lab/matrix/result_files.py."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.errors import UsageError
from lab.matrix.result_files import read_results, result_from_json, result_to_json, to_json, to_junit
from lab.matrix.run_matrix import MatrixRequest, write_reports
from tests.lab.matrix.select_cases_builders import BAD, GOOD, LOAD, PORT, WELL


def test_a_report_is_read_back(tmp_path: Path) -> None:
    assert result_from_json(json.loads(json.dumps(result_to_json(BAD)))) == BAD
    path = tmp_path / "deep" / "run.json"
    write_reports(MatrixRequest(json=path, junit=tmp_path / "a.xml", markdown=tmp_path / "a.md"), [GOOD, BAD], [WELL], {})
    assert read_results(path) == {PORT: GOOD, LOAD: BAD}
    assert read_results(tmp_path / "none.json") == {}
    assert (tmp_path / "a.xml").is_file()
    assert (tmp_path / "a.md").is_file()
    for text in ("{}", "[", '{"format": "x", "cases": []}', '{"format": "badgateway-matrix/1", "cases": [{}]}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="is not a report"):
            read_results(path)
    assert json.loads(to_json([GOOD, BAD]))["failed"] == 1


def test_junit_holds_failures_and_what_was_not_tried() -> None:
    suite = ElementTree.fromstring(to_junit([GOOD, BAD], [WELL]))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    (failure,) = suite.findall("testcase/failure")
    assert "lab up overload-saturated/single-worker-overload --stack host --seed 1" in (failure.text or "")
    assert "/kept/here" in (failure.text or "")
