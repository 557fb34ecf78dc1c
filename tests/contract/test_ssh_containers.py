"""ssh:// where nginx leads to a port that Docker publishes, or to a socket in a folder that a container shares: the
containers behind it are asked by that machine's own docker.

The machine has this engine's socket and command line, and its own docker-proxy holds the published port, as on a Docker host.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.stack import images
from tests.contract import sshd_machines
from tests.contract.sshd_machines import LABEL, SshdMachine, docker

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]
_TOOLS = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/libexec/docker"
ASGI = b"""
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"desk"})
"""
SITE = "server {\n  listen 8080;\n  location / { proxy_pass http://127.0.0.1:%s; proxy_read_timeout 3s; }\n}\n"


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    """A container that publishes a port of the engine's choice."""
    name = sshd_machines.unique_name("desk")
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


@contextmanager
def docker_host(folder: Path, *more: str) -> Iterator[SshdMachine]:
    """A machine with this engine's socket and command line, and ssh as the way to it."""
    cli = shutil.which("docker", path=_TOOLS)
    if cli is None:
        pytest.skip("no docker command to lend")
    sshd_machines.make_key(folder)
    mounts = {cli: "/usr/bin/docker", "/var/run/docker.sock": "/run/docker.sock"}
    words = [word for real, inside in mounts.items() for word in ("-v", f"{Path(real).resolve()}:{inside}:ro")]
    made = SshdMachine(sshd_machines.unique_name("web"), folder, *words, *more)
    try:
        (folder / "known").write_text(f"{made.address} {made.host_key}\n")
        (folder / "config").write_text(
            f"Host *\n  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n"
            "  GlobalKnownHostsFile /dev/null\n")
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def box(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdMachine]:
    """nginx on a Docker host that leads to a published port."""
    proxy = shutil.which("docker-proxy", path=_TOOLS)
    if proxy is None:
        pytest.skip("no docker-proxy on this machine to hold a published port")
    lent = ("--network", backend, "-v", f"{Path(proxy).resolve()}:/usr/bin/docker-proxy:ro")
    with docker_host(tmp_path_factory.mktemp("ssh"), *lent) as made:
        port = docker("port", backend, "8000/tcp").rpartition(":")[2]
        address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", backend)
        made.sh(f"printf '%s' '{SITE % port}' > /etc/nginx/sites-enabled/desk\n"
                f"systemd-run -q --unit=docker sh -c 'exec docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port {port}"
                f" -container-ip {address} -container-port 8000 3>/dev/null'\n"     # where it would say that it listens
                "systemctl restart nginx")
        made.wait("curl -fs -o /dev/null http://127.0.0.1:8080/")
        yield made


def fixer(box: SshdMachine, *words: str) -> tuple[int, dict]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    return done.returncode, json.loads(done.stdout)


def status(box: SshdMachine) -> str:
    return box.sh("curl -s -m 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true")


def test_a_paused_container_is_found_repaired_and_paused_again(box: SshdMachine, backend: str) -> None:
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


def test_who_may_not_use_docker_there_is_told_so(box: SshdMachine, backend: str) -> None:
    docker("pause", backend)
    try:
        code, report = fixer(box, "diagnose", f"ssh://visitor@{box.address}")
        assert "Docker daemon cannot be reached" in " ".join(report["notes"])
        assert (code in (1, 3), [f["cause"] for f in report["findings"] if f["confidence"] == "certain"]) == (True, [])
    finally:
        docker("unpause", backend)


def test_a_container_that_ended_is_what_is_down(box: SshdMachine, backend: str) -> None:
    box.sh("systemctl stop docker")      # its proxy goes with a container
    docker("stop", backend)
    code, report = fixer(box, "diagnose", f"ssh://root@{box.address}")
    first = report["findings"][0]
    assert (code, first["cause"], first["variant"], first["node"]) == (1, "backend-down", "container-stopped", backend)
    assert f"start container {backend}" in first["repairs"][0]["steps"]


@pytest.fixture
def socket_folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder in which a container listens at `a.sock`, and its name."""
    name, shared = sshd_machines.unique_name("sock"), tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "desk.py").write_bytes(ASGI)
    docker("run", "-d", "--init", "--label", LABEL, "--name", name, "-v", f"{shared}:/run/desk", "-w", "/opt",
           "-v", f"{tmp_path}/desk.py:/opt/desk.py:ro", images.ensure(lambda line: None)["app"],
           "uvicorn", "desk:app", "--uds", "/run/desk/a.sock")
    yield shared, name
    docker("rm", "-f", name)


def test_a_container_that_listens_in_a_folder_of_the_machine(socket_folder: tuple[Path, str], tmp_path: Path) -> None:
    shared, name = socket_folder
    folder = tmp_path / "ssh"
    folder.mkdir()
    with docker_host(folder, "-v", f"{shared}:{shared}") as host:
        site = SITE.replace("127.0.0.1:%s", f"unix:{shared}/a.sock")
        host.sh(f"printf '%s' '{site}' > /etc/nginx/sites-enabled/desk; systemctl restart nginx")
        host.wait("curl -fs -o /dev/null http://127.0.0.1:8080/")
        target = f"ssh://root@{host.address}"
        assert fixer(host, "diagnose", target)[0] == 0
        docker("stop", "-t", "1", name)
        code, report = fixer(host, "diagnose", target)
        first = report["findings"][0]
        assert (code, first["cause"], first["variant"], first["node"]) == (1, "backend-down", "container-stopped", name)
        code, result = fixer(host, "repair", target, "--yes")
        assert (code, result["outcome"], status(host)) == (0, "repaired", "200"), result
        assert fixer(host, "undo", target)[0] == 0
        assert docker("inspect", "-f", "{{.State.Status}}", name) == "exited"
