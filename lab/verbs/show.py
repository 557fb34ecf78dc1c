"""`lab list` and `lab show`: the scenarios, and what one of them does."""

from __future__ import annotations

import json

from fixer.render.terminal_text import count_columns, pad
from lab.languages.translate import filled, say, scenario_text
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
    rows = [(say("console/SCENARIO", "SCENARIO"), say("console/DIFFICULTY", "DIFFICULTY"),
             say("console/STACKS", "STACKS"), say("console/FAMILY", "FAMILY"))]
    for found in sorted(all_scenarios().values(), key=lambda found: (found.difficulty, found.name)):
        rows.append((found.name, str(found.difficulty), ", ".join(found.stacks),
                     say(f"console/family {found.family}", found.family)))
    widths = [max(count_columns(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(pad(row[n], widths[n]) for n in range(3)), row[3]]) for row in rows]
    lines += ["", *(say("console/one-of", "{word}: one of {names}", word=word, names=", ".join(names))
                    for word, names in aliases().items())]
    lines += [say("console/any", "any: a fault that is not named (--difficulty N, --family NAME)")]
    return "\n".join(lines).rstrip()


def show_text(found: Scenario, variant: Variant | None = None) -> str:
    """Return the output of `lab show S`: the story and how to start, without the cause except the typed name."""
    name, shown = (f"{found.name}/{variant.name}", variant) if variant else (found.name, found)
    story = scenario_text(found.name, "story", shown.story, variant.name if variant else "")
    head = say("console/show-head", "{name} (difficulty {difficulty}, {family})", name=name,
               difficulty=shown.difficulty, family=say(f"console/family {found.family}", found.family))
    lines = [head, "", *filled(story), ""]
    lines += [say("console/runs-on", "runs on: {stacks}", stacks=", ".join(shown.stacks))]
    for stack, reason in shown.why_not.items():
        if stack not in shown.stacks:
            lines += filled(say("console/not-on", "not on {stack}: {reason}", stack=stack, reason=reason), later="  ")
    if variant is None:
        names = ", ".join(f"{found.name}/{one.name}" for one in found.variants)
        lines += filled(say("console/variants", "variants: {names}", names=names), later="  ")
    sources = dict.fromkeys(one.source for one in ((variant,) if variant else found.variants) if one.source)
    for source in sources:
        lines += filled(say("console/met-in", "met by users in: {source}", source=source), later="  ")
    start = f"lab up {name} --stack {shown.stacks[0]}"
    lines += [say("console/start-it", "start it: {command}", command=start)]
    return "\n".join(lines)
