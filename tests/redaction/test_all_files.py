"""Secrets leave every kind of file; what a diagnosis needs stays where it was."""

from __future__ import annotations

import json

import pytest

from fixer.redaction.all_files import (
    redact_boot,
    redact_env_file,
    redact_file,
    redact_inspect,
    redact_manager_file,
    redact_probe,
    redact_unit,
)
from fixer.redaction.commands import redact_argv
from fixer.redaction.masks import Masks
from fixer.redaction.nginx_words import redact_nginx

SECRET = "hunter2hunter2"


def test_environment_files() -> None:
    data = f"# keep\nexport KEY={SECRET}\nPORT=80\nX='{SECRET}'\r\n".encode()
    said = redact_env_file(data)
    assert SECRET.encode() not in said and b"PORT=80" in said and b"export KEY=[masked 2]" in said
    assert said.count(b"\n") == data.count(b"\n")


def test_units() -> None:
    data = f'[Service]\nEnvironment=PORT=80 K={SECRET} "Q={SECRET} {SECRET}" \\\n  Z={SECRET}\nExecStart=/x --token={SECRET}\n'.encode()
    said = redact_unit(data)
    assert SECRET.encode() not in said and b"PORT=80" in said and b"ExecStart=/x" in said and said.count(b"\n") == data.count(b"\n")


def test_a_unit_of_a_user_stays_a_unit_in_a_bundle() -> None:
    """Its sections were masked as words of a script: a bundle named another cause than the host."""
    data = f"[Service]\nEnvironment=K={SECRET}\nExecStart=/usr/bin/uvicorn main:app --port 9000\n".encode()
    said = redact_boot("/home/deploy/.config/systemd/user/notes.service", data, Masks())
    assert said.startswith(b"[Service]\n") and b"ExecStart=/usr/bin/uvicorn main:app --port 9000" in said and SECRET.encode() not in said


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
    assert redact_argv(["x", "--password", SECRET, "--port", "80"]) == ["x", "--password", "[masked 1]", "--port", "80"]
    assert redact_argv(["x", "--token", "--verbose"]) == ["x", "--token", "--verbose"]


def test_probes() -> None:
    said = redact_probe(json.dumps({"head": f"Set-Cookie: s={SECRET}", "body": f"token={SECRET}", "status": 200}).encode())
    assert SECRET.encode() not in said and json.loads(said)["status"] == 200
    assert redact_probe(b"[1]") == b"[1]" and redact_probe(b"{") == b"{"


@pytest.mark.parametrize(("path", "data"), [
    ("/srv/compose.yml", f"services:\n  a:\n    environment:\n      K: {SECRET}\n"), ("/srv/run.sh", f"#!/bin/sh\nexport K={SECRET}\n"),
    ("/etc/systemd/system/a.service", f"[Service]\nEnvironment=K={SECRET}\n"), ("/etc/default/a", f"K={SECRET}\nPORT=1\n"),
    ("/srv/a.py", f'SECRET_KEY = "{SECRET}"\n'), ("/srv/notes", f"password: {SECRET}\nsome\nmore\nprose\n"),
    ("/etc/shop/app.ini", f"[db]\nanything: {SECRET}\n"), ("/etc/shop/app.toml", f"[db]\nlist = [\n  '{SECRET}',\n]\nx: y\nz: w\n"),
])
def test_files_by_their_kind(path: str, data: str) -> None:
    assert SECRET.encode() not in redact_file(path, data.encode())


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


def test_of_a_file_of_uwsgi_what_it_serves_and_where_stays() -> None:
    """A bundle told another cause than the live look: where it listens was masked."""
    text = b"[uwsgi]\nsocket = /run/a.sock\nmodule = wsgi:app\nenv = DB_PASSWORD=hunter2\nset-ph = token=hunter2\nprocesses=2\n"
    kept = redact_file("/srv/shop/app.ini", text)
    assert b"socket = /run/a.sock\nmodule = wsgi:app\n" in kept and b"processes=2" in kept and b"hunter2" not in kept


