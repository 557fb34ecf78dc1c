"""Containers of the contract: started with testcontainers, named by label, removed at the end."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.machine.look_budget import one_look
from fixer.hosts.nodes.container_node import ContainerAsker, ContainerWriter, docker_exec_prefix
from fixer.hosts.sh.sh_asker import ShAsker
from fixer.hosts.sh.sh_files import ShFiles
from fixer.model.host import CommandResult
from tests.contract import transports
from tests.contract.container_shell import run_inside, shell_in
from tests.contract.transports import Transport

IMAGE = "debian:trixie-slim"
LABEL = "badgateway.test"


@pytest.fixture(scope="session")
def debian() -> Iterator[str]:
    """The name of a running container with Debian's essential tools and nothing else."""
    from testcontainers.core.container import DockerContainer

    have = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    if have.returncode != 0:
        pytest.skip(f"no image {IMAGE}; script/test makes it")
    container = DockerContainer(IMAGE).with_command("sleep 3600").with_kwargs(labels={LABEL: "contract"})
    with container as running:
        name = running.get_wrapped_container().name
        yield name
        _files_in(name).close()


@pytest.fixture(params=["local", "sh", "bash", "busybox", "lasting", pytest.param("docker", marks=pytest.mark.docker),
                        pytest.param("docker-sh", marks=pytest.mark.docker)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transport]:
    """Every place that answers, one after the other."""
    kind = str(request.param)
    if not kind.startswith("docker"):
        if not transports.has_shell(kind):
            pytest.skip(f"no {kind} on this machine")
        found = transports.LOCAL_TRANSPORTS[kind](tmp_path)
    else:
        found = _container_transport(request.getfixturevalue("debian"), kind)
    with one_look() if kind == "lasting" else contextlib.nullcontext() as look:
        if look is not None:
            look.extend(3600.0)
        yield found
    if isinstance(found.files, ShFiles) and not kind.startswith("docker"):
        found.files.close()


def _container_transport(name: str, kind: str) -> Transport:
    root = run_inside(name, "mktemp -d")
    node = ContainerAsker(name, docker_cli.inspect_one(name))
    asker = node if kind == "docker" else ShAsker(name, "container", node._shell)

    def sh(script: str, *args: str, timeout: float = 20.0) -> CommandResult:
        done = shell_in(name).run(script, *args)
        assert done.returncode == 0, done
        return CommandResult(tuple(done.args), done.returncode, done.stdout, done.stderr)

    return Transport(asker, _files_in(name), root, sh)


@functools.cache
def _files_in(name: str) -> ShFiles:
    """One shell for all tests, as a repair has one for all its steps."""
    return ShFiles(lambda words: (*docker_exec_prefix(name), *words))


@pytest.fixture
def writer(debian: str) -> ContainerWriter:
    """The container as repairs see it."""
    return ContainerWriter(debian, docker_cli.inspect_one(debian))
