"""Tests of lab/random_hosts/part_files.py."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.errors import ScenarioError
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_spec import Fault, HostSpec, Part
from lab.random_hosts.part_files import (
    KIND,
    all_faults,
    all_parts,
    digest_of_parts,
    part_named,
    parts_of_kind,
    read_fault,
    read_part,
)
from tests.lab.random_hosts.builders import drawn_hosts, host_of_kind

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


@pytest.mark.parametrize("kind", ["machine", "project", "all-in-one"])
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


def all_in_one_hosts() -> list[HostSpec]:
    """Some hosts of the kind, as if they had been made: each manager, layout and neighbour is among them."""
    found = [one.placed({"project": "/tmp/x", "project_id": "depot-1"}) for one in drawn_hosts()[:600]
             if one.choices["kind"] == "all-in-one"]
    for axis, least in (("manager", 3), ("layout", 4), ("neighbour", 4), ("settings", 4)):
        assert len({one.choices[axis] for one in found}) >= least
    return found


def test_a_container_that_is_restarted_for_its_nginx_has_its_manager_again() -> None:
    """What comes next (`supervisorctl stop nginx`) fails as long as supervisord makes no socket."""
    restarted = [one for one in all_in_one_hosts() if one.choices["manager"] != "entry-script"
                 and "docker restart" in one.fill("{{reload_nginx}}")]
    assert restarted
    for spec in restarted:
        assert "supervisorctl pid" in spec.fill("{{reload_nginx}}").partition("docker restart")[2], spec.seed


def test_what_one_container_mounts_is_there_and_nothing_is_mounted_twice(tmp_path: Path) -> None:
    """The command that makes it, with a `docker` that says what it was called with."""
    (tmp_path / "docker").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" >&2\n")
    (tmp_path / "docker").chmod(0o755)
    for host in all_in_one_hosts():
        ran = subprocess.run(["sh", "-ec", host.fill("{{make}}")], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, text=True,
                             capture_output=True, check=True)
        words = ran.stderr.splitlines()
        mounts = [words[at + 1].split(":") for at, word in enumerate(words) if word == "-v"]
        paths = {host.fill(entry.path) for part in host.parts for entry in part.files}
        for source, *_ in mounts:
            full = f"/tmp/x/{source.removeprefix('./')}"
            assert any(path == full or path.startswith(f"{full}/") for path in paths), (host.seed, source)
        targets = [target for _, target, *_ in mounts]
        assert len(targets) == len(set(targets)) >= 3, host.seed
        assert words[-len(host.values["start_words"].split()) - 1] == host.values["image_web"]
        assert words[words.index("--name") + 1] == "depot-1"


def test_what_starts_in_one_container_is_what_its_manager_reads() -> None:
    for host in all_in_one_hosts():
        files = {host.fill(one.path): host.fill(one.text) for part in host.parts for one in part.files if one.text}
        started = files[host.values["service_file"]]
        assert host.values["command"] in started, host.seed
        if host.choices["manager"] == "entry-script":
            ran = subprocess.run(["sh", "-n"], input=started, text=True, capture_output=True, check=False)
            assert ran.returncode == 0, ran.stderr
            assert started.splitlines()[-1] == "exec nginx -g 'daemon off;'"
            continue
        programs = configparser.RawConfigParser()
        for path, text in files.items():
            if path.startswith("/tmp/x/supervisor/"):
                programs.read_string(text)
        assert {"program:nginx", f"program:{host.values['service'].rpartition(':')[2]}"} <= set(programs.sections())


def test_one_container_has_no_systemd_and_no_firewall() -> None:
    for host in all_in_one_hosts():
        texts = [*host.values.values(), *(entry.text or "" for part in host.parts for entry in part.files),
                 *(script for part in host.parts for script in (*part.setup, *part.commands)),
                 *(script for one in host.faults for script in (*one.inject, *one.undo))]
        used = [text for text in texts if "systemctl" in text or "iptables" in text]
        assert used == [], host.seed


@pytest.mark.parametrize("kind", ["project", "all-in-one"])
def test_a_fault_saves_only_files_of_the_project(kind: str) -> None:
    for fault in (one for one in all_faults() if fits(one, parts_by_name(kind))):
        spec = host_of_kind(kind, fault.name).placed({"project": "/tmp/x"})
        assert all(spec.fill(path).startswith("/tmp/x/") for path in fault.saves), fault.name


def parts_by_name(kind: str) -> Part:
    return next(one for one in all_parts()[KIND] if one.name == kind)


def test_the_digest_is_of_all_files() -> None:
    assert len(digest_of_parts()) == 12


@pytest.mark.parametrize("manager", ["entry-group", "entry-supervisord"])
@pytest.mark.parametrize(("state", "runs"), [("RUNNING   pid 9", True), ("STARTING", True), ("STOPPED   Not started", False)])
def test_a_reload_waits_for_no_second_of_supervisord(manager: str, state: str, runs: bool) -> None:
    """An nginx in its first second is one: a fault that is injected then must be loaded."""
    asked = part_named("manager", manager).values["is_nginx_running"].partition(" | ")[2]
    said = subprocess.run(["sh", "-c", asked], input=f"nginx   {state}\n", text=True, check=False)
    assert asked and (said.returncode == 0) is runs
