"""The steps by which OpenRC starts a service."""

from __future__ import annotations

import pytest

from fixer.managers import command_of_manager, starter_of
from fixer.model.plan import ServiceAction, WriteFile
from tests.causes.snapshot_builders import Scene
from tests.managers.test_openrc_state import openrc


@pytest.mark.parametrize(("state", "verb"), [("stopped", "start"), ("failed", "start"), ("crashed", "restart"), ("restarting", "restart")])
def test_a_service_that_counts_as_started_is_restarted(state: str, verb: str) -> None:
    """`rc-service NAME start` does nothing for a crashed service: its mark says that it is started."""
    made = openrc(state, boot=("default",))
    (step,) = starter_of(Scene().with_service(made).snapshot(), made).start_steps()
    assert isinstance(step, ServiceAction) and (step.verb, step.manager, step.service) == (verb, "openrc", "shop")


def test_what_no_runlevel_has_is_linked_into_the_default_one() -> None:
    made = openrc("stopped")
    starter = starter_of(Scene().with_service(made).snapshot(), made)
    link, step = starter.start_steps()
    assert isinstance(link, WriteFile) and isinstance(step, ServiceAction)
    assert (link.path, link.link_target, link.before) == ("/etc/runlevels/default/shop", "/etc/init.d/shop", None)
    assert starter.apply_steps() == (link, step) and starter.by_hand() == "rc-service shop start"


def test_what_runs_is_restarted_to_read_its_files() -> None:
    made = openrc("started", 7, boot=("default",))
    starter = starter_of(Scene().with_service(made).snapshot(), made)
    (step,) = starter.restart_steps("running for 1 h")
    assert starter.apply_steps("running for 1 h") == (step,) and isinstance(step, ServiceAction)
    assert (step.verb, step.was, step.main_pid, step.describe) == ("restart", "running", 7, "running for 1 h")


def test_its_own_command() -> None:
    assert command_of_manager("openrc", "status", "shop") == ["rc-service", "--", "shop", "status"]
    with pytest.raises(ValueError, match="no command"):
        command_of_manager("systemd", "status", "shop.service")
