"""Which cases went as expected, for the draw of script/test: `python -m tests.scenarios.proven RESULTS.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.matrix.report import read_results

PROVEN = Path(__file__).with_name("proven.txt")


def main() -> None:
    """One name a line, in order."""
    names = sorted(case.name for case, result in read_results(Path(sys.argv[1])).items() if result.ok)
    PROVEN.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


if __name__ == "__main__":
    main()
