"""`lab shell` and `lab logs`: access to a lab for people."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence

from lab.paths import state_label
from lab.scenario.scenario_file import Role
from lab.stack import images
from lab.stack.docker_command import LABEL, STATE_LABEL, ListedContainer
from lab.stack.lab_parts import ROLES, TOOLS_MARK, find_part, part_name, role_of, running_container
from lab.stack.running_lab import Lab

# Log files besides the journal: of nginx; of a supervisord program, an init script or nohup.
_LOG_FILES: Mapping[Role, tuple[str, ...]] = {
    "web": ("/var/log/nginx/*.log",),
    "backend": ("/var/log/supervisor/*.log", "/var/log/{unit}.log", "/tmp/{word}.log"),  # noqa: S108  in the machine
}


def shell_argv(lab: Lab, word: str, listed: Sequence[ListedContainer]) -> list[str]:
    """Return the command of a shell in a part; on the host stack in the machine."""
    part = find_part(lab, word, listed)
    return ["docker", "exec", *_terminal(lab, part), "-u", "0", running_container(lab, part, listed), *_bash()]


def tools_argv(lab: Lab, word: str, listed: Sequence[ListedContainer], say: Callable[[str], None]) -> list[str]:
    """Return the command of a shell with the usual tools, which sees the processes and the network of a part.
    It may look at all of them: root of a real host sees whose socket is whose."""
    part = find_part(lab, word, listed)
    joined = f"container:{running_container(lab, part, listed)}"
    image = images.ensure(say, [images.TOOLS])[images.TOOLS]
    labels = ["--label", f"{LABEL}={lab.id}", "--label", f"{STATE_LABEL}={state_label()}"]
    return ["docker", "run", "--rm", *_terminal(lab, f"{part} tools"), "--name",
            f"{lab.id}{TOOLS_MARK}{secrets.token_hex(2)}", *labels, "--pid", joined, "--network", joined,
            "--cap-add", "SYS_PTRACE", "--pull", "never", image, *_bash()]


def _terminal(lab: Lab, part: str) -> list[str]:
    """Return the options of a terminal, if there is one. Its prompt names lab and part: it is not the Docker host's."""
    return ["-it", "-e", f"PS1={lab.id} {part} \\$ "] if sys.stdin.isatty() else ["-i"]


def _bash() -> list[str]:
    """Return the shell; a start file of the image would replace the prompt."""
    return ["bash", "--norc"] if sys.stdin.isatty() else ["bash"]


def logs_argv(lab: Lab, word: str, listed: Sequence[ListedContainer], *, follow: bool) -> list[str]:
    """Return the command that shows logs: of the engine, or the machine's journal and log files."""
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
