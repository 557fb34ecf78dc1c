"""Parts and faults from their files: `parts/AXIS/NAME.toml` and `faults/NAME.toml`. There is no list to edit."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError, ScenarioError
from lab.random_hosts.host_spec import Constraint, Fault, Foreign, HostFile, MustNot, Part

ROOT = Path(__file__).resolve().parent
BASE = "base"       # parts/base.toml: what every host has
KIND = "kind"       # the axis that decides which parts of the others are drawn at all
OUTCOMES = ("repaired", "operator")
_CONSTRAINT = {"offers", "needs", "refuses"}
_PART = {"summary", "plain", "values", "setup", "files", "commands", "foreign"} | _CONSTRAINT
_FAULT = {"summary", "causes", "outcomes", "touches", "inject", "undo", "saves", "must_not"} | _CONSTRAINT
_FILE = {"path", "text", "source", "link", "folder", "mode", "owner"}


@cache
def base_part() -> Part:
    """Return the part that every host has."""
    return read_part(ROOT / "parts" / f"{BASE}.toml", BASE)


@cache
def all_parts() -> Mapping[str, tuple[Part, ...]]:
    """Return the parts of each axis, in the order of their names."""
    axes = sorted(path for path in (ROOT / "parts").iterdir() if path.is_dir())
    return {axis.name: tuple(read_part(path, axis.name) for path in sorted(axis.glob("*.toml"))) for axis in axes}


def parts_of_kind(kind: Part) -> Mapping[str, tuple[Part, ...]]:
    """Return the parts of each axis that may stand on a host of this kind: machine, project or one container."""
    words = frozenset[str]().union(*(one.constraint.offers for one in all_parts()[KIND]))
    own = kind.constraint.offers
    return {axis: (kind,) if axis == KIND else tuple(
        one for one in parts if one.constraint.needs & words <= own and not one.constraint.refuses & own)
        for axis, parts in all_parts().items()}


@cache
def all_faults() -> tuple[Fault, ...]:
    """Return the faults in the order of their names."""
    return tuple(read_fault(path) for path in sorted((ROOT / "faults").glob("*.toml")))


def fault_named(name: str) -> Fault:
    """Return a fault; raise LabError if none has the name."""
    found = next((fault for fault in all_faults() if fault.name == name), None)
    if found is None:
        raise LabError(f"random host: no fault is called {name}")
    return found


def part_named(axis: str, name: str) -> Part:
    """Return a part of an axis; raise LabError if none has the name."""
    found = next((part for part in all_parts().get(axis, ()) if part.name == name), None)
    if found is None:
        known = [part.name for part in all_parts().get(axis, ())]
        hint = f"its parts: {', '.join(known)}" if known else f"the axes: {', '.join(all_parts())}"
        raise LabError(f"random host: the axis {axis} has no part {name}", hint)
    return found


def plain_part(axis: str, kind: Part) -> Part:
    """Return the plain part of an axis on hosts of a kind."""
    return next(part for part in parts_of_kind(kind)[axis] if part.plain)


@cache
def digest_of_parts() -> str:
    """Return a digest of all parts, faults and applications: figures of different sets are not compared."""
    digest = hashlib.sha256()
    for folder in ("parts", "faults", "applications"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def read_part(path: Path, axis: str) -> Part:
    """Read one part; raise ScenarioError, which names file and key."""
    data = _read(path, _PART)
    foreign = data.get("foreign", {})
    return Part(
        axis=axis, name=path.stem, summary=_text(data, "summary", path), plain=data.get("plain") is True,
        constraint=_constraint(data),
        values={str(key): str(value).strip("\n") for key, value in data.get("values", {}).items()},
        setup=tuple(data.get("setup", ())), files=tuple(_file(entry, path) for entry in data.get("files", ())),
        commands=tuple(data.get("commands", ())),
        foreign=Foreign(*(tuple(foreign.get(kind, ())) for kind in ("files", "units", "sites", "containers"))),
    )


def read_fault(path: Path) -> Fault:
    """Read one fault; raise ScenarioError, which names file and key."""
    data = _read(path, _FAULT)
    listed: Callable[[str], tuple[str, ...]] = lambda key: tuple(data.get(key, ()))  # noqa: E731  read below only
    for key in ("causes", "outcomes", "touches", "inject"):
        if not listed(key):
            raise ScenarioError(f"{path.name}: {key} is missing or empty")
    if unknown := set(listed("outcomes")) - set(OUTCOMES):
        raise ScenarioError(f"{path.name}: outcomes: {', '.join(sorted(unknown))} is none of {', '.join(OUTCOMES)}")
    return Fault(
        name=path.stem, summary=_text(data, "summary", path), causes=listed("causes"), outcomes=listed("outcomes"),
        touches=frozenset(listed("touches")), inject=listed("inject"), undo=listed("undo"), saves=listed("saves"),
        must_not=tuple(MustNot(entry["what"], entry["check"]) for entry in data.get("must_not", ())),
        constraint=_constraint(data),
    )


def _read(path: Path, known: set[str]) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path.name}: {error}") from error
    if unknown := sorted(data.keys() - known):
        raise ScenarioError(f"{path.name}: {unknown[0]} is no known key", f"the keys are {', '.join(sorted(known))}")
    return data


def _text(data: Mapping[str, Any], key: str, path: Path) -> str:
    if not isinstance(data.get(key), str):
        raise ScenarioError(f"{path.name}: {key} is missing")
    return str(data[key])


def _constraint(data: Mapping[str, Any]) -> Constraint:
    return Constraint(*(frozenset(data.get(kind, ())) for kind in ("offers", "needs", "refuses")))


def _file(entry: Mapping[str, Any], path: Path) -> HostFile:
    if unknown := sorted(entry.keys() - _FILE):
        raise ScenarioError(f"{path.name}: files.{unknown[0]} is no known key")
    if "source" in entry:
        text: str | None = (ROOT / "applications" / entry["source"]).read_text(encoding="utf-8")
    else:
        text = entry.get("text")
    if text is None and not entry.get("link") and not entry.get("folder"):
        raise ScenarioError(f"{path.name}: files: {entry.get('path')} has no text, source, link or folder")
    default = "0755" if entry.get("folder") else "0644"
    return HostFile(entry["path"], text, entry.get("link", ""), int(entry.get("mode", default), 8),
                    entry.get("owner", "root"))
