"""One trial: break a stack, let fixer diagnose, repair and undo it, and let the oracle judge every step."""

from __future__ import annotations

import posixpath
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.scenario.catalog import extra_folder_of, scenario_named
from lab.scenario.scenario_file import Expect, Stack, Variant
from lab.scenario.templates import fill_deep
from lab.stack.break_steps import repair_by_hand
from lab.stack.command_result import CommandResult
from lab.stack.docker_command import labelled_ids
from lab.stack.fixer_command import Fixer, fixer_inside, fixer_outside, input_options
from lab.stack.running_lab import Lab
from lab.trial.kept_failure import evidence_problems, lab_manifest, save_failure
from lab.trial.manifest import Manifest, differences
from lab.trial.reference_solvers import remaining_faults, restart_cure_problems
from lab.verbs.check import ask_oracle, check_restarted
from lab.verbs.down import lab_down
from lab.verbs.solve import REPAIR_OPTIONS
from lab.verbs.up import lab_up

UNDO_SETTLE_SECONDS = 30.0  # seconds within which an undone repair's fault shows again
HEAL_SECONDS = 75.0  # seconds: one minute for a fault that ends by waiting, with observations before and after


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a variant on a stack with a seed."""

    scenario: str
    variant: str
    stack: Stack
    seed: int
    inside: bool = False
    noise: int = 0

    @property
    def name(self) -> str:
        """Return its name in reports and folders."""
        return f"{self.scenario}/{self.variant} {self.stack} seed {self.seed}" + (" inside" if self.inside else "") + (
            f" noise {self.noise}" if self.noise else "")

    @property
    def up_command(self) -> str:
        """Return the command that reproduces the lab."""
        beside = extra_folder_of(self.scenario)
        lab = f"lab --scenarios {shlex.quote(beside)}" if beside else "lab"
        return f"{lab} up {self.scenario}/{self.variant} --stack {self.stack} --seed {self.seed}" + (
            f" --noise {self.noise}" if self.noise else "")


@dataclass(slots=True)
class TrialStep:
    """One step of a trial, its duration, and its problems."""

    name: str
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CaseResult:
    """All steps of a case so far; `failure_folder` is the folder of a failure, `code_digest` the project's state.
    `wanted` is the expected outcome: `repair`, `person` (waits for one), `patience` (heals by itself), `advice`
    (reported only: a host's repair cannot end it, or it is over), or `nothing` (it is well)."""

    case: Case
    steps: list[TrialStep] = field(default_factory=list)
    wanted: str = "repair"
    failure_folder: str = ""
    code_digest: str = ""

    @property
    def ok(self) -> bool:
        """Return whether no step has a problem."""
        return bool(self.steps) and not any(step.problems for step in self.steps)

    @property
    def problems(self) -> list[str]:
        """Return the problems, with their step's name."""
        return [f"{step.name}: {problem}" for step in self.steps for problem in step.problems]

    @property
    def seconds(self) -> float:
        """Return the total seconds."""
        return sum(step.seconds for step in self.steps)


class TrialStopped(Exception):
    """The trial ends here."""


@dataclass(slots=True)
class Trial:
    """A lab under trial. All of fixer's commands and output are stored in `folder`."""

    case: Case
    lab: Lab
    variant: Variant
    fixer: Fixer
    folder: Path
    result: CaseResult
    say: Callable[[str], None]
    restarts: bool = True
    asked: int = 0

    @contextmanager
    def step(self, name: str, *, vital: bool = False) -> Iterator[TrialStep]:
        """Run a named step; if a vital one has problems, stop the trial."""
        with _timed_step(self.result, name, self.say) as step:
            yield step
        if vital and step.problems:
            raise TrialStopped

    def ask(self, command: str, *words: str) -> CommandResult:
        """Run a fixer command, and store command and output."""
        told = self.fixer.ask(command, *words)
        self.asked += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        ended = f"[exit {told.code}, {told.seconds:.1f} s]"
        text = f"$ {shlex.join(told.argv)}\n{ended}\n{told.out}\n--- stderr\n{told.err}\n"
        (self.folder / f"{self.asked:02}-{command}.txt").write_text(text, encoding="utf-8")
        return told

    def files(self) -> Manifest:
        """Return every file that a repair may change."""
        return lab_manifest(self.lab)


@contextmanager
def _timed_step(result: CaseResult, name: str, say: Callable[[str], None]) -> Iterator[TrialStep]:
    step = TrialStep(name)
    result.steps.append(step)
    say(name)
    start = time.monotonic()
    try:
        yield step
    finally:
        step.seconds = time.monotonic() - start


def try_case(case: Case, folder: Path, say: Callable[[str], None] = lambda _: None, *,
             restarts: bool = True) -> CaseResult:
    """Run one case to its end, and remove its lab. `say` gets the name of each step at its start.
    `folder` gets fixer's output, and after a problem all evidence. Unless `restarts` is False, also try whether
    restarting everything would have helped: that takes as long as a repair."""
    result = CaseResult(case, wanted=_expected_outcome(scenario_named(case.scenario).variant(case.variant).expect))
    lab: Lab | None = None
    try:
        with _timed_step(result, "up", say) as step:
            try:
                risen = lab_up(f"{case.scenario}/{case.variant}", case.stack, case.seed, lambda _: None,
                               noise=case.noise)
            except LabError as error:
                step.problems.append(error.message)
                return result
        lab = risen.lab
        fixer = fixer_inside(lab) if case.inside else fixer_outside(lab, folder / "state")
        _run_trial(Trial(case, lab, risen.variant, fixer, folder, result, say, restarts))
    except TrialStopped:
        pass
    except LabError as error:
        result.steps[-1].problems.append(f"the trial stopped early: {error.message}")
    finally:
        if lab is not None:
            if result.problems:
                save_failure(lab, folder)
            with _timed_step(result, "down", say) as step:
                lab_down(lab.id)
                if labelled_ids("container", lab.id):
                    step.problems.append("some containers were not removed")
    return result


def _expected_outcome(expect: Expect) -> str:
    repair = expect.repair
    if repair.risk == "none":
        return "nothing" if expect.cause is None else "advice"
    if repair.heals_by_waiting:
        return "patience"
    return "person" if repair.exit == 4 else "repair"


def _run_trial(trial: Trial) -> None:
    repair = trial.variant.expect.repair
    before = trial.files()
    _try_diagnose(trial)
    if repair.risk == "none":
        _try_healthy(trial, before)
        return
    if repair.heals_by_waiting:
        _try_self_healing(trial, before)
        return
    _try_without_consent(trial, before)
    _try_repair(trial, before)
    if repair.exit == 4:
        _try_restarts(trial)
        if trial.variant.by_hand_on(trial.lab.stack):
            _try_by_hand(trial)
        return
    if repair.cleared_by_restart:
        _try_undo(trial, before)
        _try_repair(trial, before)
        _try_restart_and_repeat(trial)
    else:
        _try_restart_and_repeat(trial)
        if _try_undo(trial, before):
            _try_restarts(trial)


def _try_diagnose(trial: Trial) -> None:
    """Check the diagnosis: the right cause first, with evidence that really exists."""
    expect, repair = trial.variant.expect, trial.variant.expect.repair
    with trial.step("diagnose") as step:
        told = trial.ask("diagnose", "--json")
        findings = told.document.get("findings", [])
        well = repair.risk == "none"
        _expect_exit(step, told, 0 if well else 1)
        verdict = told.document.get("verdict")
        if verdict not in (("healthy",) if well else ("broken", "degraded")):
            step.problems.append(f"verdict {verdict}")
        guilty = [found for found in findings if found["role"] in ("root", "contributing")]
        if well:
            step.problems += [f"{found['cause']} is not a fault here" for found in guilty]
        if expect.cause is None:
            return
        first = next(iter(findings if well else guilty), None)
        names = (first["cause"], first["variant"]) if first else (None, None)
        if names != (expect.cause, expect.variant):
            step.problems.append(f"found {names[0]}/{names[1]}, expected {expect.cause}/{expect.variant}")
        allowed = {expect.cause, *expect.also}
        step.problems += [f"unexpected: {found['cause']}" for found in guilty if found["cause"] not in allowed]
        if first:
            step.problems += evidence_problems(trial.lab, first["evidence"])


def _expect_exit(step: TrialStep, told: CommandResult, code: int) -> None:
    if told.code != code:
        said = (told.err.strip() or told.out.strip() or "no output").splitlines()[-1]
        step.problems.append(f"exit {told.code}, expected {code}: {said[:200]}")


def _expect_unchanged(step: TrialStep, before: Manifest, after: Manifest, when: str) -> None:
    step.problems += [f"{when}: {line}" for line in differences(before, after)[:10]]


def _expect_nothing_done(trial: Trial, step: TrialStep, before: Manifest, told: CommandResult, outcome: str) -> None:
    document = told.document
    if document.get("outcome") != outcome:
        step.problems.append(f"outcome {document.get('outcome')}, expected {outcome}")
    if document.get("journal") is not None:
        step.problems.append(f"a journal exists: {document.get('journal')}")
    _expect_unchanged(step, before, trial.files(), "changed")


def _try_healthy(trial: Trial, before: Manifest) -> None:
    """Check a healthy stack: any change is a failure."""
    with trial.step("nothing to do") as step:
        told = trial.ask("repair", *REPAIR_OPTIONS, "--json")
        _expect_exit(step, told, 0)
        _expect_nothing_done(trial, step, before, told, "nothing-to-do")
        step.problems += ask_oracle(trial.lab).failing


def _try_self_healing(trial: Trial, before: Manifest) -> None:
    """Check a fault that ends by itself: fixer waits and changes nothing that could be undone or had to last."""
    with trial.step("repair") as step:
        told = trial.ask("repair", "--yes", "--json")
        _expect_exit(step, told, 0)
        _expect_nothing_done(trial, step, before, told, "nothing-to-do")
        if told.seconds > HEAL_SECONDS:
            step.problems.append(f"it took {told.seconds:.0f} s")
    with trial.step("well") as step:
        step.problems += ask_oracle(trial.lab).failing
    _try_restart_and_repeat(trial)


def _try_without_consent(trial: Trial, before: Manifest) -> None:
    """Check that without the flag or input nothing changes, and the output names exactly what is missing."""
    repair = trial.variant.expect.repair
    keys = [word.partition("=")[0] for word in input_options(trial.lab) if word != "--set"]
    tries: list[tuple[str, tuple[str, ...], list[str]]] = []
    if repair.risk == "disruptive" or keys:
        flag = ["--max-risk"] if repair.risk == "disruptive" else []
        tries.append(("plain", ("--yes",), flag + keys))
    if keys:
        tries.append(("without input", REPAIR_OPTIONS, keys))
    for name, words, named in tries:
        with trial.step(name) as step:
            told = trial.ask("repair", *words, "--json")
            _expect_exit(step, told, 4)
            if not any(word in told.output for word in named):
                step.problems.append(f"names none of {', '.join(named)}")
            if trial.variant.expect.mends and told.document.get("journal"):
                # safe ones of several faults may be repaired already: after undo, all is as before
                _expect_exit(step, trial.ask("undo", "--json"), 0)
                _expect_unchanged(step, before, trial.files(), "not as before")
            else:
                _expect_nothing_done(trial, step, before, told, "needs-input")


def _try_repair(trial: Trial, before: Manifest) -> None:
    expect = trial.variant.expect.repair
    with trial.step("repair", vital=True) as step:
        told = trial.ask("repair", *REPAIR_OPTIONS, *input_options(trial.lab), "--json")
        _expect_exit(step, told, expect.exit)
        if expect.exit == 4:
            _expect_nothing_done(trial, step, before, told, "needs-input")
            return
        if told.document.get("outcome") != "repaired":
            step.problems.append(f"outcome {told.document.get('outcome')}")
        _check_rounds(trial, step, told)
    if expect.exit == 0:
        with trial.step("well") as step:
            step.problems += remaining_faults(trial.lab, trial.variant)


def _try_by_hand(trial: Trial) -> None:
    """Run the manual steps that fixer has named; the rest is for the next repair."""
    with trial.step("by hand", vital=True) as step:
        told = trial.ask("diagnose")
        steps = fill_deep([dict(one) for one in trial.variant.by_hand_on(trial.lab.stack)], trial.lab.params, "by_hand")
        assert isinstance(steps, list)
        edited = [str(one["edit"]) for one in steps if isinstance(one, dict) and "edit" in one]
        said = "".join(told.output.split())  # a long path is wrapped over two lines
        step.problems += [f"{path} needs an edit, and fixer did not name it" for path in edited
                          if posixpath.basename(path) not in said]
        repair_by_hand(trial.lab, trial.variant)
    with trial.step("after it", vital=True) as step:
        told = trial.ask("repair", *REPAIR_OPTIONS, *input_options(trial.lab), "--json")
        _expect_exit(step, told, 0)
        step.problems += remaining_faults(trial.lab, trial.variant)
    _try_restart_and_repeat(trial)


def _check_rounds(trial: Trial, step: TrialStep, told: CommandResult) -> None:
    """Check that each of several faults is repaired in its own round, and one journal run contains them all."""
    mends = trial.variant.expect.mends
    if not mends or step.problems:
        return
    step.problems += [f"{cause} was not repaired in its own round" for cause in mends
                      if f"{cause} is fixed" not in told.err]
    runs = trial.ask("history", "--json").document.get("runs", [])
    run = next((run for run in runs if run["id"] == told.document.get("journal")), {"state": "none", "steps": []})
    if run["state"] != "committed" or run["steps"] != told.document.get("applied"):
        step.problems.append(f"the journal does not contain every round: {run['state']}, {run['steps']}")


def _try_restart_and_repeat(trial: Trial) -> None:
    """Check that a repair survives a restart, and is not applied twice."""
    with trial.step("restart") as step:
        trial.lab.restart()
        step.problems += check_restarted(trial.lab).failing
    with trial.step("again") as step:
        before = trial.files()
        told = trial.ask("repair", *REPAIR_OPTIONS, *input_options(trial.lab), "--json")
        # a slow moment, which fixer reported as unknown: try again
        if told.code == 3 and ask_oracle(trial.lab).is_well:
            told = trial.ask("repair", *REPAIR_OPTIONS, *input_options(trial.lab), "--json")
        _expect_exit(step, told, 0)
        _expect_nothing_done(trial, step, before, told, "nothing-to-do")


def _try_undo(trial: Trial, before: Manifest) -> bool:
    """Check that undo restores every file and the complete fault (True).
    False if the repair was, or contained, something irreversible: a process that was ended."""
    with trial.step("undo", vital=True) as step:
        told = trial.ask("undo", "--json")
        _expect_exit(step, told, 0)
        _expect_unchanged(step, before, trial.files(), "not as before")
    with trial.step("broken again") as step:
        until = time.monotonic() + UNDO_SETTLE_SECONDS
        well = not remaining_faults(trial.lab, trial.variant)
        while well and not told.document.get("irreversible") and time.monotonic() < until:
            time.sleep(0.5)
            well = not remaining_faults(trial.lab, trial.variant)
        if well and not told.document.get("irreversible"):
            step.problems.append("the lab is still well after the undo")
    return not well and not told.document.get("irreversible")


def _try_restarts(trial: Trial) -> None:
    """Check that restarting everything cures only what the scenario says it does."""
    helps = trial.variant.expect.repair.restart_on(trial.lab.stack)
    if trial.restarts and helps != "cures" and not trial.case.inside:  # inside it is no different lab
        with trial.step("restart everything") as step:
            step.problems += restart_cure_problems(trial.lab, trial.variant, hides=helps == "hides")
