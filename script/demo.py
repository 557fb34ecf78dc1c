"""Demo: break, diagnose, repair, prove, undo; the guide's four ways on both stacks, side by side, in real runs."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fixer.lazy.lazy_imports import lazy_imports
from lab.errors import LabError, UsageError
from lab.scenario.catalog import ANY, choose, choose_listed, full_name, resolve_names
from lab.scenario.scenario_file import STACKS as LAB_STACKS
from lab.scenario.scenario_file import Stack

with lazy_imports():  # a bare machine's Python checks the words, and has none of the packages that these need
    from lab.scenario.draw import draw
    from lab.stack import images
    from lab.stack.lab_parts import needed_images

BIN = Path(sys.executable).parent
STACKS: tuple[Stack, ...] = ("containers", "host")  # each way on both; `lab up S --stack all-in-one` has the third
WAYS = ("down", "wrong-port", "crash", "overload")
# For these ways the plain case instead of the seed's draw.
PLAIN = {
    ("wrong-port", "containers"): "wrong-port/container-wrong-port", ("wrong-port", "host"): "wrong-port/wrong-port",
    ("down", "host"): "backend-down/backend-not-running",
    ("crash", "host"): "crash-missing-env/start-env-var-missing",
    ("overload", "containers"): "overload-saturated/single-worker-overload",
    ("overload", "host"): "overload-saturated/single-worker-overload",
}
SEED = 1
LANES = 4               # runs at a time: a run waits for machines and visitors more than it computes
SECONDS = {"overload": 90.0}
USUAL_SECONDS = 30.0    # of another way; both on two idle cores
STEPS = 7               # commands of a run
SHORT = {"BADGATEWAY_LAB_LOAD": "short"}


@dataclass
class DemoRun:
    """One way on one stack: a line of the closing table."""

    way: str
    stack: Stack
    command: str = ""       # what runs now
    steps: int = 0          # commands that ended
    began: float = 0.0
    step_began: float = 0.0
    said: str = ""          # what the command that ended last printed
    seconds: float = 0.0
    ended: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        return f"{self.way} on the {self.stack} stack"

    @property
    def estimate(self) -> float:
        return SECONDS.get(self.way, USUAL_SECONDS)

    @property
    def left(self) -> float:
        """Return the estimated seconds until it ends, by its commands that ended and the age of the one that runs."""
        step = self.estimate / STEPS
        age = time.monotonic() - self.step_began if self.command else 0.0
        return 0.0 if self.ended else self.estimate - self.steps * step - min(age, step)


@dataclass
class Screen:
    """The output: a block for each command that ended and, on a terminal, a line with the time left."""

    runs: Sequence[DemoRun]
    live: bool = field(default_factory=sys.stdout.isatty)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _start: float = field(default_factory=time.monotonic)

    def block(self, text: str) -> None:
        """Print a block that no other lane's output interrupts."""
        with self._lock:
            self._wipe()
            print(text.rstrip("\n"), flush=True)
            self._line()

    def beat(self) -> None:
        """Update the line with the time left."""
        with self._lock:
            self._wipe()
            self._line()

    def end(self) -> None:
        """Remove the line."""
        with self._lock:
            self._wipe()
            self.live = False

    def _wipe(self) -> None:
        if self.live:
            print("\r\033[K", end="", flush=True)

    def _line(self) -> None:
        if self.live:
            print(progress_line(self.runs, time.monotonic() - self._start)[:shutil.get_terminal_size().columns - 1],
                  end="", flush=True)


def seconds_left(runs: Sequence[DemoRun], passed: float) -> float:
    """Return the estimated seconds until all runs end, scaled by the pace so far."""
    rest = [run.left for run in runs]
    done = sum(run.estimate for run in runs) - sum(rest)
    planned = sum(run.estimate for run in runs) / LANES
    pace = max(1.0, passed * LANES / done) if done >= planned else 1.0
    return max(sum(rest) / LANES, *rest) * pace


def first_line(runs: Sequence[DemoRun]) -> str:
    """Return what is about to run, and for how long."""
    count = f"{len(runs)} runs, {min(LANES, len(runs))} at a time" if len(runs) > 1 else "1 run"
    return f"{count}, about {seconds_left(runs, 0):.0f} s; each command's output appears when the command ends"


def progress_line(runs: Sequence[DemoRun], passed: float) -> str:
    """Return one line: how many ended, the time left, what runs."""
    left = seconds_left(runs, passed)
    about = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    now = "  ".join(f"{run.way}/{run.stack}: {run.command}" for run in runs if run.command)
    return f"{sum(run.ended for run in runs)} of {len(runs)} done, about {about} left  {now}"


