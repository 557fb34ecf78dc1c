"""Runner of cases in parallel, each in a separate process; load tests run apart from all others."""

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
from lab.matrix.select_cases import needs_to_run_alone
from lab.trial.trial import Case, CaseResult, TrialStep

CASE_TIMEOUT = 1200.0  # seconds; a longer case is ended, and its lab removed
GRACE = 90.0  # seconds for an interrupted case to remove its lab
BEAT = 0.5  # seconds between updates of the display


class ProgressReceiver(Protocol):
    """Receiver of a run's progress, in the thread that runs it."""

    def began(self, case: Case) -> None: ...
    def step(self, case: Case, name: str) -> None: ...
    def ended(self, result: CaseResult) -> None: ...
    def beat(self) -> None: ...


@dataclass(slots=True)
class _Job:
    """A running case."""

    case: Case
    folder: Path
    state: Path
    process: subprocess.Popen[str]
    started: float
    reader: threading.Thread | None = None
    result: CaseResult | None = None


@dataclass(slots=True)
class Runner:
    """A run of cases. `stop` ends it early, from a signal handler or another thread.
    Running cases are then interrupted and their labs removed before `run` returns. None starts after `until`."""

    folder: Path
    jobs: int
    watch: ProgressReceiver
    code: str = ""
    until: float | None = None
    restarts: bool = True  # whether each case also tries to restart everything
    load_jobs: int = 1  # load tests at once: they wait more than they compute
    command: Sequence[str] = (sys.executable, "-m", "lab.matrix.job")
    stop: threading.Event = field(default_factory=threading.Event)
    results: list[CaseResult] = field(default_factory=list)
    _started_count: int = 0
    _running: list[_Job] = field(default_factory=list)
    _events: queue.Queue[tuple[_Job, dict[str, Any] | None]] = field(default_factory=queue.Queue)

    def run(self, chosen: Sequence[Case], always: int = 0) -> list[Case]:
        """Run the cases; return those without a result. The first `always` start regardless of `until`."""
        left = sorted(chosen, key=lambda case: not needs_to_run_alone(case))
        free = set(chosen[:always])
        try:
            while (left or self._running) and not self.stop.is_set():
                while (case := self._next(left, free)) is not None:
                    left.remove(case)
                    self._begin(case)
                if not self._running:
                    break
                self._handle_event()
        finally:
            self._end_all()
            self._tidy()
        tried = {result.case for result in self.results}
        return [case for case in chosen if case not in tried]

    def _next(self, left: Sequence[Case], free: set[Case]) -> Case | None:
        """Return the next case that may start now. A load test starts only if nothing but load tests runs."""
        late = self.until is not None and time.monotonic() > self.until
        waiting = [case for case in left if not late or case in free]
        under_load = sum(needs_to_run_alone(job.case) for job in self._running)
        if not waiting or len(self._running) >= (self.load_jobs if under_load else self.jobs):
            return None
        fits = not self._running or needs_to_run_alone(waiting[0]) == (under_load == len(self._running))
        return waiting[0] if fits else None

    def _begin(self, case: Case) -> None:
        folder = self.folder / re.sub(r"[/ ]+", "-", case.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._started_count += 1
        # a path inside the stack: it must not name the case
        state = self.folder / "labs" / f"{self._started_count:03}"
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
        job.reader = threading.Thread(target=self._forward_events, args=(job,), daemon=True)
        job.reader.start()
        self.watch.began(case)

    def _forward_events(self, job: _Job) -> None:
        """Forward the events of a job, and its end."""
        assert job.process.stdout is not None
        for line in job.process.stdout:
            self._events.put((job, json.loads(line)))
        self._events.put((job, None))

    def _handle_event(self) -> None:
        """Handle the jobs' events until the next beat."""
        try:
            job, event = self._events.get(timeout=BEAT)
        except queue.Empty:
            for job in self._running:
                if time.monotonic() - job.started > CASE_TIMEOUT:
                    job.process.send_signal(signal.SIGTERM)
                if time.monotonic() - job.started > CASE_TIMEOUT + GRACE:
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
        """Handle the end of a job: store its result, or a failure if it reported none."""
        code = job.process.wait()
        self._release(job)
        result = job.result or self._without_result(job, code)
        result.code_digest = self.code
        if result.ok:
            shutil.rmtree(job.folder, ignore_errors=True)
        else:
            result.failure_folder = str(job.folder)
            lines = [result.case.name, f"again: {result.case.up_command}", *result.problems]
            (job.folder / "README.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.results.append(result)
        self.watch.ended(result)

    def _without_result(self, job: _Job, code: int) -> CaseResult:
        remove_labs(job.state)
        said = (job.folder / "job.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        seconds = time.monotonic() - job.started
        why = (f"the trial did not end within {CASE_TIMEOUT:.0f} s" if seconds > CASE_TIMEOUT
               else f"the trial ended with exit code {code}")
        return CaseResult(job.case, [TrialStep("trial", seconds, [": ".join([why, *said[-1:]])])])

    def _tidy(self) -> None:
        """Remove empty folders."""
        for folder in (self.folder / "labs", self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _release(self, job: _Job) -> None:
        self._running.remove(job)
        if job.reader is not None:
            job.reader.join(5.0)
        for pipe in (job.process.stdin, job.process.stdout):
            if pipe is not None:
                pipe.close()

    def _end_all(self) -> None:
        """End what still runs, and wait until its labs are removed."""
        for job in self._running:
            job.process.send_signal(signal.SIGINT)
        for job in list(self._running):
            try:
                job.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(job.process.pid, signal.SIGKILL)
                job.process.wait()
            remove_labs(job.state)
            self._release(job)
            shutil.rmtree(job.folder, ignore_errors=True)
