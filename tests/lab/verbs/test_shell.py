"""Tests of lab/verbs/shell.py."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.languages.choose_language import VARIABLE
from lab.errors import UsageError
from lab.stack import lab_records
from lab.stack.docker_command import docker
from lab.stack.lab_parts import listed_parts
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.verbs import shell
from lab.verbs.down import lab_down
from lab.verbs.shell import RECORDED, recorded_shell, shell_argv, tools_argv
from lab.verbs.up import lab_up
from tests.lab.cli_builders import lab as run_lab
from tests.lab.stack.test_lab_parts import STACK


def test_where_a_shell_opens(record: LabRecord) -> None:
    assert "shop-3f2a-edge-1" in shell_argv(Lab(record), "", STACK)
    assert "shop-3f2a-api-1" in shell_argv(Lab(record), "backend", STACK)
    assert "shop-3f2a-printd-1" in shell_argv(Lab(record), "printd", STACK)
    with pytest.raises(UsageError, match="no part called 'db'"):
        shell_argv(Lab(record), "db", STACK)
    with pytest.raises(UsageError, match="no part called 'db'"):
        shell_argv(Lab(replace(record, stack="host")), "db", [])


class Terminal(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_prompt_names_lab_and_part(record: LabRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container with the Docker host's network the usual prompt is the Docker host's own."""
    assert not any("PS1" in word for word in shell_argv(Lab(record), "", STACK))     # a script feeds it
    monkeypatch.setattr(sys, "stdin", Terminal())
    argv = shell_argv(Lab(record), "", STACK)
    assert "PS1=shop-3f2a edge \\$ " in argv and argv[-2:] == ["bash", "--norc"]
    assert "PS1=shop-3f2a edge (recorded) \\$ " in shell_argv(Lab(record), "", STACK, mark=RECORDED)


@pytest.mark.parametrize(("language", "words"), [("en", "is recorded"), ("zh-TW", "\u6703\u88ab\u9304\u88fd")])
def test_a_recorded_shell_says_so_first(record: LabRecord, monkeypatch: pytest.MonkeyPatch, language: str,
                                             words: str) -> None:
    monkeypatch.setenv(VARIABLE, language)
    done: list[object] = []
    monkeypatch.setattr(shell, "listed_parts", lambda lab: STACK)
    monkeypatch.setattr(shell, "record_command", lambda argv, path, title: done.append((argv, path.name, title)) or 5)
    assert recorded_shell(Lab(record), "", done.append, tools=False) == 5
    said, (argv, name, title) = done      # type: ignore[misc]
    assert words in said and "--no-record" in said and name in said      # type: ignore[operator]
    assert name.startswith("shop-3f2a-") and title == "shop-3f2a shell" and argv[0] == "docker"


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose application's container is stopped, beside a neighbour's."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    yield lab_up("backend-down/container-stopped", "containers", 3, lambda line: None).lab
    for kept in list(lab_records.all_records()):
        lab_down(kept.id)


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(600)
def test_shells_in_a_lab(broken: Lab) -> None:
    """Tools join what a slim part sees; a stopped part names its log; the only lab needs no id; down takes all along."""
    stopped = run_lab("shell", broken.id, "backend")
    name = broken.service("backend")
    assert (stopped.returncode, len(stopped.stderr.splitlines())) == (1, 1)
    assert f"lab logs {broken.id} {name}" in stopped.stderr
    assert run_lab("logs", name, "--no-follow").returncode == 0     # a part alone: one lab is up
    assert run_lab("hint").stdout.startswith("hint 1 of ")
    for part in {one.service for one in listed_parts(broken)} - {name}:
        assert run_lab("shell", broken.id, part).returncode == 0
    argv = tools_argv(broken, "web", listed_parts(broken), lambda line: None)
    typed = b"ps aux | grep [n]ginx; lsof -nP -i :80; netstat -tlnp; grep -Rc listen /etc/nginx; which ss curl less nano vi\n"
    seen = subprocess.run(argv, input=typed, capture_output=True, check=True, timeout=120).stdout.decode()
    assert "nginx: master" in seen and "1/nginx: master" in seen      # ps; netstat, with the owner
    assert any(line.startswith("nginx ") and line.endswith("(LISTEN)") for line in seen.splitlines())      # lsof
    assert "/etc/nginx/nginx.conf:" in seen and seen.count("/usr/bin/") >= 4
    running = subprocess.Popen(tools_argv(broken, "web", listed_parts(broken), lambda line: None), stdin=subprocess.PIPE)
    assert running.stdin is not None
    lab_down(broken.id)
    running.communicate(timeout=60)
    assert docker("ps", "-aq", "--filter", f"name={broken.id}").text == ""
