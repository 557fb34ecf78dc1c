"""Help and headings are translated as a whole; of the rest the counts say what is missing. No entry is of no text."""

from __future__ import annotations

import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fixer.languages.catalogue import digest, parse_entries
from fixer.languages.choose_language import ENGLISH, LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "script" / "count_translations.py"))
FILES = sorted(ROOT.glob("*/languages/*/**/*.toml"))
CASES = [(package, language) for package in SCRIPT["FOLDERS"] for language in LANGUAGES if language != ENGLISH]


@cache
def texts() -> dict[str, Any]:
    """Return all texts. Finding them takes seconds, which a worker that runs none of these tests does not need."""
    found: dict[str, Any] = SCRIPT["all_texts"]()
    assert found.keys() == SCRIPT["FOLDERS"].keys()
    return found


WIDE = re.compile(r"[\u3400-\u9fff\uff00-\uffef\u3000-\u303f]")


@pytest.mark.parametrize(("package", "language"), CASES)
def test_no_help_and_no_heading_is_missing_or_stale(package: str, language: str) -> None:
    counts = SCRIPT["count"](package, language, texts()[package])
    for file in SCRIPT["REQUIRED"]:
        assert (counts[file].missing, counts[file].stale) == ([], []), "translate it, then script/translations --stamp"


@pytest.mark.parametrize(("package", "language"), CASES)
def test_no_entry_is_of_a_text_that_there_is_not(package: str, language: str) -> None:
    counts = SCRIPT["count"](package, language, texts()[package])
    assert [key for counted in counts.values() for key in counted.needless] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_translation_fills_in_the_names_of_its_english(path: Path) -> None:
    package, language = f"{path.relative_to(ROOT).parts[0]}.languages", path.relative_to(ROOT).parts[2]
    file = path.relative_to(ROOT / package.replace(".", "/") / language).with_suffix("").as_posix()
    english = {key: text for keys, text in texts()[package].items() for key in keys[::-1]}
    braces = r"\{\{?[#/]?[a-z_=A-Z-]+\}\}?"
    for name, entry in parse_entries(path.read_text("utf-8")).items():
        there = set(re.findall(braces, english.get(f"{file}/{name}", "")))
        assert set(re.findall(braces, entry.text)) <= there, f"{file}/{name}"
        assert entry.of, f"{file}/{name}: script/translations --stamp"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_punctuation_beside_chinese_is_wide(path: Path) -> None:
    for name, entry in parse_entries(path.read_text("utf-8")).items():
        assert not re.search(r"[\u3400-\u9fff][,;:?!(]|[,;:?!)][\u3400-\u9fff]", entry.text), f"{path.name}: {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_space_stands_between_chinese_and_latin_words(path: Path) -> None:
    for name, entry in parse_entries(path.read_text("utf-8")).items():
        joined = re.findall(r"[A-Za-z0-9`][\u3400-\u9fff]|[\u3400-\u9fff][A-Za-z0-9`]", entry.text)
        assert joined == [], f"{path.name}: {name}"


def test_no_text_of_a_catalogue_stands_in_code() -> None:
    code = [path for top in ("fixer", "lab") for path in (ROOT / top).rglob("*.py")]
    assert [str(path) for path in code if WIDE.search(path.read_text("utf-8"))] == []


def test_the_chinese_readme_was_compared_with_the_commands_of_the_english_one() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-TW.md"))
    commands = "\n".join(line.partition("#")[0] for line in english.splitlines() if line.startswith("    "))
    assert f"compared with it: {digest(commands)} -->" in chinese, "compare README.zh-TW.md, then write this digest there"
    (counted,) = re.findall(r"In the last whole run (\d+ of \d+)", english)
    assert counted in chinese


def test_the_chinese_readme_has_the_six_steps() -> None:
    rows = re.findall(r"(?m)^\| (\d)\. .* \| `.*` \| .* \|$", (ROOT / "README.zh-TW.md").read_text("utf-8"))
    assert rows == list("123456")


def test_a_stale_entry_is_counted() -> None:
    changed = {keys: f"{text} changed" for keys, text in texts()["fixer.languages"].items()}
    counts = SCRIPT["count"]("fixer.languages", "zh-TW", changed)
    assert counts["console"].stale and not counts["console"].missing
