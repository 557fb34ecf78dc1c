"""Runs cases side by side, each in a process of its own; what measures under load runs alone."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.matrix.job import remove_labs
from lab.matrix.result_files import case_to_json, result_from_json
from lab.matrix.select_cases import alone
from lab.trial.trial import Case, Result, Step

LONGEST = 1200.0    # no case takes longer; one that does is ended, and its lab removed
GRACE = 90.0        # seconds for an interrupted case to take its lab away
BEAT = 0.5          # how often progress is shown anew


class Watch(Protocol):
    """Who is told how a run goes, in the thread that runs it."""

    def began(self, case: Case) -> None: ...
    def step(self, case: Case, name: str) -> None: ...
    def ended(self, result: Result) -> None: ...
    def beat(self) -> None: ...


@dataclass(slots=True)
class _Job:
    """A case that is being tried."""

    case: Case
    folder: Path
    state: Path
    process: subprocess.Popen[str]
    began: float
    listener: threading.Thread | None = None
    result: Result | None = None


@dataclass(slots=True)
class Runner:
    """A run of cases. `stop` ends it early, from a signal's handler or another thread: what runs is interrupted, and
    its labs are gone when `run` returns. `until` is the moment after which nothing is begun."""

    folder: Path
    jobs: int
    watch: Watch
    code: str = ""
    until: float | None = None
    restarts: bool = True       # whether each case tries too what restarting everything does
    command: Sequence[str] = (sys.executable, "-m", "lab.matrix.job")
    stop: threading.Event = field(default_factory=threading.Event)
    results: list[Result] = field(default_factory=list)
    _begun: int = 0
    _running: list[_Job] = field(default_factory=list)
    _events: queue.Queue[tuple[_Job, dict[str, Any] | None]] = field(default_factory=queue.Queue)

    def run(self, chosen: Sequence[Case], always: int = 0) -> list[Case]:
        """Try them; returns those without a result. The first `always` are begun whatever the clock says."""
        left = list(chosen)
        free = set(chosen[:always])
        try:
            while (left or self._running) and not self.stop.is_set():
                while (case := self._next(left, free)) is not None:
                    left.remove(case)
                    self._begin(case)
                if not self._running:
                    break
                self._listen()
        finally:
            self._end_all()
            self._tidy()
        tried = {result.case for result in self.results}
        return [case for case in chosen if case not in tried]

    def _next(self, left: Sequence[Case], free: set[Case]) -> Case | None:
        """The next case that may begin now; what runs alone waits until nothing runs, then nothing runs beside it."""
        late = self.until is not None and time.monotonic() > self.until
        waiting = [case for case in left if not late or case in free]
        if not waiting or len(self._running) >= self.jobs or any(alone(job.case) for job in self._running):
            return None
        return waiting[0] if not self._running or not alone(waiting[0]) else None

    def _begin(self, case: Case) -> None:
        folder = self.folder / re.sub(r"[/ ]+", "-", case.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._begun += 1
        state = self.folder / "labs" / f"{self._begun:03}"      # a path inside the stack: it must not name the case
        with (folder / "job.txt").open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                text=True, start_new_session=True, env=dict(os.environ),
            )
        job = _Job(case, folder, state, process, time.monotonic())
        self._running.append(job)
        assert process.stdin is not None
        order = {"case": case_to_json(case), "folder": str(folder), "state": str(state), "restarts": self.restarts}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        job.listener = threading.Thread(target=self._hear, args=(job,), daemon=True)
        job.listener.start()
        self.watch.began(case)

    def _hear(self, job: _Job) -> None:
        """Passes on what a job tells, and that it ended."""
        assert job.process.stdout is not None
        for line in job.process.stdout:
            self._events.put((job, json.loads(line)))
        self._events.put((job, None))

    def _listen(self) -> None:
        """Take what the jobs told until the next beat."""
        try:
            job, event = self._events.get(timeout=BEAT)
        except queue.Empty:
            for job in self._running:
                if time.monotonic() - job.began > LONGEST:
                    job.process.send_signal(signal.SIGTERM)
                if time.monotonic() - job.began > LONGEST + GRACE:
                    job.process.kill()
            self.watch.beat()
            return
        if event is None:
            self._close(job)
        elif "step" in event:
            self.watch.step(job.case, event["step"])
        else:
            job.result = result_from_json(event["result"])

    def _close(self, job: _Job) -> None:
        """A job ended: keep its result; of one that told none, say so."""
        code = job.process.wait()
        self._let_go(job)
        result = job.result or self._without_result(job, code)
        result.code = self.code
        if result.ok:
            shutil.rmtree(job.folder, ignore_errors=True)
        else:
            result.kept = str(job.folder)
            told = [result.case.name, f"again: {result.case.again}", *result.problems]
            (job.folder / "README.txt").write_text("\n".join(told) + "\n", encoding="utf-8")
        self.results.append(result)
        self.watch.ended(result)

    def _without_result(self, job: _Job, code: int) -> Result:
        remove_labs(job.state)
        said = (job.folder / "job.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        seconds = time.monotonic() - job.began
        why = f"no end within {LONGEST:.0f} s" if seconds > LONGEST else f"the trial ended with {code}"
        return Result(job.case, [Step("trial", seconds, [": ".join([why, *said[-1:]])])])

    def _tidy(self) -> None:
        """Empty folders say nothing."""
        for folder in (self.folder / "labs", self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _let_go(self, job: _Job) -> None:
        self._running.remove(job)
        if job.listener is not None:
            job.listener.join(5.0)
        for pipe in (job.process.stdin, job.process.stdout):
            if pipe is not None:
                pipe.close()

    def _end_all(self) -> None:
        """End what still runs, and wait until its labs are gone."""
        for job in self._running:
            job.process.send_signal(signal.SIGINT)
        for job in list(self._running):
            try:
                job.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(job.process.pid, signal.SIGKILL)
                job.process.wait()
            remove_labs(job.state)
            self._let_go(job)
            shutil.rmtree(job.folder, ignore_errors=True)
