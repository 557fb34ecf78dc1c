"""Progress of a run: a live table on a terminal, one line per case elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from lab.matrix.select_cases import estimate_seconds, needs_to_run_alone
from lab.trial.trial import Case, CaseResult


def time_left(left: Sequence[Case], jobs: int, running: Sequence[tuple[Case, float]], pace: float) -> float:
    """Return the seconds until the end: estimates of what remains and runs, scaled by the pace so far."""
    beside = sum(estimate_seconds(case) for case in left if not needs_to_run_alone(case)) * pace
    single = sum(estimate_seconds(case) for case in left if needs_to_run_alone(case)) * pace
    rest = [max(2.0, estimate_seconds(case) * pace - age) for case, age in running]
    return single + (beside + sum(rest)) / max(1, min(jobs, len(left) + len(rest)))


def duration_text(seconds: float) -> str:
    """Return a duration as people say it."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


@dataclass(slots=True)
class Progress:
    """Progress display of a run that a person started."""

    out: TextIO
    chosen: Sequence[Case]
    jobs: int
    live: bool
    done: list[CaseResult] = field(default_factory=list)
    _running: dict[Case, tuple[float, str]] = field(default_factory=dict)
    _shown: int = 0

    def began(self, case: Case) -> None:
        """Note that a case starts."""
        self._running[case] = (time.monotonic(), "up")
        self._show()

    def step(self, case: Case, name: str) -> None:
        """Note a case's next step."""
        if case in self._running:
            self._running[case] = (self._running[case][0], name)
        self._show()

    def ended(self, result: CaseResult) -> None:
        """Print one line for a finished case, and its problems below."""
        self._running.pop(result.case, None)
        self.done.append(result)
        self._wipe()
        head = f"[{len(self.done)}/{len(self.chosen)}] {'✔' if result.ok else '✘'} {result.case.name}"
        left = f", {duration_text(self.seconds_left)} left" if self.seconds_left else ""
        self.out.write(f"{head}  {result.seconds:.0f} s{left if not self.live else ''}\n")
        for problem in result.problems:
            self.out.write(f"      {problem}\n")
        if not result.ok:
            self.out.write(f"      again: {result.case.up_command}\n      kept: {result.failure_folder}\n")
        self._show()
        self.out.flush()

    def beat(self) -> None:
        """Update the display."""
        self._show()

    @property
    def seconds_left(self) -> float:
        """Return the estimated seconds until the end."""
        now = time.monotonic()
        tried = {result.case for result in self.done} | set(self._running)
        guessed = sum(estimate_seconds(result.case) for result in self.done)
        pace = sum(result.seconds for result in self.done) / guessed if guessed else 1.0
        running = [(case, now - began) for case, (began, _) in self._running.items()]
        rest = [case for case in self.chosen if case not in tried]
        return time_left(rest, self.jobs, running, pace) if rest or running else 0.0

    def _wipe(self) -> None:
        if self._shown:
            self.out.write(f"\033[{self._shown}A\033[J")
            self._shown = 0

    def _show(self) -> None:
        """Draw the table: totals, and a line for each running case."""
        if not self.live:
            return
        width = shutil.get_terminal_size().columns - 1
        now = time.monotonic()
        bad = sum(not result.ok for result in self.done)
        total = len(self.chosen)
        filled = 20 * len(self.done) // total if total else 20
        lines = [f"{'━' * filled}{'╌' * (20 - filled)} {len(self.done)} of {total}"
                 + (f", {bad} not as expected" if bad else "")
                 + (f", {duration_text(self.seconds_left)} left" if self.seconds_left else "")]
        lines += [f"  {case.name:<64} {name:<14} {now - began:4.0f} s" for case, (began, name) in self._running.items()]
        self._wipe()
        self.out.write("".join(f"{line[:width]}\n" for line in lines))
        self.out.flush()
        self._shown = len(lines)
