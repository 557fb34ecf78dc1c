"""The lesson of a lab, shown once it is well: what the fault was, how to recognise it, and what comes next."""

from __future__ import annotations

from fixer.render.terminal_text import pad
from lab.languages.translate import filled, say, scenario_text
from lab.scenario.catalog import scenario_named
from lab.scenario.scenario_file import Variant
from lab.scenario.templates import fill
from lab.stack.running_lab import Lab


def debrief_of(lab: Lab) -> str:
    """Return the text that the scenario's author wrote for people who have solved it, in English."""
    return _filled_debrief(lab, _variant_of(lab).debrief)


def _filled_debrief(lab: Lab, text: str) -> str:
    return fill(text, lab.params, f"{lab.record.scenario}/scenario.toml: debrief")


def _told_debrief(lab: Lab, variant: Variant) -> str:
    """Return the same in the language of the reader."""
    text = scenario_text(lab.record.scenario, "debrief", variant.debrief, variant.name)
    return _filled_debrief(lab, text)


def debrief_text(lab: Lab, *, restarted: bool, stays: bool = True) -> str:
    """Return the debrief with its headline and the commands that come next; `stays` is whether the lab does."""
    variant = _variant_of(lab)
    title = scenario_text(lab.record.scenario, "title", variant.title, variant.name)
    head = filled(say("console/what-it-was", "What it was: {title} ({name})", title=title,
                      name=f"{lab.record.scenario}/{variant.name}"), "", "  ")
    paragraphs = [line for part in _told_debrief(lab, variant).split("\n\n") for line in filled(part, "  ", "  ")]
    nexts = [] if restarted else [(say("console/does-it-last", "does it last?"), f"lab check {lab.id} --after-restart")]
    if variant.expect.cause:
        nexts.append((say("console/more-about-it", "more about it"), f"fixer explain {variant.expect.cause}"))
    if stays:
        nexts.append((say("console/finish", "finish"), f"lab down {lab.id}"))
    return "\n".join([*head, *paragraphs, *(f"  {pad(what, 14)} {command}" for what, command in nexts)])


def _variant_of(lab: Lab) -> Variant:
    return scenario_named(lab.record.scenario).variant(lab.record.variant)
