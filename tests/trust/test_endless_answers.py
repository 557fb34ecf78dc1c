"""A node whose tools print endlessly, or not at all, costs a bounded look: seconds and memory of the whole process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixer.hosts.machine import look_budget
from fixer.model.query import LOOK_LIMIT, LOOK_MEGABYTES

COMMANDS = ("systemctl", "journalctl", "nft", "iptables-save", "ip6tables-save", "dmesg", "getent", "ausearch")
LOOK = """
import sys
from fixer.hosts.machine import run_process
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.hosts.machine.look_budget import one_look
from fixer.hosts.sh.sh_asker import MAX_ROUND_BYTES, ShAsker
from fixer.model.query import *
from fixer.observe.snapshot_notes import cut_text
from fixer.observe.question_round import AskedNodes
from fixer.observe.view.observe_options import ObserveOptions

def shell(script, timeout):
    return run_process.run(["sh", "-s"], stdin=script, timeout=timeout, max_output=MAX_ROUND_BYTES)

commands = [Command(name) for name in ("nft-rules", "nft-text", "iptables-rules", "ip6tables-rules", "kernel-log", "audit-denials")]
commands += [Command("resolve", ("localhost",)), *(Command("resolve", (f"a{n}",)) for n in range(8))]
round_ = [ListProcesses(), ListSockets(), ReadTree("/etc/ssl", max_files=3), ReadFile("/etc/hosts"), *commands]
nodes = [ShAsker(name, "machine", shell) for name in "abc"] if sys.argv[1] == "sh" else [LocalAsker("a")]
with one_look() as budget:
    asked = AskedNodes(nodes, ObserveOptions(), budget)
    for number in range(4):
        more = [ReadFile(f"/etc/{number}"), Command("resolve", (f"r{number}",))]
        asked.ask({node.name: more if number else round_ for node in nodes})
for node in asked.nodes.values():
    print(node.unreachable or cut_text(node))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def look(kind: str, path: Path) -> tuple[float, float, str]:
    """Return (seconds, MB, what was cut) of a look in a process of its own."""
    environ = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", LOOK, kind], stdout=subprocess.PIPE, text=True, env=environ, check=True)
    said, _, peak = done.stdout.partition("VmHWM:")     # ru_maxrss would hold the memory of the tests' own process, too
    return time.monotonic() - started, int(peak.split()[0]) / 1024, said


def fake(folder: Path, names: tuple[str, ...], script: str) -> None:
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(("kind", "tools"), [("sh", COMMANDS), ("sh", ("ls", "stat")), ("sh", ("head",)), ("local", COMMANDS)])
def test_tools_that_print_endlessly(kind: str, tools: tuple[str, ...], tmp_path: Path) -> None:
    fake(tmp_path, tools, "exec yes ab")
    seconds, megabytes, said = look(kind, tmp_path)
    assert seconds < LOOK_LIMIT and megabytes < LOOK_MEGABYTES
    assert "too long to be read: one look takes at most 200 MB" in said, said


@pytest.mark.parametrize("kind", ["sh", "local"])
def test_tools_that_never_answer(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, COMMANDS, "trap '' TERM; sleep 60; sleep 60")
    monkeypatch.setattr(sys.modules[__name__], "LOOK", "from fixer.hosts.machine import look_budget\nlook_budget.LOOK_SECONDS = 2.5\n" + LOOK)
    seconds, megabytes, said = look(kind, tmp_path)
    assert seconds < LOOK_LIMIT - look_budget.LOOK_SECONDS + 2.5 + 1.0 and megabytes < 100
    assert "not asked and" in said and "not answered in time: one look takes at most 10 s" in said, said
