"""Socket activation: the socket unit that starts a service, its listen addresses, and its state in systemd."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.launchers import launcher_address_indexes
from fixer.formats.numbers import is_number
from fixer.formats.server_bindings import parse_address
from fixer.formats.shell_words import Piece, Word
from fixer.formats.unit_file import unit_lines
from fixer.model.facts import Evidence
from fixer.model.query import Command, Query, ReadFile
from fixer.model.snapshot import Binding, Service, Unit
from fixer.observe.view.node_view import View

FILE_LIMIT = 1 << 16


def socket_unit_name(unit: Unit, view: View) -> str | None:
    """Return the socket unit: the one that systemd names, or that of the same name if the command takes a descriptor.
    systemd reports no socket unit that is stopped like its service: then its file counts."""
    named = next((name for name in unit.triggered_by if name.endswith(".socket")), None)
    if named is None and launcher_address_indexes(unit.exec_start):
        return None       # its own launcher passes the socket
    if named is None and any(word == "--fd" or word.startswith(("--fd=", "fd://")) for word in unit.exec_start):
        named = _same_name_socket(unit)
    if named is None and _can_take_socket(unit) and view.data(socket_unit_path(unit, _same_name_socket(unit))):
        named = _same_name_socket(unit)
    return named


def _same_name_socket(unit: Unit) -> str:
    return unit.name.removesuffix(".service") + ".socket"


def _can_take_socket(unit: Unit) -> bool:
    """Return whether a stopped service's server takes systemd's socket without any option."""
    return unit.active_state != "active" and any(
        posixpath.basename(word) == "gunicorn" for word in " ".join(unit.exec_start).split()[:4])


def socket_unit_path(unit: Unit, name: str) -> str:
    """Return the path of the socket unit's file, in the folder of the service's file."""
    return posixpath.join(posixpath.dirname(unit.fragment_path), name)


def socket_unit_queries(view: View) -> Iterator[Query]:
    """Yield the queries for files and states of sockets that start an administrator's application."""
    for unit in dict.fromkeys(view.units.values()):
        if not unit.fragment_path.startswith(("/etc/", "/run/systemd/system/", "/usr/local/")):
            continue
        name = socket_unit_name(unit, view)
        if name is not None or _can_take_socket(unit):
            yield ReadFile(socket_unit_path(unit, name or _same_name_socket(unit)), FILE_LIMIT)
            if name is not None and name not in view.units:
                yield Command("systemctl-show", (name,))


def socket_of(unit: Unit, view: View, name: str | None = None) -> tuple[Unit | None, tuple[Binding, ...]]:
    """Return the socket unit as systemd has it (or the unit `name`), and the listen addresses of its file."""
    name = name or socket_unit_name(unit, view)
    if name is None:
        return None, ()
    path = socket_unit_path(unit, name)
    found: list[Binding] = []
    for line in unit_lines(path, view.data(path) or b""):
        if line.section == "Socket" and line.key == "ListenStream":
            word = Word((Piece(line.value, path, line.line, line.start),))
            binding = parse_address(word, Evidence("unit", f"{path}:{line.line}", f"ListenStream={line.value}"))
            found = [] if not line.value else [*found, *([binding] if binding is not None else [])]
    return view.units.get(name), tuple(found)


def all_socket_bindings(written: tuple[Binding, ...], socket: Unit | None) -> tuple[Binding, ...]:
    """Return the bindings in the unit's file, then those that only systemd reports."""
    known = {(binding.host, binding.port, binding.unix) for binding in written}
    more = (
        Binding(host, port, unix, Evidence("unit", socket.name, f"ListenStream={text}"))
        for text in (socket.listen if socket is not None else ()) for host, port, unix in [_split_address(text)]
        if socket is not None and (host, port, unix) not in known
    )
    return (*written, *more)


def _split_address(text: str) -> tuple[str, int, str | None]:
    if text.startswith("/"):
        return "", 0, text
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if is_number(port) else 0, None


def socket_units(unit: Unit) -> tuple[str, ...]:
    """Return the socket units that start it."""
    return tuple(name for name in unit.triggered_by if name.endswith(".socket"))


def socket_queries(service: Service) -> Iterator[tuple[str, Query]]:
    """Yield the query for the socket units that start it: the list of all units holds only services."""
    if service.unit is not None and service.socket is None and socket_units(service.unit):
        yield service.node, Command("systemctl-show", socket_units(service.unit))
