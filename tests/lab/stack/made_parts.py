"""Whether a lab on its way up has a part yet, asked often: a `docker` each time costs more than what is waited for."""

from __future__ import annotations

from lab.stack import docker_engine


def is_made(kind: str, lab_id: str) -> bool:
    """Return whether the engine has a container, network or volume of the lab."""
    return bool(docker_engine._ids_of(kind, lab_id))
