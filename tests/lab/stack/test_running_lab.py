"""Tests of lab/stack/running_lab.py."""

from __future__ import annotations

import pytest

from lab.http_get import get_status
from lab.scenario.scenario_file import Stack
from lab.stack.running_lab import Lab
from lab.verbs.up import lab_up
from tests.crash.crash_draw import draw_by_day
from tests.lab.verbs.test_up import state  # noqa: F401

pytestmark = [pytest.mark.docker, pytest.mark.apart, pytest.mark.timeout(300)]


def quiet(line: str) -> None:
    assert line


@pytest.mark.parametrize(("stack", "variant"), draw_by_day(
    [("containers", "container-wrong-port"), ("host", "wrong-port")], "lasts", 1))
def test_a_wrong_port_lasts_and_its_repair_too(stack: Stack, variant: str) -> None:
    """By day on one of the stacks, drawn from the commit."""
    risen = lab_up(f"wrong-port/{variant}", stack, 12, quiet)
    lab = risen.lab
    assert get_status(lab.url, "/login") == 502
    lab.restart()
    assert get_status(lab.url, "/login") == 502
    _correct(lab)
    lab.restart()
    assert get_status(lab.url, "/login") == 200


def _correct(lab: Lab) -> None:
    """By hand, as a person would."""
    path = str(lab.params["site_file"])
    old, new = f":{lab.params['route_port']}", f":{lab.params['port']}"
    if lab.stack == "host":
        lab.run_in("web", ["sed", "-i", f"s/{old}\\b/{new}/", path])
    else:
        file = lab.folder / path
        file.write_text(file.read_text().replace(old, new))


def test_the_machine_keeps_its_disk_and_loses_its_run() -> None:
    lab = lab_up("healthy", "host", 13, quiet).lab
    lab.run_in("web", ["touch", "/etc/kept", "/run/lost", "/tmp/lost"])
    lab.restart()
    assert lab.run_in("web", ["ls", "/etc/kept"]).code == 0
    assert lab.run_in("web", ["ls", "/run/lost"], check=False).code != 0
    assert lab.run_in("web", ["ls", "/tmp/lost"], check=False).code != 0
    assert lab.run_in("web", ["systemctl", "is-system-running"], check=False).text == "running"
