"""Tests of lab/random_hosts/host_container.py."""

from __future__ import annotations

import os

import pytest

from lab.random_hosts import host_container
from lab.random_hosts.host_container import owner_of, remove_own_containers


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
