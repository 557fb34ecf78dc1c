"""The commands of a program by their words: `fleet` and `fleet report` beside `diagnose`."""

from __future__ import annotations

from typing import Any


def all_commands(group: Any, path: str = "") -> dict[str, Any]:
    """Every command and every group inside the group."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found[f"{path}{name}"] = command
        found |= all_commands(command, f"{path}{name} ") if hasattr(command, "commands") else {}
    return found


def leaf_commands(group: Any) -> dict[str, Any]:
    """Those that do something themselves."""
    return {name: command for name, command in all_commands(group).items() if not hasattr(command, "commands")}
