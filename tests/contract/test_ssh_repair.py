"""diagnose, repair, history and undo over ssh:// on a machine with a real fault and no python3 on its PATH."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.contract import sshd_machines
from tests.contract.sshd_machines import SshdMachine
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

SITE = "server {\n  listen 8080;\n  # the desk\n  location / { proxy_pass http://127.0.0.1:9402; }\n}\n"
UNIT = """[Service]
User=svc
ExecStart=/usr/bin/python3.13 -m uvicorn desk:app --app-dir /srv/desk --host 127.0.0.1 --port 9401
[Install]
WantedBy=multi-user.target
"""
APP = '''async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"desk"})
'''


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdMachine]:
    """nginx that hands everything to a port beside the one where the application listens."""
    folder = tmp_path_factory.mktemp("ssh")
    sshd_machines.make_key(folder)
    made = SshdMachine(sshd_machines.unique_name("desk"), folder)
    (folder / "known").write_text(f"{made.address} {made.host_key}\n")
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n")
    made.sh(f"mkdir /srv/desk; cat > /srv/desk/desk.py <<'END'\n{APP}END\ncat > /etc/systemd/system/desk.service <<'END'\n{UNIT}END\n"
            f"cat > /etc/nginx/sites-enabled/desk <<'END'\n{SITE}END\n"
            "systemctl daemon-reload; systemctl enable --now desk; systemctl restart nginx")
    made.wait("exec 3<>/dev/tcp/127.0.0.1/9401")
    yield made
    made.remove()


def fixer(box: SshdMachine, *words: str) -> tuple[int, dict]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    return done.returncode, json.loads(done.stdout)


def status(box: SshdMachine) -> str:
    return box.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true")


@pytest.mark.parametrize("user", draw_by_day(["root", "oncall"], "ssh repair", 1))
def test_a_wrong_port_is_found_repaired_and_taken_back(box: SshdMachine, user: str) -> None:
    target = f"ssh://{user}@{box.address}"
    before = box.sh("cat /etc/nginx/sites-enabled/desk; stat -c '%a %u %g' /etc/nginx/sites-enabled/desk")
    assert status(box) == "502"
    code, report = fixer(box, "diagnose", target)
    assert (code, report["findings"][0]["cause"], report["target"]) == (1, "wrong-port", target)
    assert report["routes"][0]["probe"]["status"] == 502
    code, result = fixer(box, "repair", target, "--yes")
    assert (code, result["outcome"]) == (0, "repaired"), result
    assert status(box) == "200"
    code, listed = fixer(box, "history", target)
    assert (code, listed["runs"][0]["id"]) == (0, result["journal"])
    # on the machine itself, from its own journal
    code, undone = fixer(box, "undo", f"docker://{box.name}")
    assert (code, undone["conflicts"]) == (0, [])
    assert box.sh("cat /etc/nginx/sites-enabled/desk; stat -c '%a %u %g' /etc/nginx/sites-enabled/desk") == before
    assert status(box) == "502"
    code, result = fixer(box, "repair", target, "--yes")
    code, undone = fixer(box, "undo", target)
    assert (code, undone["conflicts"]) == (0, [])
    assert box.sh("cat /etc/nginx/sites-enabled/desk; stat -c '%a %u %g' /etc/nginx/sites-enabled/desk") == before
