"""A word that names no target gets the one that was probably intended; what exists is proposed alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fixer.errors import UsageError
from fixer.hosts.open_target import TARGET_HINT, parse_target


def hint(word: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_target(word)
    assert caught.value.exit_code == 2
    return caught.value.hint


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which docker, ssh and getent know nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("BADGATEWAY_SSH", "ssh")
    monkeypatch.chdir(tmp_path)
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(("word", "said"), [
    ("http://shop.example/login", "to check the page at an address: fixer diagnose --url http://shop.example/login"),
    ("HTTPS://shop.example", "to check the page at an address: fixer diagnose --url HTTPS://shop.example"),
    ("https://ops:hunter2@shop.example/", "to check the page at an address: fixer diagnose --url URL"),
    ("shop.example/login", "to check the page at an address: fixer diagnose --url http://shop.example/login"),
    ("127.0.0.1:8080", "to check the page at an address: fixer diagnose --url http://127.0.0.1:8080/"),
    ("localhost:8080", "to check the page at an address: fixer diagnose --url http://localhost:8080/"),
    ("20260131-101500-3f2a", "to name a run: fixer undo --id 20260131-101500-3f2a"),
    ("web1", "did you mean ssh://web1, docker://web1 or compose://web1?"),
    ("root@web1", "did you mean ssh://root@web1?"),
    ("web1:2222", "did you mean ssh://web1:2222?"),
    ("10.0.0.3", "did you mean ssh://10.0.0.3?"),
    ("localhost", "did you mean local?"),
    ("docker:web1", "did you mean docker://web1?"),
    ("dokcer://web1", "did you mean docker://web1?"),
    ("Compose://shop", "did you mean compose://shop?"),
    ("incident.tar.gz", "did you mean bundle:incident.tar.gz?"),
    ("file:/tmp/incident.tgz", "did you mean bundle:/tmp/incident.tgz?"),
    ("file:///tmp/incident.tgz", "did you mean bundle:/tmp/incident.tgz?"),
    ("k8s://x", TARGET_HINT), ("a b", TARGET_HINT), ("", TARGET_HINT), ("-rf@x", TARGET_HINT), ("a@b@c", TARGET_HINT),
])
def test_a_word_by_its_form(word: str, said: str) -> None:
    assert hint(word) == said


@pytest.mark.usefixtures("tools")
def test_a_page_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        parse_target("https://ops:hunter2@shop.example/")
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.usefixtures("tools")
def test_a_file_is_a_bundle() -> None:
    Path("incident").write_bytes(b"")
    assert hint("incident") == "did you mean bundle:incident?"


@pytest.mark.parametrize(("docker", "ssh", "getent", "said"), [
    (r"printf 'web1\t\nshop-db-1\tshop\n'", "exit 1", "exit 2", "docker://web1"),
    (r"printf 'web1-db-1\tweb1\n'", "exit 1", "exit 2", "compose://web1"),
    ("exit 1", "printf 'user ops\\nhostname 10.1.2.3\\n'", "exit 2", "ssh://web1"),
    ("exit 1", "printf 'user ops\\nhostname web1\\n'", "exit 0", "ssh://web1"),
    (r"printf 'web1\tweb1\n'", "echo hostname 10.1.2.3", "exit 2", "ssh://web1, docker://web1 or compose://web1"),
    (r"printf 'web1\tweb1\n'", "echo hostname web1", "exit 2", "docker://web1 or compose://web1"),
    ("echo Cannot connect to the Docker daemon >&2; exit 1", "echo hostname web1", "exit 2",
     "ssh://web1, docker://web1 or compose://web1"),
])
def test_what_exists_is_proposed_alone(tools: Path, docker: str, ssh: str, getent: str, said: str) -> None:
    for name, script in (("docker", docker), ("ssh", ssh), ("getent", getent)):
        tool(tools, name, script)
    assert hint("web1") == f"did you mean {said}?"


@pytest.mark.docker
def test_a_container_of_the_engine_is_proposed() -> None:
    from lab.stack.images import tags

    name = f"badgateway-proposed-{os.getpid()}"
    subprocess.run(["docker", "create", "--name", name, "--label", "badgateway.test=proposed", tags()["app"], "true"],
                   check=True, capture_output=True)
    try:
        assert hint(name) == f"did you mean docker://{name}?"
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
