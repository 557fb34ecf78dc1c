"""The tests' own labs: apart from everybody's, and gone when the run of the tests ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.stack.docker_command import labelled_ids
from tests.lab.stack.made_parts import is_made

ROOT = Path(__file__).resolve().parents[2]
LEAVES_A_LAB = """
import os, subprocess, time
from lab.stack.lab_records import LabRecord, save_record

def test_it():
    lab_id = os.environ["LEFT_ID"]
    save_record(LabRecord(lab_id, "healthy", "healthy", "healthy", "host", 1, {}))
    subprocess.run(["docker", "network", "create", "--label", f"badgateway.lab={lab_id}", lab_id], check=True)
    print("made", flush=True)
    time.sleep(float(os.environ["LEFT_SECONDS"]))
"""


@pytest.mark.docker
@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_what_a_test_leaves_is_removed(number: signal.Signals | None, tmp_path: Path) -> None:
    (tmp_path / "test_leaves.py").write_text(LEAVES_A_LAB)
    lab_id = f"left-{os.getpid():x}"
    argv = [sys.executable, "-m", "pytest", "-q", "-s", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest",
            "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}", str(tmp_path / "test_leaves.py")]
    command = subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
        **os.environ, "LEFT_ID": lab_id, "LEFT_SECONDS": "0" if number is None else "60"})
    try:
        until = time.monotonic() + 60
        while number is not None and not is_made("network", lab_id):
            assert time.monotonic() < until
            time.sleep(0.05)
        if number is not None:
            command.send_signal(number)
        said, _ = command.communicate(timeout=90)
        assert "made" in said or number is not None, said
        assert labelled_ids("network", lab_id) == (), said
    finally:
        command.kill()
        subprocess.run(["docker", "network", "rm", lab_id], capture_output=True, check=False)
