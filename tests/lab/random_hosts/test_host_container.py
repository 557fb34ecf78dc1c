"""Tests of lab/random_hosts/host_container.py."""

from __future__ import annotations

import os
import re

import pytest

from lab.random_hosts import host_container
from lab.random_hosts.host_container import image_of, image_tags, owner_of, remove_own_containers
from tests.lab.random_hosts.builders import host_of_kind


def test_an_image_is_tagged_by_its_context_and_by_what_it_is_built_on() -> None:
    assert all(re.fullmatch(rf"badgateway/{name}:[0-9a-f]{{12}}", tag) for name, tag in image_tags().items())
    assert image_tags() == image_tags()


def test_a_project_is_made_of_its_own_image() -> None:
    assert image_of(host_of_kind("machine")) == image_tags()["random-host"]
    assert image_of(host_of_kind("project")) == image_tags()["random-project"]


def test_after_an_interrupt_only_containers_of_this_process_go(monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        api = property(lambda self: self)

        def containers(self, **_: object) -> list[dict[str, object]]:
            owners = (owner_of("depot-1"), f"{os.getpid()}0.depot-2", "1.depot-3")
            return [{"Id": owner, "Labels": {host_container.LABEL: owner}} for owner in owners]

    removed: list[str] = []
    monkeypatch.setattr(host_container.docker_engine, "engine", Engine)
    monkeypatch.setattr(host_container, "remove_container", removed.append)
    remove_own_containers()
    assert removed == [owner_of("depot-1")]
