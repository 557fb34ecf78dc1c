"""Tests of fixer/observe/compose_project.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from tests.observe.docker.compose_service_builders import inspect, seen_of

UVICORN = ["uvicorn", "a:b", "--port", "8000"]


@pytest.mark.parametrize("name", ["config_files", "working_dir"])
def test_whose_files_are_the_projects_nobody_knows_where_its_containers_name_different_ones(name: str) -> None:
    """A label may be forged by whoever made the image, or be left of an older deployment: no `up` is run of either."""
    other = inspect("aaa", ["sleep"], ip="", labels={f"com.docker.compose.project.{name}": "/home/eve/compose.yaml"})
    body = "    command: uvicorn a:b --port 8000\n"
    seen = seen_of(body, argv=UVICORN, others=[other], hashes="api hash-api\n", more="services: {}\n")
    assert seen.compose is not None and isinstance(seen.compose.editable, Unknown)
    assert "shop-aaa-1 was created from" in seen.compose.editable.reason and "/home/eve/compose.yaml" in seen.compose.editable.reason
    agreed = seen_of(body, argv=UVICORN, hashes="api hash-api\n", more="services: {}\n").compose
    assert agreed is not None and isinstance(agreed.editable, Known)


@pytest.mark.parametrize(("hashes", "editable"), [
    ("api hash-api\nweb hash-web\n", True), ("api other\nweb hash-web\n", False), ("api hash-api\n", False),
])
def test_a_file_that_was_added_later_is_in_the_labels_of_what_it_changed(hashes: str, editable: bool) -> None:
    """Where all files together give every container as it is, they are what the project is deployed from."""
    older = inspect("old", ["redis-server"], ip="10.9.0.4", labels={
        "com.docker.compose.project.config_files": "/srv/shop/compose.yaml", "com.docker.compose.service": "web",
        "com.docker.compose.config-hash": "hash-web"})
    found = seen_of("    command: uvicorn a:b --port 8000\n", argv=UVICORN, others=[older], hashes=hashes,
                    more="services: {}\n").compose
    assert found is not None and found.config_files == ("/srv/shop/compose.yaml", "/srv/shop/more.yaml")
    assert isinstance(found.editable, Known) is editable
    if isinstance(found.editable, Unknown):
        assert "shop-old-1 was created without /srv/shop/more.yaml" in found.editable.reason
        assert "-f /srv/shop/compose.yaml -f /srv/shop/more.yaml up -d" in found.editable.reason


def test_a_container_that_was_run_by_hand_of_the_projects_image_hides_no_files() -> None:
    """Compose gives the images that it builds the project's name: what is run of them bears it, and no files."""
    labels = {f"com.docker.compose.{name}": "" for name in ("project.config_files", "project.working_dir", "config-hash")}
    other = inspect("aaa", ["sleep"], ip="", labels=labels)
    found = seen_of("    command: uvicorn a:b --port 8000\n", argv=UVICORN, others=[other], hashes="api hash-api\n", more="services: {}\n").compose
    assert found is not None and isinstance(found.editable, Known)
    assert found.config_files == ("/srv/shop/compose.yaml", "/srv/shop/more.yaml")


def test_a_service_without_a_container_is_told_with_its_names() -> None:
    text = "services:\n  api: {image: x}\n  web: {image: y}\n  jobs:\n    container_name: runner\n    networks: {n: {aliases: [j]}}\n"
    seen = seen_of("", argv=UVICORN, files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None
    assert [(u.service, u.names) for u in seen.compose.uncreated] == [("jobs", ("jobs", "runner", "j"))]


def test_the_profiles_that_a_service_without_a_container_belongs_to() -> None:
    text = "services:\n  api: {image: x}\n  jobs:\n    image: y\n    profiles: [night, \"debug\"]\n"
    seen = seen_of("", argv=UVICORN, files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None and [u.profiles for u in seen.compose.uncreated] == [("night", "debug")]
    seen = seen_of("", argv=UVICORN, files={"/srv/shop/compose.yaml": text, "/srv/shop/.env": "COMPOSE_PROFILES=x,night\n"})
    assert seen.compose is not None and [u.profiles for u in seen.compose.uncreated] == [()]


def test_a_service_with_a_container_that_the_files_do_not_define() -> None:
    old = inspect("old", ["uvicorn", "a:b"], ip="", status="exited")
    body, more = "    command: uvicorn a:b --port 8000\n", "services:\n  web:\n    image: img\n"
    found = seen_of(body, argv=UVICORN, others=[old], more=more, hashes="api hash-api\nweb hash-web\n").compose
    assert found is not None and found.undefined_services == ("old",)
    assert seen_of(body, argv=UVICORN, more=more).compose.undefined_services == ()      # type: ignore[union-attr]


def test_files_that_compose_does_not_take_cannot_be_used() -> None:
    found = seen_of("    command: uvicorn a:b --port 8000\n", argv=UVICORN, more="services: {}\n", refused="env file x not found").compose
    assert found is not None and found.editable == Unknown("docker compose does not take them: env file x not found")
