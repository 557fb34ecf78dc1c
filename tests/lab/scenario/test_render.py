"""Parameters become files: complete, consistent, and only those change that a break is about."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lab.scenario import catalog
from lab.scenario.combined import kept_path
from lab.scenario.complete import complete_parameters
from lab.scenario.deployment_fields import CompleteDeployment, with_values
from lab.scenario.draw import SLOTS, _resolve_conflicts, draw
from lab.scenario.render import File, Link, Rendering, render
from lab.scenario.scenario_file import Stack
from lab.scenario.templates import Value

IMAGES = {"web": "badgateway/web:1", "app": "badgateway/app:1", "machine": "badgateway/machine:1",
          "combined": "badgateway/combined:1"}
STACKS: tuple[Stack, ...] = ("containers", "host", "all-in-one")
SEEDS = range(40)


def made(stack: Stack, seed: int, **changes: Value) -> tuple[CompleteDeployment, Rendering]:
    found = catalog.scenario_named("healthy")
    full = complete_parameters(with_values(draw(found, found.variants[0], stack, seed), changes), "name-1a2b", IMAGES)
    return full, render(full)


def text_of(rendering: Rendering) -> str:
    return "\n".join(entry.data.decode() for entry in rendering.files.values() if isinstance(entry, File))


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_left_to_fill_in(stack: Stack) -> None:
    for seed in SEEDS:
        for entry in made(stack, seed)[1].files.values():
            if isinstance(entry, File) and not entry.path.endswith(".py"):
                assert b"{{" not in entry.data, entry.path


@pytest.mark.parametrize("stack", STACKS)
def test_a_wrong_route_changes_the_route_and_nothing_else(stack: Stack) -> None:
    for seed in SEEDS:
        full, before = made(stack, seed)
        after = made(stack, seed, route_port=1234)[1]
        changed = {path for path, entry in after.files.items() if before.files[path] != entry}
        assert changed == {full.site_file}
        entry = after.files[full.site_file]
        assert isinstance(entry, File)
        assert b":1234" in entry.data


@pytest.mark.parametrize("stack", STACKS)
def test_the_application_gets_the_port_that_the_route_names(stack: Stack) -> None:
    """Whatever the structure: one place says the port, and no other port reaches the running command."""
    for seed in SEEDS:
        full, rendering = made(stack, seed, port=4321, route_port=4321)
        command = {"containers": "compose.yaml", "host": f"/etc/systemd/system/{full.unit}.service",
                   "all-in-one": kept_path(full, f"/etc/supervisor/conf.d/{full.unit}.conf"
                                           if full.manager == "supervisord" else f"{full.home}/start.sh")}[stack]
        where = {
            "command": command,
            "environment": "compose.yaml",
            "dropin": f"/etc/systemd/system/{full.unit}.service.d/listen.conf",
            "envfile": f"/etc/default/{full.unit}",
            "wrapper": kept_path(full, f"{full.home}/bin/serve") if stack == "all-in-one" else f"{full.home}/bin/serve",
        }[full.port_place]
        entry = rendering.files[where]
        assert isinstance(entry, File)
        assert b"4321" in entry.data


def test_a_program_of_nodes_gets_the_same_port_and_reads_the_same_secret() -> None:
    """As words of its command, or from the variable PORT where a file of variables says it."""
    for seed in SEEDS:
        full, rendering = made("host", seed, server="node", target="app/server.js", port=4321, route_port=4321)
        home = full.home
        assert {path for path in rendering.files if path.startswith(f"{home}/app/")} == {
            f"{home}/app/server.js", f"{home}/app/settings.js"}
        assert f"/usr/bin/node {home}/app/server.js --host " in full.command
        assert ("--port 4321" in full.command) == (full.port_place != "envfile")
        assert text_of(rendering).count(full.secret) == 1 and "uvicorn app.main" not in full.command


@pytest.mark.parametrize("stack", STACKS)
def test_the_secret_stands_in_one_place_and_can_be_left_out(stack: Stack) -> None:
    for seed in SEEDS:
        full, rendering = made(stack, seed)
        assert text_of(rendering).count(full.secret) == 1
        without = made(stack, seed, with_secret=False)[1]
        assert full.secret not in text_of(without)
        changed = [path for path, entry in rendering.files.items() if without.files.get(path) != entry]
        assert len(changed) == 1


def test_the_host_site_is_read_by_nginx() -> None:
    for seed in SEEDS:
        full, rendering = made("host", seed)
        site = full.site
        links = [entry.target for entry in rendering.files.values()
                 if isinstance(entry, Link) and entry.path.startswith("/etc/nginx/sites-enabled/")]
        assert site.startswith("/etc/nginx/conf.d/") or links == [site]


def test_files_with_a_secret_are_not_for_everybody() -> None:
    for seed in SEEDS:
        full, rendering = made("host", seed, env_place="envfile")
        entry = rendering.files[full.envfile]
        assert isinstance(entry, File)
        assert entry.mode == 0o640


def test_ports_bind_the_loopback_and_docker_chooses_them() -> None:
    for stack in STACKS:
        entry = made(stack, 1)[1].files["compose.yaml"]
        assert isinstance(entry, File)
        text = entry.data.decode()
        assert '"127.0.0.1::80"' in text
        assert "privileged" not in text
        volumes = len(set(re.findall(r"(?m)^      - (\w+):/", text)))
        assert text.count("badgateway.lab: name-1a2b") == text.count("image:") + 1 + volumes


def test_last_weeks_log_is_of_last_week() -> None:
    fresh = made("host", 1, old_log=True)[1].initial["/var/log/nginx/error.log"]
    assert b"connect() failed (111: Connection refused) while connecting to upstream" in fresh.data
    assert made("host", 1, old_log=False)[1].initial == {}


@pytest.mark.parametrize("stack", STACKS)
def test_every_way_is_rendered_whole_and_the_route_stands_where_it_is_said_to(stack: Stack) -> None:
    found = catalog.scenario_named("healthy")
    for ways in SLOTS[stack].values():
        for way in ways.values():
            for seed in range(6):
                drawn = _resolve_conflicts(with_values(draw(found, found.variants[0], stack, seed), way))
                full = complete_parameters(drawn, "name-1a2b", IMAGES)
                rendering = render(full)
                assert "{{" not in text_of(rendering).replace("{{range", "")
                entry = rendering.files[full.site_file]
                assert isinstance(entry, File) and full.hop.encode() in entry.data, way


def test_what_is_started_by_hand_is_started_by_nothing_else() -> None:
    for seed in range(12):
        healthy = catalog.scenario_named("healthy")
        drawn = _resolve_conflicts(replace(draw(healthy, healthy.variants[0], "host", seed), manager="nohup"))
        full = complete_parameters(drawn, "name-1a2b", IMAGES)
        files = render(full).files
        assert f"{full.home}/start.sh" in files
        assert not [path for path in files if f"/{full.unit}.service" in path]
        assert text_of(render(full)).count(full.secret) == 1


def services_of(word: str, seed: int) -> tuple[CompleteDeployment, str]:
    """A variant's compose file as it is before the break."""
    found, _, name = word.partition("/")
    scenario = catalog.scenario_named(found)
    full = complete_parameters(draw(scenario, scenario.variant(name), "containers", seed), "name-1a2b", IMAGES)
    entry = render(full).files["compose.yaml"]
    assert isinstance(entry, File)
    return full, entry.data.decode()


