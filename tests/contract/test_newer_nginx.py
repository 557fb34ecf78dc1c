"""fixer on nginx 1.30, which keeps connections of every upstream by default and speaks HTTP/1.1 to it.
By day on one of the stacks, drawn from the commit."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lab.pytest_plugin import StartLab
from lab.scenario.scenario_file import STACKS, Stack
from lab.stack.break_steps import set_parameters
from lab.stack.running_lab import reload_nginx
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.apart, pytest.mark.timeout(300)]


def fixer(*words: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("stack", draw_by_day(STACKS, "newer nginx", 1))
def test_a_healthy_one_is_healthy_and_a_wrong_port_is_found(badgateway_lab: StartLab, stack: Stack) -> None:
    started = badgateway_lab("healthy/newer-nginx", stack=stack)
    said = started.lab.run_in("web", ["sh", "-c", "nginx -v 2>&1; nginx -T 2>&1"]).text
    assert "nginx/1.30." in said and "keepalive 32 local;" in said
    code, report = fixer("diagnose", started.target)
    assert (code, report["verdict"], report["findings"]) == (0, "healthy", [])
    set_parameters(started.lab, {"route_port": 4999})     # nothing listens there
    reload_nginx(started.lab)
    code, report = fixer("diagnose", started.target)
    found = report["findings"]
    assert isinstance(found, list) and [one["cause"] for one in found] == ["wrong-port"]
