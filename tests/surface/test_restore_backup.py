"""An older state that lies on the disk, on real machines: asked for with its exact word, put back, taken back again.
By day a third of them, drawn from the commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.crash_draw import draw_by_day
from tests.crash.test_sigkill import raised

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
LOOK = ("cd / && find etc/systemd etc/default etc/nginx etc/*.env* usr/lib/systemd/system ! -type d -printf '%p %m %u:%g %l\\n' -type f "
        "-exec sha256sum {} + 2>/dev/null | sort")
CASES = [
    ("unit-misconfigured/start-217-user-backup", "systemctl daemon-reload"),
    ("unit-misconfigured/start-execstartpre-failed-packaged", "systemctl daemon-reload"),
    ("crash-missing-env/start-env-var-missing-copy", "start "), ("crash-missing-env/start-envfile-missing-copy", "start "),
    ("nginx-config-invalid/nginx-config-invalid-copy", "nginx -t"), ("nginx-config-invalid/nginx-config-invalid-packaged", "nginx -t"),
]


@pytest.mark.parametrize(("word", "reloads"), draw_by_day(CASES, "backups", 2))
def test_an_older_state_is_put_back_and_taken_back(word: str, reloads: str, tmp_path: Path) -> None:
    with raised(word, "host") as place:
        assert place.lab is not None and place.words[0] == "--set"

        def fixer(*words: str) -> subprocess.CompletedProcess[str]:
            done = subprocess.run(
                [sys.executable, "-m", "fixer", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                env={**os.environ, "BADGATEWAY_STATE": str(tmp_path)})
            assert place.lab is not None and str(place.lab.params["secret"]) not in done.stdout + done.stderr
            return done

        before = place.run_script(LOOK)
        asked = fixer("repair", place.target, "--yes", "--max-risk", "disruptive")
        assert asked.returncode == 4 and f"--set {place.words[1]}" in " ".join(asked.stdout.split()), asked.stdout + asked.stderr
        assert place.run_script(LOOK) == before and not place.is_well()
        done = fixer("repair", place.target, "--yes", "--max-risk", "disruptive", *place.words)
        assert done.returncode == 0 and reloads in " ".join(done.stdout.split()), done.stdout + done.stderr
        assert place.is_well()
        changed = [line for line in place.run_script(LOOK).splitlines() if line not in before.splitlines()]
        assert changed
        assert fixer("history", place.target).returncode == 0
        undone = fixer("undo", place.target)
        assert undone.returncode == 0, undone.stdout + undone.stderr
        assert place.run_script(LOOK) == before and not place.is_well()
