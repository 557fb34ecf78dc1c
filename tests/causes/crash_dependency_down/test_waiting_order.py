"""Which scripts wait, and for each other: nginx's own start may be among them."""

from __future__ import annotations

from fixer.model.deployment import Dependency
from tests.causes.crash_dependency_down.waiting_script_builders import (
    LINE,
    database_box,
    nginx_box_scene,
    on_db,
    processes_of_box,
    told,
    waiting_box,
)
from tests.causes.snapshot_builders import NOW, Scene, finding_of, roots


def test_a_container_that_should_start_nginx_waits() -> None:
    found = told(nginx_box_scene(waiting_box("web", on_db()), database_box()))
    assert roots(found) == ["crash-dependency-down"]
    assert finding_of(found, "nginx-down").role == "consequence"


def test_nginx_waits_for_a_container_that_waits_itself() -> None:
    web = waiting_box("web", Dependency(LINE, host="app", port=8000, is_looped=True), pid=300)
    scene = nginx_box_scene(web, waiting_box("app", on_db()), database_box())
    scene.processes += processes_of_box(200)
    found = told(scene)
    assert roots(found) == ["crash-dependency-down"] and found.findings[0].service == "p-db-1"
    assert any("of p-web-1 waits for p-app-1" in text for text in found.findings[0].detail)
    assert finding_of(found, "nginx-down").role == "consequence"


def two_addresses(age: float) -> Scene:
    """Two locations lead to two ports of a container that waits."""
    made = waiting_box("app", on_db(), box={"started_at": NOW - age})
    scene = Scene("app:8069", "app:8072", back=made.node)
    scene.services += [made, database_box()]
    scene.processes += processes_of_box(200)
    return scene.refused(0).refused(1)


def test_all_addresses_of_a_container_that_waits_have_one_reason() -> None:
    found = told(two_addresses(300))
    assert roots(found) == ["crash-dependency-down"] and set(found.findings[0].routes) == {"r1", "r2"}
    assert not any("no cause" in note for note in found.notes)
