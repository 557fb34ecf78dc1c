"""nginx is refused at a place that no file has, for a name that fixer has not asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from tests.causes.snapshot_builders import BAD_GATEWAY, GOOD, NOW, Scene, file, finding_of, healthy_scene

OLD = "nginx-not-reloaded"


def moved(*, asked: str = "http://127.0.0.1:8202/", worker: int = 101, count: int = 3, edited: float = 20.0, written: str = "") -> Scene:
    """`/` is well; a map leads another name elsewhere, and the file was edited since the load."""
    scene = healthy_scene().answers(GOOD)
    scene.logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", ago=5.0, count=count)
    scene.events = [replace(event, upstream=asked, raw=f"2026/01/01 00:00:00 [error] {worker}#{worker}: *5 {event.message}")
                    for event in scene.events]
    scene.nginx.update(loaded_at=Known(NOW - 60), config_mtime=Known(NOW - edited), worker_pids=(101,))
    scene.files.append(file("/etc/nginx/nginx.conf", written))
    return scene


def test_hit_a_name_that_was_not_asked_is_led_to_a_place_of_the_older_configuration() -> None:
    diagnosis = diagnose(moved().snapshot())
    found = finding_of(diagnosis, OLD)
    assert (diagnosis.verdict, found.role, found.confidence, found.routes) == ("degraded", "root", "likely", ("r1",))
    assert "since its last load it connects to port 8202, which no file has" in found.summary
    assert found.repairs[0].proof == "mechanism"


@pytest.mark.parametrize("scene", [
    moved(worker=99), moved(count=1), moved(edited=90.0), moved(written="# 8202\n"), moved(asked="http://127.0.0.1:8000/"), moved(asked=""),
])
def test_miss_what_a_file_has_or_another_worker_wrote(scene: Scene) -> None:
    assert OLD not in {found.cause for found in diagnose(scene.snapshot()).findings if found.is_at_fault}


@pytest.mark.parametrize(("asked", "worker", "found"), [
    ("http://127.0.0.1:8000/", 101, False), ("http://127.0.0.1:8000/", 99, True), ("http://127.0.0.1:8202/", 101, True),
])
def test_miss_where_what_is_loaded_leads_to_the_same_place(asked: str, worker: int, found: bool) -> None:
    """The file was edited and taken back; nginx may not open the socket for another reason."""
    scene = moved(asked=asked, worker=worker).answers(BAD_GATEWAY)
    assert (OLD in {one.cause for one in diagnose(scene.snapshot()).findings}) is found
