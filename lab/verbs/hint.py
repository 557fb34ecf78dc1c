"""`lab hint`: the next hint of a lab."""

from __future__ import annotations

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
    text = fill(variant.hints[number], lab.params, f"{lab.record.scenario}/scenario.toml: hints[{number}]").strip()
    last = number == len(variant.hints) - 1
    ending = f"\nThat was the last hint. To see the repair: lab solve {lab.id}" if last else ""
    return f"hint {number + 1} of {len(variant.hints)}: {text}{ending}"
