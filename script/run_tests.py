"""The stages of script/test: side by side where neither needs the other, with the time left from the first second.

What failed on real stacks is tried once more, alone. The closing line lists it; `--nightly` counts it as a failure."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PYTHON = sys.executable
END_SECONDS = 13.5 * 60     # the matrix starts no case that would end later; a fifteenth minute is for second tries
BEAT = 60.0                 # seconds between lines without a terminal
BUILD, LINT, FAST = "fixer.pyz, wheel and Debian package", "lint, types, imports, shape", "tests without Docker"
FAST_PARTS = 2
ALL_DOCKER = re.compile(r"(?m)^pytestmark = .*\bmark\.docker\b")    # no test of such a file runs without Docker
ALL_MATRIX = re.compile(r"(?m)^pytestmark = .*\bmark\.matrix\b")    # each worker would draw the cases in vain
RECORD, LATE_RECORDER = "BADGATEWAY_RECORD", "tests.frozen.late_recorder"    # diagnoses of the fast tests
LOAD, DOCKER = "overloads of the matrix", "tests with Docker"
TAIL = 300                  # lines of a failed stage


@dataclass
class Stage:
    """Commands in order, the stages that they wait for, and the seconds that they take on two idle cores."""

    name: str
    commands: Sequence[Sequence[str]]
    seconds: float
    needs: Sequence[str] = ()
    retried: bool = False           # tests on real stacks: a failure is tried once more
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    began: float = 0.0
    took: float = 0.0
    code: int | None = None         # None: not ended
    process: subprocess.Popen[bytes] | None = None
    at: int = 0                     # the command that runs
    folder: Path = Path()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def failed_tests(self) -> list[str]:
        """Return the tests that failed, as pytest names them."""
        return read_lines(self.folder / "failed")

    def share_done(self) -> float:
        """Return how much of it is done: by its tests if it has counted them, else by its age."""
        if self.code is not None:
            return 1.0
        if not self.began:
            return 0.0
        counted = read_lines(self.folder / "progress")
        if counted and len(parts := counted[0].split()) == 2 and int(parts[1]):
            return int(parts[0]) / int(parts[1])
        if any("tests.stage_report" in command for command in self.commands):
            return 0.0      # it still collects its tests
        return min(0.9, (time.monotonic() - self.began) / self.seconds)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that may not be there yet."""
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def pytest_command(*words: str) -> list[str]:
    """Return a run of pytest that reports its progress and its failures to its stage."""
    return [PYTHON, "-m", "pytest", "-q", "-p", "tests.stage_report", *words]


def marked_files(marker: str) -> list[str]:
    """Return the test files that name a marker, or whose folder's conftest does: the others are not even imported.
    tests/conftest.py holds that no other file has such a test."""
    found: set[Path] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        if f"mark.{marker}" in path.read_text(encoding="utf-8"):
            found.update(path.parent.rglob("test_*.py") if path.name == "conftest.py" else [path])
    return sorted(str(path.relative_to(ROOT)) for path in found if path.name.startswith("test_"))


def docker_files() -> list[str]:
    """Return the test files that may have tests with Docker beside the matrix."""
    return [name for name in marked_files("docker") if not ALL_MATRIX.search((ROOT / name).read_text(encoding="utf-8"))]


def fast_files(part: int) -> list[str]:
    """Return a part of the test files that may have tests without Docker: files side by side in the tree take turns."""
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")
                   if not ALL_DOCKER.search(path.read_text(encoding="utf-8")))
    return found[part::FAST_PARTS]


def fast_stages(records: Path, *, nightly: bool) -> list[Stage]:
    """Return the tests without Docker: at night as one stage, which counts what they cover. By day each part is a run
    of its own: each worker of xdist would import all files, and tests of one file would not share what they cache."""
    command = pytest_command("-m", "not docker", "-p", LATE_RECORDER)
    if nightly:
        runs = {FAST: [[*command, "-n", "2", "--dist", "worksteal", "--cov", "--cov-report="],
                       [PYTHON, "-m", "tests.coverage_gates"]]}
    else:
        runs = {f"{FAST}, part {part + 1}": [[*command, *fast_files(part)]] for part in range(FAST_PARTS)}
    return [Stage(name, commands, 180.0, needs=[BUILD], nice=15, environment={RECORD: str(records)})
            for name, commands in runs.items()]


