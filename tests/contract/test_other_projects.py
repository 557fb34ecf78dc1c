"""nginx in a compose project of its own, its backends in others: what they share is a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.stack import images
from tests.contract.sshd_machines import docker, unique_name

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SITE = "server {{ listen 80; location / {{ proxy_pass http://{}; proxy_connect_timeout 2s; }} }}"


@dataclass(frozen=True)
class Both:
    """A proxy's project, and the container of another one that it leads to."""

    project: str
    proxy: str
    desk: str
    network: str
    state: Path

    def run(self, *words: str) -> bytes:
        return subprocess.run([sys.executable, "-m", "fixer", *words], capture_output=True, check=False,
                              env={**os.environ, "BADGATEWAY_STATE": str(self.state)}).stdout

    def fixer(self, *words: str) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.run(*words, "--json"))
        return told

    def found(self, *words: str) -> list[tuple[str, str]]:
        seen = self.fixer("diagnose", *(words or (f"compose://{self.project}",)))
        return [(f["cause"], f["confidence"]) for f in seen["findings"] if f["role"] == "root"]  # type: ignore[attr-defined]


def started(name: str, network: str, project: str, service: str, script: str) -> None:
    labels = [word for pair in (f"com.docker.compose.project={project}", f"com.docker.compose.service={service}",
                                "badgateway.test=contract") for word in ("--label", pair)]
    docker("run", "-d", "--init", "--name", name, *labels, "--network", network, "--network-alias", service, "--stop-signal", "TERM",
           "--entrypoint", "sh", images.ensure(lambda line: None)["machine"], "-c", f"rm -f /etc/nginx/sites-enabled/*; {script}")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    word = unique_name("common")
    made = Both(f"{word}proxy", f"{word}proxy-rp-1", f"{word}app-desk-1", f"{word}net", tmp_path)
    conf = f"echo '{SITE.format('desk:7070')}' >/etc/nginx/conf.d/desk.conf"
    docker("network", "create", "--label", "badgateway.test=contract", made.network)
    try:
        # an nginx of the other project beside it, whose own site is broken: it is not ours to judge
        started(made.desk, made.network, f"{word}app", "desk", "cd /srv; exec python3 -m http.server 7070")
        started(f"{word}app-inner-1", made.network, f"{word}app", "inner", f"{conf.replace('7070', '9')}; exec nginx -g 'daemon off;'")
        started(made.proxy, made.network, made.project, "rp", f"until {conf}; getent hosts desk; do sleep 0.1; done; exec nginx -g 'daemon off;'")
        yield made
    finally:
        docker("rm", "-f", "-v", made.desk, made.proxy, f"{word}app-inner-1")
        docker("network", "rm", made.network)


def test_a_backend_of_another_project_is_found_started_and_joined(both: Both) -> None:
    target = f"compose://{both.project}"
    assert both.found() == []
    docker("stop", "-t", "5", both.desk)
    assert both.found() == [("backend-down", "certain")]
    assert both.fixer("repair", target, "--yes")["outcome"] == "repaired"
    assert both.fixer("undo", target)["conflicts"] == []
    assert docker("inspect", "-f", "{{.State.Running}}", both.desk).strip() == "false"
    docker("start", both.desk)
    docker("network", "disconnect", both.network, both.desk)
    assert both.found() == both.found(f"docker://{both.proxy}") == [("network-detached", "certain")]
    bundle = both.state / "seen.tar.gz"
    both.run("collect", target, "-o", str(bundle))
    assert both.found(f"bundle:{bundle}") == [("network-detached", "certain")]
    assert both.fixer("repair", target, "--yes")["outcome"] == "repaired"
