"""Dependencies of a service: databases, caches and brokers named in its variables, and the units it needs.
Only addresses are read from the variables, never accounts or passwords."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.dependency_systems import (
    BY_SCHEME,
    SYSTEMS,
    VARIABLE_PATTERN,
    DependencySystem,
    port_of,
    system_of_unit,
    system_of_variable,
)
from fixer.formats.numbers import is_number
from fixer.formats.shell_words import Word
from fixer.formats.unit_events import event_in
from fixer.formats.unit_file import unit_lines
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.deployment import Dependency, ProxyVariable
from fixer.model.facts import Evidence, Known, Source
from fixer.model.query import Command, FileAnswer, Query, ReadGlob
from fixer.model.service import LogLine, Service
from fixer.observe.view.node_view import View

MOST_DEPENDENCIES = 8
_URL_VARIABLE = regex(rf"^{VARIABLE_PATTERN}(?:URL|URI|DSN|ADDRESS)$")
_HOST_VARIABLE = regex(rf"^(?P<stem>{VARIABLE_PATTERN})(?:HOST|HOSTNAME|SERVER|ADDRESS)$")
_URL_PARTS = regex(
    r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<net>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
_NET_ADDRESS = regex(r"^(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]*)(?::(?P<port>\d{1,5}))?$")
_HOST_PORT = regex(r"^(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):(?P<port>\d{1,5})$")
_HOST_NAME = regex(r"^(?:[A-Za-z0-9][A-Za-z0-9.-]*|[0-9a-fA-F:]+)$")


def dependencies_of(env: Mapping[str, Word], fallback: str, view: View) -> tuple[Dependency, ...]:
    """Return one dependency for each variable that holds an address, in their order."""
    found: dict[tuple[str, int, str], Dependency] = {}
    for name, one in _each_dependency(env):
        place = env[name].to_argument()
        where = f"{place.file}:{place.line}" if place.file else fallback
        led = view.hosts.get(one.host.lower(), ())
        said = Evidence("file" if place.file else "unit", where, f"{name}… names {one.address}")
        found.setdefault((one.host, one.port, one.path), replace(one, source=said, ip=led[0] if led else ""))
    return tuple(found.values())[:MOST_DEPENDENCIES]


def _each_dependency(env: Mapping[str, Word]) -> Iterator[tuple[str, Dependency]]:
    for name, word in env.items():
        upper, value = name.upper(), word.text.strip()
        one = None
        if _URL_VARIABLE.match(upper) and "://" in value:
            one = _parse_url(value)
        elif (match := _HOST_VARIABLE.match(upper)) is not None or _URL_VARIABLE.match(upper):
            stem = match["stem"] if match is not None else ""
            port = next((w.text.strip() for n, w in env.items() if stem and n.upper() == f"{stem}PORT"), "")
            one = _parse_host(upper, value, port)
        if one is not None:
            yield name, one


def _make_dependency(host: str, port: int, engine: str, path: str = "") -> Dependency:
    return Dependency(Evidence("file", "", ""), host=host, port=port, engine=engine, path=path)


def _parse_url(value: str) -> Dependency | None:
    """Parse by hand: importing urllib.parse takes as long as observing a complete unit."""
    match = _URL_PARTS.match(value)
    if match is None:
        return None
    scheme = match["scheme"].partition("+")[0].lower()
    if scheme == "unix" and match["path"]:
        return _make_dependency("", 0, "redis", match["path"])
    known = BY_SCHEME.get(scheme)
    if known is None or "," in match["net"]:      # several hosts: one failed host is no failure
        return None
    engine, usual = known.name, known.port
    place = _NET_ADDRESS.match(match["net"].rpartition("@")[2])
    if place is None:
        return None
    host, port = place["host"].strip("[]"), int(place["port"] or usual)
    words = (match["query"] or "").split("&")
    given = next((word[5:].replace("%2F", "/") for word in words if word.startswith("host=")), "")
    if not host and given.startswith("/") and engine == "postgresql":
        return _make_dependency("", 0, engine, f"{given.rstrip('/')}/.s.PGSQL.{port}")
    host = host or (given if _HOST_NAME.match(given) else "")
    return _make_dependency(host, port, engine) if host and 0 < port < 65536 else None


def _parse_host(name: str, value: str, port: str) -> Dependency | None:
    engine = system_of_variable(name)
    usual = port_of(engine)
    pair = _HOST_PORT.match(value)
    if pair is not None:
        value, port = pair["host"].strip("[]"), pair["port"]
    number = int(port) if is_number(port) and 0 < int(port) < 65536 else usual
    if value.startswith("/") and engine == "postgresql":
        return _make_dependency("", 0, engine, f"{value.rstrip('/')}/.s.PGSQL.{number or usual}")
    return _make_dependency(value, number, engine) if number and _HOST_NAME.match(value) else None


_PROXY_NAME = regex(r"^(?:(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY)$")
_PROXY_ADDRESS = regex(r"^(?:[A-Za-z][A-Za-z0-9+.-]{0,15}://)?(?:[^/@\s]{0,255}@)?"
                       r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>\d{1,5}))?/?$")
_EXCEPTED_HOSTS = regex(r"^[\w.*:/\[\], -]{1,2000}$")


def proxy_variables_of(env: Mapping[str, Word], fallback: str, kind: Source = "unit") -> tuple[ProxyVariable, ...]:
    """Return the variables about a proxy that are not empty, in their order; never the account in them."""
    return tuple(_read_proxy_variable(name, word, fallback, kind) for name, word in env.items()
                 if _PROXY_NAME.match(name) and word.text.strip())


def _read_proxy_variable(name: str, word: Word, fallback: str, kind: Source) -> ProxyVariable:
    place, value = word.to_argument(), word.text.strip()
    if name.lower() == "no_proxy":
        shown = value if _EXCEPTED_HOSTS.match(value) else ""
        text = f"{name}={shown}" if shown else f"{name} is set"
    else:
        match = _PROXY_ADDRESS.match(value)
        shown = "" if match is None else f"{match['host']}:{match['port'] or 80}"
        text = f"{name}… names {shown}" if shown else f"{name} is set"
    where = f"{place.file}:{place.line}" if place.file else fallback
    return ProxyVariable(name, shown, Evidence("file" if place.file else kind, where, text))


LAST_LINES = 60
MOST_LOOKED_UP = 8
POSTGRES_CONFIGS = ReadGlob(("/etc/postgresql/*/*/postgresql.conf",), 64 << 10, 16)     # Debian: one unit per cluster

_NUMBER = regex(r"\d+")
_CONNECT_ERROR = regex(r"[Cc]onnection refused|Connect call failed|ECONNREFUSED|Error \d+ connecting|Errno 111|"
                   r"connection to server (?:at|on socket)|Can't connect to|is (?:starting up|shutting down)")


def dependency_queries(view: View, services: tuple[Service, ...]) -> Iterator[Query]:
    """Yield queries for stopped units that systemd has unloaded: the list of all, then those of the engine in question.

    Also query the journals of failed ones for the reason.
    """
    yield from _required_unit_queries(view, services)
    engines = {system.name for system in SYSTEMS if any(
        _logs_connect_error(s, system, view.name) or _depends_on(s, system, view) for s in services)}
    if not engines or view.init != "systemd":
        return
    listing = Command("systemctl-units")
    yield listing
    if "postgresql" in engines:
        yield POSTGRES_CONFIGS
    names = [*_unit_files_on_disk(view, listing), *postgres_units(view)]
    wanted = [name for name in dict.fromkeys(names) if system_of_unit(name) in engines]
    unknown = tuple(name for name in wanted if name not in view.units and "@." not in name)
    if unknown:
        yield Command("systemctl-show", unknown[:MOST_LOOKED_UP])
    for unit in dict.fromkeys(view.units.values()):
        if unit.active_state == "failed" and system_of_unit(unit.name) in engines:
            yield Command("journal", (unit.name, "200"))


def _required_unit_queries(view: View, services: tuple[Service, ...]) -> Iterator[Query]:
    """Yield queries for units whose failure prevented the start of a service, and for their journals."""
    if view.init != "systemd":
        return
    names: dict[str, None] = {}
    for service in services:
        unit, log = service.unit, service.log
        if unit is None or not service.is_app_server or service.node != view.name or not isinstance(log, Known):
            continue
        if any(map(_says_dependency_failed, log.value[-LAST_LINES:])):
            for path in (unit.fragment_path, *unit.drop_in_paths):
                for line in unit_lines(path, view.data(path) or b""):
                    if line.section == "Unit" and line.key in ("Requires", "BindsTo", "Requisite"):
                        names.update(dict.fromkeys(n if "." in n else f"{n}.service" for n in line.value.split()))
    unknown = tuple(n for n in names if n.endswith(".service") and n not in view.units)
    if unknown:
        yield Command("systemctl-show", unknown[:MOST_LOOKED_UP])
    yield from (Command("journal", (n, "200")) for n in names if n in view.units
                and view.units[n].active_state not in ("active", "activating"))


def _says_dependency_failed(line: LogLine) -> bool:
    event = event_in(line.text) if line.writer == "unknown" else line.event
    return event is not None and event.kind == "dependency-failed"


def _logs_connect_error(service: Service, system: DependencySystem, node: str) -> bool:
    if not service.is_app_server or service.node != node or not isinstance(service.log, Known):
        return False
    texts = [line.text for line in service.log.value[-LAST_LINES:]]
    return any(_CONNECT_ERROR.search(text) for text in texts) and any(
        system.words.search(text) or str(system.port) in _NUMBER.findall(text) for text in texts)


def _depends_on(service: Service, system: DependencySystem, view: View) -> bool:
    """Return whether a startup script waits for such a system, or a suspect service is configured for it.
    A suspect's log was queried; its variables or its unit name the system."""
    if not service.is_app_server or service.node != view.name or service.container is not None:
        return False
    at_fault = isinstance(service.log, Known)
    if any(one.engine == system.name or one.port == system.port or system.words.search(one.path)
           for one in (*service.startup_waits, *(service.dependencies if at_fault else ()))):
        return True
    return at_fault and any(system_of_unit(name) == system.name for name in _required_or_wanted_units(service, view))


