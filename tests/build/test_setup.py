"""script/setup.sh: one line says why Docker cannot be had; Python and Docker are set up side by side; Ctrl-C ends both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_DOCKER = "docker_answers() { false; }; is_root() { true; }; is_debian() { true; }; unset DOCKER_HOST; "


def _said(functions: str) -> tuple[int, list[str]]:
    done = subprocess.run(["bash", "-c", f". script/setup.sh; {NO_DOCKER}{functions}; setup_docker"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("·")]


@pytest.mark.parametrize(("functions", "why"), [
    ("command() { true; }; start_docker() { echo level=info; echo 'failed to start daemon: no rights'; echo '(exit 4)'; false; }",
     "Docker engine started: failed to start daemon: no rights"),
    ("command() { true; }; start_docker() { echo 'Job for docker.service failed.'; return 1; }",
     "Docker engine started: Job for docker.service failed."),
    ("command() { true; }; start_docker() { false; }", "Docker engine started: it failed"),
    ("command() { false; }; apt_install() { echo 'W: no route'; echo 'E: Unable to locate package docker.io'; return 100; }",
     "Docker engine from the distribution: E: Unable to locate package docker.io"),
])
def test_where_docker_cannot_be_had_one_line_says_why(functions: str, why: str) -> None:
    status, lines = _said(functions)
    assert status == 3
    assert lines == [f"error: Docker cannot be had here: {why}",
                     "  run this where Docker answers, or where its engine can be installed and started"]


def test_without_docker_a_script_names_what_it_can_do() -> None:
    done = subprocess.run(["bash", "-c", f". script/setup.sh; {NO_DOCKER}DOCKER_HOST=tcp://nowhere; WITHOUT_DOCKER='try --fast'; "
                           "setup_docker"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == ["error: DOCKER_HOST is tcp://nowhere, and nothing answers there",
                                        "  unset it to use this machine's engine; try --fast"]


# Both scripts check their words before anything is set up: here a set-up would say so.
@pytest.mark.parametrize(("command", "lines"), [
    ("demo --hlep", ["error: no such option: --hlep", "  script/demo [WAY] [containers|host]; script/demo --help"]),
    ("demo wrong-prot", ["error: 'wrong-prot' is no way and no stack", "  did you mean wrong-port?"]),
    ("demo wrong-port hots", ["error: 'hots' is no way and no stack", "  did you mean host?"]),
    ("demo down all-in-one", ["error: 'all-in-one' is no way and no stack",
                              "  the demo has containers and host; lab up WAY --stack all-in-one"]),
    ("demo healthy", ["error: healthy breaks nothing: the demo has nothing to repair", "  lab up healthy --stack containers --seed 1"]),
    ("demo slow-start host", ["error: the demo cannot show slow-start: fixer alone does not repair it",
                              "  lab up slow-start --stack host --seed 1"]),
    ("demo wrong-port/wrong-port containers",
     ["error: wrong-port/wrong-port does not run on the containers stack: its name there is container-wrong-port",
      "  it runs on host, all-in-one"]),
    ("test --fast --nightly", ["error: --fast and --nightly exclude each other",
                               "  script/test [--fast|--nightly], or script/test [-k NAME] [pytest's options]"]),
    ("test --nightly -k port", ["error: --nightly runs all tests: -k port cannot select some",
                                "  script/test [--fast|--nightly], or script/test [-k NAME] [pytest's options]"]),
    ("test -k", ["error: -k needs a name", "  script/test -k NAME"]),
])
def test_mistyped_words_are_told_before_the_set_up(command: str, lines: list[str], tmp_path: Path) -> None:
    done = _typed(command, tmp_path)
    assert (done.returncode, done.stderr.splitlines(), done.stdout) == (2, lines, "")


def test_where_docker_cannot_be_had_no_environment_is_made_in_vain(tmp_path: Path) -> None:
    done = _typed("test -k port", tmp_path, DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stderr.splitlines()) == (3, [
        "error: DOCKER_HOST is unix:///nowhere, and nothing answers there",
        "  unset it to use this machine's engine; script/test --fast needs no Docker"])


def _typed(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script whose set-up only says that it began, with a bare machine's Python: one without packages."""
    for name in ("lab", "scenarios", "fixer"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "script").mkdir()
    for name in ("demo", "demo.py", "test"):
        (folder / "script" / name).symlink_to(ROOT / "script" / name)
    setup = (ROOT / "script/setup.sh").read_text("utf-8")
    (folder / "script/setup.sh").write_text(f"{setup}\nsetup_python() {{ say set up; }}\nsetup_docker() {{ say set up; }}\n")
    (folder / "bin").mkdir()
    (folder / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    (folder / "bin/python3").chmod(0o755)
    name, *words = command.split()
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["bash", f"script/{name}", *words], cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": path, **environment})


ONE = "tests/meta/test_picture.py"


@pytest.mark.parametrize(("words", "status", "lines"), [
    ("--fats", 2, ["error: unrecognized arguments: --fats", "  usage"]), ("-Z", 2, ["error: unrecognized arguments: -Z", "  usage"]),
    ("--maxfail x", 2, ["error: argument --maxfail: invalid int value: 'x'", "  usage"]),
    ("tests/nosuch.py", 2, ["error: file or directory not found: tests/nosuch.py", "  usage"]),
    (f"-k nosuch {ONE}", 2, [f"error: no test is meant by: -k nosuch {ONE}", "  usage"]),
    (f"-k picture {ONE}", 0, []), (f"--maxfail 1 {ONE}", 0, []),
])
def test_what_pytest_cannot_select_is_told_before_docker_is_set_up(words: str, status: int, lines: list[str]) -> None:
    text = (ROOT / "script/test").read_text("utf-8")
    function = text[text.index("check_selection() {"):text.index("\n}\n", text.index("check_selection() {")) + 3]
    script = f". script/setup.sh; {function}\nVENV={Path(sys.prefix)}; USAGE=usage; FAST=; ARGS=({words}); check_selection"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if line[0] not in "·✔"]) == (status, lines)


