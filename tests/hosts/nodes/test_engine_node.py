"""What the Docker host is asked in one round: its calls beside each other, and nothing twice in one look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fixer.hosts.docker_engine.docker_cli import Docker
from fixer.hosts.nodes.engine_node import EngineAsker
from fixer.model.host import Asker, CommandResult
from fixer.model.query import Command

LABELS = {
    "com.docker.compose.project": "shop", "com.docker.compose.service": "api",
    "com.docker.compose.project.config_files": "/srv/shop/compose.yaml",
    "com.docker.compose.project.working_dir": "/srv/shop",
}
FOUND = [{"Name": "/shop-api-1", "Config": {"Labels": LABELS}}]


class Here:
    """The machine itself, of which nothing is asked."""

    def ask(self, queries: object) -> dict[object, object]:
        assert not queries
        return {}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a `docker` notes each call, and `logs` waits until another one has begun."""
    program = tmp_path / "docker"
    program.write_text(
        '#!/bin/sh\n'
        f'cd {tmp_path}\n'
        'echo "$*" >> calls\n'
        'case $1 in\n'
        '    logs) mkdir "began-$5"; n=0\n'
        '        until [ $(ls -d began-* | wc -l) = 2 ]; do n=$((n+1)); [ $n -lt 500 ] || exit 9; sleep 0.01; done ;;\n'
        '    compose) echo "api 1234" ;;\n'
        'esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def engine(here: Asker) -> EngineAsker:
    return EngineAsker({Command("docker-project", ("shop",)): FOUND}, here)


def test_calls_of_one_round_run_beside_each_other(docker: Path) -> None:
    logs = [Command("docker-logs", ("one", "20")), Command("docker-logs", ("two", "20"))]
    answers = engine(Here()).ask(logs)      # type: ignore[arg-type]
    assert {answers[query].status for query in logs} == {"ok"}


def test_what_compose_would_make_is_asked_of_the_containers_that_were_found(docker: Path) -> None:
    query, asked = Command("compose-hash", ("shop", "*")), engine(Here())       # type: ignore[arg-type]
    answer = asked.ask([query])[query]
    assert answer.status == "ok" and answer.data == b"api 1234\n"
    assert all(line.startswith("compose ") for line in (docker / "calls").read_text().splitlines())
    asked.ask([query])      # later there may be others
    assert any(line.startswith("ps ") for line in (docker / "calls").read_text().splitlines())


def test_a_container_in_the_network_of_one_that_was_replaced_counts_as_what_its_files_say(tmp_path: Path) -> None:
    """Its hash counts the id of the other container, and that the file lacks: given that id the hash is the label's."""
    labels = {**LABELS, "com.docker.compose.config-hash": "old", "com.docker.compose.depends_on": "pod:service_started:true"}
    found = [{"Name": "/shop-api-1", "Config": {"Labels": labels}, "HostConfig": {"NetworkMode": "container:abc"}}]
    asked: list[bytes] = []

    def run(argv: Sequence[str], *, stdin: bytes = b"", **_: object) -> CommandResult:
        words = tuple(argv)
        if "--dry-run" in words:
            return CommandResult(words, 0, b"", b" Container shop-api-1  Recreated")
        asked.append(stdin)
        told = b"api old\n" if b'"network_mode": "container:abc"' in stdin and b'"pod"' in stdin else b"api new\n"
        return CommandResult(words, 0, told, b"")

    query = Command("compose-hash", ("shop", "*"))
    made = EngineAsker({Command("docker-project", ("shop",)): found}, Here(), Docker(run))       # type: ignore[arg-type]
    assert made.ask([query])[query].data == b"api old\n" and len(asked) == 2
    found[0]["HostConfig"] = {"NetworkMode": "container:other"}
    made = EngineAsker({Command("docker-project", ("shop",)): found}, Here(), Docker(run))       # type: ignore[arg-type]
    assert made.ask([query])[query].data == b"api new\n"


@pytest.mark.parametrize(("network", "told"), [("container:abc", b"api old\n"), ("container:other", b"api new\n")])
def test_such_a_container_with_an_env_file_is_told_by_what_an_up_would_do(network: str, told: bytes) -> None:
    """`config --hash` drops env_file: no hash that is printed is the label's. What it depends on counts in an up."""
    labels = {**LABELS, "com.docker.compose.config-hash": "old", "com.docker.compose.depends_on": "pod:service_started:true"}
    found = [{"Name": "/shop-api-1", "Config": {"Labels": labels}, "HostConfig": {"NetworkMode": network}}]

    def run(argv: Sequence[str], *, stdin: bytes = b"", **_: object) -> CommandResult:
        words = tuple(argv)
        if "--dry-run" in words:
            stays = b'"network_mode": "container:abc"' in stdin and "--no-deps" not in words
            return CommandResult(words, 0, b"", b" Container shop-api-1  " + (b"Running" if stays else b"Recreated"))
        return CommandResult(words, 0, b"api new\n", b"")

    query = Command("compose-hash", ("shop", "*"))
    made = EngineAsker({Command("docker-project", ("shop",)): found}, Here(), Docker(run))       # type: ignore[arg-type]
    assert made.ask([query])[query].data == told


@pytest.mark.parametrize(("needs", "printed", "told"), [
    ("pod:service_started:true", b" Container shop-pod-1  Recreated\n Container shop-api-1  Running", b"api old\n"),
    ("pod:service_started:true", b" Container shop-pod-1  Running\n Container shop-api-1  Recreate", b"api new\n"),
    ("", b" Container shop-api-1  Running", b"api new\n"),
])
def test_what_a_container_depends_on_counts_in_its_label_only(needs: str, printed: bytes, told: bytes) -> None:
    """`up --no-deps` hashes a service without them, so that alone it would replace one with an env_file every time."""
    labels = {**LABELS, "com.docker.compose.config-hash": "old", "com.docker.compose.depends_on": needs}
    found = [{"Name": "/shop-api-1", "Config": {"Labels": labels}, "HostConfig": {"NetworkMode": "shop_default"}}]

    def run(argv: Sequence[str], **_: object) -> CommandResult:
        words = tuple(argv)
        if "--dry-run" in words:
            return CommandResult(words, 0, b"", b" Container shop-api-1  Recreated" if "--no-deps" in words else printed)
        return CommandResult(words, 0, b"api new\n", b"")

    query = Command("compose-hash", ("shop", "*"))
    made = EngineAsker({Command("docker-project", ("shop",)): found}, Here(), Docker(run))       # type: ignore[arg-type]
    assert made.ask([query])[query].data == told
