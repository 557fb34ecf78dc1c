"""What is known of a server without a service manager."""

from __future__ import annotations

import pytest

from fixer.managers import manager_of
from fixer.model.deployment import BootEntry, StarterKind
from tests.causes.snapshot_builders import service


@pytest.mark.parametrize(("pid", "state"), [(7, "running"), (None, "stopped")])
def test_without_a_manager_a_process_is_its_state(pid: int | None, state: str) -> None:
    assert manager_of(service(pid=pid, unit=None, manager="none")).run_state() == state


def test_what_starts_it_at_boot_is_its_evidence_while_it_is_idle() -> None:
    entry = BootEntry("local", "cron", "/etc/crontab", 7, "@reboot root serve", "root", 8000, None)
    idle = manager_of(service(pid=None, unit=None, manager="none", boot_entry=entry))
    assert (idle.evidence().where, idle.evidence().text) == ("/etc/crontab:7", "@reboot root serve")
    assert idle.has_ended() and idle.is_unwatched()
    runs = manager_of(service(pid=7, unit=None, manager="none", boot_entry=entry))
    assert runs.evidence().text == "pid 7" and not runs.has_ended() and not runs.is_unwatched()


def test_nothing_is_said_of_its_runs() -> None:
    made = manager_of(service(unit=None, manager="none"))
    assert (made.started_at(), made.ended_at(), made.restart_count(), made.exit_signal()) == (0.0, 0.0, 0, None)
    assert not made.is_started() and not made.is_intended()


@pytest.mark.parametrize(("kind", "text"), [
    ("cron", "start it as /etc/cron.d/shop:2 does"), ("entrypoint", "restart container p-web-1"), ("", "start start-shop"),
    ("by-hand", "run /etc/cron.d/shop again as root"),       # the script reads variables and sets a folder before that line
])
def test_an_operator_starts_it_by_what_starts_it_at_boot(kind: StarterKind, text: str) -> None:
    entry = BootEntry("local", kind, "/etc/cron.d/shop", 2, "serve", "root", 8000, None, name="p-web-1") if kind else None
    assert manager_of(service("start-shop", pid=None, unit=None, manager="none", boot_entry=entry)).start_text() == text
