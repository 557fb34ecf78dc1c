"""Other gateways (HAProxy, Apache, socat …): which programs they are, and where a stopped one would listen.

nginx may proxy to another gateway. While that is stopped, its healthy backend listens on another port.
Without this module that would be reported as a wrong port.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from fixer.formats.launchers import skip_launchers
from fixer.formats.server_bindings import parse_address
from fixer.formats.server_names import is_nginx
from fixer.formats.shell_words import Piece, Word
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import Command, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.snapshot import Binding, Service, Unit
from fixer.nginx.config import read_config
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.nginx.nginx_masters import instance_of_unit
from fixer.observe.systemd.socket_activation import socket_of, socket_unit_name, socket_unit_path
from fixer.observe.view.node_view import View, is_readable

# Packaged units: systemd unloads a stopped and disabled one, so they are queried by name.
PACKAGED_UNITS = tuple(f"{name}.service" for name in (
    "apache2", "caddy", "envoy", "haproxy", "hitch", "httpd", "lighttpd", "squid", "stunnel4", "traefik", "varnish",
))
_SOCKET_PROXY = "systemd-socket-proxyd"
_GATEWAY_PROGRAMS = frozenset((
    "apache2", "apache2ctl", "apachectl", "caddy", "envoy", "haproxy", "hitch", "httpd", "lighttpd", "socat", "squid",
    "stunnel", "stunnel4", "traefik", "varnishd", _SOCKET_PROXY,
))
_DEFAULT_CONFS: Mapping[str, str] = {
    "haproxy": "/etc/haproxy/haproxy.cfg", "httpd": "/etc/httpd/conf/httpd.conf",
    **dict.fromkeys(("apache2", "apache2ctl", "apachectl"), "/etc/apache2/ports.conf"),
}
_BIND = regex(rb"^[ \t]*bind[ \t]+([^\s#]+)", re.MULTILINE)
_LISTEN = regex(rb"^[ \t]*Listen[ \t]+([^\s#]+)", re.MULTILINE)
_SOCAT = regex(r"^(?:TCP[46]?|UNIX)-L(?:ISTEN)?:([^,]+)", re.IGNORECASE)
_SOCAT_BIND = regex(r",bind=([^,]+)")
_HAPROXY_FILE = regex(r"/(?:\S+/)?haproxy/\S+$")
_LIMIT = 1 << 18


def gateway_of(argv: Sequence[str]) -> str:
    """Return the gateway program of a command, empty for others; `nginx` whatever its file is called."""
    i = skip_launchers(argv)
    name = posixpath.basename(argv[i].lstrip("@-:+!")) if i < len(argv) else ""
    if name and is_nginx(name):
        return "nginx"
    return name if name in _GATEWAY_PROGRAMS else ""


def is_stopped_gateway(service: Service) -> bool:
    """Return whether the service is a stopped gateway unit."""
    return service.unit is not None and not service.running and bool(gateway_of(service.unit.exec_start))


def gateway_queries(view: View) -> Iterator[Query]:
    """Yield queries for the files that configure the listen addresses of stopped gateway units."""
    unknown = tuple(name for name in PACKAGED_UNITS if name not in view.units)
    if unknown:
        yield Command("systemctl-show", unknown)
    for unit in dict.fromkeys(view.units.values()):
        name = gateway_of(unit.exec_start)
        if not name or unit.main_pid or unit.load_state not in ("loaded", "masked"):
            continue
        if name == "nginx":
            place = instance_of_unit(unit, view)
            if not place.conf.startswith("/etc/nginx/"):
                yield ReadTree(place.conf_folder) if place.conf_folder.count("/") > 1 else ReadGlob((place.conf,))
        elif name == _SOCKET_PROXY:
            socket = proxy_socket_unit(unit, view)
            yield ReadFile(socket_unit_path(unit, socket), _LIMIT)
            if socket not in view.units:
                yield Command("systemctl-show", (socket,))
        elif conf := _conf_path(name, unit.exec_start):
            yield ReadFile(conf, _LIMIT)


def gateway_bindings(unit: Unit, told: ServiceCommand, view: View) -> Fact[tuple[Binding, ...]] | None:
    """Return where a stopped gateway would listen; Unknown if not understood, None if it is no stopped gateway."""
    name = gateway_of(unit.exec_start)
    if not name or unit.main_pid:
        return None
    if name == "nginx":
        return _nginx_bindings(unit, view)
    if name == _SOCKET_PROXY:
        _, found = socket_of(unit, view, proxy_socket_unit(unit, view))
    elif name == "socat":
        found = tuple(b for word in told.command if (b := _socat_binding(word.text, told.evidence)) is not None)
    elif name == "varnishd":
        words = [*told.command, Word((Piece(""),))]
        found = tuple(b for flag, word in pairwise(words) if flag.text == "-a"
                      and (b := parse_address(Word((Piece(word.text.split(",")[0]),)), told.evidence)) is not None)
    else:
        conf = _conf_path(name, unit.exec_start)
        data = view.data(conf) if conf else None
        found = tuple(_parse_bindings(conf, data, _BIND if name == "haproxy" else _LISTEN)) if data is not None else ()
    return Known(found, (found[0].source,)) if found else Unknown(f"where {unit.name} would listen")


def proxy_socket_unit(unit: Unit, view: View) -> str:
    """Return the socket unit that systemd-socket-proxyd requires; empty for any other program."""
    if gateway_of(unit.exec_start) != _SOCKET_PROXY:
        return ""
    return socket_unit_name(unit, view) or unit.name.removesuffix(".service") + ".socket"


def _conf_path(name: str, argv: Sequence[str]) -> str:
    """Return the main configuration file: from haproxy's `-f`, else the packages' default."""
    if name not in _DEFAULT_CONFS:
        return ""
    named = [after for word, after in pairwise(argv) if word == "-f" and not after.startswith("$")]
    if name != "haproxy" or not named:
        return _DEFAULT_CONFS[name]
    return named[0] if _HAPROXY_FILE.match(named[0]) else ""     # its secrets are redacted only there


def _parse_bindings(path: str, data: bytes, pattern: re.Pattern[bytes]) -> Iterator[Binding]:
    for match in pattern.finditer(data):
        line = data.count(b"\n", 0, match.start(1)) + 1
        said = Evidence("file", f"{path}:{line}", match[0].decode("utf-8", "replace").strip())
        for text in match[1].decode("latin-1").split(","):
            binding = parse_address(Word((Piece(text),)), said)
            if binding is not None:
                yield binding


def _socat_binding(text: str, said: Evidence) -> Binding | None:
    match, bound = _SOCAT.match(text), _SOCAT_BIND.search(text)
    if match is None:
        return None
    return parse_address(Word((Piece(f"{bound[1]}:{match[1]}" if bound is not None else match[1]),)), said)


def _nginx_bindings(unit: Unit, view: View) -> Fact[tuple[Binding, ...]]:
    """Return the `listen` addresses of its servers."""
    place = instance_of_unit(unit, view)
    main = view.conf_files.get(place.conf)
    if main is None or not is_readable(main):
        return Unknown(f"where {unit.name} would listen: {place.conf} was not read")
    files = {file.path: file.data for file in view.conf_files.values() if is_readable(file)}
    config = read_config(files, place.conf, prefix=place.prefix)
    found = [
        Binding("" if listen.address.startswith("unix:") else listen.address, listen.port,
                listen.address.removeprefix("unix:") if listen.address.startswith("unix:") else None,
                Evidence("nginx-config", f"{listen.span.file}:{listen.span.line}", f"listen {listen}"))
        for server in config.servers for listen in server.listens
    ]
    return Known(tuple(found)) if found else Unknown(f"where {unit.name} would listen")