def _beside(folder: Path, functions: str) -> subprocess.Popen[str]:
    """Run the set-up with stand-ins for its parts, which meet at a pipe, on a machine that has both."""
    os.mkfifo(folder / "meet")
    script = f". script/setup.sh; cd {folder}; docker_answers() {{ :; }}; VENV={Path(sys.prefix)}; setup_base() {{ :; }}; {functions}; setup_side_by_side; say done"
    return subprocess.Popen(["bash", "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_python_and_docker_are_set_up_side_by_side(tmp_path: Path) -> None:
    with _beside(tmp_path, "setup_python() { echo python >meet; }; setup_docker() { read -r said <meet; say $said; }") as run:
        assert run.communicate(timeout=30)[1].splitlines() == ["python", "done"]
    assert run.returncode == 0


@pytest.mark.parametrize(("machine", "is_bare"), [("docker_answers() { :; }", False), ("docker_answers() { false; }; is_root() { :; }", True),
                                                  ("VENV=/nowhere", True)])
def test_a_bare_machine_is_told_how_long_its_set_up_takes(machine: str, is_bare: bool, tmp_path: Path) -> None:
    with _beside(tmp_path, f"{machine}; setup_python() {{ :; }}; setup_docker() {{ :; }}") as run:
        lines = run.communicate(timeout=30)[1].splitlines()
    assert lines == [*["first the set-up of this machine, once: about 3 minutes with the images"] * is_bare, "done"]


@pytest.mark.parametrize("fails", ["python", "docker"])
def test_a_part_that_fails_ends_the_set_up_with_its_one_line(fails: str, tmp_path: Path) -> None:
    parts = {"python": ":", "docker": ":", fails: f"die 'no {fails}' 'get it' 3"}
    with _beside(tmp_path, "; ".join(f"setup_{name}() {{ {body}; }}" for name, body in parts.items())) as run:
        assert run.communicate(timeout=30)[1].splitlines() == [f"error: no {fails}", "  get it"]
    assert run.returncode == 3


def test_a_part_that_fails_ends_the_other_without_a_word(tmp_path: Path) -> None:
    """A command that a signal ends is reported by the shell that waits for it: "Terminated" tells a person nothing."""
    with _beside(tmp_path, "setup_python() { echo up >meet; sleep 3; }; setup_docker() { read -r said <meet; die 'no docker' 'get it' 3; }") as run:
        assert run.communicate(timeout=30)[1].splitlines() == ["error: no docker", "  get it"]
    assert run.returncode == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_set_up_leaves_nothing_running(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Both parts run a command that never ends: it holds the pipe open until it is gone."""
    os.mkfifo(tmp_path / "held")
    endless = "step working bash -c 'exec 3>held; echo up >meet; sleep 600'"
    with _beside(tmp_path, f"setup_python() {{ {endless}; }}; setup_docker() {{ {endless}; }}") as run:
        met = os.open(tmp_path / "meet", os.O_RDWR)      # stays open, or a word between two readings is lost
        held = os.open(tmp_path / "held", os.O_RDONLY)
        said = b""
        while said.count(b"up") < 2:
            said += os.read(met, 100)
        os.close(met)
        run.send_signal(number)
        run.communicate(timeout=30)
        assert run.returncode == code
        assert os.read(held, 1) == b""      # the end of the pipe: nobody holds it
        os.close(held)


APT = """#!/bin/sh
case $* in *--download-only*) echo download >>meet; sleep "$DOWNLOAD" ;; *" install "*|install*) echo install >>meet; sleep 2; touch installed ;; esac
"""


@pytest.mark.skipif(not Path("/var/lib/dpkg").is_dir(), reason="apt is Debian's and Ubuntu's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("moment", "installed"), [("download", False), ("install", True)])
def test_a_signal_ends_apts_download_and_waits_for_its_installation(
    number: signal.Signals, moment: str, installed: bool, tmp_path: Path,
) -> None:
    """Packages that are installed in part keep apt from everything else until somebody repairs them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "bin/apt-get").write_text(APT)
    (tmp_path / "bin/apt-get").chmod(0o755)
    os.mkfifo(tmp_path / "meet")
    script = f". script/setup.sh; cd {tmp_path}; step packages apt_install one; say done"
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp"),
                   "DOWNLOAD": "600" if moment == "download" else "0"}
    met = os.open(tmp_path / "meet", os.O_RDWR)
    with subprocess.Popen(["bash", "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as run:
        said = b""
        while moment.encode() not in said:
            said += os.read(met, 100)
        run.send_signal(number)
        lines = run.communicate(timeout=60)[1].splitlines()
    os.close(met)
    assert run.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert (tmp_path / "installed").exists() is installed
    assert lines == ["· packages…", *["· what must not be cut off ends first…"] * installed]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_half_made_environment_is_made_anew(tmp_path: Path) -> None:
    """An interrupt leaves one with a Python and without pip, and the next run would fail there for ever."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    done = subprocess.run(["bash", "-c", f". script/setup.sh; VENV={tmp_path}/venv; install_package() {{ \"$VENV/bin/python\" -m pip --version; }};"
                           " setup_python"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv/.badgateway-stamp").exists()
