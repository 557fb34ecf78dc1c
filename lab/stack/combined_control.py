"""Control of the programs in an all-in-one container: through its supervisord, or by the script that it starts.

Nothing starts again what such a script has started: only a restart of the whole container does."""

from __future__ import annotations

from collections.abc import Iterable

from lab.scenario.render import File, Link
from lab.scenario.scenario_file import Role
from lab.stack import container_control, docker_engine
from lab.stack.disk import fill_machine, write_machine
from lab.stack.running_lab import Lab
from lab.stack.service_control import SUPERVISORCTL, has_program_ended

_STEADY_PLACES = ("unit",)  # of its variables: supervisord reads them itself
# Ends the processes of a command and what they have started: no image of such a product has pkill.
_SIGNAL = """
import os, signal, sys, time
number, word = getattr(signal, sys.argv[1]), sys.argv[2]
def found():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            said = open(f"/proc/{name}/cmdline", "rb").read().decode("utf-8", "replace").replace("\\0", " ")
            ended = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if word in said and not ended and int(name) not in (1, os.getpid()):
            yield int(name)
for _ in range(100):
    left = list(found())
    if not left:
        sys.exit(0)
    for pid in left:
        os.kill(pid, number)
    time.sleep(0.1)
sys.exit(1)
"""
_LOOK = _SIGNAL.partition("for _ in range")[0] + "sys.exit(not list(found()))"


def write_inside(lab: Lab, entries: Iterable[File | Link]) -> None:
    """Write files in the container, running or not."""
    write = write_machine if docker_engine.state_of(lab.container()) == "running" else _write_stopped
    write(lab.container(), entries)


def _write_stopped(container: str, entries: Iterable[File | Link]) -> None:
    fill_machine(container, entries, 0.0)


def _is_supervised(lab: Lab) -> bool:
    return lab.deployment.manager == "supervisord"


def _program(lab: Lab, role: Role) -> str:
    """Return the name of a part for supervisorctl."""
    deployment = lab.deployment
    if role == "web":
        return "nginx"
    return deployment.control_name if role == "backend" else (
        f"{deployment.word}:{deployment.second_unit}" if deployment.grouped else deployment.second_unit)


def command_word(lab: Lab, role: Role) -> str:
    """Return a word of the command line of a part's processes alone."""
    deployment = lab.deployment
    if role == "web":
        return "nginx: "
    if role == "second":
        return f"--port {deployment.second_port}"
    return deployment.hop.removeprefix("unix:") if deployment.unix else f"{deployment.port}"


def start(lab: Lab, role: Role, *, check: bool = True) -> None:
    """Start what is stopped; without supervisord the whole container starts again."""
    if _is_supervised(lab):
        lab.run_in("web", [*SUPERVISORCTL, "start", _program(lab, role)], check=check)
    else:
        docker_engine.restart(lab.container(), timeout=5)


def stop(lab: Lab, role: Role) -> None:
    """Stop a part. nginx is the container's first process if there is no supervisord."""
    if _is_supervised(lab):
        lab.run_in("web", [*SUPERVISORCTL, "stop", _program(lab, role)])
    elif role == "web":
        container_control.stop(lab, role)
    else:
        _signal(lab, role, "SIGTERM")


def restart(lab: Lab, role: Role, *, check: bool = True) -> None:
    """Let a part read its files again. Variables of the compose file, and a script, need a new container."""
    if not _is_supervised(lab) or (role == "backend" and lab.deployment.env_place not in _STEADY_PLACES):
        container_control.restart(lab, role, check=check)
        return
    before = _pid(lab, role)
    lab.run_in("web", [*SUPERVISORCTL, "update"], check=check)
    if _pid(lab, role) in ("", "0", before):
        lab.run_in("web", [*SUPERVISORCTL, "restart", _program(lab, role)], check=check)


def _pid(lab: Lab, role: Role) -> str:
    return lab.run_in("web", [*SUPERVISORCTL, "pid", _program(lab, role)], check=False).text.strip()


def kill(lab: Lab, role: Role) -> None:
    """KILL all its processes, without its manager."""
    _signal(lab, role, "SIGKILL")


def _signal(lab: Lab, role: Role, name: str) -> None:
    lab.run_in("web", ["python3", "-c", _SIGNAL, name, command_word(lab, role)])


def has_ended(lab: Lab, role: Role, *, once: bool) -> bool:
    """Return whether it is down and nothing will start it again; with `once`, whether it ended at least once."""
    if docker_engine.state_of(lab.container()) != "running":
        return container_control.has_ended(lab, role, once=once)
    if _is_supervised(lab):
        return has_program_ended(lab, _program(lab, role), once=once)
    return lab.run_in("web", ["python3", "-c", _LOOK, "", command_word(lab, role)], check=False).code != 0


def log_of(lab: Lab, role: Role) -> str:
    """Return the last lines of a part: of the container's log, and of its own files."""
    said = docker_engine.logs_of(lab.container(), tail=400)
    own = _program(lab, role).rpartition(":")[2]
    script = 'for file in /var/log/"$1".log /var/log/supervisor/"$1"-*.log; do tail -n 200 "$file" 2>/dev/null; done'
    files = lab.run_in("web", ["sh", "-c", script, "sh", own], check=False).out
    return (said + files).decode("utf-8", "replace")
