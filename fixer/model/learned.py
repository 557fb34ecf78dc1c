"""Last known good of `fixer learn`: commands, ports, users, names of variables, never a value."""

from __future__ import annotations

import json

from fixer.lazy.dataclass import dataclass, field
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import dataclasses  # only `learn` needs it

LEARNED_FILE = "learned.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class LearnedService:
    """One application behind nginx, as it was in a healthy deployment.
    `addresses` are (host, port, unix socket or empty) at which nginx reached it. `variables` are (name, file): the file
    that held the value, empty if none was found, `.` if the value was the working directory."""

    name: str
    manager: str
    runtime: str
    argv: tuple[str, ...]
    directory: str
    user: str
    addresses: tuple[tuple[str, int, str], ...]
    variables: tuple[tuple[str, str], ...]
    complete: bool = True  # False if its command contained what may not be stored
    readable: bool = True  # False if its variables were unreadable: it may need unknown ones

    @property
    def reached_at(self) -> tuple[str, ...]:
        """Return its addresses as people write them."""
        written = ((f"[{host}]" if ":" in host else host, port, unix) for host, port, unix in self.addresses)
        return tuple(unix or f"{host}:{port}" for host, port, unix in written)


@dataclass(frozen=True, slots=True)
class Learned:
    """A healthy deployment. `at` is the node's time then, `where` the file that records it."""

    node: str
    at: float
    where: str
    services: tuple[LearnedService, ...] = field(default_factory=tuple)


def learned_to_json(learned: Learned) -> bytes:
    """Return the content of the file."""
    services = [dataclasses.asdict(service) for service in learned.services]
    return (json.dumps({"version": VERSION, "at": learned.at, "services": services}, indent=1) + "\n").encode()


def learned_from_json(data: bytes, node: str, where: str) -> Learned | None:
    """Parse the file; None if it is not ours or damaged."""
    try:
        found = json.loads(data)
        if found["version"] != VERSION:
            return None
        services = tuple(
            LearnedService(
                str(s["name"]), str(s["manager"]), str(s["runtime"]), tuple(map(str, s["argv"])), str(s["directory"]),
                str(s["user"]), tuple((str(h), int(p), str(u)) for h, p, u in s["addresses"]),
                tuple((str(n), str(f)) for n, f in s["variables"]), bool(s["complete"]),
                bool(s.get("readable", True)),
            ) for s in found["services"]
        )
        return Learned(node, float(found["at"]), where, services)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
