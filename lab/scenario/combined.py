"""The all-in-one stack: nginx, the servers and what starts them in one container; what its draw and its disk hold.

Its configuration is no part of its image: folders of the project or named volumes hold it. A path inside is kept in the
lab's folder if such a folder is mounted there, else it is a path of the container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.scenario.deployment_fields import CompleteDeployment, Deployment, replace

_PORT_PLACES = ("command", "wrapper")
_ENV_PLACES = ("unit", "env_file", "environment")


@dataclass(frozen=True, slots=True)
class Mount:
    """A path inside that outlives the container: a folder, or nginx's main file."""

    path: str
    volume: str  # its name, if a volume holds it
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class InnerProgram:
    """A program beside nginx: its name, command, folder and account."""

    name: str
    command: str
    folder: str
    account: str


def resolve_combined(drawn: Deployment) -> Deployment:
    """Restrict the draws to what one container supports. A scenario that is about supervisord gets it."""
    manager = drawn.manager if drawn.manager == "supervisord" else drawn.entry
    port_place = drawn.port_place if drawn.port_place in _PORT_PLACES else "command"
    env_place = drawn.env_place if drawn.env_place in _ENV_PLACES else "environment"
    place = "confd" if drawn.place == "link" else drawn.place
    policy = "unless-stopped" if drawn.restart_policy == "always" else drawn.restart_policy
    return replace(drawn, manager=manager or "supervisord", entry=manager or "supervisord", port_place=port_place,
                   env_place=env_place, place=place, restart_policy=policy, instance="",
                   redirect=drawn.redirect and drawn.log_place == "files")


def mounts_of(full: CompleteDeployment) -> Iterator[Mount]:
    """Yield what is mounted into the container."""
    if full.kept == "volume":
        yield Mount("/etc/nginx", "nginx")
    else:
        yield Mount("/etc/nginx/conf.d", "nginx", is_read_only=True)
        if full.place == "main":
            yield Mount("/etc/nginx/nginx.conf", "", is_read_only=True)
        if full.place in ("snippet", "nested"):
            yield Mount("/etc/nginx/snippets", "", is_read_only=True)
    if full.manager == "supervisord":
        yield Mount("/etc/supervisor/conf.d", "supervisor", is_read_only=full.kept == "bind")
    yield Mount(full.home, full.word)
    if full.second_site:
        yield Mount(full.second_home, full.second)
    for shown, name in ((full.stranger, full.neighbour), (full.noise_site, full.noise_name),
                        (full.noise_listener, full.noise_listener_name)):
        if shown:
            yield Mount(program_folder(name), name)


def program_folder(name: str) -> str:
    """Return the folder of a program that is no part of the office."""
    return f"/usr/lib/{name}"


def kept_path(full: CompleteDeployment, path: str) -> str:
    """Return where a path of the container is written: in the lab's folder, or inside."""
    if full.kept == "bind" and any(path == one.path or path.startswith(f"{one.path}/") for one in mounts_of(full)):
        return f"{full.web}{path}"
    return path


def inner_programs(full: CompleteDeployment) -> Iterator[InnerProgram]:
    """Yield the programs beside nginx; the application is the first."""
    yield InnerProgram(full.unit, full.unit_command, full.workdir, full.run_as)
    if full.second_site:
        yield InnerProgram(full.second_unit, f"/usr/bin/python3 -m uvicorn app.main:app --host 127.0.0.1 --port "
                           f"{full.second_port}", full.second_home, "www-data")
    if full.stranger:
        path = f"{program_folder(full.neighbour)}/{full.neighbour}.py"
        yield InnerProgram(full.neighbour, f"/usr/bin/python3 {path} 127.0.0.1 {full.neighbour_port}", "/", "nobody")
    for shown, name, port, mode in ((full.noise_site, full.noise_name, full.noise_port, "feed"),
                                    (full.noise_listener, full.noise_listener_name, full.tempting_port, "open")):
        if shown:
            command = f"/usr/bin/python3 {program_folder(name)}/aside.py 127.0.0.1:{port} {mode}"
            yield InnerProgram(f"{name}-feed" if mode == "feed" else name, command, "/", "nobody")
