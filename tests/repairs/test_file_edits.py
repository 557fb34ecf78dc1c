"""What lies in a named volume of a container is not lost with the container, as its layer is."""

from __future__ import annotations

import pytest

from fixer.repairs.file_edits import EditableFile, NotEditable, locate_editable_file
from tests.causes.snapshot_builders import NOW, Scene, container_service, file, stat

CONF = "/etc/nginx/conf.d/shop.conf"
VOLUME = "/var/lib/docker/volumes/p_conf/_data"


@pytest.mark.parametrize(("box", "words"), [
    ({"shares": ((VOLUME, "/etc/nginx/conf.d"),)}, f"a volume of container p-web-1 ({VOLUME}"),
    ({"shares": (("/var/lib/docker/volumes/x/_data", "/etc/nginx/conf"),)}, "the layer of container"),
])
def test_where_an_edit_would_stay_is_said(box: dict[str, object], words: str) -> None:
    scene = Scene(node="web").with_service(container_service("web", box=box))
    scene.files.append(file(CONF, "server { listen 80; }", node="web"))
    place = locate_editable_file(scene.snapshot(), "web", CONF)
    assert isinstance(place, NotEditable) and words in place.reason
    assert ("lost if the container is removed" in place.reason) == ("layer" in words)


@pytest.mark.parametrize(("written", "words"), [
    (NOW - 50, "by its entry point"), (float(int(NOW - 59.5)), "by its entry point"), (NOW - 5000, "the layer of container"),
])
def test_a_file_that_is_younger_than_its_container_is_made_at_each_start(written: float, words: str) -> None:
    scene = Scene(node="web").with_service(container_service("web", box={"started_at": NOW - 59.5}))
    scene.files.append(file(CONF, "server { listen 80; }", node="web", stat=stat(mtime=written)))
    place = locate_editable_file(scene.snapshot(), "web", CONF)
    assert isinstance(place, NotEditable) and words in place.reason


@pytest.mark.parametrize(("outside", "lasting"), [
    ("server { listen 80; }", True), ("server { listen 8080; }", False), (None, False)])
def test_a_file_of_a_volume_is_edited_where_its_bytes_were_read_on_the_engines_machine(
        outside: str | None, lasting: bool) -> None:
    scene = Scene(node="web").with_service(container_service("web", box={"shares": ((VOLUME, "/etc/nginx/conf.d"),)}))
    scene.files.append(file(CONF, "server { listen 80; }", node="web"))
    if outside is not None:
        scene.files.append(file(f"{VOLUME}/shop.conf", outside, node="engine"))
    place = locate_editable_file(scene.snapshot(), "web", CONF)
    if lasting:
        assert isinstance(place, EditableFile) and (place.node, place.path) == ("engine", f"{VOLUME}/shop.conf")
    else:
        assert isinstance(place, NotEditable) and "a volume of container p-web-1" in place.reason
