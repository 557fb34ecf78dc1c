"""One history and one lock for the same containers, however they are called: by project, name or id."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.apply.target_lock import hold_lock
from fixer.errors import Locked, Unreachable
from fixer.hosts.compose import ComposeTarget
from fixer.hosts.docker import DockerTarget
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.docker_cli import Docker
from fixer.hosts.machine import run_process
from fixer.hosts.open_target import parse_target
from fixer.model.host import CommandResult


def item(project: str) -> dict[str, object]:
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": "web"} if project else {}
    return {"Name": "/shop-web-1", "Id": "0123456789ab", "Config": {"Labels": labels, "Cmd": ["nginx"]}, "State": {}, "Path": "nginx"}


@pytest.mark.parametrize(("project", "place"), [("shop", "compose-shop"), ("", "docker-shop-web-1")])
def test_every_spelling_has_the_same_place(project: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    for word in ("docker://shop-web-1", "docker://0123456789ab"):
        assert DockerTarget(parse_target(word), item(project)).journal_location()[1].endswith(f"/targets/{place}")


def test_two_spellings_do_not_work_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    one, other = DockerTarget(parse_target("docker://shop-web-1"), item("shop")), ComposeTarget(parse_target("compose://shop"), [item("shop")])
    writer, folder = one.journal_location()
    with hold_lock(writer.files, folder, "a repair"), pytest.raises(Locked, match="a repair is at work"):
        beside, there = other.journal_location()
        with hold_lock(beside.files, there, "an undo"):
            pass


@pytest.mark.parametrize(("said", "hint"), [
    ("Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?", "systemctl start docker"),
    ("permission denied while trying to connect to the Docker daemon socket", "a user that may use Docker"),
])
def test_an_engine_out_of_reach_names_what_to_do(said: str, hint: str) -> None:
    there = Docker(lambda argv, **_: CommandResult(tuple(argv), 1, b"", said.encode()))
    with pytest.raises(Unreachable) as failed:
        there("ps")
    assert hint in failed.value.hint and "running?" not in failed.value.hint


def test_who_may_not_use_docker_is_told_so_and_not_which_request_failed() -> None:
    said = ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
            'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.45/containers/json?all=1": dial unix: connect: permission denied')
    there = Docker(lambda argv, **_: CommandResult(tuple(argv), 1, b"", said.encode()))
    with pytest.raises(Unreachable) as caught:
        there("ps")
    assert "at unix:///var/run/docker.sock: dial unix: connect: " in str(caught.value) and "http" not in str(caught.value)


def test_an_up_that_is_only_tried_notes_nothing_at_home() -> None:
    """What compose notes of its builders goes to a folder that is gone afterwards; the command's own end is told."""
    done = run_process.run(docker_cli.with_temporary_buildx("sh", "-c", 'echo "$BUILDX_CONFIG $1"; : >"$BUILDX_CONFIG/current"; exit 3', "sh", "a 'b"))
    folder, _, word = done.stdout.decode().strip().partition(" ")
    assert (done.returncode, word, Path(folder).is_absolute(), Path(folder).exists()) == (3, "a 'b", True, False)


@pytest.mark.parametrize("words", [docker_cli.with_memory_limit, docker_cli.with_temporary_buildx])
def test_what_reads_the_files_of_a_project_takes_so_much_memory_and_no_more(words: Callable[..., tuple[str, ...]]) -> None:
    """An env_file may be a link to /dev/zero, and compose reads it to its end."""
    runs = [run_process.run(words(sys.executable, "-c", f"len(bytearray({size} << 20))"), timeout=30).returncode for size in (50, 700)]
    assert runs == [0, 1]
