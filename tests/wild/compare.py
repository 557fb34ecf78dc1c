"""One configuration read by both readers."""

from __future__ import annotations

from dataclasses import dataclass

from fixer.nginx.config import read_config
from tests.wild.second_reader import PASSES, FoundRoute, Statement, Torn, read_statements, routes_of

MAIN = "/etc/nginx/nginx.conf"
IN_HTTP = frozenset((b"server", b"upstream", b"map", b"geo", b"log_format", b"proxy_cache_path", b"limit_req_zone"))


@dataclass
class Tally:
    """What was read."""

    files: int = 0
    routes: int = 0
    torn: int = 0
    wrong: int = 0


def check_file(data: bytes, tally: Tally) -> list[str]:
    """Return the routes that only one of the readers finds; a fragment is read where such fragments are included."""
    tally.files += 1
    try:
        data = whole(data, read_statements(data))
        theirs = routes_of(read_statements(data))
    except Torn:
        tally.torn += 1
        read_config({MAIN: data}, MAIN)
        return []
    config = read_config({MAIN: data}, MAIN)
    ours = [FoundRoute(route.server_index, route.location, route.kind, route.pass_text, route.source.line)
            for route in config.routes if route.location != "stream"]
    tally.routes += len(theirs)
    if ours == theirs:
        return []
    return [*(f"only fixer: {route}" for route in ours if route not in theirs),
            *(f"only the second reader: {route}" for route in theirs if route not in ours)] or ["another order of routes"]


def whole(data: bytes, top: list[Statement]) -> bytes:
    """Return the fragment with the blocks around it that its directives need."""
    names = {statement.words[0] for statement in top}
    if names & {b"http", b"events", b"worker_processes"}:
        return data
    if names & IN_HTTP:
        return b"http {" + data + b"\n}"
    if names & {b"location", *PASSES}:
        return b"http { server {" + data + b"\n} }"
    return data
