"""script/run_tests.py: stages side by side, the time left, second tries, and what a signal leaves."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash.crash_draw import draw_by_day
from tests.frozen import recorder

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "script/run_tests.py"))
Stage, Run, closing_text = SCRIPT["Stage"], SCRIPT["Run"], SCRIPT["closing_text"]


def shell(text: str) -> list[list[str]]:
    return [["sh", "-c", text]]


def run(folder: Path, *stages: Any, **more: Any) -> int:
    code: int = Run(stages, folder, live=False, **more).run()
    return code


@pytest.mark.parametrize("nightly", [False, True])
def test_each_stage_waits_for_earlier_ones_only_and_all_take_no_more_than_a_quarter_of_an_hour(nightly: bool) -> None:
    stages = SCRIPT["plan_stages"](nightly=nightly)
    for number, stage in enumerate(stages):
        assert {other.name for other in stages[:number]}.issuperset(stage.needs)
    assert nightly or 0 < SCRIPT["seconds_left"](stages) < 15 * 60


def test_the_matrix_runs_beside_the_tests_with_docker_unless_both_are_measured() -> None:
    """At night both would write one file of coverage, and the matrix has cases under load."""
    for nightly in (False, True):
        *before, matrix = [stage for stage in SCRIPT["plan_stages"](nightly=nightly) if not stage.name.startswith("coverage")]
        beside = {stage.name for stage in before} - {*matrix.needs}
        assert matrix.name == "matrix" and beside == (set() if nightly else {SCRIPT["DOCKER"]})
        assert nightly or ("not load" in " ".join(matrix.commands[0]) and matrix.environment == {"BADGATEWAY_JOBS": "2"})


@pytest.mark.parametrize("nightly", [False, True])
def test_what_the_fast_tests_diagnose_is_recorded_and_then_compared(nightly: bool, tmp_path: Path) -> None:
    stages = {stage.name: stage for stage in SCRIPT["plan_stages"](nightly=nightly, records=tmp_path)}
    fast = [stage for stage in stages.values() if SCRIPT["LATE_RECORDER"] in stage.commands[0]]
    assert len(fast) == (1 if nightly else SCRIPT["FAST_PARTS"])
    for stage in fast:
        assert stage.name.startswith(SCRIPT["FAST"]) and stage.environment == {SCRIPT["RECORD"]: str(tmp_path)}
    assert SCRIPT["RECORD"] == recorder.FOLDER
    (after,) = [stage for stage in stages.values() if "--recorded" in stage.commands[0]]
    assert {stage.name for stage in fast} <= {*after.needs} and str(tmp_path) in after.commands[0]


def test_by_day_each_file_with_tests_without_docker_is_in_one_part() -> None:
    """The files that no part has hold tests with Docker only."""
    parts = [SCRIPT["fast_files"](part) for part in range(SCRIPT["FAST_PARTS"])]
    named = [name for part in parts for name in part]
    left = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")} - {*named}
    assert len(named) == len({*named}) and max(map(len, parts)) - min(map(len, parts)) <= 1
    assert "tests/scenarios/test_matrix.py" in left
    assert_none_has("not docker", left)


def test_only_files_of_the_matrix_are_kept_from_the_tests_with_docker() -> None:
    left = {*SCRIPT["marked_files"]("docker")} - {*SCRIPT["docker_files"]()}
    assert left == {"tests/scenarios/test_matrix.py"}
    assert_none_has("docker and not matrix", left)


def assert_none_has(wanted: str, names: set[str]) -> None:
    """No file has such a test: pytest says so itself."""
    said = subprocess.run([sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", wanted, *sorted(names)], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert said.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, said.stdout + said.stderr


def test_a_stage_imports_the_files_that_name_its_marker_and_those_whose_folder_does() -> None:
    found = SCRIPT["marked_files"]("docker")
    assert {"tests/contract/test_file_writes.py", "tests/scenarios/test_matrix.py"} <= set(found)
    assert "tests/build/test_run_tests.py" not in found or "mark.docker" in Path(__file__).read_text()
    assert SCRIPT["marked_files"]("matrix") == ["tests/scenarios/test_matrix.py"]
    assert len(found) < 100


def test_stages_run_side_by_side_unless_one_needs_the_other(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meet")
    one = Stage("one", shell(f"echo met >{tmp_path}/meet"), 1.0)
    two = Stage("two", shell(f"read -r said <{tmp_path}/meet; echo $said >{tmp_path}/said"), 1.0)
    three = Stage("three", shell(f"test -e {tmp_path}/said"), 1.0, needs=["one", "two"])
    assert run(tmp_path, one, two, three) == 0


def test_a_failed_stage_shows_its_output_and_ends_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    endless = [[sys.executable, "-c", "import time; time.sleep(600)"]]      # dash loses a SIGINT that comes before its child
    stages = Stage("endless", endless, 1.0), Stage("lint", shell("echo line too long; exit 1"), 1.0)
    assert run(tmp_path, *stages) == 1
    assert time.monotonic() - began < 60
    said = capsys.readouterr().err
    assert "line too long" in said and said.splitlines()[-1].startswith("✘ failed: lint (")


TESTS = """
import pathlib
import pytest

@pytest.mark.parametrize("name", ["portal@blue", "a b"])
def test_flaky(name):
    mark = pathlib.Path(__file__).with_name("mark " + name)
    first = not mark.exists()
    mark.touch()
    assert not first or name == "a b"

