"""What a container says of itself (labels, variables, command, health check) is anybody's text: it is shown clean, steers
nothing and runs nothing, also where it claims to be another project's, or names files of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.render.terminal_text import clean
from lab.stack import images
from tests.contract.sshd_machines import docker

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(180)]

SITE = "server { listen 80; location / { proxy_pass http://nobody-is-here:8000; } }\n"


def hostile(mark: Path) -> str:
    """Escapes, line breaks, text for a shell, a template, a page, and for whoever reads from right to left."""
    return (f"\x1b]0;TITLE\x07\x1b[31m\u202e\r\nFAIL forged line\n$(touch {mark})`touch {mark}`;touch {mark};'\""
            "{{.Id}}%s[redacted: x]<script>alert(1)</script>")


@pytest.fixture
def name(tmp_path: Path) -> Iterator[str]:
    """nginx in a project, and beside it a container that lies in all that it may say."""
    found, text, web = f"t{uuid.uuid4().hex[:8]}", hostile(tmp_path / "ran"), images.ensure(lambda line: None)["web"]
    (tmp_path / "site.conf").write_text(SITE.replace("nobody-is-here", "127.0.0.1"))
    label = "com.docker.compose"
    ours = ["--label", "badgateway.test=trust", "--network", found]
    project = ["--label", f"{label}.project={found}", "--label", f"{label}.service=web"]
    lies = {f"{label}.project": found, f"{label}.service": f"web{text}", f"{label}.project.config_files": f"/etc/{text}.yaml",
            f"{label}.project.working_dir": f"/{text}", "big": "A" * 100_000, "other": text}
    docker("network", "create", "--label", "badgateway.test=trust", found)
    try:
        docker("run", "-d", "--name", f"{found}-web", *ours, *project, "-v", f"{tmp_path}/site.conf:/etc/nginx/conf.d/default.conf:ro", web)
        docker("run", "-d", "--name", f"{found}-evil", *ours, *[word for key, value in lies.items() for word in ("--label", f"{key}={value}")],
               "-e", f"A{text.replace('=', '')}={text}", "--health-cmd", "printf '\\033]0;TITLE\\007\\033[31m'; exit 1", "--health-interval", "1s",
               "debian:trixie-slim", "sh", "-c", "printf '\\033]0;TITLE\\007'; sleep 600", text)
        until = time.monotonic() + 20
        while "unhealthy" not in docker("inspect", "-f", "{{.State.Health.Status}} {{len .State.Health.Log}}", f"{found}-evil"):
            assert time.monotonic() < until
            time.sleep(0.3)
        yield found
    finally:
        for one in ("web", "evil"):
            subprocess.run(["docker", "rm", "-f", "-v", f"{found}-{one}"], capture_output=True, check=False)
        docker("network", "rm", found)


def test_what_a_container_says_of_itself_is_shown_clean_and_steers_nothing(name: str, tmp_path: Path) -> None:
    for target in (f"compose://{name}", f"docker://{name}-web"):
        causes = []
        for words in (("diagnose", "--verbose"), ("diagnose", "--format", "html"), ("diagnose", "--format", "markdown"), ("diagnose", "--json"),
                      ("repair", "--dry-run", "--yes", "--max-risk", "disruptive")):
            done = subprocess.run([sys.executable, "-m", "fixer", words[0], target, *words[1:]], capture_output=True, check=False)
            shown = (done.stdout + done.stderr).decode()
            raw = [line for line in shown.splitlines() if clean(line) != line and line.strip() and "\t" not in line]
            assert raw == [], raw[:3]
            assert "FAIL forged line" not in [line.strip() for line in shown.splitlines()]
            assert "<script>alert" not in shown or words[-1] != "html"
            assert "Traceback" not in shown and "a bug in fixer" not in shown
            if words[-1] == "--json":
                causes = [found["cause"] for found in json.loads(done.stdout)["findings"]]
                assert all(found["node"] != f"{name}-evil" for found in json.loads(done.stdout)["findings"]), causes
        assert not (tmp_path / "ran").exists()
