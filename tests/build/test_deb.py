"""The Debian package: installs offline beside python3 alone, answers by name, and removes all that it brought."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.crash_draw import NIGHTLY

ROOT = Path(__file__).resolve().parents[2]
LABEL = "badgateway.test=deb"


def _run(*argv: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **more})


@pytest.fixture(scope="module")
def machine(package: Path) -> Iterator[str]:
    """A Debian container with python3 and sudo's search path, no nginx of its own in use."""
    from lab.stack.images import tags

    name = f"badgateway-deb-{package.stat().st_mtime_ns}"
    started = _run("docker", "run", "-d", "--rm", "--name", name, "--label", LABEL, "--network", "none", "--user", "0",
                   "--entrypoint", "sleep", tags()["app"], "300")
    assert started.returncode == 0, started.stderr
    try:
        assert _run("docker", "cp", package, f"{name}:/tmp/badgateway.deb").returncode == 0
        yield name
    finally:
        _run("docker", "rm", "-f", name)


def _in(machine: str, script: str) -> subprocess.CompletedProcess[str]:
    return _run("docker", "exec", machine, "sh", "-c", script)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_same_sources_make_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """Packed lightly, which is quick; how well the package itself is packed is the builder's choice. By day one is made
    again and compared with the package unpacked, at night two to the byte."""
    made = []
    for name in ("one", "other") if NIGHTLY else ("one",):
        (tmp_path / name).mkdir()
        again = _run(sys.executable, ROOT / "script/make_deb.py", package.with_name("fixer.pyz"), tmp_path / name,
                     DPKG_DEB_COMPRESSOR_LEVEL="0")
        assert again.returncode == 0, again.stderr
        made.append(next((tmp_path / name).glob("*.deb")).read_bytes())
    assert made[0] == made[-1]
    assert members(made[0]) == members(package.read_bytes())


def members(package: bytes) -> list[tuple[bytes, bytes]]:
    """The members of an ar archive: the header of each but its size, and its data, unpacked."""
    magic, at, found = b"!<arch>\n", 8, []
    assert package.startswith(magic)
    while at < len(package):
        header, size = package[at:at + 60], int(package[at + 48:at + 58])
        data = package[at + 60:at + 60 + size]
        found.append((header[:48], lzma.decompress(data) if data.startswith(b"\xfd7zXZ") else data))
        at += 60 + size + size % 2
    assert [header.split()[0] for header, _ in found] == [b"debian-binary", b"control.tar.xz", b"data.tar.xz"]
    return found


@pytest.mark.docker
def test_installs_answers_and_leaves_nothing(machine: str) -> None:
    before = _in(machine, "find /usr /etc -xdev -type f | sort | sha256sum").stdout
    assert _in(machine, "dpkg -i /tmp/badgateway.deb").returncode == 0
    secure = "env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"     # what Debian's sudo searches
    assert _in(machine, f"cd / && {secure} fixer --version").stdout.startswith("fixer ")
    looked = _in(machine, f"{secure} fixer diagnose")
    assert looked.returncode == 3 and "nginx" in looked.stderr + looked.stdout
    words = "_FIXER_COMPLETE=complete_bash COMP_WORDS='fixer re' COMP_CWORD=1"
    assert "repair" in _in(machine, f"{words} fixer").stdout.split()
    assert _in(machine, "ls /usr/share/man/man1/fixer-repair.1.gz").returncode == 0 or \
        "man" in _in(machine, "cat /etc/dpkg/dpkg.cfg.d/*").stdout     # slim images leave manual pages out
    assert _in(machine, "dpkg -P badgateway").returncode == 0
    assert _in(machine, "find /usr /etc -xdev -type f | sort | sha256sum").stdout == before


def test_the_package_starts_the_python_that_it_depends_on(package: Path, tmp_path: Path) -> None:
    """Whatever PATH names first; and the archive behind the start script is still one."""
    import zipfile

    assert _run("dpkg-deb", "-x", package, tmp_path).returncode == 0
    program = tmp_path / "usr/bin/fixer"
    head = program.read_bytes().split(b"PK", 1)[0].decode()
    assert head.startswith("#!/bin/sh\npython=/usr/bin/python3\n") and '"$python" -I "$0" "$@"' in head
    assert zipfile.ZipFile(program).testzip() is None
    assert "src/fixer/languages/zh-TW/console.toml" in zipfile.ZipFile(program).namelist()
    assert _run(sys.executable, "-I", program, "--version").stdout.startswith("fixer ")


def test_the_manual_pages_name_every_option(package: Path, tmp_path: Path) -> None:
    import gzip

    import typer.main

    from fixer.cli import app
    from tests.command_tree import all_commands

    assert _run("dpkg-deb", "-x", package, tmp_path).returncode == 0
    pages = {path.name: gzip.decompress(path.read_bytes()).decode() for path in (tmp_path / "usr/share/man/man1").iterdir()}
    names = {name.replace(" ", "-") for name in all_commands(typer.main.get_command(app))}
    assert {f"fixer-{name}.1.gz" for name in names} | {"fixer.1.gz"} == set(pages)
    assert "\\-\\-max\\-risk" in pages["fixer-repair.1.gz"] and ".SH EXIT STATUS" in pages["fixer-undo.1.gz"]
