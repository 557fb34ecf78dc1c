"""Tests of fixer/causes/wrong_port/listener_doubts.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.planner import RepairPolicy, plan
from tests.causes.snapshot_builders import Scene, container_service, finding_of, listener, roots, service

CAUSE = "wrong-port"


def in_container(**box: object) -> Scene:
    """The feed's address is empty, and its pages are well."""
    scene = Scene("app:5000", "app:5001", node="web", back="app")
    made = container_service(box={**box})
    scene.with_service(made, listener(5000, 7, "0.0.0.0", "app"))
    for index in (0, 1):
        scene.endpoint(index, addresses=Known(("172.18.0.2",)))
    return scene.refused(1, configured_service=None)


def on_machine(**first: object) -> Scene:
    scene = Scene("127.0.0.1:5000", "127.0.0.1:5001")
    scene.with_service(service(port=5000), listener(5000, 200)).refused(1, configured_service=None)
    scene.route[0] = {**first}
    return scene        # two services could be meant where only the same site speaks for one: fixer asks anyway


def found_in(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


def is_planned(scene: Scene) -> bool:
    return plan(diagnose(scene.snapshot()), RepairPolicy()).repair_id is not None


def with_route(scene: Scene, index: int, **changes: object) -> Scene:
    scene.route[index] = {**scene.route.get(index, {}), **changes}
    return scene


@pytest.mark.parametrize(("scene", "said", "where"), [
    (in_container(exposes=(5000, 5001)), "its image exposes 5001", "exposes 5001"),
    (with_route(in_container(), 1, upgrades=True), "only the one without a listener passes on upgrades", ""),
    (with_route(on_machine(), 1, upgrades=True), "only the one without a listener passes on upgrades", ""),
    (with_route(on_machine(upstream="pages"), 1, upstream="feed"), "the upstream blocks pages and feed tell two addresses apart", ""),
    (with_route(with_route(in_container(), 0, server_names=("pages.example",)), 1, server_names=("shop.example",)),
     "that is the page of pages.example, another site", "app:5000"),
])
def test_an_address_that_may_lack_its_own_listener_is_not_moved_to_the_first(scene: Scene, said: str, where: str) -> None:
    found = found_in(scene)
    assert found.confidence in ("likely", "possible") and said in found.detail[0] and "a second listener" in found.detail[0]
    assert not is_planned(scene) and found.repairs[0].needs and not found.repairs[0].steps
    assert not where or any(where in e.text for e in found.evidence)


def test_a_command_that_names_the_port_lacks_a_listener() -> None:
    made = service(port=5000, argv=("/usr/bin/uvicorn", "app.main:app", "--port", "5000", "--feed=127.0.0.1:5001"))
    scene = Scene("127.0.0.1:5000", "127.0.0.1:5001").with_service(made, listener(5000, 200)).refused(1, configured_service=None)
    assert "its command names 5001" in found_in(scene).detail[0] and not is_planned(scene)
    longer = replace(made, argv=(*made.argv[:-1], "--limit=50010"))
    other = Scene("127.0.0.1:5000", "127.0.0.1:5001").with_service(longer, listener(5000, 200)).refused(1, configured_service=None)
    assert not found_in(other).detail


@pytest.mark.parametrize("scene", [
    on_machine(), with_route(on_machine(upgrades=True), 1, upgrades=True), with_route(on_machine(upstream="shop"), 1, upstream="shop"),
    with_route(on_machine(), 1, upstream="shop"),
    with_route(on_machine(server_names=("shop.example", "www.shop.example")), 1, server_names=("www.shop.example",)),
])
def test_of_a_slip_in_one_of_two_locations_nothing_is_said(scene: Scene) -> None:
    assert not found_in(scene).detail


def test_of_a_container_it_is_likely_where_nothing_else_speaks_for_it() -> None:
    scene = in_container()
    assert found_in(scene).confidence == "likely" and is_planned(scene)


def test_a_first_address_that_fails_as_well_speaks_for_no_second_one() -> None:
    scene = with_route(on_machine(), 1, upgrades=True)
    scene.listeners.pop()
    scene.listeners.append(listener(5002, 200))
    scene.refused(0, configured_service=None)
    assert not any("second listener" in text for f in diagnose(scene.snapshot()).findings for text in f.detail)


def test_the_person_may_choose_the_first_one() -> None:
    scene = in_container(exposes=(5001,))
    need = found_in(scene).repairs[0].needs[0]
    chosen = finding_of(diagnose(scene.snapshot(), {need.key: need.choices[0]}), CAUSE)
    assert need.choices == ("app:5000",) and (chosen.repairs[0].steps or chosen.repairs[0].risk == "manual")
