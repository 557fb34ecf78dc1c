"""Tests of lab/pytest_plugin.py, as another project meets it: pytest in a folder of its own, with the package installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.stack.docker_command import LABEL
from tests.crash.crash_draw import draw_by_day

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
import sys
def pytest_configure(config):
    if not config.pluginmanager.has_plugin("badgateway"):
        config.pluginmanager.import_plugin("lab.pytest_plugin")
"""
WAITS = """
import pathlib, time
def test_it(badgateway_lab):
    lab = badgateway_lab("wrong-port/container-wrong-port", seed=3)
    print(lab.id, flush=True)
    time.sleep(300)
"""


def start(folder: Path, test: str, conftest: str = CONFTEST) -> subprocess.Popen[str]:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_it.py").write_text(test)
    argv = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--rootdir", folder, folder]
    return subprocess.Popen(argv, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def left(lab_id: str) -> str:
    return subprocess.run(["docker", "ps", "-aq", "--filter", f"label={LABEL}={lab_id}"], capture_output=True, text=True,
                          check=True).stdout


def first_line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def test_until_a_fixture_is_used_nothing_of_the_lab_is_imported(tmp_path: Path) -> None:
    heavy = {"docker", "testcontainers", "httpx", "jsonschema", "typer", "lab.testing.lab_stack"}
    done = start(tmp_path, f"import sys\ndef test_it():\n    assert {heavy!r}.isdisjoint(sys.modules)\n")
    said, _ = done.communicate()
    assert done.returncode == 0, said


@pytest.mark.parametrize(("test", "code"), [
    ("def test_it(): pass\n", 0), ("def test_it(badgateway_lab): badgateway_lab('wrong-port')\n", 1)])
def test_without_the_extra_only_the_fixture_fails_and_says_what_to_install(tmp_path: Path, test: str, code: int) -> None:
    missing = "sys.modules['docker'] = sys.modules['testcontainers'] = None\n"
    done = start(tmp_path, test, CONFTEST + missing)
    said, _ = done.communicate()
    assert done.returncode == code
    assert ("badgateway_lab: docker, testcontainers not installed" in said and "[lab]" in said) == bool(code)


@pytest.mark.docker
@pytest.mark.apart
def test_a_lab_that_does_not_start_fails_in_one_line(tmp_path: Path) -> None:
    done = start(tmp_path, "def test_it(badgateway_lab):\n    badgateway_lab('wrng-port')\n")
    said, _ = done.communicate()
    assert done.returncode == 1 and "badgateway_lab: no scenario is called 'wrng-port'" in said and "Traceback" not in said


@pytest.mark.docker
@pytest.mark.apart
def test_after_a_failing_test_the_lab_is_removed(tmp_path: Path) -> None:
    test = WAITS.replace("time.sleep(300)", "assert lab.check().is_well")
    done = start(tmp_path, test)
    lab_id = first_line(done)
    said, _ = done.communicate()
    assert done.returncode == 1 and "assert Verdict" in said.replace("assert False", "assert Verdict")
    assert "-" in lab_id and not left(lab_id)


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.parametrize("number", draw_by_day([signal.SIGINT, signal.SIGKILL], "plugin", 1))
def test_after_an_interrupt_or_a_kill_the_lab_is_removed(tmp_path: Path, number: signal.Signals) -> None:
    """pytest's end of a fixture removes it after Ctrl-C, the guard after a kill: its output ends with its work.
    By day one of them, drawn from the commit."""
    running = start(tmp_path, WAITS)
    lab_id = first_line(running)
    assert left(lab_id)
    os.kill(running.pid, number)
    said, _ = running.communicate()      # the guard holds the pipe too
    assert running.returncode == (2 if number == signal.SIGINT else -number), said
    assert not left(lab_id)


@pytest.mark.docker
@pytest.mark.apart
def test_the_fixture_gives_a_broken_stack_that_a_repair_makes_well(badgateway_lab) -> None:  # type: ignore[no-untyped-def]
    lab = badgateway_lab("wrong-port/container-wrong-port", seed=3)
    assert lab.url.startswith("http") and lab.target == f"compose://{lab.id}"
    assert not lab.check().is_well
    argv = [sys.executable, "-m", "fixer", "repair", "--yes", lab.target]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.check(after_restart=True).is_well
