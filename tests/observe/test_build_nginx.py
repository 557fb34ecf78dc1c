"""Tests of fixer/observe/build_nginx.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, node, recorded_capture
from tests.observe.supervisord.supervisord_programs_builders import DAEMON, SITE, answers, said


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


@pytest.mark.parametrize("command", ["/usr/sbin/nginx -g 'daemon off;'", 'nginx -g "daemon off;"'])
def test_a_stopped_nginx_is_the_program_of_its_supervisord(command: str) -> None:
    """It is started by supervisorctl again: one that is started beside it holds the ports when supervisord retries."""
    program = f"[program:front]\ncommand={command}\n"
    log = said((90, "spawned: 'front' with pid 71"), (30, "stopped: front (exit status 0)"))
    (nginx,) = build_snapshot(capture(node(answers(program, log), site=SITE, running=[DAEMON], nginx=False))).nginxes
    assert nginx.master_pid is None
    assert nginx.service is not None and nginx.service.program is not None
    assert (nginx.service.name, nginx.service.program.state) == ("front", "STOPPED")
