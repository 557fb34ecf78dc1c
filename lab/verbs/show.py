"""`lab list` and `lab show`: the scenarios, and what one of them does."""

from __future__ import annotations

import json
import textwrap

from lab.scenario.catalog import aliases, all_scenarios
from lab.scenario.scenario_file import Scenario, Variant


def list_json() -> str:
    """Return the output of `lab list --json`."""
    entries = [
        {"name": found.name, "title": found.title, "family": found.family, "difficulty": found.difficulty,
         "stacks": list(found.stacks), "why_not": dict(found.why_not),
         "variants": [{"name": one.name, "title": one.title, "difficulty": one.difficulty,
                       "stacks": list(one.stacks), "why_not": dict(one.why_not),
                       "cause": one.expect.cause, "variant": one.expect.variant} for one in found.variants]}
        for found in all_scenarios().values()
    ]
    return json.dumps({"scenarios": entries, "aliases": {word: list(names) for word, names in aliases().items()}},
                      indent=2)


def list_text() -> str:
    """Return the output of `lab list`: one line per scenario, easiest first."""
    rows = [("SCENARIO", "DIFFICULTY", "STACKS", "FAMILY")]
    for found in sorted(all_scenarios().values(), key=lambda found: (found.difficulty, found.name)):
        rows.append((found.name, str(found.difficulty), ", ".join(found.stacks), found.family))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]) for row in rows]
    lines += ["", *(f"{word}: one of {', '.join(names)}" for word, names in aliases().items())]
    lines += ["any: a fault that is not named (--difficulty N, --family NAME)"]
    return "\n".join(lines).rstrip()


def show_text(found: Scenario, variant: Variant | None = None) -> str:
    """Return the output of `lab show S`: the story and how to start, without the cause except the typed name."""
    name, shown = (f"{found.name}/{variant.name}", variant) if variant else (found.name, found)
    lines = [f"{name} (difficulty {shown.difficulty}, {found.family})", "", *textwrap.wrap(shown.story, 78), ""]
    lines += [f"runs on: {', '.join(shown.stacks)}"]
    lines += [f"not on {stack}: {reason}" for stack, reason in shown.why_not.items() if stack not in shown.stacks]
    if variant is None:
        lines += [f"variants: {', '.join(f'{found.name}/{one.name}' for one in found.variants)}"]
    sources = dict.fromkeys(one.source for one in ((variant,) if variant else found.variants) if one.source)
    lines += [f"met by users in: {source}" for source in sources]
    lines += [f"start it: lab up {name} --stack {shown.stacks[0]}"]
    return "\n".join(lines)