def test_what_only_some_deployments_in_containers_have() -> None:
    for seed in SEEDS:
        full, text = services_of("upstream-expects-tls/plain-to-tls-backend", seed)
        assert f"- ./{full.backend}/tls:/srv/tls:ro" in text
        full, text = services_of("disk-full/log-disk-full", seed)
        assert f"- logs:/var/log/{full.word}" in text and "o: size=64k" in text and text.count("\nvolumes:\n") == 1
        full, text = services_of("fd-exhausted/worker-fd-limit", seed)
        assert f"- ./{full.web}/nginx.conf:/etc/nginx/nginx.conf:ro" in text
        full, text = services_of("nginx-not-reloaded/reload-bind-failed", seed)
        assert f"network_mode: service:{full.web}" in text and f"name-1a2b-{full.neighbour}-1" == full.beside
        assert f" {full.beside_port}" in text and full.neighbour_port == full.beside_port
        plain = text_of(made("containers", seed)[1])
        assert not any(word in plain for word in ("network_mode: service:", "size=64k", "/srv/tls"))


def test_a_machine_has_one_list_of_rights() -> None:
    """Two lists in one service are no valid compose file."""
    for found in catalog.all_scenarios().values():
        for variant in found.variants_on("host"):
            full = complete_parameters(draw(found, variant, "host", 1), "name-1a2b", IMAGES)
            entry = render(full).files["compose.yaml"]
            assert isinstance(entry, File)
            lists = [line.strip() for line in entry.data.decode().splitlines() if "cap_add" in line]
            assert lists == ([f"cap_add: [{full.capabilities}]"] if full.capabilities else []), variant.name
