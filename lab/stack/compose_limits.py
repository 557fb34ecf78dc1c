"""Limits of a compose file that a scenario of somebody else may have changed: no file of the Docker host. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CREATING_VERBS = ("up", "create", "start", "restart", "run")  # after which containers have their mounts
_CGROUPS = "/sys/fs/cgroup"  # the machine of the host stack mounts it
_REFUSED = ("privileged", "devices", "device_cgroup_rules", "volumes_from", "build", "userns_mode", "extends")
_HOST_NAMESPACES = ("pid", "ipc", "uts")


def config_problem(config: Mapping[str, Any], folder: Path) -> str:
    """Return the first thing that reaches beyond the lab's folder; empty if nothing does.
    `config` is the output of `docker compose config --format json`."""
    return next(_problems(config, os.path.realpath(folder)), "")


def _problems(config: Mapping[str, Any], folder: str) -> Iterator[str]:
    for name, service in (config.get("services") or {}).items():
        for key in _REFUSED:
            if service.get(key):
                yield f"services.{name}.{key} is not allowed"
        for key in _HOST_NAMESPACES:
            if str(service.get(key, "")).startswith("host"):
                yield f"services.{name}.{key}: the Docker host's is not allowed"
        for mount in service.get("volumes") or ():
            source = str(mount.get("source", ""))
            if mount.get("type") == "bind" and not _is_own(source, folder):
                yield f"services.{name}.volumes: {source} is not in the lab's folder"
    for name, made in (config.get("volumes") or {}).items():
        if (made or {}).get("driver_opts") or (made or {}).get("external"):  # which may mount any folder
            yield f"volumes.{name}: an option of the driver, or a volume of somebody else, is not allowed"
    for kind in ("configs", "secrets"):
        for name, made in (config.get(kind) or {}).items():
            if not _is_own(str((made or {}).get("file", folder)), folder):
                yield f"{kind}.{name}.file is not in the lab's folder"


def _is_own(source: str, folder: str) -> bool:
    """Return whether the path, with its links resolved as Docker resolves them, is in the folder."""
    real = os.path.realpath(source)
    is_cgroup = f"{os.path.normpath(source)}/".startswith(f"{_CGROUPS}/")  # the machine's, or in a class its part
    return is_cgroup or real == folder or real.startswith(f"{folder}/")


def creates(words: Sequence[str]) -> bool:
    """Return whether this compose command may create a container."""
    return any(word in CREATING_VERBS for word in words)
