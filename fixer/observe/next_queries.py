"""The next queries of an observation: pure, so that a recorded capture asks for exactly what it holds."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model.capture import Capture
from fixer.model.query import Command, ListProcesses, ListSockets, Query, ReadFile, ReadTree
from fixer.model.target import NodeKind, TargetRef
from fixer.observe.engine_queries import engine_queries
from fixer.observe.look import Topic, look_at
from fixer.observe.missing_listener_queries import missing_listener_queries
from fixer.observe.nginx.nginx_masters import DEFAULT_LOG, log_query
from fixer.observe.packet_queries import packet_queries
from fixer.observe.service_queries import service_queries, suspect_queries
from fixer.observe.site_queries import site_queries
from fixer.observe.unit_queries import node_queries
from fixer.observe.view.node_view import ENGINE, UNIT_FILES, View
from fixer.observe.view.observe_options import ObserveOptions

QueriesByNode = dict[str, list[Query]]

TOPICS: tuple[Topic, ...] = (
    site_queries, node_queries, missing_listener_queries, suspect_queries, packet_queries, service_queries,
    engine_queries,
)


def first_queries(name: str, kind: NodeKind, ref: TargetRef) -> list[Query]:
    """Return the first round for one node; only a machine has units."""
    if name == ENGINE:
        return [Command("docker-project" if ref.kind == "compose" else "docker-container", (ref.address,))]
    common: list[Query] = [
        ListProcesses(), ListSockets(), ReadTree("/etc/nginx"), log_query(DEFAULT_LOG), ReadFile("/etc/hosts"),
        Command("ip-addresses"),
    ]
    return [*common, Command("systemctl-show"), UNIT_FILES] if kind == "machine" else common


def follow_up_queries(capture: Capture, options: ObserveOptions) -> QueriesByNode:
    """Return node -> queries still to be asked, given its answers; empty if there are none."""
    look = look_at(capture, options)
    asked: QueriesByNode = {name: [] for name in look.views}
    for topic in TOPICS:
        for node, query in topic(look):
            if node in asked:
                asked[node].append(query)
    return {name: new for name, queries in asked.items()
            if (new := list(_unanswered_queries(queries, look.views[name])))}


def _unanswered_queries(queries: list[Query], view: View) -> Iterator[Query]:
    for query in dict.fromkeys(queries):
        seen = view.files.get(query.path) if isinstance(query, ReadFile) and not query.tail else None
        known = seen is not None and not seen.truncated
        if query not in view.node.answers and not known:
            yield query
