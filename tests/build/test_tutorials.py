"""The tutorials of docs/, typed command by command; what they show is what is printed, with … for what is left out."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.built_files import built_wheel

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```console(?P<words>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(path.name for path in (ROOT / "docs").glob("tutorial-*.md"))
# In a machine: both streams as one, in the order in which a terminal shows them.
INSIDE = 'exec 2>&1; export PYTHONUNBUFFERED=1; eval "$1"'
# One shell for the whole page: what a command exports, the next one has.
SESSION = '[ ! -f "$SESSION" ] || . "$SESSION"; eval "$1"; code=$?; export -p >"$SESSION"; exit "$code"'


@dataclass(frozen=True)
class Typed:
    """One command of a page: what is typed, what it prints, its exit code, and whether it is typed in the lab's shell."""

    command: str
    shown: str
    code: int
    inside: bool


def commands(page: str) -> list[Typed]:
    """Every command of a page's console blocks."""
    found = []
    for block in FENCE.finditer((ROOT / "docs" / page).read_text("utf-8")):
        words = block["words"].split()
        code = next((int(word.removeprefix("exit=")) for word in words if word.startswith("exit=")), 0)
        for part in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Typed(command, shown.strip("\n"), code, "inside" in words))
    return found


def fits(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows; a line that is only … stands for any number of lines."""
    lines = [r"(?:[^\n]*\n)*?" if line == "…" else "[^\n]*".join(map(re.escape, line.split("…"))) + r"\n" for line in shown.split("\n")]
    return re.fullmatch("".join(lines), printed.strip("\n") + "\n") is not None


@pytest.mark.parametrize(("shown", "printed", "same"), [
    ("a\n…\nd", "a\nb\nc\nd", True), ("…", "", True), ("", "", True), ("", "x", False), ("a …", "a b", True), ("a\n…", "b\na\n", False),
    ("a\n…", "a", True), ("…\na", "a", True), ("a …\nc", "a b\nb\nc", False),
])
def test_what_fits(shown: str, printed: str, same: bool) -> None:
    assert fits(shown, printed) is same


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_typed_and_what_it_prints_is_compared(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    listed = commands(page)
    assert listed and len(re.findall(r"^\s*\$ ", text, re.MULTILINE)) == len(listed)
    assert re.findall(r"(?m)^ *(?:```|~~~)(?!console\b)\S.*$|^ {4,}(?=\S)", FENCE.sub("", text)) == []     # code of another kind
    assert [one.command for one in listed if one.shown and not re.search(r"\w", one.shown)] == []


def typed(argv: Sequence[str], command: Typed, environment: dict[str, str] | None = None, *, asked: bool = False) -> None:
    """Type a command at the end of the words, or, if a shell is asked for, into it."""
    words, text = (argv, command.command + "\n") if asked else ([*argv, command.command], "")
    ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, input=text, env=environment)
    assert ran.returncode == command.code, f"$ {command.command}\n{ran.stdout}"
    assert fits(command.shown, ran.stdout), f"$ {command.command}\nthe page shows\n{command.shown}\nit prints\n{ran.stdout}"


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which `lab` is this checkout's, with a state folder of its own."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "lab"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m lab "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}",
                   "BADGATEWAY_LAB_STATE": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}
    yield environment
    subprocess.run([sys.executable, "-m", "lab", "down", "--all"], cwd=ROOT, env=environment, check=False, capture_output=True)


def machine_of(environment: dict[str, str]) -> list[str]:
    """The command that types in the shell of the one lab that is up."""
    (lab_id,) = (path.name for path in Path(environment["BADGATEWAY_LAB_STATE"], "labs").iterdir())
    return ["docker", "exec", "-w", "/root", f"{lab_id}-host", "bash", "-c", INSIDE, "bash"]


@pytest.fixture
def desk(programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where a person begins: a folder with the wheel. What its extra names is in each new environment: pip fetches nothing."""
    shutil.copy2(built_wheel(tmp_path / "made"), tmp_path)
    (tmp_path / "packages").mkdir()
    for path in (path for folder in site.getsitepackages() for path in Path(folder).iterdir()):
        if "badgateway" not in path.name:
            (tmp_path / "packages" / path.name).symlink_to(path)
    (tmp_path / "bin/lab").unlink()
    (tmp_path / "bin/python3").write_text(
        f'#!/bin/sh\n{sys.executable} "$@" && for made in "$3"/lib/*/site-packages; do echo {tmp_path}/packages >$made/extra.pth; done\n')
    (tmp_path / "bin/python3").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return {**programs, "SESSION": str(tmp_path / "session")}


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_the_first_lab(desk: dict[str, str], tmp_path: Path) -> None:
    shell = ["bash", "-c", SESSION, "bash"]
    began = time.monotonic()
    for command in commands("tutorial-lab.md"):
        typed([*shell, "lab shell"] if command.inside else shell, command, desk, asked=command.inside)
    assert time.monotonic() - began < 600 and list((tmp_path / "state/labs").iterdir()) == []


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_the_repair_of_a_host(programs: dict[str, str], package: Path) -> None:
    subprocess.run(["bash", "-c", "lab up wrong-port/wrong-port --stack host --seed 7"], env=programs, check=True, capture_output=True)
    machine = machine_of(programs)
    subprocess.run(["docker", "cp", package, f"{machine[4]}:/root/"], check=True, capture_output=True)
    subprocess.run([*machine, 'printf \'#!/bin/sh\\nexec "$@"\\n\' >/usr/local/bin/sudo; chmod +x /usr/local/bin/sudo'], check=True)
    began = time.monotonic()
    for command in commands("tutorial-repair.md"):
        typed(machine, command)
    assert time.monotonic() - began < 300
