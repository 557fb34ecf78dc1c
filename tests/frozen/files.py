"""The other files of an earlier version: what was learned, what was accepted, a policy, and both kinds of bundles.

    python -m tests.frozen.files      makes tests/frozen/disk/files anew, on a machine in Docker

They were made once and are committed; a version that reads them otherwise has changed a name that people's disks hold.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fixer.app.bundle_policy import add_bundle_policy
from fixer.app.ignore_list import parse_ignore_list
from fixer.diagnose.run_causes import diagnose
from fixer.model.capture import Capture
from fixer.model.learned import LEARNED_FILE, Learned, LearnedService, learned_from_json
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from fixer.observe.script_bundle import load_script_bundle
from fixer.policy import parse_rules
from lab.stack import images
from tests.contract.sshd_machines import LABEL, SYSTEMD_OPTIONS, docker, unique_name
from tests.frozen.answers import answer_of

FILES = Path(__file__).parent / "disk" / "files"
LEARNED, ACCEPTED, POLICY = FILES / LEARNED_FILE, FILES / "accepted.json", FILES / "policy.toml"
BUNDLE, SCRIPTED, SAID = FILES / "collected.tgz", FILES / "scripted.gz", FILES / "said.json"
MASKED = FILES / "masked.tgz"       # the bundle as the version writes it that masks by default
WHERE = f"/var/lib/badgateway/targets/local/{LEARNED_FILE}"
RULES = """max_risk = "safe"
services = ["desk-*", "!token-db"]
hours = ["mon-fri 22:00-06:00", "sat-sun"]
"""
APP = """async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"desk"})
"""
UNIT = """[Service]
User=svc
WorkingDirectory=/srv/desk
EnvironmentFile=/etc/default/desk
ExecStart=/usr/bin/uvicorn desk:app --port 9401
[Install]
WantedBy=multi-user.target
"""
SITE = """server {
  listen 8080;
  server_name desk.example;
  location / { proxy_pass http://127.0.0.1:9401; proxy_set_header Authorization "Bearer tr0ub4dor-3x"; }
}
"""
SETUP = f"""
mkdir -p /srv/desk /etc/badgateway
cat >/srv/desk/desk.py <<'END'
{APP}END
cat >/etc/nginx/sites-enabled/desk <<'END'
{SITE}END
cat >/etc/systemd/system/desk.service <<'END'
{UNIT}END
cat >/etc/badgateway/policy.toml <<'END'
{RULES}END
id svc >/dev/null 2>&1 || useradd svc
printf 'DESK_SECRET=tr0ub4dor-3x\\nMODE=plain\\n' >/etc/default/desk; chmod 600 /etc/default/desk
systemctl daemon-reload; systemctl enable --now desk; systemctl reload nginx
"""


def bundled() -> Capture:
    """What `fixer collect` wrote."""
    return unpack_bundle(BUNDLE.read_bytes())


def scripted() -> Capture:
    """What the collect script wrote, with what people had said there."""
    return add_bundle_policy(load_script_bundle(SCRIPTED.read_bytes()))


def said_of(capture: Capture) -> dict[str, Any]:
    """What a capture means."""
    seen = build_snapshot(capture)
    return answer_of(seen, diagnose(seen, accepted=seen.ignored))


def everything() -> dict[str, Any]:
    """What all of the files say, with the words of the files alone."""
    learned = learned_from_json(LEARNED.read_bytes(), "web", WHERE)
    assert learned is not None
    return {
        "learned": {"node": learned.node, "where": learned.where, "at": learned.at,
                    "services": [_service(service) for service in learned.services]},
        "accepted": [[each.id, each.cause, each.where, each.because, each.owner, each.until]
                     for each in parse_ignore_list(ACCEPTED.read_bytes())],
        "policy": parse_rules(POLICY.read_bytes(), "policy.toml").summary_text(),
        "bundle": said_of(bundled()), "script": said_of(scripted()),
        "told": {"bundle": list(bundled().said), "script": list(scripted().said)},
    }


def again(learned: Learned) -> Learned:
    """As it was when it was written: the file names neither node nor place."""
    return Learned("", learned.at, "", learned.services)


def _service(service: LearnedService) -> list[Any]:
    return [service.name, service.manager, service.runtime, list(service.argv), service.directory, service.user,
            [list(address) for address in service.addresses], [list(pair) for pair in service.variables],
            service.complete, service.readable]


def _fixer(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "fixer", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _wait(name: str, script: str) -> None:
    until = time.monotonic() + 60
    while subprocess.run(["docker", "exec", name, "sh", "-c", script], capture_output=True, check=False).returncode:
        assert time.monotonic() < until, script
        time.sleep(0.2)


def _make(name: str) -> None:
    target = f"docker://{name}"
    docker("run", "-d", "--label", LABEL, "--name", name, "--hostname", "web", *SYSTEMD_OPTIONS,
           "--cap-add", "SYS_PTRACE", images.ensure(lambda line: None)["machine"])
    _wait(name, "systemctl is-active nginx")
    docker("exec", name, "bash", "-ec", SETUP)
    _wait(name, "curl -sf http://127.0.0.1:8080/")
    _fixer("learn", target)
    LEARNED.write_bytes((docker("exec", name, "cat", WHERE) + "\n").encode())
    _fixer("ignore", "wrong-port", target, "--where", "other.example", "--because", "moved on Friday", "--until", "2028-01-31")
    _fixer("ignore", "nginx-not-reloaded", target, "--because", "café", "--until", "2028-06-30")
    (listed,) = Path(os.environ["BADGATEWAY_STATE"]).rglob("accepted.json")
    shutil.copy(listed, ACCEPTED)
    docker("exec", "-i", name, "sh", "-c", "cat >/var/lib/badgateway/targets/local/accepted.json", data=ACCEPTED.read_bytes())
    docker("exec", name, "systemctl", "stop", "desk")
    _fixer("collect", target, "-o", str(BUNDLE))
    script = subprocess.run([sys.executable, "-m", "fixer", "collect", "--script"], capture_output=True, check=True).stdout
    taken = subprocess.run(["docker", "exec", "-i", name, "sh"], input=script, capture_output=True, check=True).stdout
    SCRIPTED.write_bytes(taken)


def main() -> None:
    """All files anew."""
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir(parents=True)
    POLICY.write_text(RULES)
    name = unique_name("frozen")
    with tempfile.TemporaryDirectory() as state:
        os.environ["BADGATEWAY_STATE"] = state
        try:
            _make(name)
        finally:
            subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)
    for path in (BUNDLE, SCRIPTED):
        path.chmod(0o644)
    MASKED.write_bytes(pack_bundle(bundled()))
    SAID.write_text(json.dumps(everything(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
