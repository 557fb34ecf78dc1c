"""The all-in-one stack: everything that one container runs, and where the project keeps its files."""

from __future__ import annotations

import re

import pytest

from lab.scenario import catalog
from lab.scenario.combined import inner_programs, kept_path, mounts_of
from lab.scenario.deployment_fields import CompleteDeployment
from lab.scenario.draw import draw
from lab.scenario.render import File, render
from tests.lab.scenario.test_render import made

SEEDS = range(40)


def text_of(full: CompleteDeployment, path: str) -> str:
    entry = render(full).files[kept_path(full, path)]
    assert isinstance(entry, File)
    return entry.data.decode()


def test_one_container_runs_nginx_and_every_server() -> None:
    for seed in SEEDS:
        full = made("all-in-one", seed, second_site=True, stranger=True)[0]
        names = [one.name for one in inner_programs(full)]
        assert names[:3] == [full.unit, full.second_unit, full.neighbour]
        if full.manager == "supervisord":
            for name in ("nginx", *names):
                assert f"[program:{name}]\n" in text_of(full, f"/etc/supervisor/conf.d/{name}.conf")
        else:
            script = text_of(full, f"{full.home}/start.sh")
            assert script.endswith("exec nginx -g 'daemon off;'\n") and script.count(" &\n") == len(names)


def test_what_the_container_reads_outlives_it() -> None:
    """Each file that the lab writes inside is below a mount of the compose file, whichever kind it is."""
    for seed in SEEDS:
        full, rendering = made("all-in-one", seed)
        compose = rendering.files["compose.yaml"]
        assert isinstance(compose, File)
        told = re.findall(r"(?m)^      - (\S+?):(/[^:\s]+)", compose.data.decode())
        assert {inside for _, inside in told} == {one.path for one in mounts_of(full)}
        for path in rendering.files:
            if path.startswith("/"):
                assert full.kept == "volume" and any(path.startswith(inside) for _, inside in told), path
        for source, inside in told if full.kept == "bind" else ():
            assert source == f"./{full.web}{inside}" and any(f"./{path}".startswith(source) for path in rendering.files)


def test_seeds_draw_every_structure() -> None:
    drawn = [made("all-in-one", seed)[0] for seed in SEEDS]
    for field, wanted in (("manager", {"supervisord", "entrypoint"}), ("kept", {"bind", "volume"}),
                          ("log_place", {"streams", "files"}), ("port_place", {"command", "wrapper"}),
                          ("env_place", {"unit", "env_file", "environment"}), ("grouped", {True, False})):
        assert {getattr(one, field) for one in drawn} == wanted


@pytest.mark.parametrize(("name", "manager"), [("crash-loop-gave-up/supervisor-fatal", "supervisord"),
                                               ("backend-down/script-server-ended", "entrypoint")])
def test_a_scenario_about_a_manager_gets_it(name: str, manager: str) -> None:
    scenario, _, variant = name.partition("/")
    found = catalog.scenario_named(scenario)
    assert {draw(found, found.variant(variant), "all-in-one", seed).manager for seed in range(8)} == {manager}


def test_a_group_names_its_programs() -> None:
    full = made("all-in-one", 1, manager="supervisord", grouped=True, second_site=True)[0]
    assert full.control_name == f"{full.word}:{full.unit}"
    assert text_of(full, "/etc/supervisor/conf.d/groups.conf").endswith(f"programs={full.unit},{full.second_unit}\n")


def test_a_scenario_that_is_not_on_it_says_why_by_what_it_is_about() -> None:
    reasons = {word: catalog.scenario_named(word).why_not["all-in-one"] for word in ("sandbox-denied", "route-broken")}
    assert "systemd" in reasons["sandbox-denied"] and "share one network" in reasons["route-broken"]
