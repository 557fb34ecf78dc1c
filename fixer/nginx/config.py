"""The effective nginx configuration: routes with their spans, listens, and what nginx would refuse."""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Collection, Mapping

from fixer.model.nginx_config import NginxConfig
from fixer.nginx.address import text_of
from fixer.nginx.effective_config import Effective, Node
from fixer.nginx.include import Sources
from fixer.nginx.proxied_locations import Routes
from fixer.nginx.stream_blocks import Streams

_SYSTEMS_LOG = ("syslog:server=unix:/dev/log", "syslog:server=unix:/run/systemd/journal/")


def read_config(
    files: Mapping[str, bytes], main: str, *, prefix: str = "/etc/nginx", pipes: Collection[str] = (),
) -> NginxConfig:
    """Read the configuration of `main` from `files`; never raises.
    `prefix` is nginx's own (`-p`), for relative log and pid paths; includes are relative to the folder of `main`.
    `pipes` are those of the files that are FIFOs."""
    # The many small tuples made here form no cycles; collecting them would take as long as reading.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _read(Sources(files, main, pipes), main, prefix)
    finally:
        if collecting:
            gc.enable()


def _read(sources: Sources, main: str, prefix: str) -> NginxConfig:
    effective = Effective(sources)
    nodes = effective.read(main)
    routes, streams = Routes(effective), Streams(effective)
    seen: set[bytes] = set()
    for node in nodes:
        if node.name in seen:
            effective.refuse(node, "duplicate", f'"{text_of(node.name)}" directive is duplicate')
        elif node.name in (b"http", b"events"):
            seen.add(node.name)
        if node.name == b"http" and node.block is not None:
            routes.read_http(node.block)
        elif node.name == b"stream" and node.block is not None:
            streams.read(node.block)
    found = routes.finished()
    logs, level, journal = _error_logs(nodes, prefix)
    return NginxConfig(
        main=main,
        files=sources.used,
        routes=(*found, *streams.target_routes(found)),
        statics=tuple(routes.statics),
        problems=effective.problems(),
        missing=tuple(dict.fromkeys(effective.missing)),
        pid_path=_path(_value(nodes, b"pid", "/run/nginx.pid"), prefix),
        error_logs=logs,
        error_log_level=level,
        user=_value(nodes, b"user", ""),
        worker_processes=_value(nodes, b"worker_processes", "1"),
        server_names=tuple(enumerate(routes.server_names)),
        servers=tuple(routes.servers),
        logs_to_journal=journal,
        cut=effective.cut or routes.cut,
    )


def _value(nodes: list[Node], name: bytes, default: str) -> str:
    return next((text_of(node.args[0]) for node in nodes if node.name == name and node.args), default)


def _path(path: str, prefix: str) -> str:
    return path if path.startswith("/") else posixpath.join(prefix, path)


def _error_logs(nodes: list[Node], prefix: str) -> tuple[tuple[str, ...], str, bool]:
    """Return every error log in reading order (main context first), the level of the first,
    and whether systemd stores one of them."""
    found: list[list[bytes]] = []
    pending = [nodes]
    for block in pending:       # which grows: blocks of one level before those inside them
        found.extend(node.args for node in block if node.name == b"error_log" and node.args)
        pending.extend(node.block for node in block if node.block and node.name in (b"http", b"server", b"location"))
    paths = [text_of(args[0]) for args in found]
    files = [path for path in paths if path not in ("stderr", "off") and not path.startswith(("syslog:", "memory:"))]
    logs = dict.fromkeys(_path(path, prefix) for path in files)
    level = text_of(found[0][1]) if found and len(found[0]) > 1 else "error"
    return tuple(logs), level, any(path == "stderr" or path.startswith(_SYSTEMS_LOG) for path in paths)
