"""The lab in Traditional Chinese: stories, hints and debriefs fall back to English one by one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fixer.languages import catalogue
from fixer.languages.catalogue import Entry, digest
from fixer.languages.choose_language import VARIABLE
from fixer.render.terminal_text import count_columns
from lab.languages.translate import filled, say, scenario_text, scenario_texts

ROOT = Path(__file__).resolve().parents[3]
ENTRIES = {"story": Entry(digest("It is broken."), "壞了。"),
           "own hints[0]": Entry(digest("Look."), "看看。"),
           "hints[0]": Entry(digest("Look here."), "看這裡。")}


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")


def test_a_variant_has_its_own_text_or_its_scenarios(chinese: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "entries", lambda *_: ENTRIES)
    assert scenario_text("s", "story", "It is broken.", "own") == "壞了。"
    assert scenario_text("s", "hints[0]", "Look.", "own") == "看看。"
    assert scenario_text("s", "hints[0]", "Look here.", "other") == "看這裡。"
    assert scenario_text("s", "hints[0]", "Somebody changed it.", "own") == "Somebody changed it."


def test_without_a_language_all_is_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "en")
    assert say("console/hint", "hint {number} of {count}: {text}", number=1, count=3, text="x") == "hint 1 of 3: x"
    assert filled("a b", "  ", "  ") == ["  a b"]


def test_chinese_is_wrapped_by_columns(chinese: None) -> None:
    lines = filled("設定檔" * 30, "  ", "    ")
    assert len(lines) > 1 and lines[0].startswith("  設") and lines[1].startswith("    ") and all(count_columns(x) <= 78 for x in lines)


def test_every_text_of_a_scenario_has_a_key() -> None:
    data = tomllib.loads((ROOT / "scenarios/wrong-port/scenario.toml").read_text("utf-8"))
    texts = scenario_texts("wrong-port", data)
    assert texts["scenarios/wrong-port/story"] == data["story"]
    own = data["variants"]["docker-port-not-published"]
    assert texts["scenarios/wrong-port/docker-port-not-published hints[2]"] == own["hints"][2]
