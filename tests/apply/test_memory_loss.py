"""What an undo cannot bring back, and says so; and whether one more restart would bring something back."""

from __future__ import annotations

import pytest

from fixer.apply.memory_loss import discards_memory, restarts_only
from fixer.model.plan import (
    CheckNginx,
    ComposeUp,
    ContainerAction,
    ReloadNginx,
    ServiceAction,
    Step,
    UnitAction,
    WaitForListener,
)
from tests.apply.folder_target import NEW, OLD, write_step


@pytest.mark.parametrize(("network", "was", "gone"), [
    ("container:abc", "running", True), ("container:abc", "exited", False), ("", "running", False),
])
def test_a_container_made_anew_in_another_network_than_it_was_alone_in(network: str, was: str, gone: bool) -> None:
    step = ComposeUp("p", "web", "/srv", ("/srv/compose.yaml",), (), "abc", was, network)
    assert discards_memory(step) is gone


NGINX = ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/etc/nginx")
RESTART = ContainerAction("c" * 64, "shop-web-1", "restart", "running")


@pytest.mark.parametrize(("beside", "only"), [
    ((), True), ((WaitForListener("local", "127.0.0.1", 8000, 5.0), CheckNginx("local", *NGINX), ReloadNginx("local", 7, *NGINX, "/var/log/nginx/error.log")), True),
    ((ContainerAction("d" * 64, "shop-db-1", "start", "exited"),), False),
    ((UnitAction("local", "database.service", "start", "inactive", "disabled"),), False),
])
def test_a_restart_beside_a_started_dependency_is_not_all(beside: tuple[Step, ...], only: bool) -> None:
    assert restarts_only([*beside, RESTART]) is only


def test_a_restart_for_a_written_file_is_not_all() -> None:
    assert not restarts_only([write_step("/etc/shop", OLD, NEW), RESTART])


@pytest.mark.parametrize(("step", "lost"), [
    (UnitAction("local", "shop.service", "restart", "active", "enabled"), True),
    (UnitAction("local", "shop.service", "restart", "failed", "enabled"), False),
    (ServiceAction("local", "openrc", "shop", "restart", "running", 7), True),
    (ServiceAction("local", "openrc", "shop", "restart", "crashed"), False),
    (ServiceAction("local", "openrc", "shop", "start", "stopped"), False),
])
def test_a_restart_of_what_ran_loses_its_memory_under_each_manager(step: Step, lost: bool) -> None:
    assert discards_memory(step) is restarts_only([step]) is lost
