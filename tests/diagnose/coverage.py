"""How much of what nginx can say, and of what breaks in the world, fixer answers."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixer.causes import load_causes
from lab.scenario.catalog import all_scenarios
from tests.diagnose.message_table import HARMLESS, answers_config, problem_of, run_class
from tests.nginx.message_lines import lines_of, rows

ROOT = Path(__file__).resolve().parents[2]
FIELD, REASONS, README = ROOT / "docs" / "field.toml", ROOT / "docs" / "not-reproduced.md", ROOT / "README.md"
MARKS = "<!-- coverage -->\n", "<!-- /coverage -->"


@dataclass(frozen=True)
class FieldRow:
    """What breaks in the world: the threads, the causes that name it, the scenarios or the reason why there is none."""

    id: int
    title: str
    threads: tuple[str, ...]
    causes: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    partial: str = ""
    reason: str = ""

    @property
    def state(self) -> str:
        """`Y` if a cause names it, `P` in part, `N` if none does."""
        return "N" if not self.causes else "P" if self.partial else "Y"


def field_rows() -> tuple[FieldRow, ...]:
    """Return the rows of docs/field.toml."""
    return tuple(_row(table) for table in tomllib.loads(FIELD.read_text(encoding="utf-8"))["row"])


def _row(table: Mapping[str, Any]) -> FieldRow:
    return FieldRow(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})


def field_problems() -> Iterator[str]:
    """Yield each name that leads nowhere, and each row that has neither a scenario nor a reason."""
    causes = {cause.id for cause in load_causes()}
    variants = {f"{scenario.name}/{one.name}" for scenario in all_scenarios().values() for one in scenario.variants}
    reasons = REASONS.read_text(encoding="utf-8")
    for row in field_rows():
        yield from (f"row {row.id}: no cause is called {name}" for name in row.causes if name not in causes)
        yield from (f"row {row.id}: no scenario is called {name}" for name in row.scenarios if name not in variants)
        yield from (f"row {row.id}: {name} is no thread" for name in row.threads if not re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", name))
        if row.reason and row.reason not in reasons:
            yield f"row {row.id}: docs/not-reproduced.md does not say: {row.reason}"
        if not (row.scenarios or row.reason or row.partial):
            yield f"row {row.id}: neither a scenario nor a reason"


def message_problems() -> Iterator[str]:
    """Yield each message of nginx that leads to no cause, or that is no failure and leads to one."""
    for row in rows("run"):
        yield from (f"{row.words}: {problem}" for line in lines_of(row) if (problem := problem_of(line)))
    yield from (f"{row.words}: not answered" for row in rows("config") if not answers_config(row))


def figures() -> str:
    """Return the figures as Markdown."""
    run, config, field = rows("run"), rows("config"), field_rows()
    harmless = sum(run_class(row) == HARMLESS for row in run)
    answered = sum(not any(map(problem_of, lines_of(row))) for row in run)
    named = {state: sum(row.state == state for row in field) for state in "YPN"}
    shown = sum(bool(row.scenarios) for row in field)
    return (
        "| what | answered |\n| --- | --- |\n"
        f"| [nginx's messages](docs/nginx-messages.md) about requests: a cause and the side at fault, or no failure "
        f"({harmless}) | {answered} of {len(run)} |\n"
        f"| its messages about the configuration | {sum(map(answers_config, config))} of {len(config)} |\n"
        f"| [what public threads were about](docs/field.toml): named / in part / not | "
        f"{named['Y']} / {named['P']} / {named['N']} of {len(field)} |\n"
        f"| of these with a scenario of the lab; the others have their reason in docs/not-reproduced.md | "
        f"{shown} of {len(field)} |\n")


def written(text: str, new: str) -> str:
    """Return the page with these figures between its marks."""
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    return text[:start] + new + text[end:]


def main() -> int:
    """Print the figures, or write them into the README."""
    parser = argparse.ArgumentParser(prog="script/coverage", description=(__doc__ or "").strip())
    parser.add_argument("--write", action="store_true", help="write the figures into README.md")
    parser.add_argument("--list", action="store_true", help="print each row of docs/field.toml with its state, too")
    wish = parser.parse_args()
    new = figures()
    print(new, end="")
    for row in field_rows() if wish.list else ():
        print(f"{row.state} {row.id:>3} {row.title}: {row.partial or row.reason or ', '.join(row.scenarios)}")
    problems = [*field_problems(), *message_problems()]
    print(*problems, sep="\n", end="\n" if problems else "")
    if wish.write:
        README.write_text(written(README.read_text(encoding="utf-8"), new), encoding="utf-8")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
