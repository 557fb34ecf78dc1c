"""`lab hint`: the next hint of a lab."""

from __future__ import annotations

from lab.languages.translate import say, scenario_text
from lab.scenario.catalog import scenario_named
from lab.scenario.templates import fill
from lab.stack import lab_records
from lab.stack.running_lab import Lab


def next_hint(lab: Lab) -> str:
    """Return the next hint; after the last one, that one again. The last one says that it is, and what remains."""
    variant = scenario_named(lab.record.scenario).variant(lab.record.variant)
    number = min(lab.record.hints_given, len(variant.hints) - 1)
    lab.record.hints_given = number + 1
    lab_records.save_record(lab.record)
    hint = scenario_text(lab.record.scenario, f"hints[{number}]", variant.hints[number], variant.name)
    text = fill(hint, lab.params, f"{lab.record.scenario}/scenario.toml: hints[{number}]").strip()
    last = number == len(variant.hints) - 1
    ending = say("console/last-hint", "That was the last hint. To see the repair: lab solve {lab}", lab=lab.id)
    said = say("console/hint", "hint {number} of {count}: {text}", number=number + 1, count=len(variant.hints),
               text=text)
    return f"{said}\n{ending}" if last else said
