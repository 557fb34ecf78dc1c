"""The lesson of a lab, shown once it is well: what the fault was, how to recognise it, and what comes next."""

from __future__ import annotations

import textwrap

from lab.scenario.catalog import scenario_named
from lab.scenario.scenario_file import Variant
from lab.scenario.templates import fill
from lab.stack.running_lab import Lab

_WIDTH = 78


def debrief_of(lab: Lab) -> str:
    """Return the text that the scenario's author wrote for people who have solved it."""
    variant = _variant_of(lab)
    return fill(variant.debrief, lab.params, f"{lab.record.scenario}/scenario.toml: debrief")


def debrief_text(lab: Lab, *, restarted: bool) -> str:
    """Return the debrief with its headline and the commands that come next."""
    variant = _variant_of(lab)
    head = _wrap(f"What it was: {variant.title} ({lab.record.scenario}/{variant.name})", "")
    paragraphs = [_wrap(part, "  ") for part in debrief_of(lab).split("\n\n")]
    nexts = [] if restarted else [("does it last?", f"lab check {lab.id} --after-restart")]
    if variant.expect.cause:
        nexts.append(("more about it", f"fixer explain {variant.expect.cause}"))
    nexts.append(("finish", f"lab down {lab.id}"))
    return "\n".join([head, *paragraphs, *(f"  {what:<14} {command}" for what, command in nexts)])


def _wrap(paragraph: str, indent: str) -> str:
    """Return a paragraph in lines that fit a terminal; names and commands stay unbroken."""
    return textwrap.fill(" ".join(paragraph.split()), _WIDTH, initial_indent=indent, subsequent_indent="  ",
                         break_long_words=False, break_on_hyphens=False)


def _variant_of(lab: Lab) -> Variant:
    return scenario_named(lab.record.scenario).variant(lab.record.variant)
