"""Coverage gates: branch coverage of the pure packages by the fast tests alone (run after them, reads .coverage)."""

from __future__ import annotations

import io
import sys

from coverage import Coverage

GATES: tuple[tuple[str, float], ...] = (
    ("fixer/lazy/*", 95.0),
    ("fixer/model/*", 95.0),
    ("fixer/nginx/*", 95.0),
    ("fixer/analysis/*", 95.0),
    ("fixer/causes/*", 95.0),
    ("fixer/diagnose/*", 95.0),
    ("fixer/findings/*", 95.0),
    ("fixer/formats/*", 95.0),
    ("fixer/planner.py", 95.0),
    ("fixer/redaction/*", 95.0),
    ("fixer/render/*", 95.0),
    ("fixer/repairs/*", 95.0),
    ("fixer/apply/journal_folder.py", 95.0),
    ("fixer/apply/journal_records.py", 95.0),
    ("fixer/apply/rollback.py", 95.0),
    ("fixer/apply/file_change.py", 95.0),
    ("fixer/apply/file_state.py", 95.0),
)
PARSE_GATE = ("fixer/observe/*", ("fixer/observe/collect*",), 95.0)


def main() -> None:
    """Print one line a gate; exit 1 when one is missed."""
    coverage = Coverage()
    coverage.load()
    missed = False
    for pattern, floor in GATES:
        missed |= not _passes(coverage, pattern, (), floor)
    pattern, omit, floor = PARSE_GATE
    missed |= not _passes(coverage, pattern, omit, floor)
    sys.exit(1 if missed else 0)


def _passes(coverage: Coverage, pattern: str, omit: tuple[str, ...], floor: float) -> bool:
    total = coverage.report(include=[pattern], omit=list(omit) or None, file=io.StringIO(), skip_empty=True)
    mark = "ok" if total >= floor else "below"
    sys.stdout.write(f"{pattern}: {total:.1f} % ({mark} {floor:.0f} %)\n")
    return total >= floor


if __name__ == "__main__":
    main()
