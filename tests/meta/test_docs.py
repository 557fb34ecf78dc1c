"""The pages: their links lead to files, their table is what the scenarios say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_generated_tables_are_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "script" / "make_tables.py"), "--check"], check=False)
    assert done.returncode == 0, "run script/make_tables.py"


def test_the_page_for_authors_has_every_step_key_and_parameter() -> None:
    page = (ROOT / "docs/scenario-files.md").read_text("utf-8")
    parts = json.loads((ROOT / "lab/scenario/scenario.schema.json").read_text("utf-8"))["$defs"]
    steps = [step["required"][0] for step in parts["step"]["oneOf"]]
    rows = [row.split(" | ") for row in page.splitlines() if row.startswith("| `")]
    named = {re.split("[`:]", row[0])[1] for row in rows}
    assert len(steps) > 20 and set(steps) | (parts["symptom"]["properties"].keys() - {"stacks"}) <= named
    assert {f"repair.{key}" for key in parts["expect"]["properties"]["repair"]["properties"]} <= named
    used = set(re.findall(r"\{\{([a-z_]+)\}\}", "".join(path.read_text("utf-8") for path in ROOT.glob("scenarios/*/scenario.toml"))))
    own = set(re.findall(r"(?m)^(?:parameters\.)?([a-z_]+)(?:\.[a-z]+)? = |[{,] *([a-z_]+) = ", "".join(
        path.read_text("utf-8") for path in ROOT.glob("scenarios/*/scenario.toml"))))
    assert used - named - {word for words in own for word in words} - {"lab_folder", "file"} == set()
    assert [row for row in rows if row[-1].strip(" |") == "" and len(row) == 2] == [], "a key without its meaning"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_page_is_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        todo += [(page.parent / link).resolve() for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
                 if (page.parent / link).is_file()]
    assert not {page for page in PAGES if page.parent.name == "docs"} - reached


def test_the_readme_gives_the_results_of_the_last_run_and_no_line_is_longer_than_the_others() -> None:
    """Tables and commands are as long as they must be."""
    text = (ROOT / "README.md").read_text("utf-8")
    (counted,) = re.findall(r"(?m)^(\d+ of \d+ cases went as expected)\.$", (ROOT / "docs/results.md").read_text("utf-8"))
    assert counted in text
    assert [line for line in text.splitlines() if len(line) > 125 and not line.startswith(("|", "    "))] == []
