"""Parameters that only some stacks have: how each is built, and its paths and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal

from lab.scenario.scenario_file import Stack


@dataclass(frozen=True, kw_only=True)
class HostStructure:
    """How a machine is built, and the inside of an all-in-one container."""

    runner: Literal["", "script", "module"] = ""
    old_log: bool = False
    bind: str = ""


@dataclass(frozen=True, kw_only=True)
class ContainersStructure:
    """How a Compose project is built."""

    mount: Literal["", "folder", "file"] = ""


@dataclass(frozen=True, kw_only=True)
class CombinedStructure:
    """How an all-in-one container is built."""

    entry: Literal["", "supervisord", "entrypoint"] = ""  # what the container starts; a script ends in nginx
    kept: Literal["", "bind", "volume"] = ""  # what holds the configuration: folders of the project, or volumes
    log_place: Literal["", "streams", "files"] = ""
    grouped: bool = False  # supervisord's programs of the application are a group


@dataclass(frozen=True, kw_only=True)
class HostPaths:
    """Paths and commands of a machine."""

    folder: str = ""
    unit_command: str = ""
    envfile: str = ""
    sources: bool = False
    exports: bool = False
    by_hand: bool = False
    listen_stream: str = ""
    autorestart: str = ""
    has_envfile: bool = False
    second_user: str = ""


@dataclass(frozen=True, kw_only=True)
class ContainersPaths:
    """Paths in the lab's folder, and what a compose file says."""

    has_environment: bool = False
    restart_word: str = ""
    conf_folder: str = ""
    named_volumes: bool = False
    has_conf_folder: bool = False


@dataclass(frozen=True, kw_only=True)
class CombinedPaths:
    """Paths of an all-in-one container, and commands of its programs."""

    has_script: bool = False  # a script of the application's folder is what the container starts
    start_script: str = ""  # what the container starts, if it is a script
    control_name: str = ""  # the application, as supervisorctl names it
    nginx_log: str = ""  # a file of its own; empty if nginx logs to the container's streams


_OWN_GROUPS: Mapping[Stack, tuple[type, ...]] = {
    "host": (HostStructure, HostPaths), "containers": (ContainersStructure, ContainersPaths),
    "all-in-one": (CombinedStructure, CombinedPaths, HostStructure, HostPaths, ContainersPaths),
}


@cache
def foreign_fields(stack: Stack) -> frozenset[str]:
    """Return the fields that only other stacks have."""
    others = {one.name for groups in _OWN_GROUPS.values() for group in groups for one in fields(group)}
    return frozenset(others).difference(one.name for group in _OWN_GROUPS[stack] for one in fields(group))
