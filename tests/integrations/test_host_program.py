"""The program that runs on a host, in a real shell, with a small file in the place of fixer.pyz."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.badgateway.fixer.plugins.plugin_utils.host_program import Frame, HostProgram, decode

FAKE = b"""import sys
words = sys.argv[1:]
if "--output" in words:
    open(words[-1], "wb").write(bytes(range(256)))
print('{"words": "%s", "input": "%s"}' % (" ".join(words), sys.stdin.read().strip()))
print("a line of stderr", file=sys.stderr)
sys.exit(4)
"""
DIGEST = hashlib.sha256(FAKE).hexdigest()


class Host:
    """A user of this machine who is not root to the program: an `id` of its own comes first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.tool("id", "echo ../../proc/nobody")     # so that no folder of this machine is /run/user/ID
        self.cache = folder / "cache"
        self.path = f"{self.bin}:{os.environ['PATH']}"

    def tool(self, name: str, line: str) -> str:
        (self.bin / name).write_text(f"#!/bin/sh\n{line}\n", encoding="ascii")
        (self.bin / name).chmod(0o755)
        return str(self.bin / name)

    def run(self, command: str, data: bytes = b"\n") -> str:
        done = subprocess.run(["/bin/sh", "-c", f"echo Welcome; {command}"], input=data, capture_output=True, check=False,
                              env={"PATH": self.path, "XDG_CACHE_HOME": str(self.cache), "TMPDIR": str(self.folder)})
        assert done.stderr == b"", done.stderr
        return done.stdout.decode()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def states(program: HostProgram, output: str) -> list[str]:
    return [frame.state for frame in program.frames(output)]


@pytest.mark.parametrize("sent", [FAKE, gzip.compress(FAKE)], ids=["plain", "gzip"])
def test_the_file_is_stored_once_and_run(host: Host, sent: bytes) -> None:
    program = HostProgram(DIGEST, [sys.executable])
    command = program.run(["diagnose", "two words", "$(boom)", "--json"])
    assert program.frames(host.run(command)) == [Frame("missing", "", "")]
    assert states(program, host.run(program.store(), sent)) == ["ready"]
    (stored,) = host.cache.rglob("*.pyz")
    assert stored.read_bytes() == FAKE
    before = stored.stat()
    for _ in range(2):
        run, end = program.frames(host.run(command, b"KEY=secret\n"))
        assert (run.state, run.text) == ("run", '{"words": "diagnose two words $(boom) --json", "input": "KEY=secret"}\n')
        assert (end.state, end.argument, end.text) == ("end", "4", "a line of stderr\n")
    assert stored.stat() == before and [*host.cache.rglob("*")] == [stored.parent, stored]


def test_a_damaged_file_is_sent_again(host: Host) -> None:
    program = HostProgram(DIGEST, [sys.executable])
    host.run(program.store(), FAKE)
    (stored,) = host.cache.rglob("*.pyz")
    stored.write_bytes(FAKE + b"# more")
    assert states(program, host.run(program.run(["x"]))) == ["missing"]
    assert program.frames(host.run(program.store(), b"another file"))[0] == Frame("cannot", "it arrived damaged", "")


def test_a_folder_that_cannot_be_written_is_told(host: Host) -> None:
    host.cache.write_bytes(b"")
    program = HostProgram(DIGEST, [sys.executable])
    (frame,) = program.frames(host.run(program.store(), FAKE))
    assert frame.state == "cannot" and "/proc/" in frame.argument


def test_the_first_python_that_is_new_enough_runs(host: Host) -> None:
    old = host.tool("python3", "echo old 3.9")        # what the program prints in a Python 3.9
    broken = host.tool("python3.14", "exit 127")
    program = HostProgram(DIGEST, ["python3.none", old, broken, sys.executable])
    assert states(program, host.run(program.run(["x"]))) == ["missing"]
    program = HostProgram(DIGEST, ["python3.none", old, broken])
    assert program.frames(host.run(program.run(["x"]))) == [Frame("nopython", "3.9", "")]
    program = HostProgram(DIGEST, ["python3.none"])
    assert program.frames(host.run(program.run(["x"]))) == [Frame("nopython", "", "")]


def temporary_folders() -> set[Path]:
    return {*Path("/run").glob(".badgateway-*"), *Path("/dev/shm").glob(".badgateway-*")}


@pytest.mark.parametrize("encoding", ["base64", "hex"])
def test_a_bundle_arrives_whole(host: Host, encoding: str) -> None:
    if encoding == "hex":
        for name in ("sh", "od", "cat", "mkdir", "rm", "awk"):
            (host.bin / name).symlink_to(str(shutil.which(name)))
        host.path = str(host.bin)
    program = HostProgram(DIGEST, [sys.executable])
    host.run(program.store(), FAKE)
    bundle, end = program.frames(host.run(program.collect(["collect"])))
    assert (bundle.argument, decode(bundle), end.argument) == (encoding, bytes(range(256)), "4")
    script = b'head=ok; printf "bundle of %s\\n" "$0" >"$1"; echo said >&2; exit 0\n'
    bundle, end = program.frames(host.run(program.run_script(), script))
    assert decode(bundle).startswith(b"bundle of /") and (end.argument, end.text) == ("0", "said\n")
    left = temporary_folders()
    until = time.monotonic() + 20       # another test's may be there just now
    while left & temporary_folders() and time.monotonic() < until:
        time.sleep(0.1)
    assert left & temporary_folders() == set()


def test_a_script_that_writes_nothing_has_its_reason(host: Host) -> None:
    program = HostProgram(DIGEST)
    (end,) = program.frames(host.run(program.run_script(), b"echo 'awk is needed, to mask secrets' >&2; exit 3\n"))
    assert (end.argument, end.text) == ("3", "awk is needed, to mask secrets\n")


def test_frames_of_a_terminal_and_of_a_stranger() -> None:
    program, other = HostProgram(DIGEST), HostProgram(DIGEST)
    nonce = program._nonce
    assert program.frames(f"Welcome\r\n\r\n{nonce} run\r\n{{}}\r\n\r\n{nonce} end 0\r\n") == [Frame("run", "", "{}\n"), Frame("end", "0", "")]
    assert other.frames(f"\n{nonce} run\n{{}}\n\n{nonce} end 0\n") == []


@pytest.mark.parametrize(("how", "text"), [("base64", "@@@@"), ("base64", "YQ"), ("hex", "0g"), ("hex", "0")])
def test_a_damaged_bundle_is_told(how: str, text: str) -> None:
    with pytest.raises(ValueError):
        decode(Frame("bundle", how, text))
    assert decode(Frame("bundle", "base64", base64.b64encode(b"a" * 99).decode())) == b"a" * 99
