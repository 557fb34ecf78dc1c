"""Tests of fixer/observe/build_nginx.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import recorded_capture


@pytest.fixture(scope="module")
def machine() -> Snapshot:
    return build_snapshot(recorded_capture("machine"))


def test_the_running_nginx_of_a_machine(machine: Snapshot) -> None:
    (nginx,) = machine.nginxes
    assert (nginx.binary, nginx.conf_path, nginx.explicit) == ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", False)
    assert nginx.master_pid and len(nginx.worker_pids) == 2
    assert nginx.service and nginx.service.name == "nginx.service"
    assert isinstance(nginx.loaded_at, Known) and isinstance(nginx.config_mtime, Known)
    assert nginx.config_mtime.value < nginx.loaded_at.value     # reloaded after the last edit
    assert isinstance(nginx.test, Unknown)                      # so there was no doubt, and nginx -t was not asked
    assert isinstance(nginx.errors, Known) and {e.errno for e in nginx.errors.value} == {111}
