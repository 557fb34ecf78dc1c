"""OpenRC on a real machine: services of both its ways to run a server, broken, diagnosed, repaired, undone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.stack import images
from tests.contract.sshd_machines import LABEL, docker
from tests.crash.crash_draw import draw_by_day

pytestmark = pytest.mark.docker
FOLDER = Path(__file__).parent / "openrc"
CRASH = "import os\nTOKEN = os.environ['SHOP_TOKEN']\n"


class OpenRCMachine:
    """A container whose first process is openrc-init."""

    def __init__(self) -> None:
        base = images.ensure(lambda line: None, ["app"])["app"]
        files = b"".join(path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file())
        tag = f"badgateway/test-openrc:{hashlib.sha256(base.encode() + files).hexdigest()[:12]}"
        if not docker("images", "-q", tag):
            docker("build", "-q", "--build-arg", f"BASE={base}", "-t", tag, str(FOLDER))
        self.name = f"badgateway-openrc-{uuid.uuid4().hex[:8]}"
        docker("run", "-d", "--label", LABEL, "--name", self.name, "--tmpfs", "/run:exec,mode=755", tag)
        self.wait("test -e /run/nginx.pid && rc-service shop status && rc-service desk status")

    def sh(self, script: str) -> str:
        """Run a script in it as root."""
        return docker("exec", self.name, "sh", "-ec", script)

    def wait(self, script: str, seconds: float = 60.0) -> None:
        """Until the script succeeds."""
        deadline = time.monotonic() + seconds
        while subprocess.run(["docker", "exec", self.name, "sh", "-c", script], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, script
            time.sleep(0.2)

    def answers(self, path: str = "/") -> int:
        """The status of a page, as its own visitors see it."""
        script = ("import sys, urllib.request as u, urllib.error as e\ntry: print(u.urlopen(sys.argv[1]).status)\n"
                  "except e.HTTPError as answer: print(answer.code)\nexcept OSError: print(0)")
        return int(docker("exec", self.name, "python3", "-c", script, f"http://127.0.0.1{path}"))

    def fixer(self, *words: str) -> dict[str, Any]:
        """One command of fixer about it; its JSON."""
        done = subprocess.run([sys.executable, "-m", "fixer", *words, f"docker://{self.name}", "--json"],
                              capture_output=True, check=False)
        assert done.stdout, done.stderr.decode()
        return dict(json.loads(done.stdout))

    def repaired(self, *words: str) -> int:
        """Repair without questions; the exit code."""
        return subprocess.run([sys.executable, "-m", "fixer", "repair", f"docker://{self.name}", "--yes", "--max-risk",
                               "disruptive", *words], capture_output=True, check=False).returncode

    def undone(self) -> int:
        """Undo the last repair; the exit code."""
        return subprocess.run([sys.executable, "-m", "fixer", "undo", f"docker://{self.name}", "--yes"],
                              capture_output=True, check=False).returncode


@pytest.fixture
def machine() -> Iterator[OpenRCMachine]:
    made = OpenRCMachine()
    try:
        made.wait("python3 -c \"import socket; [socket.create_connection(('127.0.0.1', p)) for p in (80, 8000, 8001)]\"")
        yield made
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", made.name], capture_output=True, check=False)


def found(machine: OpenRCMachine) -> list[tuple[str, str]]:
    """(cause, service) of what is at fault."""
    return [(one["cause"], one["service"]) for one in machine.fixer("diagnose")["findings"] if one["role"] == "root"]


def a_stopped_service_is_started_and_kept_for_the_next_boot(machine: OpenRCMachine) -> None:
    assert found(machine) == [] and (machine.answers("/"), machine.answers("/desk/")) == (200, 200)
    machine.sh("rc-service shop stop && rc-update -q del shop default")
    assert found(machine) == [("backend-down", "shop")] and machine.answers() == 502
    assert machine.repaired() == 0 and machine.answers() == 200
    assert "shop" in machine.sh("rc-update show default") and "started" in machine.sh("rc-service shop status")
    assert machine.undone() == 0 and machine.answers() == 502
    assert "shop" not in machine.sh("rc-update show default")
    assert "stopped" in machine.sh("rc-service shop status || true")


def a_killed_server_counts_as_started_and_is_restarted(machine: OpenRCMachine) -> None:
    machine.sh("kill -9 $(cat /run/desk.pid); pkill -9 gunicorn || true")
    machine.wait("rc-service desk status; test $? = 32")
    assert found(machine) == [("backend-down", "desk")]
    assert machine.repaired() == 0 and machine.answers("/desk/") == 200
    assert machine.undone() == 0 and machine.answers("/desk/") == 502


def a_crash_that_its_supervisor_gave_up_on_gets_its_variable(machine: OpenRCMachine) -> None:
    machine.sh(f"cat > /srv/shop/more.py <<'EOF'\n{CRASH}EOF\ncat /srv/shop/more.py /srv/shop/app.py > /srv/shop/new.py")
    machine.sh("mv /srv/shop/new.py /srv/shop/app.py && rc-service shop restart")
    machine.wait("test -e /run/openrc/failed/shop")
    assert found(machine) == [("crash-missing-env", "shop")]
    assert machine.repaired("--set", "SHOP_TOKEN=s3cret-for-the-shop") == 0 and machine.answers() == 200
    assert machine.sh("cat /etc/conf.d/shop").splitlines() == ["SHOP_PORT=8000", "export SHOP_TOKEN='s3cret-for-the-shop'"]
    assert machine.undone() == 0 and machine.sh("cat /etc/conf.d/shop") == "SHOP_PORT=8000"


def another_port_in_its_settings(machine: OpenRCMachine) -> None:
    machine.sh("echo SHOP_PORT=8010 > /etc/conf.d/shop && rc-service shop restart")
    machine.wait("python3 -c \"import socket; socket.create_connection(('127.0.0.1', 8010))\"")
    assert found(machine) == [("wrong-port", "shop")]
    assert machine.repaired() == 0 and machine.answers() == 200
    assert machine.undone() == 0 and machine.answers() == 502


def a_stopped_nginx_is_started_by_its_manager(machine: OpenRCMachine) -> None:
    machine.sh("rc-service nginx stop")
    machine.wait("! test -e /run/nginx.pid")
    assert [cause for cause, _ in found(machine)] == ["nginx-down"]
    assert machine.repaired() == 0 and (machine.answers("/"), machine.answers("/desk/")) == (200, 200)
    machine.sh("test -e /run/openrc/started/nginx")
    assert machine.undone() == 0 and machine.answers() == 0


CASES: list[Callable[[OpenRCMachine], None]] = [
    a_stopped_service_is_started_and_kept_for_the_next_boot, a_killed_server_counts_as_started_and_is_restarted,
    a_crash_that_its_supervisor_gave_up_on_gets_its_variable, another_port_in_its_settings, a_stopped_nginx_is_started_by_its_manager]


@pytest.mark.parametrize("case", draw_by_day(CASES, "openrc", 2))
def test_what_is_found_is_repaired_and_taken_back(machine: OpenRCMachine, case: Callable[[OpenRCMachine], None]) -> None:
    """By day two of them, drawn from the commit."""
    case(machine)
