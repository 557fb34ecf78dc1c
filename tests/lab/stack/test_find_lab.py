"""Tests of lab/stack/find_lab.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.scenario import catalog
from lab.stack import lab_records
from lab.stack.find_lab import find_lab
from lab.stack.lab_records import LabRecord
from tests.lab.cli_builders import lab


def test_a_lab_remembers_where_its_scenario_came_from(record: LabRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    assert lab("--scenarios", str(tmp_path), "new", "late-start").returncode == 0
    own.mkdir()
    (tmp_path / "late-start").rename(own / "late-start")
    monkeypatch.setattr("lab.stack.find_lab.require_docker", lambda: None)
    monkeypatch.delenv("BADGATEWAY_FURTHER_SCENARIOS", raising=False)
    lab_records.save_record(replace(record, scenario="late-start", variant="late-start", beside=str(own)))
    catalog.scenario_folders.cache_clear()
    try:
        found = find_lab(record.id)
        assert catalog.scenario_named(found.record.scenario).name == "late-start"
    finally:
        os.environ.pop("BADGATEWAY_FURTHER_SCENARIOS")      # monkeypatch would put back what find_lab has set
        for known in (catalog.scenario_folders, catalog.scenario_named, catalog.all_scenarios):
            known.cache_clear()
