"""Folders of the lab: scenarios, stack templates, and private state."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from lab.errors import UsageError

_EXTRA_SCENARIOS = "BADGATEWAY_FURTHER_SCENARIOS"
_PACKAGE = Path(__file__).resolve().parent


def package_root() -> Path:
    """Return the folder of this package."""
    return _PACKAGE


@cache
def data_root() -> Path:
    """Return the folder that holds `scenarios` and `compose`: the checkout, else the wheel's data."""
    packed = _PACKAGE / "_data"
    return packed if packed.is_dir() else _PACKAGE.parent


def scenarios_root() -> Path:
    """Return the folder of scenarios; BADGATEWAY_SCENARIOS names another."""
    named = os.environ.get("BADGATEWAY_SCENARIOS")
    return Path(named) if named else data_root() / "scenarios"


def extra_scenarios_root() -> Path | None:
    """Return the additional folder of scenarios (`lab --scenarios DIR`), None if none was named."""
    named = os.environ.get(_EXTRA_SCENARIOS)
    return Path(named) if named else None


def use_extra_scenarios(folder: Path | str) -> None:
    """Use the scenarios of that folder too, in this process and its children."""
    os.environ[_EXTRA_SCENARIOS] = str(Path(folder).absolute())


def compose_root() -> Path:
    """Return the folder of stack templates and images."""
    return data_root() / "compose"


def state_root() -> Path:
    """Return the folder of the labs' private state and rendered files."""
    named = os.environ.get("BADGATEWAY_LAB_STATE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/badgateway-lab")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "badgateway-lab"


def state_label() -> str:
    """Return the owner of a lab for its label: the folder that holds its record."""
    return str(state_root().absolute())


def require_writable(*paths: Path | None) -> None:
    """Raise UsageError for a report that cannot be written: it is told before hours of work, not after them."""
    for path in filter(None, paths):
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "name a file")
        draft = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.touch()
            draft.unlink()
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            raise UsageError(f"{path} cannot be written: {why}", "name another file") from None
