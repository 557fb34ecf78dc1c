"""A run of the matrix in the background, for tests that each wait for one result of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from lab.matrix.runner import Runner
from lab.trial.trial import Case, CaseResult

MINUTES = float(os.environ.get("BADGATEWAY_MINUTES", "8"))     # by the clock as by the estimate
JOBS = int(os.environ.get("BADGATEWAY_JOBS") or (os.cpu_count() or 1) + 1)      # a case waits for a third of its time
LOAD_JOBS = 1     # two overloads at a time on two cores judge the machine, not the stack


def seconds_left() -> float:
    """What the clock allows: BADGATEWAY_END is the moment at which a whole run of the tests wants to be done."""
    end = os.environ.get("BADGATEWAY_END")
    return min(MINUTES * 60, float(end) - time.time()) if end else MINUTES * 60


class BackgroundMatrix:
    """The runner in its thread, and results as they come."""

    def __init__(self, folder: Path, chosen: Sequence[Case], always: int) -> None:
        self.results: dict[Case, CaseResult] = {}
        self._news = threading.Condition()
        self._over = False
        self.runner = Runner(folder, JOBS, self, until=time.monotonic() + seconds_left(),
                             load_jobs=LOAD_JOBS,
                             restarts=False)        # `lab matrix` does; here more variants fit the time instead
        self._thread = threading.Thread(target=self._run, args=(chosen, always), daemon=True)
        self._thread.start()

    def _run(self, chosen: Sequence[Case], always: int) -> None:
        try:
            self.runner.run(chosen, always)
        finally:
            with self._news:
                self._over = True
                self._news.notify_all()

    def result(self, case: Case) -> CaseResult | None:
        """The result of a case, once it is there; None where it was not begun in time."""
        with self._news:
            while case not in self.results and not self._over:
                self._news.wait(1.0)
            return self.results.get(case)

    def end(self) -> None:
        """Whatever still runs is interrupted, and its labs are gone when this returns."""
        self.runner.stop.set()
        self._thread.join()

    def began(self, case: Case) -> None: ...
    def step(self, case: Case, name: str) -> None: ...
    def beat(self) -> None: ...

    def ended(self, result: CaseResult) -> None:
        with self._news:
            self.results[result.case] = result
            self._news.notify_all()