def _required_or_wanted_units(service: Service, view: View) -> Iterator[str]:
    unit = service.unit
    for path in (unit.fragment_path, *unit.drop_in_paths) if unit is not None else ():
        for line in unit_lines(path, view.data(path) or b""):
            if line.section == "Unit" and line.key in ("Requires", "BindsTo", "Requisite", "Wants"):
                yield from (n if "." in n else f"{n}.service" for n in line.value.split())


def _unit_files_on_disk(view: View, listing: Command) -> Iterator[str]:
    answer = view.node.answers.get(listing)
    _, _, files = (answer.data if answer is not None else b"").decode("utf-8", "replace").partition("--\n")
    yield from (line.split()[0] for line in files.splitlines() if line.split() and line.split()[0].endswith(".service"))


def postgres_units(view: View) -> Iterator[str]:
    """Yield `postgresql@VERSION-NAME.service` for every cluster with a configuration."""
    for file in postgres_config_files(view):
        parts = posixpath.dirname(file.path).split("/")
        yield f"postgresql@{parts[-2]}-{parts[-1]}.service"


def postgres_config_files(view: View) -> tuple[FileAnswer, ...]:
    """Return the configurations of PostgreSQL clusters that were read."""
    answer = view.node.answers.get(POSTGRES_CONFIGS)
    return answer.files if answer is not None else ()
