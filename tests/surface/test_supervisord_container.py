"""supervisord as the first process of a container, its log and its programs' on the container's own output: the usual
image that holds nginx and the application together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.stack import images
from tests.contract.sshd_machines import docker, unique_name

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

CONF = "/etc/supervisor/all.conf"
SUPERVISORD = """[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
[unix_http_server]
file=/run/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///run/supervisor.sock
[program:nginx]
command=nginx -g "daemon off;"
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
[program:depot]
command=uvicorn depot:app --host 127.0.0.1 --port 7070
directory=/srv/depot
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
"""
APP = """import os, pathlib
key = os.environ["DEPOT_KEY"] if pathlib.Path("/srv/depot/locked").exists() else ""
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""
SITE = "server { listen 8088; location / { proxy_pass http://127.0.0.1:7070; } }"
START = f"""rm -f /etc/nginx/sites-enabled/*
mkdir -p /srv/depot
cat >/srv/depot/depot.py <<'END'
{APP}END
cat >/etc/nginx/conf.d/depot.conf <<'END'
{SITE}
END
cat >{CONF} <<'END'
{SUPERVISORD}END
ln -sf /dev/stdout /var/log/nginx/access.log; ln -sf /dev/stderr /var/log/nginx/error.log
exec supervisord -c {CONF}
"""


@pytest.fixture
def container() -> Iterator[str]:
    name = unique_name("supervised")
    image = images.ensure(lambda line: None)["machine"]
    docker("run", "-d", "--label", "badgateway.test=surface", "--name", name, "--entrypoint", "sh", image, "-c", START)
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name)


def fixer(state: Path, *words: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, check=False,
                          env={**os.environ, "BADGATEWAY_STATE": str(state)})
    return done.returncode, json.loads(done.stdout)


def until(state: Path, target: str, code: int, cause: str = "") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found, seen = fixer(state, "diagnose", target)
        causes = [entry["cause"] for entry in seen["findings"]]  # type: ignore[attr-defined]
        if found == code and (not cause or causes[:1] == [cause]):
            return
        time.sleep(0.2)
    raise AssertionError(f"exit {found}, {causes}")


def test_a_stop_and_a_missing_variable_are_told_apart_and_repaired(container: str, tmp_path: Path) -> None:
    target = f"docker://{container}"
    until(tmp_path, target, 0)
    docker("exec", container, "supervisorctl", "-c", CONF, "stop", "depot")
    until(tmp_path, target, 1, "backend-down")
    code, told = fixer(tmp_path, "repair", target, "--yes")
    assert (code, told["outcome"]) == (0, "repaired")
    docker("exec", container, "sh", "-c", f"touch /srv/depot/locked; supervisorctl -c {CONF} restart depot || true")
    until(tmp_path, target, 1, "crash-missing-env")
    before = docker("exec", container, "sha256sum", CONF)
    assert fixer(tmp_path, "repair", target, "--yes", "--max-risk", "disruptive")[0] == 4
    code, told = fixer(tmp_path, "repair", target, "--yes", "--max-risk", "disruptive", "--set", "DEPOT_KEY=a1b2c3d4e5")
    assert (code, told["outcome"]) == (0, "repaired")
    assert fixer(tmp_path, "undo", target)[0] == 0
    assert docker("exec", container, "sha256sum", CONF) == before
