"""Tests of fixer/hosts/machine/procfs.py."""

from __future__ import annotations

import os

from fixer.hosts.machine import procfs
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.model.query import ListProcesses


def test_our_own_process_is_not_in_the_table() -> None:
    files = LocalAsker().ask([ListProcesses()])[ListProcesses()].files
    assert not [f for f in files if f.path.startswith(f"/proc/{os.getpid()}/")]


def test_kernel_threads_are_told_by_their_flag() -> None:
    assert procfs.is_kernel_thread(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0")
    assert not procfs.is_kernel_thread(b"9 (a) S (b) S 1 9 9 0 -1 4194560 0 0")
    assert not procfs.is_kernel_thread(b"")


def test_unreadable_pids_are_named() -> None:
    assert procfs.unreadable_text([]) == ""
    assert procfs.unreadable_text(["12", "9"]) == "file descriptors of 2 processes are not readable (pid 9 12)"
