"""`collect --script` run on a machine as a person would: its bundle gives the same first cause, and no secret is in it.
By day of a third of the causes, drawn from the commit."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.app.cause_catalogue import all_causes
from fixer.app.inspect_target import observe_options, open_named_target
from fixer.app.request import DiagnoseRequest
from fixer.diagnose.run_causes import diagnose
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import collect
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from fixer.render.build_report import build_report
from fixer.render.to_json import to_value
from tests.contract.sshd_machines import docker
from tests.contract.test_learned_backend import Machine
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = "tr0ub4dor-3x"
APP = '''import os
KEY = os.environ["DESK_SECRET"]
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"desk"})
'''
UNIT = f"""[Service]
User=svc
WorkingDirectory=/srv/desk
Environment=DESK_TOKEN={SECRET} MODE=plain
EnvironmentFile=/etc/default/desk
ExecStart=/usr/bin/uvicorn desk:app --port 9401
[Install]
WantedBy=multi-user.target
"""
SITE = f"""server {{
  listen 8080;
  server_name desk.example;
  location / {{ proxy_pass http://127.0.0.1:9401; proxy_set_header Authorization "Bearer {SECRET}"; }}
}}
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        made.wait("systemctl is-active nginx")
        made.sh(f"mkdir /srv/desk; cat > /srv/desk/desk.py <<'END'\n{APP}END\ncat > /etc/nginx/sites-enabled/desk <<'END'\n{SITE}END\n"
                f"cat > /etc/systemd/system/desk.service <<'END'\n{UNIT}END\n"
                f"printf 'DESK_SECRET={SECRET}\\nDATABASE_URL=postgres://u:{SECRET}@db/x\\n' > /etc/default/desk; chmod 600 /etc/default/desk\n"
                "systemctl daemon-reload; systemctl enable --now desk; systemctl reload nginx")
        made.wait("curl -sf http://127.0.0.1:8080/")
        yield made
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", made.name], capture_output=True, check=False)


def fixer(*words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words], capture_output=True, check=False)
    return done.returncode, done.stdout.decode()


def taken(machine: Machine, path: Path) -> Path:
    """The bundle that the script writes to the file named as its argument, fetched."""
    _, script = fixer("collect", "--script")
    docker("exec", "-i", machine.name, "sh", "-c", "cat > /root/collect.sh", data=script.encode())
    machine.sh("rm -f /root/b; sh /root/collect.sh /root/b")
    done = subprocess.run(["docker", "exec", machine.name, "cat", "/root/b"], capture_output=True, check=True)
    assert machine.sh("stat -c %a /root/b") == "600"
    path.write_bytes(done.stdout)
    assert SECRET.encode() not in gzip.decompress(done.stdout)
    return path


def first(document: str) -> dict:
    return json.loads(document)["findings"][0]


def both_ways(machine: Machine) -> tuple[dict, dict]:
    """One look, reported as it is and from the bundle that it is saved as."""
    looking = DiagnoseRequest()
    with open_named_target(f"docker://{machine.name}") as target:
        capture = collect(target, observe_options(looking, target.ref))
    reports = []
    for made in (capture, unpack_bundle(pack_bundle(capture))):
        seen = build_snapshot(made)
        report = build_report(seen, diagnose(seen, {}, causes=all_causes()), duration_ms=0.0)
        reports.append(to_value(report))
    return reports[0], reports[1]


CASES = [
    ("systemctl stop desk", "systemctl start desk", "backend-down"),
    ("systemctl disable --now desk; rm /etc/systemd/system/desk.service; printf '#!/bin/sh\\nset -a; . /etc/default/desk\\ncd /srv/desk\\n"
     "uvicorn desk:app --port 9401 &' > /srv/desk/go; chmod +x /srv/desk/go; mkdir -p /etc/cron.d; echo '@reboot root /srv/desk/go' > /etc/cron.d/desk; "
     "systemctl daemon-reload",
     f"rm /etc/cron.d/desk /srv/desk/go; echo '{UNIT}' > /etc/systemd/system/desk.service; systemctl daemon-reload; "
     "systemctl enable --now desk", "backend-down"),
    ("sed -i s/9401/9402/ /etc/nginx/sites-enabled/desk; systemctl reload nginx",
     "sed -i s/9402/9401/ /etc/nginx/sites-enabled/desk; systemctl reload nginx", "wrong-port"),
    ("systemctl kill -s KILL desk; sleep 1", "systemctl start desk", "crash-killed"),
    ("sed -i /DESK_SECRET/d /etc/default/desk; systemctl restart desk || true; sleep 2",
     f"echo DESK_SECRET={SECRET} >> /etc/default/desk; systemctl restart desk", "crash-missing-env"),
    ("sed -i 's/listen 8080;/listen 8080; oops/' /etc/nginx/sites-enabled/desk; systemctl stop nginx",
     "sed -i 's/ oops//' /etc/nginx/sites-enabled/desk; systemctl start nginx", "nginx-config-invalid"),
]


@pytest.mark.parametrize(("breaks", "mends", "cause"), draw_by_day(CASES, "collected script", 2))
def test_the_first_cause_is_that_of_a_live_look(machine: Machine, tmp_path: Path, breaks: str, mends: str, cause: str) -> None:
    machine.sh(breaks)
    try:
        bundle = taken(machine, tmp_path / "b")
        live = first(fixer("diagnose", f"docker://{machine.name}", "--json")[1])
        code, document = fixer("diagnose", f"bundle:{bundle}", "--json")
        found = first(document)
        assert (code, found["cause"], found["variant"]) == (1, live["cause"], live["variant"])
        assert (found["cause"], found["summary"]) == (cause, live["summary"])
        assert found["evidence"] and SECRET not in document
        live_report, bundled = both_ways(machine)
        assert live_report == bundled
    finally:
        machine.sh(mends)
        machine.wait("curl -sf http://127.0.0.1:8080/")


def test_a_healthy_machine_is_left_in_peace(machine: Machine, tmp_path: Path) -> None:
    code, document = fixer("diagnose", f"bundle:{taken(machine, tmp_path / 'b')}", "--json")
    assert (code, json.loads(document)["verdict"]) == (0, "healthy")


def test_it_writes_over_no_file_and_says_what_it_lacks(machine: Machine) -> None:
    _, script = fixer("collect", "--script")
    docker("exec", "-i", machine.name, "sh", "-c", "cat > /root/collect.sh", data=script.encode())
    said = subprocess.run(["docker", "exec", machine.name, "sh", "-c", "echo mine > /root/kept; sh /root/collect.sh /root/kept"],
                          capture_output=True, check=False)
    assert (said.returncode, b"exists already" in said.stderr, machine.sh("cat /root/kept")) == (2, True, "mine")


def test_what_people_said_there_comes_along(machine: Machine, tmp_path: Path) -> None:
    """An acceptance of root's and the policy of that machine, as a bundle of `collect` on it would tell them."""
    entry = {"id": "ab", "cause": "backend-down", "where": "", "because": "moved", "owner": "maria", "until": "2099-01-01"}
    machine.sh("mkdir -p /var/lib/badgateway/targets/local /etc/badgateway; systemctl stop desk\n"
               f"cat > /var/lib/badgateway/targets/local/accepted.json <<'END'\n{json.dumps({'accepted': [entry]})}\nEND\n"
               "printf 'max_risk = \"safe\"\\nservices = [\"desk-*\", \"!token-db\"]\\n' > /etc/badgateway/policy.toml")
    try:
        bundle = taken(machine, tmp_path / "b")
        code, document = fixer("diagnose", f"bundle:{bundle}", "--json")
        notes = json.loads(document)["notes"]
        assert (code, json.loads(document)["verdict"]) == (0, "healthy")
        assert "backend-down is ignored by maria until 2099-01-01: moved" in notes
        assert "/etc/badgateway/policy.toml: without an operator up to safe; services desk-*, !token-db" in notes
        machine.sh("echo '[' > /var/lib/badgateway/targets/local/accepted.json; chmod o+w /etc/badgateway/policy.toml")
        code, document = fixer("diagnose", f"bundle:{taken(machine, tmp_path / 'c')}", "--json")
        notes = json.loads(document)["notes"]
        assert code == 1 and any("is not such a list" in note for note in notes)
        assert any("fixer repairs nothing there" in note for note in notes)
    finally:
        machine.sh("rm -r /var/lib/badgateway/targets /etc/badgateway; systemctl start desk")
        machine.wait("curl -sf http://127.0.0.1:8080/")
