"""Where the lab finds its scenarios and stacks, and where it keeps what it made."""

from __future__ import annotations

import os
from pathlib import Path

_EXTRA_SCENARIOS = "BADGATEWAY_FURTHER_SCENARIOS"
_PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """The folder that holds `scenarios` and `compose`: the checkout, else what the wheel brought along."""
    packed = _PACKAGE / "_data"
    return packed if packed.is_dir() else _PACKAGE.parent


def scenarios_root() -> Path:
    """The folder of scenarios; BADGATEWAY_SCENARIOS names another."""
    named = os.environ.get("BADGATEWAY_SCENARIOS")
    return Path(named) if named else data_root() / "scenarios"


def extra_scenarios_root() -> Path | None:
    """A folder of scenarios beside the others, where one was named (`lab --scenarios DIR`)."""
    named = os.environ.get(_EXTRA_SCENARIOS)
    return Path(named) if named else None


def use_extra_scenarios(folder: Path | str) -> None:
    """Let this process, and what it starts, know the scenarios of that folder too."""
    os.environ[_EXTRA_SCENARIOS] = str(Path(folder).absolute())


def compose_root() -> Path:
    """The folder of stack templates and images."""
    return data_root() / "compose"


def state_root() -> Path:
    """Private state of labs and the folders they are rendered into."""
    named = os.environ.get("BADGATEWAY_LAB_STATE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/badgateway-lab")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "badgateway-lab"


def state_label() -> str:
    """Whose a lab is, as its label says it: the folder that holds its record."""
    return str(state_root().absolute())
