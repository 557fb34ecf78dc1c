"""The managers of this folder: asked only on machines without systemd, and found by their module."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace

import pytest

import fixer.observe.managed
from fixer.managers import ServiceManager
from fixer.observe.managed import managed_queries, managed_services
from tests.observe.managed.openrc_builders import machine, mark

TOPICS = [name for _, name, _ in pkgutil.iter_modules(fixer.observe.managed.__path__)]


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_has_its_manager(name: str) -> None:
    manager, _, ending = name.rpartition("_")
    topic = importlib.import_module(f"fixer.observe.managed.{name}")
    assert ending == "services" and all(callable(getattr(topic, word)) for word in ("queries", "services", "log_queries"))
    assert issubclass(importlib.import_module(f"fixer.managers.{manager}_state").MANAGER, ServiceManager)


def test_only_a_machine_without_systemd_is_asked() -> None:
    seen = machine([mark("started", "shop")])
    assert list(managed_queries(seen)) and managed_services(seen)
    for other in (replace(seen, init="systemd"), replace(seen, init=""), replace(seen, node=replace(seen.node, kind="container"))):
        assert not list(managed_queries(other)) and not managed_services(other)