class Terminated(Exception):
    """A signal ended the demo."""


@dataclass
class Demo:
    """Lanes that work through the runs; a signal stops them, and each removes its lab."""

    screen: Screen
    stopped: threading.Event = field(default_factory=threading.Event)
    _commands: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Interrupt what runs: each command removes what it started. Further signals change nothing."""
        self.stopped.set()
        for command in list(self._commands):
            command.send_signal(signal.SIGINT)

    def command(self, run: DemoRun, *words: str, expect: tuple[int, ...], always: bool = False) -> str:
        """Run a command, print its output when it ends; return the problem as text, empty for none."""
        with self._lock:
            if self.stopped.is_set() and not always:
                raise Terminated("interrupted")
            process = subprocess.Popen(
                [BIN / words[0], *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
                env={"COLUMNS": str(shutil.get_terminal_size().columns), **os.environ, **SHORT})
            if not always:
                self._commands.add(process)
                if self.stopped.is_set():
                    process.send_signal(signal.SIGINT)      # the signal came meanwhile
        run.step_began = time.monotonic()
        run.command = " ".join(words[:2])
        try:
            output, _ = process.communicate()
        finally:
            self._commands.discard(process)
            run.command = ""
        run.steps += 1
        run.said = output
        title = f"{run.name}$ {' '.join(words)}"
        bold, plain = ("\033[1m", "\033[0m") if self.screen.live else ("", "")
        self.screen.block(f"\n{bold}{title}{plain}\n{output}")
        code = process.returncode
        return "" if code in expect else f"`{' '.join(words)}` ended with {code}, expected {expect[0]}"

    def try_way(self, run: DemoRun) -> str:
        """Run one way on one stack; return what went wrong, empty if nothing."""
        word = PLAIN.get((run.way, run.stack), run.way)
        problem = self.command(run, "lab", "up", word, "--stack", run.stack, "--seed", str(SEED), expect=(0,))
        # Others may have the same one up: this run's is the one that `lab up` has named.
        lab = next((found for found in lab_ids(word, run.stack) if found in run.said), "")
        if problem or not lab:
            return problem or "no lab came up"
        target = f"docker://{lab}-host" if run.stack == "host" else f"compose://{lab}"
        try:
            return next(filter(None, (
                self.command(run, "fixer", "diagnose", target, expect=(1,)),
                self.command(run, "lab", "solve", lab, expect=(0,)),
                self.command(run, "lab", "check", lab, "--after-restart", expect=(0,)),
                self.command(run, "fixer", "undo", target, expect=(0,)),
                self.command(run, "lab", "check", lab, expect=(1,)),
            )), "")
        finally:
            self.command(run, "lab", "down", lab, expect=(0,), always=True)

    def work(self, run: DemoRun) -> None:
        """Run one way in a lane, and note its time."""
        if self.stopped.is_set():
            return
        run.began = time.monotonic()
        try:
            run.problem = self.try_way(run)
        except Terminated as ended:
            run.problem = str(ended)
        if run.problem and self.stopped.is_set():
            run.problem = "interrupted"     # also of a command that ended with 130
        run.seconds = time.monotonic() - run.began
        run.ended = True
        self.screen.block(f"\n== {run.name}: {run.problem or 'done'}, {run.seconds:.0f} s ==")


def lab_ids(word: str, stack: str) -> list[str]:
    """Return the ids of the labs that `lab up WORD --stack STACK` started."""
    listed = subprocess.run([BIN / "lab", "status", "--json"], check=True, capture_output=True, start_new_session=True)
    labs = json.loads(listed.stdout)["labs"]
    return [lab["id"] for lab in labs if (lab.get("asked"), lab.get("stack")) == (word, stack)]


def named_ways(words: Sequence[str]) -> list[str]:
    """Return the ways that the command line names, each once; all of the demo if it names none."""
    return list(dict.fromkeys(word for word in words if word not in STACKS)) or list(WAYS)


def named_stacks(words: Sequence[str]) -> list[Stack]:
    """Return the stacks that the command line names; all of the demo if it names none."""
    return [stack for stack in STACKS if stack in words] or list(STACKS)


def require_shown(way: str, stack: Stack) -> None:
    """Raise UsageError for a way that the demo cannot show on a stack: fixer repairs it, its undo brings it back."""
    expect = choose_listed(PLAIN.get((way, stack), way), stack, SEED).variant.expect
    alone = f"lab up {way} --stack {stack} --seed {SEED}"
    if expect.cause is None:
        raise UsageError(f"{way} breaks nothing: the demo has nothing to repair", alone)
    if expect.repair.exit or expect.repair.heals_by_waiting:
        raise UsageError(f"the demo cannot show {way}: fixer alone does not repair it", alone)
    if expect.repair.cleared_by_restart:
        raise UsageError(f"the demo cannot show {way}: after its restart no undo brings the fault back", alone)


def shown_stacks(way: str, stacks: Sequence[Stack]) -> list[Stack]:
    """Return on which of the stacks the demo shows a way; raise UsageError if on none."""
    found: list[Stack] = []
    problems: list[UsageError] = []
    for stack in stacks:
        try:
            require_shown(way, stack)
            found.append(stack)
        except UsageError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return found


def plan_runs(words: Sequence[str]) -> list[DemoRun]:
    """Return the runs that the command line asks for, the longest first."""
    stacks = named_stacks(words)
    runs = [DemoRun(way, stack) for way in named_ways(words) for stack in shown_stacks(way, stacks)]
    return sorted(runs, key=lambda run: -run.estimate)


def check_words(words: Sequence[str]) -> None:
    """Raise UsageError for a word that is no option, way or stack, or a way that the demo cannot show there.
    Needs the standard library only."""
    for word in words:
        if word.startswith("-"):
            raise UsageError(f"no such option: {word}", "script/demo [WAY] [containers|host]; script/demo --help")
        if word in (*STACKS, ANY):
            continue
        try:
            resolve_names(full_name(word))
        except UsageError as error:
            near = difflib.get_close_matches(word, STACKS, 1)
            hint = f"did you mean {near[0]}?" if near else error.hint
            if word in LAB_STACKS:
                hint = f"the demo has {' and '.join(STACKS)}; lab up WAY --stack {word}"
            raise UsageError(f"{word!r} is no way and no stack", hint) from error
    for way in named_ways(words):
        shown_stacks(way, named_stacks(words))


def needed_image_names(runs: Sequence[DemoRun]) -> frozenset[str]:
    """Return the images that these runs need."""
    found: frozenset[str] = frozenset()
    for run in runs:
        chosen = choose(PLAIN.get((run.way, run.stack), run.way), run.stack, SEED)
        found |= needed_images(chosen.variant, run.stack, draw(chosen.scenario, chosen.variant, run.stack, SEED))
    return found


def run_lanes(runs: Sequence[DemoRun], work: Callable[[DemoRun], None], screen: Screen) -> None:
    """Work through the runs, LANES at a time."""
    with ThreadPoolExecutor(LANES) as lanes:
        working = [lanes.submit(work, run) for run in runs]
        while not all(lane.done() for lane in working):
            screen.beat()
            time.sleep(0.5)
        for lane in working:
            lane.result()


def catch_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    """Handle Ctrl-C and a polite kill."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def print_error(error: LabError) -> int:
    """Print an error with its hint; return its exit code."""
    print("\n  ".join(filter(None, [f"error: {error.message}", error.hint])), file=sys.stderr)
    return error.exit_code


