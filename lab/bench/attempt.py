"""One solver on one case in a separate process: `python -m lab.bench.attempt` reads it from stdin and prints its score.

It ends when its stdin ends: a killed bench leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.bench.score import Score, score_solver
from lab.bench.score_files import score_from_json, score_to_json
from lab.bench.solver import Solver, resolve_solver
from lab.matrix.job import end_with_parent, interrupt_once, remove_labs
from lab.matrix.result_files import case_from_json, case_to_json
from lab.matrix.select_cases import needs_to_run_alone
from lab.trial.trial import Case

Listener = Callable[["Attempt"], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One solver on one case; `folder` keeps its output."""

    solver: Solver
    case: Case
    folder: Path


@dataclass(slots=True)
class Attempts:
    """Runs attempts side by side, each in a separate process; those under load run alone, before the others."""

    state: Path
    jobs: int
    began: Listener
    ended: Callable[[Score], None]
    _running: list[subprocess.Popen[str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def run(self, attempts: Sequence[Attempt]) -> list[Score]:
        """Return the scores in the order of the attempts. If interrupted, return when all labs are removed."""
        scores: dict[int, Score] = {}
        for jobs, alone in ((1, True), (self.jobs, False)):
            mine = [number for number, one in enumerate(attempts) if needs_to_run_alone(one.case) == alone]
            with ThreadPoolExecutor(jobs) as pool:
                waiting = {pool.submit(self._run_and_tell, attempts[number], number): number for number in mine}
                try:
                    for done in as_completed(waiting):
                        scores[waiting[done]] = done.result()
                except BaseException:
                    self._stop(pool)
                    raise
        return [scores[number] for number in sorted(scores)]

    def _run_and_tell(self, attempt: Attempt, number: int) -> Score:
        """Run one and tell its end before this worker begins the next: their lines do not mix."""
        score = self._run_one(attempt, number)
        with self._lock:
            self.ended(score)
        return score

    def _run_one(self, attempt: Attempt, number: int) -> Score:
        attempt.folder.mkdir(parents=True, exist_ok=True)
        self.began(attempt)
        state = self.state / f"{number:03}"
        order = {"case": case_to_json(attempt.case), "solver": attempt.solver.word, "inside": attempt.solver.within,
                 "folder": str(attempt.folder), "state": str(state)}
        errors = attempt.folder / "errors.txt"
        with errors.open("w", encoding="utf-8") as file:
            child = subprocess.Popen([sys.executable, "-m", "lab.bench.attempt"], stdin=subprocess.PIPE, text=True,
                                     stdout=subprocess.PIPE, stderr=file, start_new_session=True)
        self._running.append(child)
        assert child.stdin is not None and child.stdout is not None
        with child.stdin, child.stdout:     # its stdin stays open until it ends
            if not self._stopped:
                child.stdin.write(json.dumps(order) + "\n")
                child.stdin.flush()
                said = child.stdout.read()
            else:
                said = ""
        code = child.wait()
        self._running.remove(child)
        if code == 0:
            return score_from_json(json.loads(said))
        remove_labs(state)
        last = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        return Score(attempt.solver.name, attempt.case, yardstick=attempt.solver.is_yardstick,
                     error=": ".join([f"the attempt ended with exit code {code}", *last]))

    def _stop(self, pool: ThreadPoolExecutor) -> None:
        self._stopped = True
        pool.shutdown(wait=False, cancel_futures=True)
        for child in tuple(self._running):
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT)


def main() -> int:
    """Run the attempt from stdin; return 0 once its score is printed, good or bad."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt_once)
    line = sys.stdin.readline()
    if not line:
        return 130
    order = json.loads(line)
    state = Path(order["state"])
    os.environ["BADGATEWAY_LAB_STATE"] = str(state)
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        solver = resolve_solver(order["solver"], within=order["inside"])
        score = score_solver(solver, case_from_json(order["case"]), Path(order["folder"]))
        sys.stdout.write(json.dumps(score_to_json(score)))
    except KeyboardInterrupt:
        return 130
    finally:
        remove_labs(state)
    return 0


if __name__ == "__main__":
    sys.exit(main())
