"""Tests of lab/stack/docker_command.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import NoDocker
from lab.stack import docker_command
from lab.stack.docker_command import ListedContainer, docker, no_engine


@pytest.mark.parametrize(("ports", "published"), [
    ("127.0.0.1:32768->80/tcp", 32768),
    ("443/tcp, 127.0.0.1:32770->80/tcp, 127.0.0.1:32771->8080/tcp", 32770),
    ("[::1]:32772->80/tcp", 32772),
    ("80/tcp", None),
    ("127.0.0.1:32771->8080/tcp", None),
    ("", None),
])
def test_the_published_port_of_a_listed_container(ports: str, published: int | None) -> None:
    assert ListedContainer("desk-1a2b", "desk-1a2b-web-1", "running", ports).published_port(80) == published


@pytest.mark.parametrize(("variable", "message", "hint"), [
    ({"DOCKER_HOST": "tcp://nowhere:1"}, "no Docker engine answers at tcp://nowhere:1, which DOCKER_HOST names", "unset DOCKER_HOST"),
    ({"DOCKER_CONTEXT": "other"}, "no Docker engine answers at other, which DOCKER_CONTEXT names", "unset DOCKER_CONTEXT"),
    ({}, "no Docker engine answers", "systemctl start docker"),
])
def test_a_variable_that_names_another_engine_is_named(
    variable: dict[str, str], message: str, hint: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    error = no_engine()
    assert error.message == message and hint in error.hint


@pytest.mark.parametrize("is_checkout", [True, False])
def test_without_docker_the_packages_are_named_and_the_script_where_it_is(
    is_checkout: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    """A wheel brings no script/demo."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if not is_checkout:
        monkeypatch.setattr(docker_command, "data_root", lambda: tmp_path)
    with pytest.raises(NoDocker) as caught:
        docker("version")
    assert "apt install docker.io docker-cli docker-compose" in caught.value.hint
    assert ("script/demo" in caught.value.hint) is ("script/demo" in no_engine().hint) is is_checkout