def main() -> int:
    """Run all ways, then print a table; return 1 if one failed, 130 after a signal. --check only checks the words."""
    words = sys.argv[1:]
    is_check = words[:1] == ["--check"]
    try:
        check_words(words[is_check:])
    except UsageError as error:
        return print_error(error)
    if is_check:
        return 0
    runs = plan_runs(words)
    screen = Screen(runs)
    demo = Demo(screen)
    catch_signals(lambda number, frame: os._exit(130))     # nothing is up yet, and the engine ends an abandoned build
    screen.block(first_line(runs))
    try:
        images.ensure(screen.block, sorted(needed_image_names(runs)))
    except LabError as error:
        screen.end()
        return print_error(error)
    catch_signals(demo.stop)
    run_lanes(runs, demo.work, screen)
    screen.end()
    if demo.stopped.is_set():
        print("\ninterrupted: every lab that the demo started is removed")
        return 130
    burst = " (overload: with a short burst of requests)" if any(run.way == "overload" for run in runs) else ""
    print(f"\nbroken, diagnosed, repaired, proven after a restart, undone{burst}:")
    for run in sorted(runs, key=lambda run: (WAYS.index(run.way) if run.way in WAYS else len(WAYS), run.stack)):
        mark = "✘" if run.problem else "✔"
        print(f"  {mark} {run.way:<11} {run.stack:<11} {run.seconds:4.0f} s  {run.problem}".rstrip())
    return 1 if any(run.problem for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