def plan_stages(*, nightly: bool, records: Path = Path("records")) -> list[Stage]:
    """Return the stages in the order of their start; `records` is the folder for what the tests diagnose."""
    more = ["--cov", "--cov-append", "--cov-report="] if nightly else []
    fast = fast_stages(records, nightly=nightly)
    # An overload waits more than it computes: what needs no Docker runs beside it, and yields to it.
    # At night both would write one file of coverage.
    overloads = [] if nightly else [
        Stage(LOAD, [pytest_command("-m", "matrix and load", *marked_files("matrix"))], 280.0, needs=["images"],
              retried=True)]
    stages = [
        Stage(BUILD, [["script/build"]], 8.0),
        Stage("images", [[PYTHON, "-m", "lab.stack.images"]], 5.0),
        Stage(LINT, [
            [str(BIN / "ruff"), "check", "."], [str(BIN / "mypy")], [str(BIN / "lint-imports")],
            [PYTHON, "script/shape"],
        ], 30.0),
        *fast,
        Stage("captures diagnosed as frozen", [["script/same", "--captures"]], 30.0, needs=[LINT], nice=15),
        # Alone it would run the tests of all causes once more.
        Stage("tests' diagnoses and plans as frozen", [["script/same", "--recorded", str(records)]], 5.0,
              needs=[stage.name for stage in fast]),
        *overloads,
        Stage(DOCKER, [
            pytest_command("-m", "docker and not matrix", "-n", "4", "--dist", "loadgroup", "--no-loadscope-reorder",
                           "--durations=15", *more, *docker_files()),
        ], 400.0, needs=["images", BUILD, FAST if nightly else LOAD], retried=True),
    ]
    rest = "matrix" if nightly else "matrix and not load"
    # By day what is left of the matrix judges no load: two of its cases run where the tests with Docker wait.
    stages.append(Stage("matrix", [pytest_command("-m", rest, *more, *marked_files("matrix"))], 120.0, retried=True,
                        needs=[stage.name for stage in stages if nightly or stage.name != DOCKER],
                        environment={} if nightly else {"BADGATEWAY_JOBS": "2"}))
    if nightly:
        stages.append(Stage("coverage of fixer by all tests, at least 90 %", [
            [str(BIN / "coverage"), "report", "--fail-under=90"]], 5.0, needs=["matrix"]))
    return stages


def seconds_left(stages: Sequence[Stage], pace: float = 1.0) -> float:
    """Return the estimated seconds until the last stage ends: the longest chain of stages that need each other."""
    ends: dict[str, float] = {}
    for stage in stages:
        waits = max((ends[name] for name in stage.needs), default=0.0)
        ends[stage.name] = waits + stage.seconds * pace * (1 - stage.share_done())
    return max(ends.values(), default=0.0)


