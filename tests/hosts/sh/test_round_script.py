"""Tests of fixer/hosts/sh/round_script.py."""

from __future__ import annotations

from fixer.hosts.sh.round_script import build_round_script
from fixer.model.query import ListProcesses, ReadFile, ReadGlob, ReadTree


def test_every_round_has_another_nonce_and_prefix() -> None:
    rounds = [build_round_script((ReadFile("/etc/a"),)) for _ in range(3)]
    assert len({r.nonce for r in rounds}) == len({r.prefix for r in rounds}) == 3
    assert all(set(r.prefix) <= set(b"/.") and b".." not in r.prefix for r in rounds)


def test_paths_never_become_shell_text() -> None:
    script = build_round_script((ReadFile("/x'; touch /tmp/owned; '"), ReadGlob(("/$(id)/*.conf",)), ReadTree("/`id`"))).script
    for line in (b"\"$P\"'/x'\"'\"'; touch /tmp/owned; '\"'\"''", b"/'$''('id')'/*.conf", b"'/`id`'"):
        assert line in script


def test_uptime_is_read_at_once_after_the_clock() -> None:
    """When a process started is told from both: what is read between them would make every start too early."""
    lines = build_round_script((ReadTree("/etc/nginx"), ListProcesses())).script.decode().splitlines()
    clock = next(number for number, line in enumerate(lines) if line.startswith("date "))
    assert lines[clock + 1].startswith("booted 1 ")
