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
    lines = [f"{name} (difficulty {shown.difficulty}, {found.family})", "", *_wrap(shown.story, ""), ""]
    lines += [f"runs on: {', '.join(shown.stacks)}"]
    for stack, reason in shown.why_not.items():
        lines += _wrap(f"not on {stack}: {reason}") if stack not in shown.stacks else ()
    if variant is None:
        lines += _wrap(f"variants: {', '.join(f'{found.name}/{one.name}' for one in found.variants)}")
    lines += [f"start it: lab up {name} --stack {shown.stacks[0]}"]
    return "\n".join(lines)


def _wrap(text: str, indent: str = "  ") -> list[str]:
    """Return lines that fit a terminal; names stay whole, to be copied."""
    return textwrap.wrap(text, 78, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