def duration_text(seconds: float) -> str:
    """Return a duration as people say it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Interrupted(Exception):
    """A signal ends the run."""


class Held:
    """A signal waits while a process starts: one that no stage holds yet would go on alone."""

    active = asked = False

    def __enter__(self) -> None:
        Held.active = True

    def __exit__(self, *_: object) -> None:
        Held.active = False
        if Held.asked:
            raise Interrupted


@dataclass
class Run:
    """All stages, what they print, and their end."""

    stages: Sequence[Stage]
    folder: Path
    nightly: bool = False
    live: bool = field(default_factory=sys.stderr.isatty)
    start: float = field(default_factory=time.monotonic)
    _said: float = 0.0

    def run(self) -> int:
        """Run the stages; return 0 if all passed."""
        self._total = seconds_left(self.stages)
        self.say(f"{len(self.stages)} stages, about {duration_text(self._total)}")
        try:
            while any(stage.code is None for stage in self.stages):
                self._start_ready()
                self._collect()
                if any(stage.code for stage in self.stages if not stage.retried):
                    self._interrupt()
                    break
                self._beat()
                time.sleep(0.2)
            second = self._try_again()
        except Interrupted:
            self._interrupt()
            self.say("interrupted")
            return 130
        return self._close(*second)

    def say(self, line: str) -> None:
        """Print a line, above the line of progress."""
        print(("\r\033[K" if self.live else "") + line, file=sys.stderr, flush=True)
        self._said = time.monotonic()

    def progress_text(self) -> str:
        """Return the line of progress: the time left, and what runs."""
        passed = time.monotonic() - self.start
        done = self._total - seconds_left(self.stages)
        pace = max(1.0, passed / done) if done > 60 else 1.0
        now = ", ".join(f"{stage.name} {100 * stage.share_done():.0f} %" for stage in self.stages if stage.process)
        return f"about {duration_text(seconds_left(self.stages, pace))} left: {now}"

    def _beat(self) -> None:
        if self.live:
            line = self.progress_text()[:shutil.get_terminal_size().columns - 1]
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._said > BEAT:
            self.say(self.progress_text())

    def _start_ready(self) -> None:
        ended = {stage.name for stage in self.stages if stage.code is not None}
        for stage in self.stages:
            if stage.code is None and stage.process is None and ended.issuperset(stage.needs):
                stage.folder = Path(tempfile.mkdtemp(dir=self.folder))
                stage.began = time.monotonic()
                if not self.live:
                    self.say(f"· {stage.name}…")
                self._next_command(stage)

    def _next_command(self, stage: Stage) -> None:
        command = [*stage.commands[stage.at]]
        if "tests.stage_report" in command:
            command += ["-o", f"cache_dir=.pytest_cache/{stage.name.replace(' ', '-')}"]
        if stage.nice:
            command = ["nice", "-n", str(stage.nice), *command]
        environment = {**os.environ, **stage.environment, "BADGATEWAY_STAGE": str(stage.folder)}
        with stage.log.open("ab") as log, Held():
            stage.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                             env=environment, start_new_session=True)

    def _collect(self) -> None:
        """Note which commands ended, and start the next one of their stage."""
        for stage in self.stages:
            if stage.process is None or (code := stage.process.poll()) is None:
                continue
            stage.process = None
            stage.at += 1
            if code == 0 and stage.at < len(stage.commands):
                self._next_command(stage)
                continue
            stage.code = code
            stage.took = time.monotonic() - stage.began
            if code and not (stage.retried and stage.failed_tests and code == 1):
                stage.retried = False
            self._show_end(stage)

    def _show_end(self, stage: Stage) -> None:
        lines = read_lines(stage.log)
        if stage.code:
            self.say("\n".join(lines[-TAIL:]))
        drawn = [line for line in lines if line.startswith(("matrix: ", "crashes on real places: "))]
        said = lines[-1:] if "pytest" in stage.commands[0] else []
        self.say("\n  ".join([f"{'✘' if stage.code else '✔'} {stage.name} ({stage.took:.0f} s)", *drawn, *said]))

    def _try_again(self) -> tuple[list[str], list[str]]:
        """Try once more, alone, what failed on real stacks; return what failed once, and what failed twice."""
        if any(stage.code for stage in self.stages if not stage.retried):
            return [], []
        once = [test for stage in self.stages if stage.code for test in stage.failed_tests]
        if not once:
            return [], []
        self.say(f"· {len(once)} failed on real stacks: tried once more, alone")
        wanted = self.folder / "again.txt"
        wanted.write_text("".join(f"{test}\n" for test in once), encoding="utf-8")
        again = Stage("second try", [pytest_command(f"@{wanted}")], 60.0 * len(once),
                      environment={"BADGATEWAY_JOBS": "1", "BADGATEWAY_MINUTES": "600", "BADGATEWAY_END": ""})
        self.stages = [*self.stages, again]
        while again.code is None:
            self._start_ready()
            self._collect()
            self._beat()
            time.sleep(0.2)
        twice = again.failed_tests if again.code in (0, 1) else once
        if again.code and not twice:
            twice = once
        return once, twice

    def _close(self, once: Sequence[str], twice: Sequence[str]) -> int:
        """Print the closing line; return the exit code."""
        bad = [name for stage in self.stages if stage.code and not stage.retried and stage.name != "second try"
               for name in stage.failed_tests or [stage.name]]
        text, code = closing_text(bad, once, twice, nightly=self.nightly)
        self.say(f"{text} ({duration_text(time.monotonic() - self.start)})")
        return code

    def _interrupt(self) -> None:
        """End what runs as Ctrl-C does: tests remove their labs. A second signal would leave some, so it waits."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
        running = [stage.process for stage in self.stages if stage.process is not None]
        if running:
            self.say("· the tests end, and remove their containers…")
        for process in running:
            os.killpg(process.pid, signal.SIGINT)
        for process in running:
            process.wait()
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def closing_text(bad: Sequence[str], once: Sequence[str], twice: Sequence[str], *, nightly: bool) -> tuple[str, int]:
    """Return the closing line and the exit code."""
    if bad or twice:
        return f"✘ failed: {', '.join([*bad, *twice])}", 1
    if once:
        return f"{'✘ failed' if nightly else '✔ all passed'}, only at a second try: {', '.join(once)}", int(nightly)
    return "✔ all passed", 0


def raise_interrupted(number: int, frame: object) -> None:
    """End the run; a process that starts has its stage first."""
    if Held.active:
        Held.asked = True
    else:
        raise Interrupted


def main() -> int:
    """Run `script/run_tests.py [--nightly]`."""
    nightly = "--nightly" in sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, raise_interrupted)
    if nightly:
        os.environ |= {"BADGATEWAY_NIGHTLY": "1", "BADGATEWAY_MINUTES": "600", "BADGATEWAY_CRASH_SECONDS": "7200"}
        for path in Path().glob(".coverage*"):
            path.unlink()
    else:
        began = float(os.environ.get("BADGATEWAY_BEGAN") or time.time())
        os.environ["BADGATEWAY_END"] = str(began + END_SECONDS)
    os.environ.setdefault("DPKG_DEB_COMPRESSOR_LEVEL", "1")     # packages that nobody keeps: 3 s instead of 13
    with tempfile.TemporaryDirectory(prefix="badgateway-tests-") as folder:
        records = Path(folder) / "records"
        records.mkdir()
        return Run(plan_stages(nightly=nightly, records=records), Path(folder), nightly).run()


if __name__ == "__main__":
    sys.exit(main())
