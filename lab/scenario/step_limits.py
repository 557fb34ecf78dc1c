"""Limits of what a scenario may do on the Docker host: files of the lab's folder, and its own containers. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence

from lab.scenario.scenario_file import Table

# Commands that neither copy files to the Docker host nor mount any of them.
_COMPOSE_VERBS = ("up", "down", "create", "start", "stop", "restart", "kill", "rm", "pause", "unpause")
_CONTAINER_VERBS = ("start", "stop", "restart", "kill", "pause", "unpause", "rm", "exec")
_RUN_FLAGS = ("-d", "--detach", "--rm", "-i", "--init", "--read-only")
_RUN_OPTIONS = ("--name", "--label", "--network", "--memory", "--cpus", "--pids-limit", "--stop-timeout",
                "--entrypoint", "--user", "-u", "--env", "-e", "--workdir", "-w", "--hostname", "--tmpfs", "--cap-add",
                "--cap-drop")
_CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SYS_PTRACE")


def path_problem(path: str) -> str:
    """Return why this is no path in the lab's folder; empty if it is one. A path from `/` is a path in a container."""
    if path.startswith("/"):
        return ""
    if not path or "\0" in path:
        return "is no path"
    return "leaves the lab's folder" if ".." in path.split("/") or posixpath.normpath(path) == "." else ""


def link_problem(path: str, target: str) -> str:
    """Return why a link may not lead there; empty if it may. In the lab's folder it leads to a path of that folder."""
    if path.startswith("/") or path_problem(path):
        return path_problem(path)
    led = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return "leads out of the lab's folder" if target.startswith("/") or led.split("/")[0] == ".." else ""


def step_problem(step: Table, lab_id: str) -> str:
    """Return why a step of a scenario, with its parameters filled in, goes beyond the lab; empty if it does not."""
    for key in ("edit", "write", "remove", "link"):
        if key in step and (found := path_problem(str(step[key]))):
            return f"{key}: {step[key]!r} {found}"
    if "link" in step and (found := link_problem(str(step["link"]), str(step["to"]))):
        return f"to: {step['to']!r} {found}"
    for key, judge in _COMMANDS.items():
        if key in step and (found := judge([str(word) for word in step[key]], lab_id)):
            return f"{key}: {found}"
    return ""


def _compose_problem(words: Sequence[str], lab_id: str) -> str:
    """Return why this is no command on the lab's own services; an option in front could name other files."""
    verb = words[0] if words else ""
    return "" if verb in _COMPOSE_VERBS else f"{verb!r} is none of {', '.join(_COMPOSE_VERBS)}"


def _docker_problem(words: Sequence[str], lab_id: str) -> str:
    match list(words):
        case ["run", *rest]:
            return _run_problem(rest, lab_id)
        case ["network", "connect" | "disconnect", *rest]:
            return _foreign_names([word for word in rest if not word.startswith("-")][:2], lab_id)
        case [verb, *rest] if verb in _CONTAINER_VERBS:
            return _foreign_names(_container_names(verb, rest), lab_id)
        case _:
            return f"{' '.join(words[:2])!r} is no command on a container of the lab"


def _container_names(verb: str, rest: Sequence[str]) -> list[str]:
    """Return the containers that a command names: all words but options, or of `exec` the first."""
    names, skip = [], False
    for word in rest:
        if skip:
            skip = False
        elif word in ("-t", "-s", "--time", "--signal", "-u", "--user", "-e", "--env", "-w", "--workdir"):
            skip = True
        elif not word.startswith("-"):
            names.append(word)
            if verb == "exec":
                break
    return names


def _foreign_names(names: Sequence[str], lab_id: str) -> str:
    foreign = [name for name in names if not name.startswith((f"{lab_id}-", f"{lab_id}_"))]
    return f"{foreign[0]!r} is not of this lab" if foreign else "" if names else "names no container"


def _run_problem(words: Sequence[str], lab_id: str) -> str:
    """Return why a container may not run so: only known options, no file and no network of the Docker host."""
    given, labelled = iter(words), False
    for word in given:
        if not word.startswith("-"):
            return "" if labelled else f"needs --label badgateway.lab={lab_id}"
        if word in _RUN_FLAGS:
            continue
        name, equals, value = word.partition("=")
        if name not in _RUN_OPTIONS:
            return f"{name} is not allowed"
        value = value if equals else next(given, "")
        labelled |= (name, value) == ("--label", f"badgateway.lab={lab_id}")
        if found := _option_problem(name, value, lab_id):
            return found
    return "names no image"


def _option_problem(name: str, value: str, lab_id: str) -> str:
    if name == "--cap-add" and value not in _CAPABILITIES:
        return f"--cap-add {value} is none of {', '.join(_CAPABILITIES)}"
    if name == "--network":
        return "" if value == "none" else _foreign_names([value.removeprefix("container:")], lab_id)
    return _foreign_names([value], lab_id) if name == "--name" else ""


_COMMANDS: Mapping[str, Callable[[Sequence[str], str], str]] = {"compose": _compose_problem, "docker": _docker_problem}
