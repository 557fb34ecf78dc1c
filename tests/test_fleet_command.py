"""Tests of fixer/fleet_command.py: what its options do is tested with fixer/app/fleet_report.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixer.start import main


def test_without_a_command_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet"]) == 0
    out = capsys.readouterr().out
    assert "Group the reports of many hosts by cause." in out and "fixer fleet report fleet.jsonl" in out


def test_json_and_another_format_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "report", "x", "--json", "--format", "html"]) == 2
    assert "contradict" in capsys.readouterr().err


def test_an_agent_gets_one_object_and_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "web-1.json"
    lines.write_text(json.dumps({"schema_version": 1, "target": "local", "verdict": "unknown", "error": {
        "kind": "unreachable", "message": "there is no route to it", "hint": ""}}), encoding="utf-8")
    assert main(["fleet", "report", str(lines), "--json"]) == 3
    shown = capsys.readouterr().out
    assert main(["fleet", "report", str(lines), "--agent"]) == 0
    assert capsys.readouterr().out == shown and json.loads(shown)["unseen"][0]["reason"] == "there is no route to it"


def test_a_file_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "report"]) == 2
    assert "see: fixer fleet report --help" in capsys.readouterr().err
