"""What the answers so far show, as far as it decides what to ask next; and a topic of questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.parse_cache import parse_once
from fixer.model.capture import Capture, NodeCapture
from fixer.model.query import Answer, Probe, Query
from fixer.model.snapshot import Container, Service
from fixer.observe.nginx.probes import ProbePlan, plan_probes
from fixer.observe.nginx.sites import Site, sites_of
from fixer.observe.services import services_of
from fixer.observe.view.node_view import View, containers_of, views_of
from fixer.observe.view.observe_options import ObserveOptions, options_from


@dataclass(frozen=True, slots=True)
class Look:
    """One observation between two rounds: its nodes by name, nginx's sites, and all services."""

    views: Mapping[str, View]
    containers: tuple[Container, ...]
    sites: tuple[Site, ...]
    services: tuple[Service, ...]
    options: ObserveOptions

    def plan(self, site: Site) -> ProbePlan:
        """Return the requests that test the routes of a site."""
        return plan_probes(site, self.options, self.views, self.containers)


Topic: TypeAlias = Callable[[Look], Iterable[tuple[str, Query]]]
"""Yields (node, query) for what belongs to it, asked or not; nothing where nothing calls for it. Pure."""


def look_at(capture: Capture, options: ObserveOptions | None = None) -> Look:
    """Return what the answers of a capture show. `options` are its own unless given."""
    options = options or options_from(capture.options)
    views = views_of(capture)
    containers = containers_of(views)
    return Look(views, containers, sites_of(views, containers), _services_of(capture), options)


def _services_of(capture: Capture) -> tuple[Service, ...]:
    """Return the services, computed once for the same answers: no probe tells of one, so a round of probes alone leaves
    them as they were."""
    nodes = tuple(_without_probes(node) for node in capture.nodes)
    told = (part for node in nodes for part in (
        node.name, node.kind, node.now, node.root, node.utc_offset, node.unreachable, len(node.answers),
        *node.answers, *node.answers.values()))
    return parse_once(lambda: _make_services(replace(capture, nodes=nodes)), "services", capture.target.kind, *told)


def _make_services(capture: Capture) -> tuple[Service, ...]:
    views = views_of(capture)
    return services_of(views, containers_of(views))


def _without_probes(node: NodeCapture) -> NodeCapture:
    answers: dict[Query, Answer] = {
        query: answer for query, answer in node.answers.items() if not isinstance(query, Probe)}
    return node if len(answers) == len(node.answers) else replace(node, answers=answers)
