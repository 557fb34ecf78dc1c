"""Secrets leave every kind of file; what a diagnosis needs stays where it was."""

from __future__ import annotations

import json

import pytest

from fixer.model.query import Answer, Command, ListProcesses, ListSockets, ReadFile, ReadGlob, ReadTree
from fixer.observe.evidence_bundle import redact_capture
from fixer.observe.nginx.endpoints import endpoint_probe
from fixer.observe.view.node_view import PEEK_BYTES, UNIT_FILES
from fixer.redaction.all_files import redact_env_file, redact_file, redact_inspect, redact_probe, redact_unit
from fixer.redaction.config_files import redact_nginx, redact_yaml
from fixer.redaction.secrets import redact_text
from fixer.redaction.values import redact_argv, redact_value
from tests.observe.capture_builders import capture, file, node, process, processes

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(("name", "value", "kept"), [
    ("PORT", "8000", True), ("APP_HOST", "0.0.0.0", True), ("ANY", "8000", True), ("LISTEN_ON", "127.0.0.1:80", True),
    ("PORT", "${PORT:-80}", True), ("ANY", "", True), ("ARGS", "--port 8000", True), ("ANY", SECRET, False),
    ("SECRET_KEY", "abc", False), ("DATABASE_URL", "postgres://u:p@h/d", False), ("PORT", "a b c", False),
])
def test_values(name: str, value: str, kept: bool) -> None:
    assert (redact_value(name, value) == value) is kept


def test_environment_files() -> None:
    data = f"# keep\nexport KEY={SECRET}\nPORT=80\nX='{SECRET}'\r\n".encode()
    said = redact_env_file(data)
    assert SECRET.encode() not in said and b"PORT=80" in said and b"export KEY=[redacted: value]" in said
    assert said.count(b"\n") == data.count(b"\n")


def test_units() -> None:
    data = f'[Service]\nEnvironment=PORT=80 K={SECRET} "Q={SECRET} {SECRET}" \\\n  Z={SECRET}\nExecStart=/x --token={SECRET}\n'.encode()
    said = redact_unit(data)
    assert SECRET.encode() not in said and b"PORT=80" in said and b"ExecStart=/x" in said and said.count(b"\n") == data.count(b"\n")


@pytest.mark.parametrize("body", [
    f"    environment:\n      KEY: {SECRET}\n      PORT: 80\n    image: x\n", f"    environment:\n    - KEY={SECRET}\n    - PORT=80\n    image: x\n",
    f"    environment: {{KEY: {SECRET}, PORT: 80}}\n    image: x\n", f'    environment:\n      KEY: "{SECRET}"  # note\n      PORT: 80\n    image: x\n',
    f'    environment: ["KEY={SECRET}", "PORT=80"]\n    image: x\n',
])
def test_compose_files(body: str) -> None:
    said = redact_yaml(f"services:\n  a:\n{body}    command: run --port 80\n".encode())
    assert SECRET.encode() not in said and b"image: x" in said and b"80" in said and b"command: run --port 80" in said


def test_a_value_from_outside_stays_in_a_compose_file() -> None:
    data = b"services:\n  a:\n    environment:\n      KEY: ${KEY:?}\n      NOTHING:\n    x: 1\n"
    assert redact_yaml(data) == data


def test_nginx_stays_the_same_configuration() -> None:
    data = (f'proxy_set_header Authorization "Basic {SECRET}"; proxy_set_header Cookie $http_cookie; '
            f"set $api_token {SECRET}; proxy_pass http://u:{SECRET}@h:80; add_header X-A b;\n").encode()
    said = redact_nginx(data)
    assert SECRET.encode() not in said and said.count(b";") == data.count(b";") and b"Cookie $http_cookie;" in said
    assert b"@h:80;" in said and b"add_header X-A b;" in said


def test_keys_inside_any_file() -> None:
    pem = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    assert SECRET.encode() not in redact_nginx(pem.encode()) and SECRET.encode() not in redact_file("/x", pem.encode())


def test_docker_inspect() -> None:
    item = {"Id": "x", "Config": {"Env": [f"KEY={SECRET}", "PORT=80", "BARE"], "Cmd": ["run", "--api-key", SECRET]},
            "Args": [f"--url=redis://u:{SECRET}@h"], "N": [1, None]}
    said = redact_inspect(json.dumps([item]).encode())
    assert SECRET.encode() not in said
    assert json.loads(said)[0]["Config"]["Env"][1:] == ["PORT=80", "BARE"] and json.loads(said)[0]["N"] == [1, None]
    assert redact_inspect(f"api_key={SECRET}".encode()).startswith(b"api_key=[redacted")


def test_commands() -> None:
    assert redact_argv(["x", "--password", SECRET, "--port", "80"]) == ["x", "--password", "[redacted: argument]", "--port", "80"]
    assert redact_argv(["x", "--token", "--verbose"]) == ["x", "--token", "--verbose"]


def test_probes() -> None:
    said = redact_probe(json.dumps({"head": f"Set-Cookie: s={SECRET}", "body": f"token={SECRET}", "status": 200}).encode())
    assert SECRET.encode() not in said and json.loads(said)["status"] == 200
    assert redact_probe(b"[1]") == b"[1]" and redact_probe(b"{") == b"{"


