"""Service managers that are observed by a module of this folder alone: on machines whose first process is not systemd.

A module `NAME_services` asks its manager's files and makes its services; `Service.manager` is NAME, the manager of
`fixer/managers`. There is no list to edit."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Protocol, cast

from fixer.lazy.quick_modules import modules_in
from fixer.model.query import Query
from fixer.model.service import Service
from fixer.observe.view.node_view import View


class ManagerTopic(Protocol):
    """What a module of this folder has."""

    def queries(self, view: View) -> Iterator[Query]:
        """Yield the queries for the manager's state and its services' files; further ones once those are answered."""

    def services(self, view: View) -> Iterator[Service]:
        """Yield the services that the manager keeps on this node."""

    def log_queries(self, service: Service, view: View) -> Iterator[Query]:
        """Yield the queries for the log of one of them."""


def managed_queries(view: View) -> Iterator[Query]:
    """Yield the queries of all topics for this node."""
    for name in _names_for(view):
        yield from _topic(name).queries(view)


def managed_services(view: View) -> list[Service]:
    """Return the services of all these managers on this node."""
    return [service for name in _names_for(view) for service in _topic(name).services(view)]


def managed_log_queries(service: Service, view: View) -> Iterator[Query]:
    """Yield the queries for the log of a service of such a manager."""
    yield from _topic(f"{service.manager}_services").log_queries(service, view)


def _names_for(view: View) -> tuple[str, ...]:
    return _module_names() if view.node.kind == "machine" and view.init not in ("", "systemd") else ()


@cache
def _module_names() -> tuple[str, ...]:
    return modules_in(__path__)


@cache
def _topic(name: str) -> ManagerTopic:
    return cast(ManagerTopic, importlib.import_module(f"{__name__}.{name}"))
