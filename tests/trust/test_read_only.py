"""Where nothing can be written: fixer looks around in a container with a read-only root, and leaves nothing on what is
writable there either."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.stack import images
from tests.built_files import built_pyz
from tests.contract.sshd_machines import docker

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(180)]

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }\n"
# Of all that can be written: every name with size, mode and when it was changed, but for nginx's own logs.
SEEN = "find /tmp /run /var/lib/nginx -printf '%p %s %m %T@ %C@\\n' | sort; ls /var/log/nginx"


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_pyz(tmp_path_factory.mktemp("dist"))


@pytest.fixture(params=["root", "www-data"])
def inside(request: pytest.FixtureRequest, tmp_path: Path, pyz: Path) -> Iterator[tuple[str, ...]]:
    """nginx in front of nobody, where only temporary folders can be written; what runs fixer there as that user."""
    (tmp_path / "site").write_text(SITE)
    name = f"t{uuid.uuid4().hex[:8]}-readonly"
    folders = [word for path in ("/tmp", "/run", "/var/lib/nginx", "/var/log/nginx") for word in ("--tmpfs", path)]
    docker("run", "-d", "--name", name, "--label", "badgateway.test=trust", "--read-only", *folders,
           "-v", f"{tmp_path}/site:/etc/nginx/sites-enabled/site:ro", "-v", f"{pyz}:/opt/fixer.pyz:ro",
           images.ensure(lambda line: None)["machine"], "nginx", "-g", "daemon off;")
    try:
        until = time.monotonic() + 30
        while "nginx.pid" not in docker("exec", name, "ls", "/run"):
            assert time.monotonic() < until, docker("logs", name)
            time.sleep(0.2)
        yield ("docker", "exec", "-u", request.param, name)
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def test_it_looks_around_where_nothing_can_be_written(inside: tuple[str, ...]) -> None:
    box = inside[-1]
    refused = subprocess.run(["docker", "exec", box, "touch", "/etc/x"], capture_output=True, text=True, check=False)
    assert "Read-only file system" in refused.stderr
    before, differs = docker("exec", box, "sh", "-c", SEEN), set(docker("diff", box).splitlines())
    for words, codes in ((("diagnose",), {1}), (("diagnose", "--json"), {1}), (("verify",), {1}), (("history",), {0}),
                         (("repair", "--dry-run"), {4}), (("repair", "--yes"), {4}), (("undo",), {0, 4})):
        done = subprocess.run([*inside, "python3", "/opt/fixer.pyz", *words], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode in codes, (words, done.returncode, said)
        assert "Traceback" not in said and "a bug in fixer" not in said, said
        if words == ("diagnose", "--json"):
            report = json.loads(done.stdout)
            found = [(finding["cause"], finding["role"]) for finding in report["findings"]]
            # Who is not root cannot see all that runs, so that nothing is meant to listen there stays untold.
            assert found == ([("backend-down", "root")] if "root" in inside else [])
            assert report["routes"][0]["probe"]["status"] == 502
        assert docker("exec", box, "sh", "-c", SEEN) == before, words
    assert set(docker("diff", box).splitlines()) == differs
