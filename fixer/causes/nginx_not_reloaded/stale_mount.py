"""Mounted files of nginx's container that the Docker host has replaced: the next start reads the new ones."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, address_text, container_of, host_path_of, listeners_on, replaced_mount_file
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import NginxConfig, UpstreamServer
from fixer.model.snapshot import Container, FileContent, Nginx, Snapshot
from fixer.nginx.config import read_config

_MAX_SHOWN = 3


def stale_mounts_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Return advice only: the nginx that runs, or that is started in this container, reads the old files, and whether
    the new ones are intended is unknown."""
    box = container_of(case.snapshot, nginx.node)
    if box is None or box.is_machine or isinstance(nginx.config, Unknown):
        return None
    old = list(_replaced_files(case.snapshot, nginx, box, nginx.config.value))
    if not old:
        return None
    new = {inside.path: outside.data for inside, outside in old if outside is not None}
    next_time = _next_config(case.snapshot, nginx, new) if len(new) == len(old) else None
    broken = _find_new_problem(case.snapshot, nginx.config.value, next_time) if next_time is not None else None
    names = ", ".join(inside.path for inside, _ in old[:_MAX_SHOWN])
    text, shown = broken or ("", None)
    return Finding(
        cause="nginx-not-reloaded", variant="bind-mount-stale-inode", role="advice", confidence="certain",
        summary=f"nginx reads an old copy of {names}, replaced on the Docker host while mounted: a reload changes "
                f"nothing, and the next start of {box.name} loads the new file{text}",
        detail=(), routes=tuple(j.facts.route.id for j in case.verdicts.values() if nginx.serves(j.facts)),
        service=None,
        node=nginx.node,
        evidence=(*(_file_evidence(nginx, inside, outside) for inside, outside in old[:_MAX_SHOWN]),
                  *((shown,) if shown is not None else ())),
    )


def _replaced_files(
    snapshot: Snapshot, nginx: Nginx, box: Container, config: NginxConfig,
) -> Iterator[tuple[FileContent, FileContent | None]]:
    """Return each replaced file in nginx's container with the host's version (None if it was not read)."""
    for path in config.files:
        file = snapshot.file(nginx.node, path)
        if file is None or file.stat.kind != "file":
            continue
        host_path, deleted = host_path_of(box, file.real_path), file.stat.nlink == 0
        outside = snapshot.file(ENGINE, host_path) if deleted else replaced_mount_file(snapshot, file)
        if (outside is not None and outside.data != file.data) or (outside is None and deleted and host_path):
            yield file, outside


def _file_evidence(nginx: Nginx, inside: FileContent, outside: FileContent | None) -> Evidence:
    if inside.stat.nlink == 0:
        return Evidence("file", f"{nginx.node}:{inside.path}", "link count 0: no folder contains this file any more")
    return Evidence("file", outside.path if outside is not None else inside.path, "a different file now")


def _next_config(snapshot: Snapshot, nginx: Nginx, new: dict[str, bytes]) -> NginxConfig:
    """Return the configuration that the next start would read; only a replaced file if the main one was not read."""
    files = {file.path: file.data for file in snapshot.files if file.node == nginx.node} | new
    main = nginx.conf_path
    if main not in files:
        main, files = next((path, {path: b"http {" + data + b"}"}) for path, data in new.items())
    return read_config(files, main, prefix=nginx.prefix)


def _find_new_problem(snapshot: Snapshot, now: NginxConfig, later: NginxConfig) -> tuple[str, Evidence | None] | None:
    known = {(p.kind, p.message) for p in now.problems}
    refused = next((p for p in later.problems if p.fatal and (p.kind, p.message) not in known
                    and p.kind != "missing-include"), None)
    if refused is not None:
        where = f"{refused.file}:{refused.near or refused.line} (new)"
        return f", which nginx would refuse: {refused.message}", Evidence("file", where, refused.text)
    before = {_server_text(server) for server in _servers(now)}
    for server in _servers(later):
        if _server_text(server) not in before and (node := _node_without_listener(snapshot, server)) is not None:
            said = f"nothing listens on port {server.port}"
            return f", which hands requests to {_server_text(server)}, where nothing listens", Evidence("socket", node,
                                                                                                     said)
    added = [text for text in dict.fromkeys(map(_server_text, _servers(later))) if text not in before]
    return (f", which hands requests to {', '.join(added[:_MAX_SHOWN])}", None) if added else None


def _servers(config: NginxConfig) -> Iterator[UpstreamServer]:
    for route in config.routes:
        yield from (server for server in route.servers if not server.variable)


def _server_text(server: UpstreamServer) -> str:
    return address_text(server.host, server.port, server.unix)


def _node_without_listener(snapshot: Snapshot, server: UpstreamServer) -> str | None:
    """Return the container's node if its listeners were read and none is on that port."""
    for service in snapshot.services:
        box = service.container
        if box is not None and service.running and server.host in (box.service, box.name) and server.unix is None:
            node = next((n for n in snapshot.nodes if n.name == service.node), None)
            if node is not None and isinstance(node.listeners, Known) and not any(
                    line.port == server.port for line in listeners_on(snapshot, node.name)):
                return node.name
    return None
