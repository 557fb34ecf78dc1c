"""Tests of fixer/hosts/docker_engine/docker_cli.py."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.errors import Unreachable
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.docker_cli import Docker
from fixer.hosts.machine import look_budget, run_process
from fixer.model.host import CommandResult


@pytest.mark.parametrize(("said", "hint"), [
    ("Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?", "systemctl start docker"),
    ("permission denied while trying to connect to the Docker daemon socket", "a user of the group docker"),
])
def test_an_engine_out_of_reach_names_what_to_do(said: str, hint: str) -> None:
    there = Docker(lambda argv, **_: CommandResult(tuple(argv), 1, b"", said.encode()))
    with pytest.raises(Unreachable) as failed:
        there("ps")
    assert hint in failed.value.hint and "running?" not in failed.value.hint


@pytest.mark.parametrize(("load", "remote", "hint"), [
    (14.75, False, "the load of this machine is 14.8 on 2 CPUs: look again when it is less busy"),
    (0.4, False, "look again; if that takes as long, docker info"), (14.75, True, "look again; if that takes as long, docker info"),
])
def test_a_look_that_is_over_is_not_the_daemon_s_fault(load: float, remote: bool, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the daemon had its own time, it does not answer."""
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    late = CommandResult(("docker", "ps"), None, b"", b"", timed_out=True)
    there = Docker(lambda argv, **_: late) if remote else Docker()
    with pytest.raises(Unreachable, match="the Docker daemon does not answer") as failed:
        there._require_daemon(late)
    assert failed.value.hint == "docker info shows why"
    monkeypatch.setattr(look_budget, "LOOK_SECONDS", 0.0)
    with look_budget.one_look(), pytest.raises(Unreachable) as failed:
        there._require_daemon(late)
    assert str(failed.value) == "docker: no answer before the 10 s of this look were over" and failed.value.hint.startswith(hint)


@pytest.mark.parametrize("name", ["DOCKER_HOST", "DOCKER_CONTEXT"])
def test_a_variable_that_names_another_engine_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command on another machine does not see it."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv(name, "tcp://nowhere:1")
    result = CommandResult(("docker",), 1, b"", b"Cannot connect to the Docker daemon at tcp://nowhere:1.")
    for there, hint in ((Docker(), f"unset {name}"), (Docker(lambda argv, **_: result), "systemctl start docker")):
        with pytest.raises(Unreachable) as failed:
            there._require_daemon(result)
        assert hint in failed.value.hint


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


def inspected(*argv: str) -> dict:
    return {"Name": "/c", "Path": argv[0], "Args": list(argv[1:])}


@pytest.mark.parametrize(("more", "may"), [
    ({}, False), ({"Config": {"Env": ["PATH=/bin", "NGINX_VERSION=1.27.3"]}}, True),
    ({"Mounts": [{"Destination": "/etc/nginx/conf.d"}]}, True), ({"Mounts": [{"Destination": "/srv"}], "Config": {}}, False),
    ({"HostConfig": {"PortBindings": {"443/tcp": [{"HostPort": "8443"}]}}}, True),
    ({"HostConfig": {"PortBindings": {"8000/tcp": [{"HostPort": "80"}]}}}, False), ({"Args": ["nginx"]}, True),
])
def test_a_stopped_container_whose_own_script_may_start_nginx(more: dict[str, object], may: bool) -> None:
    assert docker_cli.may_run_nginx({**inspected("/bin/sh", "/start.sh"), **more}) is may


def test_inspect_fields() -> None:
    item = json.loads("""{"Name": "/shop-web-1", "Id": "ab", "State": {"Status": "running", "Pid": 77},
        "Config": {"Labels": {"com.docker.compose.project": "shop", "com.docker.compose.project.working_dir": "/srv/shop",
        "com.docker.compose.project.config_files": "/srv/shop/a.yaml,/srv/shop/b.yaml",
        "com.docker.compose.project.environment_file": "/srv/shop/.env"}},
        "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "b"}, "shop_default": {"NetworkID": "n1"}}}}""")
    assert docker_cli.name_of(item) == "shop-web-1"
    assert (docker_cli.status_of(item), docker_cli.pid_of(item), docker_cli.user_networks(item)) == ("running", 77, ("shop_default",))
    assert list(docker_cli.compose_arguments(docker_cli.labels_of(item))) == [
        "compose", "--project-name", "shop", "--project-directory", "/srv/shop", "--file", "/srv/shop/a.yaml",
        "--file", "/srv/shop/b.yaml", "--env-file", "/srv/shop/.env"]
    assert docker_cli.labels_of({"Config": None}) == {}
    assert not docker_cli.runs_here(os.getpid(), "0" * 64)
    assert not docker_cli.runs_here(0, "0" * 64)


@pytest.mark.parametrize(("label", "named"), [
    ("config_files", "/etc/shadow"), ("config_files", "/srv/a.yaml,https://evil.example/x.yaml"), ("config_files", "oci://evil.example/x"),
    ("config_files", "a.yaml"), ("environment_file", "/etc/shadow"),
])
def test_no_label_has_compose_read_another_file(label: str, named: str) -> None:
    """An image brings labels along; what compose cannot use, a line of /etc/shadow, it repeats in its complaint."""
    assert docker_cli.compose_arguments({f"com.docker.compose.project.{label}": named}) == ()


@pytest.mark.parametrize(("printed", "code", "kept"), [
    (b" Container shop-db-1  Recreated\n Container shop-api-1  Running", 0, True),
    (b" Container shop-api-1  Recreate\n Container shop-db-1  Running", 0, False),
    (b" DRY-RUN MODE -  Container shop-api-1  Recreated", 0, False),
    (b"", 0, True), (b"no such service", 1, False),
])
def test_which_containers_a_dry_run_would_replace(printed: bytes, code: int, kept: bool) -> None:
    assert docker_cli.keeps_containers(CommandResult((), code, b"", printed), ["shop-api-1"]) is kept
