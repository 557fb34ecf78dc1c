"""Tests of fixer/formats/docker_conventions.py."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixer.formats.docker_conventions import (
    compose_paths,
    environment_paths,
    path_in_container,
    path_on_engine,
    place_in_mount,
    widest_project_files,
)
from fixer.model.query import Answer, Command
from fixer.observe.view.docker_inspect import parse_inspect
from fixer.observe.view.node_view import containers_of, views_of
from tests.causes.snapshot_builders import container
from tests.observe.capture_builders import capture, node
from tests.observe.docker.compose_service_builders import inspect

VOLUME = "/var/lib/docker/volumes/socks/_data"


def test_where_paths_lie() -> None:
    box = replace(container("web"), shares=((VOLUME, "/run/g"), ("/srv/other", "/run/g/in")))
    assert path_on_engine(box, "/run/g/a.sock") == f"{VOLUME}/a.sock" and path_on_engine(box, "/run/gx") is None
    assert path_in_container(box, f"{VOLUME}/a.sock") == "/run/g/a.sock"
    assert path_in_container(box, f"{VOLUME}/in/a.sock") is None and path_in_container(box, "/srv/other/a") == "/run/g/in/a"
    assert place_in_mount(box, "/volumes/socks/_data/in/a.sock") == f"{VOLUME}/in/a.sock"
    assert place_in_mount(box, "/volumes/other/_data/a.sock") is None and place_in_mount(box, "/srv/x") == "/srv/x"


UVICORN = ["uvicorn", "a:b", "--port", "8000"]


def test_environment_files_as_named() -> None:
    item = inspect("api", UVICORN, ip="1.1.1.1", labels={"com.docker.compose.project.environment_file": "prod.env,/x/y.env"})
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    (container,) = containers_of(views_of(capture(engine)))
    assert environment_paths(container) == ("/srv/shop/prod.env", "/x/y.env")


@pytest.mark.parametrize("label", ["project.config_files", "project.environment_file"])
def test_a_label_chooses_no_other_file_of_the_host(label: str) -> None:
    """An image brings labels along; what is read is shown, and kept in bundles."""
    made = parse_inspect(Answer("ok", json.dumps([{"Id": "a" * 64, "Name": "/a", "State": {}, "Config": {"Labels": {
        f"com.docker.compose.{label}": "/etc/shadow,/root/.ssh/id_ed25519,/dev/zero,/proc/1/status", "com.docker.compose.project.working_dir": "/srv"}}}]).encode()))[0]
    assert {*compose_paths(made), *environment_paths(made)} <= {"/srv/.env"}


@pytest.mark.parametrize(("told", "whole"), [
    ([("/a.yaml", "/", ""), ("/a.yaml,/b.yaml", "/", ""), ("", "", "")], 1), ([("/a.yaml", "/", "")], 0),
    ([("/a.yaml", "/", ""), ("/b.yaml,/c.yaml", "/", "")], None), ([("/a.yaml", "/x", ""), ("/a.yaml,/b.yaml", "/", "")], None),
    ([("/b.yaml,/a.yaml", "/", ""), ("/a.yaml,/b.yaml,/c.yaml", "/", "")], None), ([], None), ([("", "", "")], None),
])
def test_files_that_include_all_others(told: list[tuple[str, str, str]], whole: int | None) -> None:
    assert widest_project_files(told) == (None if whole is None else told[whole])
