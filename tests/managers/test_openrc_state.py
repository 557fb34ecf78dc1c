"""What OpenRC says of a service."""

from __future__ import annotations

import pytest

from fixer.managers import manager_of
from fixer.model.deployment import ManagedService
from fixer.model.service import Service
from tests.causes.snapshot_builders import NOW, service


def openrc(state: str, pid: int | None = None, **changes: object) -> Service:
    managed = ManagedService("shop", state, "/etc/init.d/shop", **changes)  # type: ignore[arg-type]
    return service("shop", pid=pid, unit=None, manager="openrc", managed=managed)


@pytest.mark.parametrize(("state", "word"), [
    ("started", "running"), ("starting", "starting"), ("restarting", "looping"), ("failed", "failed"), ("stopped", "stopped"),
    ("crashed", "stopped"), ("odd", "unknown"),
])
def test_the_state_of_a_service(state: str, word: str) -> None:
    assert manager_of(openrc(state)).run_state() == word


def test_its_own_words() -> None:
    assert manager_of(openrc("stopped")).evidence().text == "OpenRC: stopped, in no runlevel"
    assert manager_of(openrc("started", boot=("default",), restarts=2)).evidence().text == \
        "OpenRC: started, restarted 2 times, in runlevel default"


def test_what_it_says_of_runs_boots_and_accounts() -> None:
    made = manager_of(openrc("failed", started_at=NOW - 60, ended_at=NOW - 9, restarts=3, user="www-data"))
    assert (made.started_at(), made.ended_at(), made.restart_count(), made.account_name()) == (NOW - 60, NOW - 9, 3, "www-data")
    assert made.has_ended() and made.is_started() and made.is_unwatched() and made.is_disabled() and made.is_off_at_boot()
    rests = manager_of(openrc("stopped", boot=("default",)))
    assert not rests.is_started() and rests.is_intended() and not rests.is_disabled() and not rests.has_ended()
    assert not manager_of(openrc("started", 7)).is_unwatched() and manager_of(openrc("started")).account_name() == "root"


def test_what_an_operator_does() -> None:
    made = manager_of(openrc("failed"))
    assert made.command_text("restart") == "rc-service shop restart"
    assert "/etc/conf.d/shop" in made.environment_text() and "rc-service shop restart" in made.environment_text()
    assert manager_of(service(unit=None, pid=7)).environment_text() == "recreate it with the value"
    assert "output_log" in made.unread_log_text("not asked") and "/etc/init.d/shop" in made.unread_log_text("not asked")