@pytest.mark.parametrize(("path", "data"), [
    ("/etc/systemd/system/shop.service.bak", b"[Service]\nExecStart=/srv/x\nUser=x\nEnvironment=SEED=hunter-2\n"),
    ("/srv/shop/.env.old", b"# of the shop\nhello\nhello again\nthis and that\nSEED=hunter-2\n"),
    ("/srv/shop/app.env~", b"# of the shop\nhello\nhello again\nthis and that\nSEED=hunter-2\n"),
])
def test_a_copy_is_masked_as_what_it_is_a_copy_of(path: str, data: bytes) -> None:
    assert b"hunter-2" not in redact_file(path, data)


HERE = "/srv/shop"


@pytest.mark.parametrize("name", ["app.env.example", ".env.example", "app.env.bak", ".env.sample"])
def test_a_bundle_shows_no_value_of_what_lies_beside(name: str) -> None:
    data = b"one word of prose\nand another one\nthird\nKEY=hunter22\n"
    assert b"hunter22" not in redact_file(f"{HERE}/{name}", data)


def test_passwords_of_its_file_are_in_no_capture() -> None:
    conf = b"frontend f\n  bind :80\n  stats auth admin:hunter2\nuserlist u\n  user a password $5$x$y\n"
    assert redact_file("/etc/haproxy/haproxy.cfg", conf).split() == b"frontend f bind :80".split()


@pytest.mark.timeout(20)
def test_backslashes_in_a_quote_without_end_cost_their_length() -> None:
    said = redact_unit(b"Environment='API_TOKEN=" + b"\\a" * 200 + b"\nEnvironment='API_TOKEN=it\\'s s3cr3tZx9Kq' B=1\n")
    assert b"s3cr3tZx9Kq" not in said
    assert b"B=1" in said


@pytest.mark.parametrize(("path", "data"), [
    ("/run/openrc/options/shop/child_pid", b"90\n"), ("/run/openrc/options/shop/start_count", b"3\n"),
    ("/run/openrc/options/shop/start_time", b"2027-01-15 07:59:58\n"), ("/run/nginx/nginx.pid", b"40\n"), ("/var/run/a.pid", b"4194304"),
])
def test_a_process_id_stays(path: str, data: bytes) -> None:
    assert redact_manager_file(path, data, Masks()) == redact_file(path, data) == data
    other = SECRET.encode()
    assert other not in redact_manager_file(path, other, Masks())


def test_a_script_of_openrc_shows_how_its_server_starts() -> None:
    script = (f'#!/sbin/openrc-run\nsupervisor=supervise-daemon\ncommand="/usr/bin/gunicorn"\nexport KEY="{SECRET}"\n'
              f'command_args="--bind 127.0.0.1:8001 --api-key {SECRET} app:app"\nstart_pre() {{\n\tcurl -u me:{SECRET} http://x/\n}}\n').encode()
    said = redact_manager_file("/etc/init.d/shop", script, Masks())
    assert SECRET.encode() not in said and said.count(b"\n") == script.count(b"\n")
    for line in (b"supervisor=supervise-daemon", b'command="/usr/bin/gunicorn"', b"--bind 127.0.0.1:8001 --api-key"):
        assert line in said
    settings = redact_manager_file("/etc/conf.d/shop", f"export TOKEN={SECRET}\nSHOP_PORT=8001\n".encode(), Masks())
    assert SECRET.encode() not in settings and b"SHOP_PORT=8001" in settings


def test_of_a_process_only_figures_of_the_kernel_are_shown() -> None:
    """A process may call itself as it likes."""
    limits = b"Max open files            24                   20000                files     \n"
    assert redact_file("/proc/9/limits", limits) == limits and redact_file("/proc/9/uid_map", b"  0  0 4294967295\n") == b"  0  0 4294967295\n"
    status = b"Name:\t" + SECRET.encode() + b"\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nCpus_allowed:\t3\n"
    assert redact_file("/proc/9/status", status) == b"CapEff:\t000001ffffffffff\n"
