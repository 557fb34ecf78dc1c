"""Reading leaves every file as it was: content, mode, owner, times and attributes, inside, from outside and over ssh, as
root and as an ordinary user, on hosts that are broken, and on strange ones that are well.

By day one host and a third of the commands are drawn from the commit; at night one host of each kind, with all commands.
BADGATEWAY_UNTOUCHED=all tries every host.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.scenario.scenario_file import Stack
from tests.crash.crash_draw import NIGHTLY, draw_by_day, draw_rank
from tests.trust.file_watch import run_all_commands, sshd_lab

ALL = os.environ.get("BADGATEWAY_UNTOUCHED", "") == "all"
WELL = ("maintenance-page", "spare-that-sleeps", "site-not-enabled", "errors-of-last-week", "answers-that-say-no", "trouble-that-is-over")
HOSTS: dict[str, tuple[Stack, tuple[str, ...]]] = {
    "strange but well": ("host", tuple(f"healthy/{name}" for name in WELL)),
    "broken": ("host", (
        "wrong-port/wrong-port", "crash-loop-gave-up/crash-loop-below-limit", "crash-loop-gave-up/supervisor-fatal", "nginx-down/nginx-unmanaged-master",
        "nginx-config-invalid/sites-enabled-dangling", "crash-dependency-down/start-db-refused", "disk-full/log-disk-full", "backend-hung/backend-sigstop",
        "unix-socket-permission/unix-socket-permission", "unit-misconfigured/start-226-namespace", "compound/link-gone-and-stopped")),
    "containers": ("containers", (
        "crash-missing-env/start-env-var-missing", "network-detached/docker-network-detached", "backend-hung/container-paused",
        "nginx-down/readonly-rootfs-nginx", "healthy/answers-that-say-no", "healthy/trouble-that-is-over")),
}


def drawn() -> list[tuple[str, Stack]]:
    """By day one host of one kind, at night of each, or all."""
    kinds = list(HOSTS) if ALL else draw_by_day([*HOSTS], "untouched", 1)
    return [(word, HOSTS[kind][0]) for kind in kinds for word in sorted(HOSTS[kind][1], key=draw_rank)[: None if ALL else 1]]


def draw_third(names: Sequence[str], word: str) -> list[str]:
    """A third of the commands, and always as many of them."""
    return sorted(names, key=lambda name: draw_rank(f"{word} {name}"))[: -(-len(names) // 3)]


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(1200 if ALL or NIGHTLY else 400)
@pytest.mark.parametrize(("word", "stack"), drawn())
def test_reading_changes_no_file_of_a_host(word: str, stack: Stack, tmp_path: Path) -> None:
    for above in (tmp_path, *tmp_path.parents[:3]):       # a bundle is also written by an ordinary user
        above.chmod(above.stat().st_mode | 0o011)
    with sshd_lab(word, stack, 1, noise=draw_rank(word)[0] % 3) as lab:
        seen = run_all_commands(lab, tmp_path, lambda names: names if ALL or NIGHTLY else draw_third(names, word))
    assert seen.leftovers == [] and seen.runs >= 5, (seen.runs, seen.codes)
