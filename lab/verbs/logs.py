"""`lab logs`: what a part of a lab has logged."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from lab.scenario.scenario_file import Role
from lab.stack.docker_command import ListedContainer
from lab.stack.find_lab import find_lab_and_part
from lab.stack.lab_parts import ROLES, find_part, listed_parts, part_name, role_of
from lab.stack.running_lab import Lab

# Log files besides the journal: of nginx; of a supervisord program, an init script or nohup.
_LOG_FILES: Mapping[Role, tuple[str, ...]] = {
    "web": ("/var/log/nginx/*.log",),
    "backend": ("/var/log/supervisor/*.log", "/var/log/{unit}.log", "/tmp/{word}.log"),  # noqa: S108  in the machine
}


def show_logs(lab_word: str, part_word: str, *, follow: bool | None) -> NoReturn:
    """Become the command that shows the logs of what the words name. By default it follows them on a terminal: behind a
    pipe that closes, what follows would stay in the machine."""
    lab, part = find_lab_and_part(lab_word, part_word)
    argv = logs_argv(lab, part, listed_parts(lab), follow=sys.stdout.isatty() if follow is None else follow)
    os.execvp(argv[0], argv)  # noqa: S606


def logs_argv(lab: Lab, word: str, listed: Sequence[ListedContainer], *, follow: bool) -> list[str]:
    """Return the command that shows logs: of the engine, or the machine's journal and log files."""
    if lab.stack == "all-in-one":
        find_part(lab, word, listed)  # of each part there is the same log
        return _combined_argv(lab, follow=follow)
    if lab.stack == "containers":
        again = ["--tail", "100", *(["-f"] if follow else [])]
        if not word:
            return ["docker", "compose", "--project-directory", str(lab.folder), "-p", lab.id, "logs", *again]
        part = find_part(lab, word, listed)
        return ["docker", "logs", *again, next((one.name for one in listed if part_name(lab, one) == part), part)]
    role = role_of(lab, word) if word else None
    files = [path for one in ([role] if role else ROLES) for path in _LOG_FILES.get(one, ())]
    units = ["-u", lab.unit(role)] if role else []
    options = ["-F", "-f"] if follow else ["", "-q"]
    globs = " ".join(files).format(unit=lab.unit("backend"), word=lab.deployment.word)
    script = (f'for file in {globs}; do [ -f "$file" ] && set -- "$@" "$file"; done; '
              f'[ $# -eq 0 ] || tail -v -n 30 {options[0]} "$@" & '
              f"journalctl -n 60 --no-pager {' '.join([options[1], *units])}; wait")
    return ["docker", "exec", *(["-it"] if sys.stdin.isatty() else []), lab.container(), "sh", "-c", script]


def _combined_argv(lab: Lab, *, follow: bool) -> list[str]:
    """Return the command for an all-in-one container: its log, then the files that its programs write inside."""
    again = "-f" if follow else ""
    inside = ('for file in /var/log/*.log /var/log/nginx/*.log /var/log/supervisor/*.log; do '
              '[ -f "$file" ] && [ ! -L "$file" ] && case $file in *lastlog*|*dpkg*|*alternatives*) ;; '
              f'*) set -- "$@" "$file" ;; esac; done; [ $# -eq 0 ] || tail -v -n 30 {again} "$@"')
    script = f'docker logs --tail 100 {again} "$1" & docker exec "$1" sh -c "$2"; wait'
    return ["sh", "-c", script, "sh", lab.container(), inside]
