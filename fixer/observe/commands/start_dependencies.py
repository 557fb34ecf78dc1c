"""Systems that an application needs: which units of a machine to ask for when its log says that one did not answer."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.formats.unit_file import unit_lines
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Command, FileAnswer, Query, ReadGlob
from fixer.model.service import Service
from fixer.observe.view.node_view import View

LAST_LINES = 60
MOST = 8
CLUSTERS = ReadGlob(("/etc/postgresql/*/*/postgresql.conf",), 64 << 10, 16)     # Debian's: one unit a cluster

_COMPLAINS = regex(r"[Cc]onnection refused|Connect call failed|ECONNREFUSED|Error \d+ connecting|Errno 111|"
                   r"connection to server (?:at|on socket)|Can't connect to|is (?:starting up|shutting down)")
_UNMET = regex(r"Dependency failed for |failed with result 'dependency'")
_ENGINES = (
    (regex(r"psycopg|asyncpg|PGSQL|postgres|connection to server|\b5432\b", re.I), regex(r"^postgresql\S*\.service$")),
    (regex(r"mysql|mariadb|\b3306\b", re.I), regex(r"^(?:mysqld?|mariadb)(?:@\S+)?\.service$")),
    (regex(r"redis|valkey|\b6379\b", re.I), regex(r"^(?:redis|valkey)[-\w]*(?:@\S+)?\.service$")),
    (regex(r"mongo|\b27017\b", re.I), regex(r"^mongod\S*\.service$")),
    (regex(r"amqp|rabbit|\b5672\b", re.I), regex(r"^rabbitmq\S*\.service$")),
    (regex(r"memcache|\b11211\b", re.I), regex(r"^memcached\S*\.service$")),
)


def dependency_queries(view: View, services: tuple[Service, ...]) -> Iterator[Query]:
    """Units that systemd has forgotten since they were stopped: the list of all, then those of the system in question.

    The journal of one that failed is asked too: it says why.
    """
    yield from _required(view, services)
    engines = [names for said, names in _ENGINES
               if any(_complains(s, said, view.name) or _relies(s, said, names, view) for s in services)]
    if not engines or view.init != "systemd":
        return
    listing = Command("systemctl-units")
    yield listing
    if engines[0] is _ENGINES[0][1]:
        yield CLUSTERS
    names = [*_on_disk(view, listing), *clusters(view)]
    wanted = [name for name in dict.fromkeys(names) if any(pattern.match(name) for pattern in engines)]
    unknown = tuple(name for name in wanted if name not in view.units and "@." not in name)
    if unknown:
        yield Command("systemctl-show", unknown[:MOST])
    for unit in dict.fromkeys(view.units.values()):
        if unit.active_state == "failed" and any(pattern.match(unit.name) for pattern in engines):
            yield Command("journal", (unit.name, "200"))


def _required(view: View, services: tuple[Service, ...]) -> Iterator[Query]:
    """The units that one requires which systemd did not start for want of them, and what those said."""
    if view.init != "systemd":
        return
    names: dict[str, None] = {}
    for service in services:
        unit, log = service.unit, service.log
        if unit is None or not service.is_app_server or service.node != view.name or not isinstance(log, Known):
            continue
        if any(_UNMET.search(line.text) for line in log.value[-LAST_LINES:]):
            for path in (unit.fragment_path, *unit.drop_in_paths):
                for line in unit_lines(path, view.data(path) or b""):
                    if line.section == "Unit" and line.key in ("Requires", "BindsTo", "Requisite"):
                        names.update(dict.fromkeys(n if "." in n else f"{n}.service" for n in line.value.split()))
    unknown = tuple(n for n in names if n.endswith(".service") and n not in view.units)
    if unknown:
        yield Command("systemctl-show", unknown[:MOST])
    yield from (Command("journal", (n, "200")) for n in names if n in view.units
                and view.units[n].active_state not in ("active", "activating"))


def _complains(service: Service, engine: re.Pattern[str], node: str) -> bool:
    if not service.is_app_server or service.node != node or not isinstance(service.log, Known):
        return False
    texts = [line.text for line in service.log.value[-LAST_LINES:]]
    return any(_COMPLAINS.search(text) for text in texts) and any(engine.search(text) for text in texts)


def _relies(service: Service, engine: re.Pattern[str], names: re.Pattern[str], view: View) -> bool:
    """The shell that should have become the server waits for such a system; or one that is at fault (its log was asked
    for) is told to use it, by its variables or by its unit."""
    if not service.is_app_server or service.node != view.name or service.container is not None:
        return False
    at_fault = isinstance(service.log, Known)
    if any(engine.search(f"{one.engine} {one.port or one.path}")
           for one in (*service.waits, *(service.relies if at_fault else ()))):
        return True
    return at_fault and any(names.match(name) for name in _pulled(service, view))


def _pulled(service: Service, view: View) -> Iterator[str]:
    unit = service.unit
    for path in (unit.fragment_path, *unit.drop_in_paths) if unit is not None else ():
        for line in unit_lines(path, view.data(path) or b""):
            if line.section == "Unit" and line.key in ("Requires", "BindsTo", "Requisite", "Wants"):
                yield from (n if "." in n else f"{n}.service" for n in line.value.split())


def _on_disk(view: View, listing: Command) -> Iterator[str]:
    answer = view.node.answers.get(listing)
    _, _, files = (answer.data if answer is not None else b"").decode("utf-8", "replace").partition("--\n")
    yield from (line.split()[0] for line in files.splitlines() if line.split() and line.split()[0].endswith(".service"))


def clusters(view: View) -> Iterator[str]:
    """`postgresql@VERSION-NAME.service` of every cluster that has a configuration."""
    for file in cluster_files(view):
        parts = posixpath.dirname(file.path).split("/")
        yield f"postgresql@{parts[-2]}-{parts[-1]}.service"


def cluster_files(view: View) -> tuple[FileAnswer, ...]:
    """The configurations of PostgreSQL clusters that were read."""
    answer = view.node.answers.get(CLUSTERS)
    return answer.files if answer is not None else ()
