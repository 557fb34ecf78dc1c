"""The code of units at rest that a package brought: read where an address is empty and nobody known explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.model.facts import Known
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Service, Unit
from fixer.observe.commands.python_programs import program_paths
from fixer.observe.commands.resolved_command import told_by_unit
from fixer.observe.view.node_view import View

LIMIT = 64 << 10
MOST_PROGRAMS = 8
_OF_SYSTEM = ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/systemd/", "/lib/systemd/")


def is_explained(ports: Sequence[int], services: Sequence[Service], view: View) -> bool:
    """Whether of every empty port somebody is known who is told to listen there, or whose code does."""
    told = {b.port for s in services if s.node == view.name
            for b in (*(s.bindings.value if isinstance(s.bindings, Known) else ()), *s.in_code)}
    return all(port in told for port in ports)


def code_queries(view: View) -> Iterator[Query]:
    """The programs of such units: a few, and none of the system's own."""
    units = [unit for unit in dict.fromkeys(view.units.values()) if _may_be_meant(unit)]
    paths = [path for unit in units for path in _programs(unit, view)]
    yield from (ReadFile(path, LIMIT) for path in sorted(dict.fromkeys(paths))[:MOST_PROGRAMS])


def _may_be_meant(unit: Unit) -> bool:
    return unit.name.endswith(".service") and unit.load_state == "loaded" and unit.type != "oneshot" \
        and unit.active_state in ("inactive", "failed") and not unit.main_pid


def _programs(unit: Unit, view: View) -> tuple[str, ...]:
    told = told_by_unit(unit, view)
    return tuple(p for p in program_paths(told.argv, told.directory) if not p.startswith(_OF_SYSTEM))
