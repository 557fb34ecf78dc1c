"""`lab shell` and `lab logs`: access to a lab for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from lab.errors import UsageError
from lab.scenario.scenario_file import Role
from lab.stack.running_lab import Lab

ROLES: tuple[Role, ...] = ("web", "backend", "second")
# Log files besides the journal: of nginx; of a supervisord program, an init script or nohup.
_LOG_FILES: Mapping[Role, tuple[str, ...]] = {
    "web": ("/var/log/nginx/*.log",),
    "backend": ("/var/log/supervisor/*.log", "/var/log/{unit}.log", "/tmp/{word}.log"),  # noqa: S108  in the machine
}


def shell_argv(lab: Lab, part: str) -> list[str]:
    """Return the command of a shell in a container; on the host stack in the machine."""
    tty = ["-it"] if sys.stdin.isatty() else ["-i"]
    return ["docker", "exec", *tty, "-u", "0", _container(lab, part), "bash"]


def logs_argv(lab: Lab, part: str, *, follow: bool) -> list[str]:
    """Return the command that shows logs: of the engine, or the machine's journal and log files."""
    if lab.stack == "containers":
        words = ["docker", "logs", "--tail", "100", *(["-f"] if follow else []), _container(lab, part)]
        all_parts = ["docker", "compose", "--project-directory", str(lab.folder), "-p", lab.id, "logs", "--tail", "100",
                     *(["-f"] if follow else [])]
        return words if part else all_parts
    role = _role(lab, part) if part else None
    files = [path for one in ([role] if role else ROLES) for path in _LOG_FILES.get(one, ())]
    units = ["-u", lab.unit(role)] if role else []
    again = ["-F", "-f"] if follow else ["", "-q"]
    globs = " ".join(files).format(unit=lab.unit("backend"), word=lab.params["word"])
    script = (f'for file in {globs}; do [ -f "$file" ] && set -- "$@" "$file"; done; '
              f'[ $# -eq 0 ] || tail -v -n 30 {again[0]} "$@" & '
              f"journalctl -n 60 --no-pager {' '.join([again[1], *units])}; wait")
    return ["docker", "exec", *(["-it"] if sys.stdin.isatty() else []), lab.container(), "sh", "-c", script]


def _container(lab: Lab, part: str) -> str:
    """Return the container of a part, named by its role or its service."""
    return lab.container(_role(lab, part) if part else "web")


def _role(lab: Lab, part: str) -> Role:
    """Return the part that a word names: by its role, its service, or on the machine by its unit."""
    named = {role: lab.unit(role) if lab.stack == "host" else lab.service(role)
             for role in ROLES if role != "second" or lab.params["second_site"]}
    for role, name in named.items():
        if part in (role, name):
            return role
    raise UsageError(f"{lab.id} has no part called {part!r}", f"it has {', '.join(named.values())}")
