"""Reads the golden cases: files cut at `#== PATH` lines, and a configuration as short lines to compare."""

from __future__ import annotations

import re
from pathlib import Path

from fixer.model.nginx_config import NginxConfig, Route, Span, UpstreamServer

CASES = Path(__file__).parent / "cases"
MAIN = "/etc/nginx/nginx.conf"


def files_of(case: Path) -> dict[str, bytes]:
    """The files of one case; what stands before the first cut is the main file."""
    parts = re.split(rb"^#== (\S+)\n", case.read_bytes(), flags=re.MULTILINE)
    files = {MAIN: parts[0]}
    for path, data in zip(parts[1::2], parts[2::2], strict=True):
        files[path.decode()] = data
    return files


def lines_of(config: NginxConfig) -> list[str]:
    """What a case is compared by."""
    lines = [_route_line(route) for route in config.routes]
    for static in config.statics:
        kind = "if-return" if static.conditional else "static"
        lines.append(f"{kind} server={static.server_index} {static.location!r} {static.returns} :{static.source.line}")
    for problem in config.problems:
        word = "refused" if problem.fatal else "doubt"
        place = f"{problem.file}:{problem.line}"
        lines.append(f"{word} {problem.kind} {place} near {problem.near}: {problem.message} | {problem.text}")
    lines += [f"missing {path}" for path in config.missing]
    lines += [f"file {path}" for path in config.files]
    lines.append(f"pid {config.pid_path} logs {' '.join(config.error_logs)} {config.error_log_level}")
    return lines


def spans_of(config: NginxConfig) -> list[tuple[Span, str]]:
    """Every span with the text that must stand there."""
    found = [(server.span, server.written) for route in config.routes for server in route.servers]
    found += [(route.source, route.kind) for route in config.routes]
    for route in config.routes:
        found += [(s.port_span, str(s.port)) for s in route.servers if s.port_span is not None and s.port]
    return found


def _route_line(route: Route) -> str:
    listens = ",".join(
        str(item) + "/tls" * item.tls + "/default" * item.default_server + "/proxy" * item.proxy_protocol
        for item in route.listens
    )
    servers = " ".join(_server_text(server) for server in route.servers)
    times = f"{route.connect_timeout:g}/{route.send_timeout:g}/{route.read_timeout:g}"
    return (
        f"{route.id} {route.kind} {route.scheme} [{listens}] {list(route.server_names)} {route.location!r}"
        f" path={route.path} {route.pass_text!r} -> {servers} upstream={route.upstream!r} {times}"
        f" :{route.source.line}{' internal' * route.internal}"
    )


def _server_text(server: UpstreamServer) -> str:
    flags = "".join(
        f"/{name}" for name in ("down", "backup") if getattr(server, name)
    ) + (f"/fails={server.max_fails},{server.fail_timeout:g}s,{server.max_conns},{server.weight}" * (server.weight > 1))
    place = server.unix if server.unix is not None else f"{server.host}:{server.port}"
    unknown = f"/?{server.variable}" if server.variable else ""
    digits = f"@{server.port_span.line}" if server.port_span is not None else ""
    return f"{server.written}@{server.span.line}={place}{digits}{flags}{unknown}"


def expected_file(case: Path) -> Path:
    """The file beside a case that holds its lines."""
    return case.with_suffix(".txt")
