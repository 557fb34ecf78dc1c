"""Containers whose own script starts nginx: neither command nor image names it, and a stopped one is found all the same."""

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

START = """rm -f /etc/nginx/sites-enabled/*
printf 'server { listen 8088; location / { proxy_pass http://127.0.0.1:7070; } }' >/etc/nginx/conf.d/desk.conf
cd /srv && python3 -m http.server --bind 127.0.0.1 7070 &
nginx
exec sleep 900
"""


@pytest.fixture
def container() -> Iterator[str]:
    name = unique_name("ownscript")
    image = images.ensure(lambda line: None)["machine"]
    docker("run", "-d", "--init", "--label", "badgateway.test=surface", "--name", name, "--entrypoint", "sh", image, "-c", START)
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name)


def fixer(state: Path, *words: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, check=False,
                          env={**os.environ, "BADGATEWAY_STATE": str(state)})
    return done.returncode, json.loads(done.stdout)


def test_it_is_started_and_stopped_again(container: str, tmp_path: Path) -> None:
    target, until = f"docker://{container}", time.monotonic() + 60
    while fixer(tmp_path, "diagnose", target)[0] != 0 and time.monotonic() < until:
        time.sleep(0.2)
    docker("stop", "-t", "1", container)
    code, seen = fixer(tmp_path, "diagnose", target)
    assert code == 1 and seen["findings"][0]["cause"] == "nginx-down"  # type: ignore[index]
    code, told = fixer(tmp_path, "repair", target, "--yes")
    assert (code, told["outcome"]) == (0, "repaired")
    assert fixer(tmp_path, "undo", target)[0] == 0
    assert docker("inspect", "-f", "{{.State.Status}}", container).strip() == "exited"
