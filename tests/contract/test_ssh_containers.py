"""ssh:// where nginx leads to a port that Docker publishes: the containers behind it are asked by that machine's own docker.

The machine has this engine's socket and command line, and its own docker-proxy holds the published port, as on a Docker host.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import images
from tests.contract import sshbox
from tests.contract.sshbox import LABEL, Box, docker

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]
_TOOLS = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/libexec/docker"
SITE = "server {\n  listen 8080;\n  location / { proxy_pass http://127.0.0.1:%s; proxy_read_timeout 3s; }\n}\n"


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    """A container that publishes a port of the engine's choice."""
    name = sshbox.unique("desk")
    image = images.ensure(lambda line: None)["app"]
    docker("network", "create", "--label", LABEL, name)
    docker("run", "-d", "--init", "--label", LABEL, "--name", name, "--network", name, "-p", "127.0.0.1::8000",
           image, "python3", "-m", "http.server", "8000")
    port = docker("port", name, "8000/tcp").rpartition(":")[2]
    docker("rm", "-f", name)
    docker("run", "-d", "--init", "--label", LABEL, "--name", name, "--network", name, "-p", f"127.0.0.1:{port}:8000",
           image, "python3", "-m", "http.server", "8000")
    yield name
    docker("rm", "-f", name)
    docker("network", "rm", name)


@pytest.fixture(scope="module")
def box(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """nginx on a Docker host, and ssh as the way to it."""
    proxy, cli = shutil.which("docker-proxy", path=_TOOLS), shutil.which("docker", path=_TOOLS)
    if proxy is None or cli is None:
        pytest.skip("no docker-proxy on this machine to hold a published port")
    folder = tmp_path_factory.mktemp("ssh")
    sshbox.make_key(folder)
    mounts = {cli: "/usr/bin/docker", proxy: "/usr/bin/docker-proxy", "/var/run/docker.sock": "/run/docker.sock"}
    words = [word for real, inside in mounts.items() for word in ("-v", f"{Path(real).resolve()}:{inside}:ro")]
    made = Box(sshbox.unique("web"), folder, "--network", backend, *words)
    (folder / "known").write_text(f"{made.address} {made.host_key}\n")
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n")
    port = docker("port", backend, "8000/tcp").rpartition(":")[2]
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", backend)
    made.sh(f"printf '%s' '{SITE % port}' > /etc/nginx/sites-enabled/desk\n"
            f"systemd-run -q --unit=docker sh -c 'exec docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port {port}"
            f" -container-ip {address} -container-port 8000 3>/dev/null'\n"     # where it would say that it listens
            "systemctl restart nginx")
    try:
        made.wait("curl -fs -o /dev/null http://127.0.0.1:8080/")
        yield made
    finally:
        made.remove()


def fixer(box: Box, *words: str) -> tuple[int, dict]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    return done.returncode, json.loads(done.stdout)


def status(box: Box) -> str:
    return box.sh("curl -s -m 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true")


def test_a_paused_container_is_found_repaired_and_paused_again(box: Box, backend: str) -> None:
    target = f"ssh://oncall@{box.address}"       # who may use sudo
    assert fixer(box, "diagnose", target)[0] == 0
    docker("pause", backend)
    try:
        code, report = fixer(box, "diagnose", target)
        first = report["findings"][0]
        assert (code, first["cause"], first["variant"], first["node"]) == (1, "backend-hung", "container-paused", backend)
        code, result = fixer(box, "repair", target, "--yes", "--max-risk", "disruptive")
        assert (code, result["outcome"], status(box)) == (0, "repaired", "200"), result
        assert docker("inspect", "-f", "{{.State.Status}}", backend) == "running"
        code, _ = fixer(box, "undo", target)
        assert (code, docker("inspect", "-f", "{{.State.Status}}", backend)) == (0, "paused")
    finally:
        docker("unpause", backend)


def test_who_may_not_use_docker_there_is_told_so(box: Box, backend: str) -> None:
    docker("pause", backend)
    try:
        code, report = fixer(box, "diagnose", f"ssh://visitor@{box.address}")
        assert "Docker daemon cannot be reached" in " ".join(report["notes"])
        assert (code in (1, 3), [f["cause"] for f in report["findings"] if f["confidence"] == "certain"]) == (True, [])
    finally:
        docker("unpause", backend)


def test_a_container_that_ended_is_what_is_down(box: Box, backend: str) -> None:
    box.sh("systemctl stop docker")      # its proxy goes with a container
    docker("stop", backend)
    code, report = fixer(box, "diagnose", f"ssh://root@{box.address}")
    first = report["findings"][0]
    assert (code, first["cause"], first["variant"], first["node"]) == (1, "backend-down", "container-stopped", backend)
    assert f"start container {backend}" in first["repairs"][0]["steps"]
