"""The ledger of published runs: one JSON line a run, appended, bad runs too. A seed is used once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError, UsageError
from lab.paths import data_root
from lab.random_hosts.figures import HostResult, calibration, seconds, shares


@dataclass(frozen=True, slots=True)
class SeedRange:
    """The seeds of a run: the first, and how many."""

    first: int
    count: int

    @property
    def seeds(self) -> range:
        """Return the seeds."""
        return range(self.first, self.first + self.count)

    @property
    def text(self) -> str:
        """Return the range as `1-30`."""
        return f"{self.first}-{self.first + self.count - 1}"

    def overlaps(self, other: SeedRange) -> bool:
        """Return whether the two share a seed."""
        return self.first < other.first + other.count and other.first < self.first + self.count


def ledger_path() -> Path:
    """Return the ledger of this checkout."""
    return data_root() / "benchmarks" / "random.jsonl"


def read_ledger(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the published runs; a ledger that does not exist has none. Raise LabError for a broken line."""
    if not path.is_file():
        return ()
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise LabError(f"{path.name}: line {number} is no JSON: {error}") from error
    return tuple(found)


def refuse_used_seeds(path: Path, wanted: SeedRange) -> None:
    """Raise UsageError if a published run used one of the seeds, whatever the solver: fixer may have learned it."""
    for run in read_ledger(path):
        used = SeedRange(int(run["seeds"]["first"]), int(run["seeds"]["count"]))
        if used.overlaps(wanted):
            after = max(int(one["seeds"]["first"]) + int(one["seeds"]["count"]) for one in read_ledger(path))
            raise UsageError(f"--publish: seeds {wanted.text} overlap with {used.text}, published at commit "
                             f"{run.get('commit', '?')}", f"the next unused range starts with --seed {after}")


def append_run(path: Path, line: Mapping[str, Any]) -> None:
    """Append one run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def ledger_line(solver: str, seeds: SeedRange, parts_digest: str, commit: str, results: Sequence[HostResult],
                ) -> Mapping[str, Any]:
    """Return the line of a run."""
    return {
        "commit": commit, "solver": solver, "parts": parts_digest,
        "seeds": {"first": seeds.first, "count": seeds.count},
        "shares": {name: share.to_json() for name, share in shares(results).items()},
        "calibration": {name: share.to_json() for name, share in calibration(results).items()},
        "seconds": seconds(results),
        "not_passed": [one.seed for one in results if one.judgement is None or one.judgement.problems],
    }


_COLUMNS = {"cause": "cause_right", "outcome": "outcome_right", "lasting": "lasting", "undo exact": "undo_exact",
            "falsely healthy": "falsely_healthy", "falsely ruled out": "falsely_ruled_out",
            "false alarms": "false_alarms", "harm": "harm"}
_CONFIDENCES = ("certain", "likely", "possible")


LEDGER_HEAD = ("commit", "solver", "seeds", *_COLUMNS, *(f"right if {name}" for name in _CONFIDENCES), "a look")


def ledger_table(runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return one row per published run: of each figure how many of how many, with the 95 % interval of shares."""
    return [(str(run["commit"])[:8], str(run["solver"]), SeedRange(run["seeds"]["first"], run["seeds"]["count"]).text,
             *(_share_text(run["shares"].get(key)) for key in _COLUMNS.values()),
             *(_share_text(run["calibration"].get(name)) for name in _CONFIDENCES), f"{run['seconds']['look']:.1f} s")
            for run in runs]


def _share_text(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return "not counted"        # by a run from before this figure
    if not share["of"]:
        return "0 of 0"
    low, high = share["interval"]
    return f"{share['good']} of {share['of']} ({low:.0%} to {high:.0%})".replace("%", " %")


def current_commit(option: str, besides: Path | None = None) -> str:
    """Return the commit of this checkout; raise UsageError if files differ from it: such a run cannot be repeated.
    `besides` is a file that the run itself writes."""
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(data_root()), *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UsageError(f"{option}: this is no git checkout", "do it in a clone of the repository")
        return done.stdout.strip()

    others = (".", f":(exclude){besides.relative_to(data_root())}") if besides else ()
    if changed := git("status", "--porcelain", "--untracked-files=no", "--", *others):
        raise UsageError(f"{option}: {len(changed.splitlines())} files differ from the commit", "commit them first")
    return git("rev-parse", "HEAD")
