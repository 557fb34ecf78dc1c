"""Which cases went as expected, for the draw of script/test: `python -m tests.scenarios.proven_cases RESULTS.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.matrix.result_files import read_results

PROVEN_FILE = Path(__file__).with_name("proven.txt")


def main() -> None:
    """One name a line with the seconds that it took, in order."""
    went = sorted((case.name, result.seconds) for case, result in read_results(Path(sys.argv[1])).items() if result.ok)
    PROVEN_FILE.write_text("".join(f"{name}\t{seconds:.0f}\n" for name, seconds in went), encoding="utf-8")


def read_proven() -> dict[str, float]:
    """The seconds of each, by its name."""
    rows = (line.split("\t") for line in PROVEN_FILE.read_text(encoding="utf-8").splitlines())
    return {name: float(seconds) for name, seconds in rows}


if __name__ == "__main__":
    main()
