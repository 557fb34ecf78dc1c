"""Tests of lab/random_hosts/part_files.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.errors import ScenarioError
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.part_files import all_faults, all_parts, digest_of_parts, read_fault, read_part

DESIGN_CAUSES = frozenset(path.parent.name for path in
                          (Path(__file__).resolve().parents[3] / "scenarios").glob("*/scenario.toml"))
FAULT = 'summary = "x"\ncauses = ["backend-down"]\noutcomes = ["repaired"]\ntouches = ["service"]\ninject = ["true"]\n'


def test_a_part_is_its_file(tmp_path: Path) -> None:
    path = tmp_path / "waitress.toml"
    path.write_text('summary = "waitress"\noffers = ["http"]\n[values]\nprogram = "/usr/bin/waitress-serve"\n'
                    '[[files]]\npath = "/srv"\nfolder = true\n')
    part = read_part(path, "server")
    assert (part.axis, part.name, part.values["program"]) == ("server", "waitress", "/usr/bin/waitress-serve")
    assert (part.files[0].mode, part.files[0].text) == (0o755, None)


@pytest.mark.parametrize(("text", "problem"), [
    ("", "summary is missing"), ('summary = "x"\ncolour = 1', "colour is no known key"), ("x = ", "Invalid"),
    ('summary = "x"\n[[files]]\npath = "/a"', "/a has no text"), ('summary = "x"\n[[files]]\nname = "a"', "files.name"),
])
def test_a_mistake_of_a_part_names_file_and_key(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "new.toml").write_text(text)
    with pytest.raises(ScenarioError, match=problem) as caught:
        read_part(tmp_path / "new.toml", "server")
    assert caught.value.message.startswith("new.toml: ")


@pytest.mark.parametrize(("old", "new", "problem"), [
    ('causes = ["backend-down"]\n', "", "causes is missing"), ('["repaired"]', '["lucky"]', "lucky is none of"),
])
def test_a_mistake_of_a_fault_names_file_and_key(tmp_path: Path, old: str, new: str, problem: str) -> None:
    (tmp_path / "new.toml").write_text(FAULT)
    assert read_fault(tmp_path / "new.toml").outcomes == ("repaired",)
    (tmp_path / "new.toml").write_text(FAULT.replace(old, new))
    with pytest.raises(ScenarioError, match=problem):
        read_fault(tmp_path / "new.toml")


def test_every_accepted_cause_is_one_of_the_design() -> None:
    assert {cause for fault in all_faults() for cause in fault.causes} <= DESIGN_CAUSES


def test_every_offer_that_is_needed_or_refused_exists() -> None:
    every = (*all_faults(), *(part for parts in all_parts().values() for part in parts))
    offered = {name for one in every for name in one.constraint.offers}
    for one in every:
        assert one.constraint.needs <= offered, one.name
        assert one.constraint.refuses <= offered, one.name


def test_a_fault_of_the_running_service_is_not_drawn_with_one_that_restarts_it() -> None:
    for fault in all_faults():
        restarts = any("{{restart_service}}" in script for script in fault.inject)
        assert restarts == ("restarts" in fault.constraint.offers), fault.name
        assert "service" not in fault.touches or "restarts" in fault.constraint.refuses, fault.name


@pytest.mark.parametrize("name", [fault.name for fault in all_faults()])
def test_the_shell_lines_of_a_fault_are_shell(name: str) -> None:
    spec = draw_host(7, [name])
    for script in (*spec.faults[0].inject, *spec.faults[0].undo, *(one.check for one in spec.faults[0].must_not)):
        ran = subprocess.run(["sh", "-n"], input=spec.fill(script), text=True, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr


def test_the_digest_is_of_all_files() -> None:
    assert len(digest_of_parts()) == 12
