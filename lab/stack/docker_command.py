"""Commands of this machine: Docker Compose, and what quick commands ask `docker` without the SDK's import.

docker_engine does everything else that the lab does with the engine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from lab.errors import LabError, NoDocker, UnexpectedState
from lab.paths import data_root

LABEL = "badgateway.lab"
STATE_LABEL = "badgateway.lab.state"
DEBIAN_PACKAGES = "docker.io docker-cli docker-compose"


@dataclass(frozen=True, slots=True)
class FinishedCommand:
    """A finished command."""

    argv: tuple[str, ...]
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Return its output, without surrounding blanks."""
        return self.out.decode("utf-8", "replace").strip()

    @property
    def error_line(self) -> str:
        """Return the last line of its error output."""
        lines = (self.err or self.out).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


def run(
    argv: Sequence[str], *, check: bool = True, stdin: bytes = b"", timeout: float = 120.0,
    environment: Mapping[str, str] | None = None,
) -> FinishedCommand:
    """Run a command to its end. With `check`, raise a failure with its error text."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False, env=environment)
    except FileNotFoundError as error:
        raise NoDocker(f"no command {argv[0]!r} is installed",
                       f"install Docker and Compose (Debian 13: apt install {DEBIAN_PACKAGES}){_or_demo()}") from error
    except subprocess.TimeoutExpired as error:
        raise UnexpectedState(f"`{' '.join(argv[:6])}` did not end within {timeout:.0f} s") from error
    ran = FinishedCommand(tuple(argv), done.returncode, done.stdout, done.stderr)
    if check and ran.code != 0:
        raise LabError(f"`{' '.join(argv[:8])}` failed: {ran.error_line}")
    return ran


def docker(*words: str, check: bool = True, stdin: bytes = b"", timeout: float = 120.0) -> FinishedCommand:
    """Run docker."""
    return run(["docker", *words], check=check, stdin=stdin, timeout=timeout)


def no_engine() -> NoDocker:
    """Return the error that no engine answers, with what to do: a variable may name another one than this machine's."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if named := os.environ.get(name):
            return NoDocker(f"no Docker engine answers at {named}, which {name} names",
                            f"unset {name} to use this machine's engine")
    return NoDocker("no Docker engine answers", f"start it (systemctl start docker){_or_demo()}")


def _or_demo() -> str:
    """Return the script that installs and starts Docker; a wheel does not bring it."""
    return ", or run script/demo" if (data_root() / "script/demo").exists() else ""


@cache
def require_docker() -> None:
    """Raise NoDocker unless an engine and compose answer."""
    with ThreadPoolExecutor(1) as beside:  # each is slow to start
        compose = beside.submit(docker, "compose", "version", check=False)
        asked = run(["docker", "version", "--format", "{{.Server.Version}}"], check=False, timeout=20.0)
    if asked.code != 0 and b"permission denied" in asked.err:
        raise NoDocker("this user may not use Docker", "run it as root, or as a member of the group docker")
    if asked.code != 0:
        raise no_engine()
    if compose.result().code != 0:
        raise NoDocker("Docker has no compose plugin", "install docker-compose (Debian) or docker-compose-plugin")


def labelled_ids(kind: str, lab_id: str | None = None) -> tuple[str, ...]:
    """Return the ids of containers, networks or volumes that labs created: of one lab, else of all."""
    wanted = f"label={LABEL}" + (f"={lab_id}" if lab_id else "")
    words = ["ps", "-aq", "--no-trunc"] if kind == "container" else [kind, "ls", "-q"]
    return tuple(docker(*words, "--filter", wanted).text.split())


@dataclass(frozen=True, slots=True)
class ListedContainer:
    """A container of a lab as `docker ps` lists it; `ports` is such as `127.0.0.1:32768->80/tcp, 443/tcp`.
    `service` is its service in the compose file; empty for a container that Compose did not create."""

    lab_id: str
    name: str
    state: str
    ports: str
    service: str = ""

    def published_port(self, port: int) -> int | None:
        """Return the Docker host's port of a port inside; None if it is not published."""
        found = re.search(rf":(\d+)->{port}/tcp", self.ports)
        return int(found[1]) if found else None


def listed_containers() -> tuple[ListedContainer, ...]:
    """Return the containers of all labs."""
    form = "\t".join((f'{{{{.Label "{LABEL}"}}}}', "{{.Names}}", "{{.State}}", "{{.Ports}}",
                      '{{.Label "com.docker.compose.service"}}'))
    lines = docker("ps", "-a", "--filter", f"label={LABEL}", "--format", form).out.decode().splitlines()
    return tuple(ListedContainer(*line.split("\t")) for line in lines)


def existing_lab_ids() -> tuple[str, ...]:
    """Return the ids of all labs that still have a container or a network."""
    found = set()
    for words in (["ps", "-a"], ["network", "ls"]):
        shown = docker(*words, "--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}')
        found |= set(shown.text.split())
    return tuple(sorted(found))


def state_folders_of_labs() -> dict[str, str]:
    """Return every lab with a container, network or volume, and its state folder; empty without a label."""
    owners: dict[str, str] = {}
    for words in (["ps", "-a"], ["network", "ls"], ["volume", "ls"]):
        form = f'{{{{.Label "{LABEL}"}}}}\t{{{{.Label "{STATE_LABEL}"}}}}'
        for line in docker(*words, "--filter", f"label={LABEL}", "--format", form).text.splitlines():
            lab_id, _, state = line.strip().partition("\t")
            owners[lab_id] = owners.get(lab_id) or state
    return owners
