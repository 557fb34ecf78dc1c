"""Tests of lab/random_hosts/part_files.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from lab.errors import ScenarioError
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_spec import Fault, Part
from lab.random_hosts.part_files import (
    KIND,
    all_faults,
    all_parts,
    digest_of_parts,
    parts_of_kind,
    read_fault,
    read_part,
)
from tests.lab.random_hosts.builders import host_of_kind

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


def fits(fault: Fault, kind: Part) -> bool:
    """Whether some host of the kind can have the fault: every need is offered by a part of the kind, or by the kind."""
    offered = {name for parts in parts_of_kind(kind).values() for one in parts for name in one.constraint.offers}
    return fault.constraint.needs <= offered and not fault.constraint.refuses & kind.constraint.offers


@pytest.mark.parametrize(("kind", "name"), [(kind.name, fault.name) for kind in all_parts()[KIND]
                                            for fault in all_faults() if fits(fault, kind)])
def test_the_shell_lines_of_a_fault_are_shell(kind: str, name: str) -> None:
    spec = host_of_kind(kind, name)
    for script in (*spec.faults[0].inject, *spec.faults[0].undo, *(one.check for one in spec.faults[0].must_not)):
        ran = subprocess.run(["sh", "-n"], input=spec.fill(script), text=True, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("kind", ["machine", "project"])
def test_the_shell_lines_of_a_kind_are_shell(kind: str) -> None:
    spec = host_of_kind(kind)
    for name in ("start_nginx", "stop_nginx", "restart_nginx", "reload_nginx", "start_service", "stop_service",
                 "restart_service", "freeze_service", "thaw_service", "restart_everything"):
        ran = subprocess.run(["sh", "-n"], input=spec.values[name], text=True, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr


def test_every_compose_file_is_yaml_with_both_services() -> None:
    for manager in (one for one in all_parts()["manager"] if "compose" in one.constraint.offers):
        spec = next(host for host in map(draw_host, range(1000)) if host.choices["manager"] == manager.name)
        files = {spec.fill(one.path): spec.fill(one.text) for part in spec.parts for one in part.files if one.text}
        services = yaml.safe_load(files[spec.values["compose_file"]])["services"]
        assert {spec.values["web"], spec.values["app"]} <= services.keys()


def test_a_fault_saves_only_files_of_the_project() -> None:
    for fault in (one for one in all_faults() if fits(one, parts_by_name("project"))):
        spec = host_of_kind("project", fault.name).placed({"project": "/tmp/x"})
        assert all(spec.fill(path).startswith("/tmp/x/") for path in fault.saves), fault.name


def parts_by_name(kind: str) -> Part:
    return next(one for one in all_parts()[KIND] if one.name == kind)


def test_the_digest_is_of_all_files() -> None:
    assert len(digest_of_parts()) == 12
