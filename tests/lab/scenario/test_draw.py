"""A seed decides names, ports and structure: always the same, and different enough between seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from lab.scenario import catalog
from lab.scenario.deployment_fields import Deployment, Rights
from lab.scenario.draw import SLOTS, STRUCTURE, draw, pick_variant, rights_text, structure_of, way_names
from lab.scenario.scenario_file import SCHEMA, Scenario, Stack, Variant

CASES = [
    pytest.param((found, variant, stack), id=f"{found.name}-{variant.name}-{stack}")
    for found in catalog.all_scenarios().values() for variant in found.variants for stack in variant.stacks
]
SEEDS = 60


@dataclass(frozen=True)
class Draws:
    """What the first seeds give for one variant on one stack, in the order of the seeds."""

    scenario: Scenario
    variant: Variant
    stack: Stack
    drawn: tuple[Deployment, ...]


@pytest.fixture(scope="module", params=CASES)
def draws(request: pytest.FixtureRequest) -> Draws:
    """Drawn once for all tests of a case: pytest runs them one after the other."""
    scenario, variant, stack = request.param
    return Draws(scenario, variant, stack, tuple(draw(scenario, variant, stack, seed) for seed in range(SEEDS)))


def test_ten_seeds_give_at_least_six_structures(draws: Draws) -> None:
    assert len({structure_of(drawn) for drawn in draws.drawn[:10]}) >= 6


def test_a_seed_always_gives_the_same(draws: Draws) -> None:
    assert draw(draws.scenario, draws.variant, draws.stack, 7) == draws.drawn[7] != draws.drawn[8]


def test_what_a_variant_fixes_no_draw_replaces(draws: Draws) -> None:
    """A way of building a seed draws must not take away what the variant breaks."""
    fixed = {key: wish for key, wish in draws.variant.parameters.items() if not isinstance(wish, Mapping)}
    for seed in range(1, 25):
        drawn = draws.drawn[seed].template_values()
        assert {key: drawn[key] for key in fixed} == fixed, seed


def test_a_seed_gives_the_same_on_every_machine() -> None:
    found = catalog.scenario_named("healthy")
    drawn = draw(found, found.variants[0], "host", 1)
    assert (drawn.word, drawn.port) == ("stock", drawn.route_port)


def test_a_server_gets_a_program_of_its_own_kind(draws: Draws) -> None:
    """A socket of systemd is uvicorn's: where node was drawn too, its script is not uvicorn's application."""
    for seed, drawn in enumerate(draws.drawn):
        assert drawn.target.endswith(".js") is (drawn.server == "node"), seed


def test_no_two_parts_share_a_port_or_a_name(draws: Draws) -> None:
    for drawn in draws.drawn:
        values = drawn.template_values()
        ports = [values[key] for key in ("port", "second_port", "neighbour_port", "old_port", "other_port") if key in values]
        assert len(set(ports)) == len(ports)
        names = [values[key] for key in ("web", "backend", "second", "neighbour")]
        assert len(set(names)) == 4, names


def test_every_way_of_building_is_drawn_by_some_seed() -> None:
    found = catalog.scenario_named("healthy")
    for stack, ways in STRUCTURE.items():
        seen = [draw(found, found.variants[0], stack, seed).template_values() for seed in range(200)]
        for key, options in ways.items():
            allowed = set(options) - ({"snippet"} if key == "place" else set())
            assert allowed <= {drawn[key] for drawn in seen}, key


def test_the_seed_draws_the_variant_too() -> None:
    found = catalog.scenario_named("backend-down")
    drawn = {pick_variant(found, "host", seed).name for seed in range(80)}
    assert drawn == {variant.name for variant in found.variants_on("host")}


@pytest.mark.parametrize("stack", ["host", "containers"])
def test_every_way_is_drawn_and_stands_by_some_scenario(stack: Stack) -> None:
    """Each by itself has files of its own, and every one is tried by some variant."""
    stood = {name for found in catalog.all_scenarios().values() for v in found.variants_on(stack) for name in v.ways}
    assert stood >= set(way_names(stack))
    found = catalog.scenario_named("backend-down")
    variant = next(v for v in found.variants_on(stack) if v.name in ("backend-not-running", "container-stopped"))
    seen = [draw(found, variant, stack, seed).template_values() for seed in range(80)]
    for ways in SLOTS[stack].values():
        for name, way in ways.items():
            if name in variant.ways:
                assert any(all(drawn[key] == value for key, value in way.items()) for drawn in seen), name


def test_the_schema_knows_every_way() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert set(schema["$defs"]["ways"]["items"]["enum"]) == {*way_names("host"), *way_names("containers")}


def test_a_way_moves_neither_names_nor_ports() -> None:
    found = catalog.scenario_named("wrong-port")
    variant = found.variant("wrong-port")
    plain = replace(variant, ways=())
    for seed in range(40):
        drawn, without = (draw(found, one, "host", seed).template_values() for one in (variant, plain))
        assert {k: drawn[k] for k in ("port", "word", "unit", "user", "home", "other_port", "moved")} == {
            k: without[k] for k in ("port", "word", "unit", "user", "home", "other_port", "moved")}


def test_most_machines_show_the_owners_of_sockets_and_some_do_not() -> None:
    found = catalog.scenario_named("wrong-port")
    drawn = [draw(found, found.variant("wrong-port"), "host", seed).ptrace for seed in range(60)]
    assert drawn.count(True) > 30 and drawn.count(False) > 5


def test_a_program_started_with_nohup_is_always_readable() -> None:
    found = catalog.scenario_named("backend-down")
    assert all(draw(found, found.variant("started-by-hand"), "host", seed).ptrace for seed in range(20))


@pytest.mark.parametrize(("asked", "rights"), [
    ({}, ""), ({"ptrace": True}, "SYS_PTRACE"), ({"bpf": True, "net_admin": True}, "BPF, NET_ADMIN"),
    ({"sys_admin": True, "own_mounts": True, "ptrace": True}, "NET_ADMIN, SYS_ADMIN, SYS_PTRACE"),
])
def test_each_right_of_a_machine_is_named_once(asked: dict[str, bool], rights: str) -> None:
    assert rights_text(Rights(**asked)) == rights