def test_good(): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(("nightly", "code", "mark"), draw_by_day([(False, 0, "✔ all passed"), (True, 1, "✘ failed")], "second try", 1))
def test_what_passes_only_at_a_second_try_is_listed_and_fails_at_night(
    nightly: bool, code: int, mark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = ["-n", "2", "--dist", "loadgroup", "test_it.py"]
    tests = Stage("tests", [SCRIPT["pytest_command"](*words)], 1.0, retried=True)
    assert run(tmp_path, tests, nightly=nightly) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"{mark}, only at a second try: ") and "test_flaky[portal@blue] (" in last
    assert tests.share_done() == 1.0 and len(tests.failed_tests) == 1


def test_what_fails_twice_fails(tmp_path: Path) -> None:
    assert closing_text([], ["a"], ["a"], nightly=False) == ("✘ failed: a", 1)
    assert closing_text(["lint"], [], [], nightly=False) == ("✘ failed: lint", 1)
    assert closing_text([], [], [], nightly=True) == ("✔ all passed", 0)


def test_the_time_left_follows_the_tests_that_ended(tmp_path: Path) -> None:
    one, two = Stage("one", [], 100.0), Stage("two", [], 50.0, needs=["one"])
    left = SCRIPT["seconds_left"]
    assert left([one, two]) == 150.0
    one.began, one.folder = time.monotonic() - 50, tmp_path
    assert left([one, two]) == pytest.approx(100.0, abs=5.0)
    one.commands = [SCRIPT["pytest_command"]()]
    assert left([one, two]) == 150.0      # it still collects its tests
    (tmp_path / "progress").write_text("30 40\n")
    assert left([one, two]) == 75.0
    assert left([one, two], pace=2.0) == 150.0
    one.code = two.code = 0
    assert left([one, two]) == 0.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stages_as_ctrl_c_does(number: signal.Signals, tmp_path: Path) -> None:
    script = (
        f"import runpy, signal; from pathlib import Path; s = runpy.run_path({str(ROOT / 'script/run_tests.py')!r})\n"
        "[signal.signal(number, s['raise_interrupted']) for number in (signal.SIGINT, signal.SIGTERM)]\n"
        f"body = 'trap \"echo cleaned >{tmp_path}/end; exit\" INT; echo up >{tmp_path}/up; while :; do sleep 0.1; done'\n"
        f"raise SystemExit(s['Run']([s['Stage']('x', [['sh', '-c', body]], 1.0)], Path({str(tmp_path)!r})).run())"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as command:
        until = time.monotonic() + 60
        while not (tmp_path / "up").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        command.send_signal(number)
        said = command.communicate(timeout=60)[1]
    assert command.returncode == 130 and said.splitlines()[-1].endswith("interrupted")
    assert (tmp_path / "end").read_text() == "cleaned\n"


def test_a_second_signal_cuts_no_cleaning_short(tmp_path: Path) -> None:
    """People press Ctrl-C again where nothing seems to happen."""
    script = (
        f"import runpy, signal; from pathlib import Path; s = runpy.run_path({str(ROOT / 'script/run_tests.py')!r})\n"
        "[signal.signal(number, s['raise_interrupted']) for number in (signal.SIGINT, signal.SIGTERM)]\n"
        f"body = 'trap \"echo >{tmp_path}/began; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo >{tmp_path}/end; exit\" "
        f"INT; echo >{tmp_path}/up; while :; do sleep 0.1; done'\n"
        f"raise SystemExit(s['Run']([s['Stage']('x', [['sh', '-c', body]], 1.0)], Path({str(tmp_path)!r})).run())"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as command:
        for sign in ("up", "began"):
            until = time.monotonic() + 60
            while not (tmp_path / sign).exists():
                assert time.monotonic() < until
                time.sleep(0.05)
            command.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        said = command.communicate(timeout=60)[1].splitlines()
    assert command.returncode == 130 and (tmp_path / "end").exists()
    assert said[-2:] == ["· the tests end, and remove their containers…", "interrupted"]


def test_a_failed_stage_leaves_the_signals_as_they_were(tmp_path: Path) -> None:
    """What starts later would ignore Ctrl-C, too."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    assert run(tmp_path, Stage("fails", shell("exit 1"), 1.0), Stage("goes on", shell("sleep 60"), 60.0)) == 1
    assert [signal.getsignal(number) for number in numbers] == before


SLOW_CLEANING = """
import time
from pathlib import Path
import pytest

@pytest.fixture
def container(tmp_path_factory):
    Path("up").touch()
    yield
    time.sleep(2)
    Path("removed").touch()

def test_that_waits(container):
    time.sleep(300)
"""


def test_an_interrupted_worker_has_time_to_remove_its_containers(tmp_path: Path) -> None:
    """To stop a container can take longer than xdist waits before it kills a worker: 10 s, and half a one here."""
    (tmp_path / "conftest.py").write_text(
        "from xdist.workermanage import NodeManager\nNodeManager.EXIT_TIMEOUT = 0.5\nfrom tests.conftest import pytest_configure\n")
    (tmp_path / "test_it.py").write_text(SLOW_CLEANING)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    with subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider"], cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, start_new_session=True) as command:
        until = time.monotonic() + 60
        while not (tmp_path / "up").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(timeout=100) == 2
    assert (tmp_path / "removed").exists()


def test_a_signal_waits_until_the_stage_holds_its_process() -> None:
    held, ask = SCRIPT["Held"], SCRIPT["raise_interrupted"]
    began: list[str] = []
    try:
        with pytest.raises(SCRIPT["Interrupted"]), held():
            ask(signal.SIGTERM, None)
            began.append("the process has its stage")
        assert began
        with pytest.raises(SCRIPT["Interrupted"]):
            ask(signal.SIGINT, None)
    finally:
        held.asked = False
