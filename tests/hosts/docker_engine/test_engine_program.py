"""The engine's command line: docker, or podman where only that is there, or only that knows the container."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fixer.errors import NoSuchTarget
from fixer.hosts.docker_engine import docker_cli, engine_program
from fixer.hosts.docker_engine.docker_cli import docker_argv, inspect_one, is_docker_command
from fixer.hosts.docker_engine.engine_program import choose_engine


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The choice holds for a run, and a test is one."""
    monkeypatch.setattr(engine_program, "_chosen", [])
    yield


def installed(folder: Path, *programs: str, knows: Sequence[str] = ()) -> str:
    """A PATH with these programs; `knows` are those that know a container called shop."""
    for program in programs:
        body = 'echo "[{\\"Id\\": \\"1\\", \\"Name\\": \\"/shop\\"}]"' if program in knows else "echo '[]'; exit 1"
        (folder / program).write_text(f"#!/bin/sh\n{body}\n")
        (folder / program).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(("programs", "chosen"), [
    (("docker", "podman"), "docker"), (("docker",), "docker"), (("podman",), "podman"), ((), "docker"),
])
def test_what_is_installed_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], chosen: str) -> None:
    monkeypatch.setenv("PATH", installed(tmp_path, *programs))
    assert docker_argv("ps") == [chosen, "ps"] and is_docker_command((chosen, "ps"))


@pytest.mark.parametrize("programs", [("docker", "podman"), ("podman",)])
def test_the_engine_that_knows_the_container_is_the_one_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PATH", installed(tmp_path, *programs, knows=("podman",)))
    assert docker_cli.name_of(inspect_one("shop")) == "shop" and docker_argv() == ["podman"]


def test_a_container_that_neither_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", installed(tmp_path, "docker", "podman"))
    with pytest.raises(NoSuchTarget, match="no container shop"):
        inspect_one("shop")
    assert docker_argv() == ["docker"]


def test_another_machine_has_its_own() -> None:
    assert choose_engine(lambda program: program == "podman") and docker_argv() == ["podman"]
    assert not choose_engine(lambda program: False) and docker_argv() == ["podman"]


@pytest.mark.docker
def test_a_host_that_has_only_podman(tmp_path: Path) -> None:
    """Podman takes the words of docker: here Docker itself stands behind that name, since CI has no Podman."""
    real = subprocess.run(["which", "docker"], capture_output=True, text=True, check=True).stdout.strip()
    for place in ("/usr/bin", "/bin", "/usr/sbin"):
        for program in Path(place).iterdir():
            if program.name not in ("docker", "podman") and not (tmp_path / program.name).exists():
                (tmp_path / program.name).symlink_to(program)
    (tmp_path / "podman").write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    (tmp_path / "podman").chmod(0o755)
    said = subprocess.run([sys.executable, "-m", "fixer", "diagnose", "docker://nobody-has-this-name"], capture_output=True, text=True,
                          check=False, env={**os.environ, "PATH": str(tmp_path)})
    assert said.returncode == 3 and "there is no container nobody-has-this-name" in said.stderr
