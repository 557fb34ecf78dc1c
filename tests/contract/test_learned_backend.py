"""A backend started with nohup is learned, gone after a reboot, and comes back as a unit that stays."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lab.stack import images
from tests.contract.container_shell import run_inside, succeeds_inside
from tests.contract.sshd_machines import SYSTEMD_OPTIONS, docker, unique_name

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = "correct horse$5%battery"
APP = '''import os
KEY = os.environ["DESK_SECRET"]
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200 if KEY == "VALUE" else 500, "headers": []})
        await send({"type": "http.response.body", "body": b"desk"})
'''.replace("VALUE", SECRET)
START = """#!/bin/sh
# as the guide does it
cd /srv/desk || exit 1
export PYTHONPATH=/srv/desk
export DESK_SECRET='VALUE'
export DESK_MODE="plain"
nohup uvicorn desk:app --host 127.0.0.1 --port 9401 >/tmp/desk.log 2>&1 </dev/null &
""".replace("VALUE", SECRET)
SITE = "server {\n  listen 8080;\n  location / { proxy_pass http://127.0.0.1:9401; }\n}\n"


class Machine:
    """A machine that boots nginx and nothing else."""

    def __init__(self) -> None:
        self.name = unique_name("nohup")
        image = images.ensure(lambda line: None)["machine"]
        docker("run", "-d", "--label", "badgateway.test=contract", "--name", self.name, *SYSTEMD_OPTIONS,
               "--cap-add", "SYS_PTRACE", image)     # as root of a real host has it: another user's environment is read

    def sh(self, script: str) -> str:
        return run_inside(self.name, script, shell="bash -ec")

    def wait(self, script: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not succeeds_inside(self.name, script, shell="bash -ec"):
            assert time.monotonic() < deadline, script
            time.sleep(0.2)

    def reboot(self) -> None:
        docker("restart", "-t", "5", self.name)
        self.wait("systemctl is-active nginx")

    def status(self) -> str:
        return self.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true")

    def fixer(self, *words: str) -> tuple[int, dict, str]:
        done = subprocess.run([sys.executable, "-m", "fixer", words[0], f"docker://{self.name}", *words[1:], "--json"],
                              capture_output=True, check=False)
        text = (done.stdout + done.stderr).decode()
        assert SECRET not in text and "battery" not in text
        return done.returncode, json.loads(done.stdout), text


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        made.wait("systemctl is-active nginx")
        made.sh(f"mkdir /srv/desk; cat > /srv/desk/desk.py <<'END'\n{APP}END\ncat > /srv/desk/start.sh <<'END'\n{START}END\n"
                f"cat > /etc/nginx/sites-enabled/desk <<'END'\n{SITE}END\nchown -R svc: /srv/desk; chmod 700 /srv/desk/start.sh\n"
                "systemctl reload nginx; setpriv --reuid svc --regid svc --init-groups sh /srv/desk/start.sh")
        made.wait("curl -sf http://127.0.0.1:8080/")
        yield made
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", made.name], capture_output=True, check=False)


def test_what_was_started_by_hand_comes_back_and_stays(machine: Machine) -> None:
    code, learned, _ = machine.fixer("learn")
    assert code == 0
    (service,) = learned["services"]
    assert (service["addresses"], service["user"], service["unplaced"]) == (["127.0.0.1:9401"], "svc", [])
    assert {"DESK_SECRET", "DESK_MODE", "PYTHONPATH"} <= set(service["variables"])
    assert SECRET not in machine.sh(f"cat {learned['file']}")
    assert machine.sh(f"stat -c %a {learned['file']}") == "600"

    before = machine.sh("ls -R /etc/systemd/system /etc/default")
    machine.reboot()
    assert machine.status() == "502"
    code, report, _ = machine.fixer("diagnose")
    found = report["findings"][0]
    assert (code, found["cause"], found["evidence"][0]["source"]) == (1, "backend-down", "learned")
    assert found["repairs"][0]["id"] == "start-as-unit"
    assert "DESK_SECRET=[redacted" in found["repairs"][0]["diff"]
    code, refused, _ = machine.fixer("repair", "--yes")
    assert (code, refused["applied"]) == (4, [])
    code, result, _ = machine.fixer("repair", "--yes", "--max-risk", "disruptive")
    assert (code, result["outcome"]) == (0, "repaired"), result["after"]["findings"]
    assert machine.status() == "200"
    assert machine.sh("ps -o user= -C uvicorn | sort -u || true") in ("svc", "")
    journal = machine.sh("cat /var/lib/badgateway/targets/local/runs/*/journal.jsonl")
    assert SECRET not in journal

    machine.reboot()
    machine.wait("curl -sf http://127.0.0.1:8080/")

    code, undone, _ = machine.fixer("undo")
    assert (code, undone["conflicts"]) == (0, [])
    assert machine.status() == "502"
    assert machine.sh("ls -R /etc/systemd/system /etc/default") == before


def test_what_is_not_well_is_not_learned(machine: Machine) -> None:
    machine.sh("pkill -f desk:app")
    machine.wait("! curl -sf http://127.0.0.1:8080/")
    code, failure, _ = machine.fixer("learn")
    assert (code, failure["error"]["kind"]) == (1, "not-healthy")
