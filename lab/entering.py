"""How people look inside a lab: its shell, its logs, the next hint."""

from __future__ import annotations

import sys

from lab import records
from lab.catalog import scenario
from lab.errors import UsageError
from lab.scenario import Role
from lab.stack import Lab
from lab.templates import fill

ROLES: tuple[Role, ...] = ("web", "backend", "second")


def shell_argv(lab: Lab, part: str) -> list[str]:
    """A shell in a container; on the host stack in the machine."""
    tty = ["-it"] if sys.stdin.isatty() else ["-i"]
    return ["docker", "exec", *tty, "-u", "0", _container(lab, part), "bash"]


def logs_argv(lab: Lab, part: str, *, follow: bool) -> list[str]:
    """What nginx and the application say, from the engine or from the machine's journal."""
    if lab.stack == "containers":
        words = ["docker", "logs", "--tail", "100", *(["-f"] if follow else []), _container(lab, part)]
        all_parts = ["docker", "compose", "--project-directory", str(lab.folder), "-p", lab.id, "logs", "--tail", "100",
                     *(["-f"] if follow else [])]
        return words if part else all_parts
    again = "-f " if follow else ""
    script = f"tail -n 30 {again.replace('-f', '-F')}/var/log/nginx/*.log & journalctl -n 60 --no-pager {again}; wait"
    return ["docker", "exec", *(["-it"] if sys.stdin.isatty() else []), lab.container(), "sh", "-c", script]


def next_hint(lab: Lab) -> str:
    """The next hint; when all were given, the last one again."""
    variant = scenario(lab.record.scenario).variant(lab.record.variant)
    number = min(lab.record.hints_given, len(variant.hints) - 1)
    lab.record.hints_given = number + 1
    records.save(lab.record)
    text = fill(variant.hints[number], lab.params, f"{lab.record.scenario}/scenario.toml: hints[{number}]")
    return f"hint {number + 1} of {len(variant.hints)}: {text}"


def _container(lab: Lab, part: str) -> str:
    """The container of a part, named by what it does or by its service."""
    if lab.stack == "host":
        return lab.container()
    named = {role: lab.service(role) for role in ROLES if role != "second" or lab.params["second_site"]}
    for role, service in named.items():
        if part in (role, service) or (not part and role == "web"):
            return lab.container(role)
    raise UsageError(f"{lab.id} has no part called {part!r}", f"it has {', '.join(named.values())}")
