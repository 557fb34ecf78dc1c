"""nginx's real error.log may end in anything: a line of megabytes, bytes that are no text, escapes for a terminal. The same
cause is found first, in about the time and memory that it takes without, and nothing of it reaches the terminal raw."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fixer.render.terminal_text import clean
from lab.pytest_plugin import StartLab
from tests.contract.sshd_machines import docker
from tests.trust.file_watch import FIXER_FOLDER, copy_fixer_into

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]

MEGABYTES = 10
ESCAPES = b"\x1b]0;TITLE\x07\x1b[31m\x1b[2J\x9b31m\x00\xff\xfe\xc3(\xed\xa0\x80\xe2\x80\xae"
NOW = b"2099/01/01 00:00:00 [error] 1#1: *1 "
# Each ends the file without a newline, so that what nginx writes next stands in the same line.
ENDS = {
    "one line of megabytes": b"A" * (MEGABYTES << 20),
    "what is no text": os.urandom(1 << 16).replace(b"\n", b"\xff") * 16 + ESCAPES,
    "escapes in what looks like an error": (NOW + b"connect() failed (111: " + ESCAPES + b") while connecting to upstream, client: " + ESCAPES
                                            + b', request: "GET /' + ESCAPES + b' HTTP/1.1", upstream: "http://' + ESCAPES + b'/"\n') * 2000
                                           + NOW + ESCAPES * (MEGABYTES << 14),
}


@pytest.fixture(scope="module")
def name(module_badgateway_lab: StartLab) -> str:
    """A machine whose nginx asks a port where nothing listens, with fixer inside."""
    container = module_badgateway_lab("wrong-port/wrong-port", stack="host", seed=43).container
    copy_fixer_into(container)
    return container


def look(words: tuple[str, ...], out: Path) -> tuple[int, bytes, resource.struct_rusage]:
    """Exit code, everything printed, and what it took."""
    with out.open("w+b") as file:
        running = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    return running.returncode, out.read_bytes(), used


def causes(printed: bytes) -> list[tuple[str, str, str]]:
    return [(found["cause"], found["role"], found["confidence"]) for found in json.loads(printed)["findings"]]


def test_the_log_of_a_machine_may_end_in_anything(name: str, tmp_path: Path) -> None:
    outside = (sys.executable, "-m", "fixer", "diagnose", f"docker://{name}")
    # What the kernel allows it inside: seconds of the processor, and kilobytes of memory.
    inside = ("docker", "exec", "-i", "-e", f"PYTHONPATH={FIXER_FOLDER}", "-e", "PYTHONDONTWRITEBYTECODE=1", "-w", "/", name,
              "sh", "-c", 'ulimit -t 20; ulimit -v 1000000; exec python3 -m fixer diagnose "$@"', "-")
    code, printed, usual = look((*outside, "--json"), tmp_path / "out")
    well = causes(printed)
    assert code == 1 and well[0] == ("wrong-port", "root", "certain")
    log = "/var/log/nginx/error.log"
    docker("exec", name, "cp", "-p", log, "/run/kept")
    for end, data in ENDS.items():
        docker("exec", "-i", name, "sh", "-c", f"cat /run/kept - > {log}", data=data)
        for way in (outside, inside):
            code, printed, used = look((*way, "--json"), tmp_path / "out")
            assert (code, causes(printed)) == (1, well), (end, way)
            if way is outside:
                assert used.ru_maxrss < 2 * usual.ru_maxrss, (end, used.ru_maxrss, usual.ru_maxrss)
                assert used.ru_utime < 4 * usual.ru_utime + 1, (end, used.ru_utime, usual.ru_utime)
            code, printed, _ = look((*way, "--verbose"), tmp_path / "out")
            shown = printed.decode()                    # strictly: bytes that are no text would not be printed
            assert code == 1 and "Traceback" not in shown and "wrong-port" in shown, (end, way)
            assert [line for line in shown.splitlines() if line.strip() and clean(line) != line] == [], (end, way)
        size = int(docker("exec", name, "stat", "-c", "%s", log))
        assert size >= len(data), "what was read was not the file that was made"
