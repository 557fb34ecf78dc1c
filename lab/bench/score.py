"""The score of one solver on one case: a new lab, the solver's run, and the oracle before and after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.bench.solver import Solver, SolverRun
from lab.errors import LabError
from lab.oracle import Verdict
from lab.scenario.scenario_file import Variant
from lab.stack import lab_records
from lab.stack.docker_command import labelled_ids
from lab.stack.docker_engine import inspect
from lab.stack.running_lab import Lab
from lab.trial.kept_failure import lab_manifest
from lab.trial.manifest import differences
from lab.trial.trial import Case
from lab.verbs.check import ask_oracle
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up

OWNER_ONLY = 0o600
PATIENCE = 20.0  # seconds that a service may need to start


@dataclass(slots=True)
class Score:
    """How a solver did on a case. None if a question does not apply: no cause was named, nothing was to be repaired.
    `solved` is what counts: well, well after a restart and nothing worse than before. If only an operator can repair
    it, or nothing is wrong, leaving everything unchanged counts too."""

    solver: str
    case: Case
    yardstick: bool = False  # it shows what guesswork achieves, and should lose
    cause: bool | None = None
    repaired: bool | None = None
    survived: bool | None = None
    harm: list[str] = field(default_factory=list)
    solved: bool = False
    seconds: float = 0.0
    error: str = ""  # why it could not be scored


def score_solver(solver: Solver, case: Case, folder: Path) -> Score:
    """Start the lab, run the solver, ask the oracle, restart, ask again, and remove the lab."""
    score = Score(solver.name, case, solver.is_yardstick)
    lab: Lab | None = None
    try:
        risen = lab_up(f"{case.scenario}/{case.variant}", case.stack, case.seed, lambda _: None)
        lab = risen.lab
        _score_lab(score, lab, risen.variant, solver, folder)
    except LabError as error:
        score.error = error.message.splitlines()[0]
    finally:
        if lab is not None:
            lab_down(lab.id)
    return score


def _score_lab(score: Score, lab: Lab, variant: Variant, solver: Solver, folder: Path) -> None:
    expect = variant.expect
    well_before, running, files = ask_oracle(lab), bystanders(lab), lab_manifest(lab)
    with hide_record(lab):
        said = solver.solve(lab, folder)
    _save_output(folder, said)
    score.seconds = said.seconds
    if not solver.is_yardstick:
        score.cause = said.cause == expect.cause
    lab.settle(PATIENCE)  # a solver need not wait for what it has started
    after = ask_oracle(lab)
    changed = differences(files, lab_manifest(lab))
    score.harm = harm_done(well_before, after, running - bystanders(lab))
    hands_off = expect.repair.exit == 4 or expect.repair.risk == "none"
    if expect.repair.risk == "none":
        score.harm += [f"nothing was wrong, but this changed: {line}" for line in changed]
        score.solved = after.is_well and not score.harm
        return
    if not after.is_well:
        score.harm += [f"not repaired, but this changed: {line}" for line in changed]
    score.repaired = after.is_well
    if after.is_well:
        lab.restart()
        again = ask_oracle(lab)
        score.survived = again.is_well
    score.solved = not score.harm and (bool(score.survived) or (hands_off and not changed and not after.is_well))


def harm_done(before: Verdict, after: Verdict, gone: frozenset[str]) -> list[str]:
    """Return the checks that passed before and fail now, and unrelated services that no longer run."""
    good = {entry.name for entry in before.checks if entry.ok}
    worse = [f"{entry.name}: {entry.detail}" for entry in after.checks if entry.name in good and not entry.ok]
    return [*worse, *(f"{name} no longer runs" for name in sorted(gone))]


def bystanders(lab: Lab) -> frozenset[str]:
    """Return the running containers or services that are not part of the lab's fault."""
    own = {lab.container("web"), lab.container("backend"), f"{lab.id}-visitors"}
    if lab.stack == "host":
        argv = ["systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend"]
        shown = lab.run_in("web", argv, check=False).text
        units = {f"{lab.unit('web')}.service", f"{lab.unit('backend')}.service"}
        return frozenset(line.split()[0] for line in shown.splitlines() if line.split()) - units
    seen = [inspect(container) for container in labelled_ids("container", lab.id)]
    return frozenset(entry["Name"].lstrip("/") for entry in seen if entry and entry["State"]["Running"]) - own


@contextmanager
def hide_record(lab: Lab) -> Iterator[None]:
    """Hide the lab's record while a solver runs, so that it cannot read the scenario.
    The empty file stays: without it the lab would have no owner, and any `lab down --all` would remove it."""
    path = lab_records.record_file(lab.id)
    data = path.read_bytes()
    os.truncate(path, 0)
    try:
        yield
    finally:
        path.touch(mode=OWNER_ONLY)
        path.write_bytes(data)


def _save_output(folder: Path, said: SolverRun) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ended = "killed" if said.code is None else f"exit {said.code}"
    (folder / "said.txt").write_text(f"[{ended}, {said.seconds:.1f} s]\n{said.output}", encoding="utf-8")
