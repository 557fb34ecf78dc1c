"""Addresses of a site on which nothing listens, and site files that no include loads."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from fixer.formats.addresses import is_loopback
from fixer.lazy.regex import regex
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import NginxConfig, UnloadedSite
from fixer.model.snapshot import Service
from fixer.nginx.config import read_config
from fixer.nginx.include import glob_pattern
from fixer.observe.nginx.sites import Site, places_of
from fixer.observe.view.node_view import is_readable


def has_listener(site: Site, addresses: tuple[str, ...], port: int) -> bool:
    """Return whether something listens on that port; True for addresses of other nodes, which probes check."""
    view = site.view
    if isinstance(view.listeners, Unknown) or not any(is_loopback(a) or a in view.addresses for a in addresses):
        return True
    return any(x.port == port for x in view.listeners.value)


def ports_without_listener(site: Site) -> list[int]:
    """Return the ports that nginx connects to and on which nothing listens."""
    return list(dict.fromkeys(
        a.server.port for a in places_of(site) if a.ips and not has_listener(site, a.ips, a.server.port)))


def sockets_without_listener(site: Site) -> list[str]:
    """Return the unix sockets that nginx connects to and on which nothing listens."""
    wanted = dict.fromkeys(a.server.unix for a in places_of(site) if a.server.unix is not None)
    if isinstance(site.view.listeners, Unknown):
        return []
    heard = {x.address for x in site.view.listeners.value if x.family == "unix"}
    return [path for path in wanted if path not in heard]


def is_stopped_backend(service: Service, sites: tuple[Site, ...]) -> bool:
    """Return whether a stopped unit is configured to listen on an address of nginx."""
    if service.unit is None or service.running or not isinstance(service.bindings, Known):
        return False
    told = {(binding.unix, binding.port) for binding in (*service.bindings.value, *service.code_bindings)}
    return any((at.server.unix, at.server.port) in told for site in sites if site.view.name == service.node
               for at in places_of(site))


MOST_FILES = 60             # files that are parsed
MAX_FILE_BYTES = 64 << 10    # bytes of one file

_PASS_DIRECTIVE = regex(rb"^[^#\n]*_pass\s", re.MULTILINE)
_INCLUDE_DIRECTIVE = regex(rb"^[^#\n]*\binclude\s+[\"']?([^;\"'\s]+)", re.MULTILINE)
_HTTP_BLOCK = b"http {\n"      # the block that includes such a file


def unloaded_sites_of(site: Site) -> tuple[UnloadedSite, ...]:
    """Return the sites in unloaded files; only if nginx has no routes, or nothing listens on one of its addresses."""
    if isinstance(site.config, Unknown):
        return ()
    config = site.config.value
    if config.routes and not ports_without_listener(site) and not sockets_without_listener(site):
        return ()
    files = {path: file.data for path, file in site.view.conf_files.items() if is_readable(file)}
    patterns = _include_patterns(site, config, files)
    return tuple(dict.fromkeys(found for path in _unloaded_files(site, config, files, patterns)[:MOST_FILES]
                               for found in _sites_in_file(path, files, site, patterns)))


def _nearest_include(path: str, patterns: tuple[str, ...]) -> str:
    """Return the include for the file's folder that does not match its name."""
    return next((p for p in patterns if posixpath.dirname(p) == posixpath.dirname(path)
                 and not glob_pattern(p).fullmatch(path)), "")


def _unloaded_files(site: Site, config: NginxConfig, files: Mapping[str, bytes],
                    patterns: tuple[str, ...]) -> list[str]:
    """Return unloaded files below nginx's folder that contain a pass directive, each under one name.
    Those in a folder of an include come first."""
    used = {real for path in config.files for real in (path, _real_path(site, path))}
    root = site.nginx.conf_folder.rstrip("/") + "/"
    found: dict[str, str] = {}
    for path, data in sorted(files.items(), key=lambda item: (not _nearest_include(item[0], patterns), item[0])):
        if path.startswith(root) and used.isdisjoint((path,
                                                      _real_path(site, path))) and len(data) <= MAX_FILE_BYTES and \
                _PASS_DIRECTIVE.search(data):
            found.setdefault(_real_path(site, path), path)
    return list(found.values())


def _real_path(site: Site, path: str) -> str:
    file = site.view.conf_files.get(path)
    return (file.stat.real_path if file is not None and file.stat is not None else None) or path


def _include_patterns(site: Site, config: NginxConfig, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the includes with wildcards as absolute paths."""
    found = []
    for path in config.files:
        for match in _INCLUDE_DIRECTIVE.finditer(files.get(path, b"")):
            text = match[1].decode("utf-8", "surrogateescape")
            whole = posixpath.normpath(posixpath.join(site.nginx.conf_folder, text))
            if "*" in posixpath.basename(whole):
                found.append(whole)
    return tuple(dict.fromkeys(found))


def _sites_in_file(path: str, files: Mapping[str, bytes], site: Site,
                   patterns: tuple[str, ...]) -> Iterator[UnloadedSite]:
    wrapped = {**files, path: _HTTP_BLOCK + files[path] + b"\n}\n"}
    near = _nearest_include(path, patterns)
    for route in read_config(wrapped, path, prefix=site.nginx.prefix).routes:
        for server in route.servers:
            if not server.variable:
                line = route.source.line - (route.source.file == path)
                yield UnloadedSite(path, line, route.server_names, server.host, server.port, server.unix, near)
