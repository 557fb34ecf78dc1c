"""`lab new`: a first scenario.toml for a new cause, valid, with every decision of its author visible."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import UsageError
from lab.paths import extra_scenarios_root, package_root, scenarios_root

TEMPLATE = '''title = "what is wrong, in a sentence"
story = "What users report. Never the cause."
family = "backend not running"
difficulty = 2
stacks = ["host"]

hints = [
    "Vague: where to look at all.",
    "Closer: which two things to compare.",
    "Exact: what to change. Any string may hold a parameter, such as {{site_file}}.",
]
debrief = "What it was, how one sees it, how it is avoided."

[why_not]
containers = "why it cannot be there"

# One entry a way to get there; the name is that of the variant in the catalogue of causes.
# restart: a restart of everything "cures" it, "hides" it until the next boot, or (without the key) does not help.
[variants.VARIANT]
breaks = [{ stop = "backend" }]
symptom = "refused"
expect = { cause = "NAME", variant = "VARIANT", repair = { risk = "safe", exit = 0, restart = "cures" } }
'''


def new_scenario(name: str) -> Path:
    """Write NAME/scenario.toml below `--scenarios`, else below scenarios/; never touch an existing one."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{name!r} is not a valid name for a scenario", "small letters, digits and dashes: late-start")
    beside = extra_scenarios_root()
    if beside is None and scenarios_root().is_relative_to(package_root()):
        raise UsageError("an installed lab keeps its scenarios in its package, where an update would remove yours",
                         f"into a folder of your own: lab --scenarios DIR new {name}")
    path = (beside or scenarios_root()) / name / "scenario.toml"
    if path.exists():
        raise UsageError(f"{path} already exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE.replace("NAME", name).replace("VARIANT", name), encoding="utf-8")
    return path