@pytest.mark.parametrize(("path", "data"), [
    ("/srv/compose.yml", f"services:\n  a:\n    environment:\n      K: {SECRET}\n"), ("/srv/run.sh", f"#!/bin/sh\nexport K={SECRET}\n"),
    ("/etc/systemd/system/a.service", f"[Service]\nEnvironment=K={SECRET}\n"), ("/etc/default/a", f"K={SECRET}\nPORT=1\n"),
    ("/srv/a.py", f'SECRET_KEY = "{SECRET}"\n'), ("/srv/notes", f"password: {SECRET}\nsome\nmore\nprose\n"),
])
def test_files_by_their_kind(path: str, data: str) -> None:
    assert SECRET.encode() not in redact_file(path, data.encode())


def test_every_answer_of_a_capture() -> None:
    text = f"api_key={SECRET}"
    answers = {
        ReadFile("/etc/app.env"): Answer("ok", files=(file("/etc/app.env", f"K={SECRET}"),)),
        ReadFile("/var/log/x", tail=True): Answer("ok", files=(file("/var/log/x", text),)),
        ReadTree("/opt/nginx"): Answer("ok", files=(file("/opt/nginx/a", f"set $secret {SECRET};"),)),
        UNIT_FILES: Answer("ok", files=(file("/etc/systemd/system/a.service", f"Environment=K={SECRET}"),)),
        Command("journal", ("a", "9")): Answer("ok", text.encode(), stderr=text.encode()),
        Command("systemctl-show"): Answer("ok", f"Environment=K={SECRET}".encode()),
        Command("docker-container", ("a",)): Answer("ok", json.dumps({"Id": "x", "Config": {"Env": [f"K={SECRET}"]}}).encode()),
        ListProcesses(): processes(process(9, ["x", "--password", SECRET])),
    }
    whole = capture(node(answers, site="server { location / { proxy_pass http://127.0.0.1:1; } }"))
    masked = redact_capture(whole)
    assert SECRET in repr(whole) and SECRET not in repr(masked)
    before, after = whole.nodes[0].answers, masked.nodes[0].answers
    assert set(after) == set(before) and after[ListSockets()] == before[ListSockets()]
    assert after[ReadFile("/etc/hosts")] == before[ReadFile("/etc/hosts")]
    assert endpoint_probe is not None


def test_the_rules_of_a_packet_filter_stay_readable() -> None:
    """`"key": "iif"` was taken for a secret, and what nft had listed could not be read any more."""
    rule = {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}
    listed = {"nftables": [{"rule": {"comment": f"token={SECRET}", "expr": [rule, {"drop": None}]}}]}
    asked = Command("nft-rules")
    masked = redact_capture(capture(node({asked: Answer("ok", json.dumps(listed).encode())}))).nodes[0].answers[asked]
    (after,) = json.loads(masked.data)["nftables"]
    assert after["rule"]["expr"] == [rule, {"drop": None}] and SECRET not in after["rule"]["comment"]


@pytest.mark.parametrize("line", [
    'SIGNING_KEY = os.environ["SIGNING_KEY"]', "    TOKEN = os.getenv('TOKEN')", 'secret_key = environ.get("SECRET_KEY")',
])
def test_a_lookup_by_name_holds_no_secret(line: str) -> None:
    assert redact_text(line) == line


@pytest.mark.parametrize("line", [
    'SECRET_KEY = os.environ.get("SECRET_KEY", "hunter2")', 'SECRET_KEY = os.environ["A"]"hunter2"',
    'SECRET_KEY = os.environ.get("SECRET_KEY") or "hunter2"', 'SECRET_KEY = "hunter2"', "SECRET_KEY=os.environ['A'] SECRET_KEY=hunter2",
])
def test_but_what_stands_beside_it_may(line: str) -> None:
    assert "hunter2" not in redact_text(line)


@pytest.mark.parametrize("kind", [b"program", b"fcgi-program"])
def test_supervisords_files_lose_their_values_and_nothing_else(kind: bytes) -> None:
    text = b"""[KIND:shop]
command=/usr/bin/uvicorn shop:app --port 8000
environment=SHOP_KEY="very, secret",
    OTHER='also secret',PORT="8000",BARE=naked
user=svc
""".replace(b"KIND", kind)
    masked = redact_file("/etc/supervisor/conf.d/shop.conf", text)
    for gone in (b"very", b"also", b"naked"):
        assert gone not in masked
    for kept in (b"--port 8000", b'PORT="8000"', b"user=svc", b"SHOP_KEY=", b"[%s:shop]" % kind):
        assert kept in masked


def test_files_that_were_only_looked_for_hold_no_secret() -> None:
    query = ReadGlob(("/etc/api/*.env",), PEEK_BYTES, 60)
    answers = {query: Answer("ok", files=(file("/etc/api/blue.env", "API_SECRET=hunter22hunter\nPORT=8000\n"),))}
    [kept] = redact_capture(capture(node(answers))).nodes[0].answers[query].files
    assert kept.data == b"API_SECRET=[redacted: value]\nPORT=8000\n"


def test_of_a_file_of_uwsgi_what_it_serves_and_where_stays() -> None:
    """A bundle told another cause than the live look: where it listens was masked."""
    text = b"[uwsgi]\nsocket = /run/a.sock\nmodule = wsgi:app\nenv = DB_PASSWORD=hunter2\nset-ph = token=hunter2\nprocesses=2\n"
    kept = redact_file("/srv/shop/app.ini", text)
    assert b"socket = /run/a.sock\nmodule = wsgi:app\n" in kept and b"processes=2" in kept and b"hunter2" not in kept
