"""What `lab up` tells: nothing that people need is left to guess, and its six steps work as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.scenario import catalog
from lab.scenario.complete import complete_parameters
from lab.scenario.draw import draw
from lab.scenario.scenario_file import Stack
from lab.stack import lab_records
from lab.stack.lab_parts import listed_parts, part_name
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.verbs.down import lab_down
from lab.verbs.orientation import six_steps, up_text
from lab.verbs.shell import shell_argv, tools_argv
from lab.verbs.up import lab_up
from tests.lab.scenario.test_render import IMAGES

STACKS: tuple[Stack, ...] = ("containers", "host", "all-in-one")


def paper_lab(stack: Stack, seed: int, scenario: str = "wrong-port") -> Lab:
    found = catalog.scenario_named(scenario)
    variant = found.variants_on(stack)[0]
    full = complete_parameters(draw(found, variant, stack, seed), "shop-3f2a", IMAGES).template_values()
    return Lab(LabRecord("shop-3f2a", "any", found.name, variant.name, stack, seed, full, port=8080))


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if not request.node.get_closest_marker("docker"):
        monkeypatch.setattr("lab.stack.docker_engine.published_port", lambda container, port: 8080)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("seed", range(10))
def test_page_login_parts_files_logs_and_commands_are_told(stack: Stack, seed: int) -> None:
    made = paper_lab(stack, seed)
    told = up_text(made, "Nobody can log in.", ["front", "printd"])
    assert 'Lab shop-3f2a: "Nobody can log in."' in told and str(made.params["password"]) in told
    for command in ("shell", "logs", "hint", "check", "solve", "down"):
        assert f"lab {command} shop-3f2a" in told
    assert "printd" in told and "(application)" in told
    assert (str(made.folder) in told) == (stack != "host")
    assert ("gives the URL a new port: lab status" in told) == (stack != "host")     # as Docker does
    assert "wrong-port" not in told and str(made.params["other_port"]) not in told
    assert ("CAP_SYS_PTRACE" in told) == (stack == "host" and not made.params["ptrace"])
    assert ("tail of it never ends" in " ".join(told.split())) == (stack != "host")     # error.log is a link in the images
    assert len(re.findall(r"(?m)^    [1-6] ", told)) == 6


def test_a_page_on_the_docker_hosts_network_keeps_its_port() -> None:
    found = catalog.scenario_named("wrong-port")
    variant = found.variant("docker-port-not-published")
    full = complete_parameters(draw(found, variant, "containers", 1), "shop-3f2a", IMAGES).template_values()
    made = Lab(LabRecord("shop-3f2a", "any", found.name, variant.name, "containers", 1, full, port=8080))
    assert made.deployment.web_network == "host" and "new port" not in up_text(made, "", [])


def test_where_the_application_logs_depends_on_its_manager() -> None:
    """A journal, a file of supervisord, or what a script redirects."""
    commands = {str(lab.params["manager"]): six_steps(lab)[5].command for seed in range(12) for scenario, variant in (
        ("wrong-port", "wrong-port"), ("backend-down", "started-by-hand"), ("backend-down", "ended-after-boot"),
        ("backend-down", "ended-under-an-init-script")) for lab in [variant_lab(scenario, variant, seed)]}
    assert set(commands) == {"systemd", "supervisord", "nohup", "rc.local", "init.d"}
    assert commands["systemd"].startswith("journalctl ") and "/tmp/" in commands["nohup"] and "/tmp/" in commands["rc.local"]
    assert "/var/log/" in commands["supervisord"] and "/var/log/" in commands["init.d"]


def variant_lab(scenario: str, variant: str, seed: int) -> Lab:
    found = catalog.scenario_named(scenario)
    full = complete_parameters(draw(found, found.variant(variant), "host", seed), "shop-3f2a", IMAGES).template_values()
    return Lab(LabRecord("shop-3f2a", "any", scenario, variant, "host", seed, full))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    yield
    for kept in list(lab_records.all_records()):
        lab_down(kept.id)


# Of the healthy scenario: containers; a machine whose root sees owners; one whose root does not; all in one container.
CASES: list[tuple[Stack, bool]] = [("containers", True), ("host", True), ("host", False), ("all-in-one", True)]


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(("stack", "sees_owners"), CASES)
def test_the_six_steps_work_as_they_are_printed(stack: Stack, sees_owners: bool) -> None:
    """On a stack that is well each of them shows what it is for."""
    found = catalog.scenario_named("healthy")
    seed = next(seed for seed in range(100) for drawn in [draw(found, found.variants[0], stack, seed)]
                if drawn.ptrace is sees_owners and not drawn.unix)
    made = lab_up(f"healthy/{found.variants[0].name}", stack, seed, lambda line: None).lab
    listed = listed_parts(made)
    told = up_text(made, "All is well.", [part_name(made, one) for one in listed])
    shown = []
    for step in six_steps(made):
        assert step.command in told
        typed = step.command.replace("PORT", str(made.params["port"])).encode() + b"\n"
        argv = {"shell": lambda: shell_argv(made, "", listed), "here": lambda: ["bash"],
                "tools": lambda: tools_argv(made, "backend", listed, lambda line: None)}[step.typed_in]()
        ran = subprocess.run(argv, input=typed, capture_output=True, check=False, timeout=120,
                             env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
        assert ran.returncode == 0, f"{step}: {ran.stderr.decode()}"
        shown.append((ran.stdout + ran.stderr).decode())
    process, port, health, route, _, own_log = shown
    server = str(made.params["server"])
    assert server in process.replace(f"grep {server}", "")
    assert re.search(rf"(?m)^(python|uvicorn|gunicorn|node)\S* .*:{made.params['port']} \(LISTEN\)", port), port
    assert "no pwd entry" not in port       # lsof knows the accounts of the part
    assert '"ok"' in health or "ok" in health
    assert "proxy_pass" in route and own_log.strip()
