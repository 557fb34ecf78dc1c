"""Control of the parts that have a container of their own: Compose starts, stops and creates them again."""

from __future__ import annotations

from lab.scenario.scenario_file import Role
from lab.stack import docker_engine
from lab.stack.running_lab import Lab


def start(lab: Lab, role: Role, *, check: bool = True) -> None:
    """Start what is stopped."""
    service = lab.service(role)
    lab.compose("start", service, check=check)


def stop(lab: Lab, role: Role) -> None:
    """Stop its container."""
    lab.compose("stop", "-t", "5", lab.service(role))


def restart(lab: Lab, role: Role, *, check: bool = True) -> None:
    """Create its container again, from the files as they are now."""
    lab.compose("up", "-d", "--no-deps", "--force-recreate", lab.service(role), check=check)


def kill(lab: Lab, role: Role) -> None:
    """KILL its first process."""
    docker_engine.kill(lab.container(role))


def has_ended(lab: Lab, role: Role, *, once: bool) -> bool:
    """Return whether it is down and nothing will start it again; with `once`, whether it ended at least once."""
    seen = docker_engine.inspect(lab.container(role))
    state, restarts = seen.get("State", {}).get("Status", ""), seen.get("RestartCount", 0)
    return state in ("exited", "dead") or (once and restarts > 0)


def log_of(lab: Lab, role: Role) -> str:
    """Return the last lines of its container's log, both streams."""
    return docker_engine.logs_of(lab.container(role), tail=200).decode("utf-8", "replace")
