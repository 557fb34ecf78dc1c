"""Tests of lab/stack/find_lab.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.scenario import catalog
from lab.stack import lab_records
from lab.stack.find_lab import find_lab, find_lab_and_part
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import SEAT_KEY
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


@pytest.fixture
def no_docker_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.stack.find_lab.require_docker", lambda: None)
    monkeypatch.setattr("lab.stack.lab_parts.listed_containers", lambda: ())


@pytest.mark.usefixtures("no_docker_asked")
def test_the_only_lab_needs_no_name(record: LabRecord) -> None:
    with pytest.raises(UsageError, match="no lab is up"):
        find_lab()
    lab_records.save_record(record)
    assert find_lab().id == record.id
    assert [(found.id, part) for found, part in map(find_lab_and_part, ("", "api", record.id, record.id, "wrong-port"),
                                                    ("", "", "", "api", ""))] == [
        (record.id, ""), (record.id, "api"), (record.id, ""), (record.id, "api"), (record.id, "")]
    with pytest.raises(UsageError, match="no lab is called 'shop-3f2b'"):     # misspelt, and no part
        find_lab_and_part("shop-3f2b", "")
    lab_records.save_record(replace(record, id="till-9c1d"))
    with pytest.raises(UsageError, match="2 labs are up: shop-3f2a, till-9c1d"):
        find_lab()
    with pytest.raises(UsageError, match="no lab is called 'api'"):
        find_lab_and_part("api", "")


def test_the_person_of_a_class_names_a_lab(record: LabRecord, no_docker_asked: None) -> None:
    for number, name in enumerate(("Ada", "Ben")):
        lab_records.save_record(replace(record, id=f"shop-{number}", extra={SEAT_KEY: {"person": name}}))
    assert find_lab("Ben").id == "shop-1" and find_lab_and_part("Ada", "web")[0].id == "shop-0"
    with pytest.raises(UsageError, match="2 labs of wrong-port are up"):
        find_lab("wrong-port")


@pytest.mark.usefixtures("no_docker_asked")
def test_a_part_that_is_called_almost_like_its_lab(record: LabRecord) -> None:
    lab_records.save_record(replace(record, parameters={**record.parameters, "backend": "shop"}))
    found, part = find_lab_and_part("shop", "")
    assert (found.id, part) == (record.id, "shop")
    with pytest.raises(UsageError, match="no lab is called 'shop-3f2'"):
        find_lab_and_part("shop-3f2", "")
