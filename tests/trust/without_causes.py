"""fixer without some of its causes: python -m tests.trust.without_causes CAUSE,CAUSE WORDS..."""

from __future__ import annotations

import sys

from fixer.app import inspect_target
from fixer.app.cause_catalogue import all_judges


def main() -> int:
    """Drop them, then be fixer."""
    dropped = sys.argv[1].split(",")
    left = tuple(cause for cause in all_judges() if cause.id not in dropped)
    assert len(left) == len(all_judges()) - len(dropped), dropped
    inspect_target.all_judges = lambda: left
    from fixer.start import main as fixer

    sys.argv = ["fixer", *sys.argv[2:]]
    return fixer()


if __name__ == "__main__":
    sys.exit(main())
