"""Tests of lab/stack/docker_command.py."""

from __future__ import annotations

import pytest

from lab.stack.docker_command import ListedContainer


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
