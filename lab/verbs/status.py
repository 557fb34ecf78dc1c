"""What people read: the list of scenarios, the story of one, the labs that are up, the words after `lab up`."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from lab.http_get import get
from lab.scenario.catalog import aliases, scenarios
from lab.scenario.scenario_file import Scenario, Variant
from lab.stack import lab_records
from lab.stack.docker_command import docker, labelled
from lab.stack.find_lab import all_ids
from lab.stack.running_lab import Lab
from lab.verbs.up import Risen


def list_json() -> str:
    """`lab list --json`."""
    entries = [
        {"name": found.name, "title": found.title, "family": found.family, "difficulty": found.difficulty,
         "stacks": list(found.stacks), "why_not": dict(found.why_not),
         "variants": [{"name": one.name, "title": one.title, "stacks": list(one.stacks), "why_not": dict(one.why_not),
                       "cause": one.expect.cause, "variant": one.expect.variant} for one in found.variants]}
        for found in scenarios().values()
    ]
    return json.dumps({"scenarios": entries, "aliases": {word: list(names) for word, names in aliases().items()}},
                      indent=2)


def list_text() -> str:
    """`lab list`: one line a scenario, easiest first."""
    rows = [("SCENARIO", "DIFFICULTY", "STACKS", "FAMILY")]
    for found in sorted(scenarios().values(), key=lambda found: (found.difficulty, found.name)):
        rows.append((found.name, str(found.difficulty), ", ".join(found.stacks), found.family))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]) for row in rows]
    lines += ["", *(f"{word}: one of {', '.join(names)}" for word, names in aliases().items())]
    return "\n".join(lines).rstrip()


def show_text(found: Scenario, variant: Variant | None = None) -> str:
    """`lab show S`: the story and how to start; nothing that gives the cause away beyond the name that was typed."""
    name, shown = (f"{found.name}/{variant.name}", variant) if variant else (found.name, found)
    lines = [f"{name} (difficulty {found.difficulty}, {found.family})", "", *textwrap.wrap(shown.story, 78), ""]
    lines += [f"runs on: {', '.join(shown.stacks)}"]
    lines += [f"not on {stack}: {reason}" for stack, reason in shown.why_not.items() if stack not in shown.stacks]
    if variant is None:
        lines += [f"variants: {', '.join(f'{found.name}/{one.name}' for one in found.variants)}"]
    lines += [f"start it: lab up {name} --stack {shown.stacks[0]}"]
    return "\n".join(lines)


def risen_text(risen: Risen) -> str:
    """What is said when a lab is up."""
    lab, story = risen.lab, risen.variant.story
    head = f'Lab {lab.id}: "{" ".join(story.split())}"'
    commands = [("look inside", "shell"), ("stuck", "hint"), ("fixed it?", "check"), ("give up", "solve"),
                ("be done", "down")]
    lines = [*textwrap.wrap(head, 78), f"  {lab.url}/login", f"  user {lab.params['login']}, "
             f"password {lab.params['password']}"]
    lines += [f"  {what:<12} lab {command} {lab.id}" for what, command in commands]
    lines += [f"  {'diagnose':<12} fixer diagnose {lab.target}"]
    return "\n".join(lines)


def status() -> list[dict[str, Any]]:
    """Every lab that is up, with what its page answers now."""
    entries: list[dict[str, Any]] = []
    kept = {record.id: record for record in lab_records.every()}
    for lab_id in all_ids():
        states = [
            docker("inspect", "-f", "{{.State.Status}}", container, check=False).text
            for container in labelled("container", lab_id)
        ]
        entry: dict[str, Any] = {"id": lab_id, "containers": len(states), "running": states.count("running")}
        if lab_id in kept:
            lab = Lab(kept[lab_id])
            answer = get(lab.url, "/login", host=lab.visit_name, timeout=3.0)
            entry |= {"asked": lab.record.asked, "stack": lab.stack, "seed": lab.record.seed, "url": lab.url,
                      "target": lab.target, "answer": answer, "ready": lab.record.ready}
        entries.append(entry)
    return entries


def status_text(entries: list[dict[str, Any]]) -> str:
    """One line a lab."""
    if not entries:
        return "nothing is up; `lab list` shows what can be"
    names = {0: "refuses connections", -1: "does not answer in 3 s"}
    lines = []
    for entry in entries:
        head = f"{entry['id']}  {entry['running']} of {entry['containers']} containers run"
        if "asked" in entry:
            answer = entry["answer"]
            said = names.get(answer, f"answers {answer}")
            head += f"  {entry['asked']} on {entry['stack']}, seed {entry['seed']}  {entry['url']}/login {said}"
        lines.append(head)
    return "\n".join(lines)
