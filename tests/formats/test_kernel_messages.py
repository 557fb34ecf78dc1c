"""Tests of fixer/formats/kernel_messages.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fixer
from fixer.formats.kernel_messages import (
    KEPT,
    AvcDenial,
    KernelLine,
    OomChoice,
    OomEnd,
    OomLimit,
    parse_kernel_line,
    read_denial,
    read_oom,
)

CHOICE = ("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/system.slice/api.service,"
          "task_memcg=/system.slice/api.service,task=python3,pid=77,uid=0")
END = "Memory cgroup out of memory: Killed process 77 (python3) total-vm:1kB, anon-rss:1kB"
LIMIT = "memory: usage 49152kB, limit 49152kB, failcnt 15779"
DENIAL = ('type=AVC msg=audit(1795533913.912:42): avc:  denied  { name_connect } for  pid=9 comm="nginx" dest=8000 '
          "scontext=system_u:system_r:httpd_t:s0 permissive=0")


@pytest.mark.parametrize("line", ["[   12.500000] usb 1-1: new", "<6>[12.5] usb 1-1: new"])
def test_a_line_and_its_time(line: str) -> None:
    assert parse_kernel_line(line) == KernelLine(12.5, "usb 1-1: new")
    assert parse_kernel_line("usb 1-1: new") is None


def test_a_kill_for_memory() -> None:
    assert read_oom(CHOICE) == OomChoice(77, "/system.slice/api.service", "/system.slice/api.service")
    assert read_oom(CHOICE.replace("CONSTRAINT_MEMCG", "CONSTRAINT_NONE")) == OomChoice(77, "/system.slice/api.service", "")
    assert read_oom(END) == read_oom(END.replace("Memory cgroup out", "Out")) == OomEnd(77, "python3")
    assert read_oom(LIMIT) == OomLimit(48 << 20) and read_oom(f"kmem {LIMIT}") is None
    assert read_oom("python3[77]: segfault at 0 ip 0") is None


def test_a_denial() -> None:
    found = read_denial(DENIAL)
    assert isinstance(found, AvcDenial) and (found.at, found.permission, found.fields["dest"]) == (1795533913.912, "name_connect", "8000")
    assert read_denial("type=SYSCALL msg=audit(1.0:42): arch=c000003e") is None


def test_a_bundle_keeps_the_lines_that_are_read() -> None:
    assert all(any(re.search(words, line) for words in KEPT) for line in (LIMIT, CHOICE, END))


def test_no_other_module_knows_these_sentences() -> None:
    root = Path(fixer.__file__).parent
    sentences = ("oom-kill:", "Killed process", "avc: ", "task_memcg")
    knowing = {str(path.relative_to(root)) for path in (*root.rglob("*.py"), *root.rglob("*.awk"), *root.rglob("*.sh"))
               for line in path.read_text().splitlines()
               if any(words in line for words in sentences) and re.search(r"regex\(|\.search|\.match| in line| ~ ", line)}
    assert knowing <= {"formats/kernel_messages.py"}
