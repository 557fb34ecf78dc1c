"""Every cause has its page, its names, its scenarios, and samples that hit, miss and cannot be told."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from fixer.causes import Cause, load_causes, module_names

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
# names of tests that hold the samples of causes which share a file with others
SHARED = {"backend-hung": "hung", "overload-saturated": "busy", "nginx-down": "down", "nginx-config-invalid": "invalid",
          "nginx-not-reloaded": "old", "slow-start": "slow_start"}


def ids() -> list[str]:
    return [cause.id for cause in load_causes()]


def test_the_catalogue() -> None:
    assert {"wrong-port", "backend-down", "crash-missing-env", "crash-killed", "crash-port-in-use", "nginx-down",
            "crash-loop-gave-up", "overload-saturated", "backend-hung", "nginx-config-invalid", "nginx-not-reloaded",
            "slow-start"} <= set(ids())
    assert ids() == sorted(ids())


def test_every_file_and_folder_of_causes_is_one_cause() -> None:
    modules = (importlib.import_module(f"fixer.causes.{name}") for name in module_names())
    assert [module.__name__ for module in modules if not isinstance(getattr(module, "CAUSE", None), Cause)] == []


@pytest.mark.parametrize("cause", load_causes(), ids=lambda cause: cause.id)
def test_a_cause_is_named_like_its_file_and_has_a_page(cause: Cause) -> None:
    assert cause.id.replace("-", "_") in module_names()
    for heading in ("What it is", "How it is told apart", "The repair and its safety", "By hand"):
        assert f"\n{heading}\n" in cause.page, heading
    assert cause.variants and cause.title and cause.family
    assert max(map(len, cause.page.splitlines())) <= 120


@pytest.mark.parametrize("cause", load_causes(), ids=lambda cause: cause.id)
def test_a_page_starts_with_two_lines_and_by_hand(cause: Cause) -> None:
    """What a person reads first at night: what it is and how nginx shows it, then what to type."""
    summary, by_hand = cause.page.split("\n\n")[:2]
    assert len(summary.splitlines()) == 2
    assert all(line.endswith(".") for line in summary.splitlines())
    for sentence in re.split(r"(?<=[.?!])\s+", summary):
        assert len(sentence.split()) <= 25, sentence
    assert by_hand.startswith("By hand\n")
    assert [line for line in by_hand.splitlines()[1:] if not line.startswith("  ")] == []


@pytest.mark.parametrize("cause", load_causes(), ids=lambda cause: cause.id)
def test_a_page_ends_with_a_row_for_each_variant(cause: Cause) -> None:
    rows = [re.split(r"  +", line.strip(), maxsplit=1) for line in cause.page.rpartition("\n\nVariants\n")[2].splitlines() if line]
    assert [row[0] for row in rows] == list(cause.variants)
    for _, text in rows:
        assert 3 <= len(text.split()) <= 20 and not text.endswith("."), text


@pytest.mark.parametrize("cause", load_causes(), ids=lambda cause: cause.id)
def test_a_cause_has_samples_that_hit_miss_and_cannot_be_told(cause: Cause) -> None:
    name = cause.id.replace("-", "_")
    own = next(Path(__file__).parent.rglob(f"test_{name}.py"), None)
    text, prefix = (own.read_text(), "") if own is not None and cause.id not in SHARED else (SAMPLES, rf"\w*{SHARED[cause.id]}\w*_")
    for kind in ("hit", "miss", "unknown"):
        assert re.search(rf"def test_{prefix}\w*{kind}", text), f"{cause.id}: no {kind}"


@pytest.mark.parametrize("cause", load_causes(), ids=lambda cause: cause.id)
def test_a_cause_has_scenarios(cause: Cause) -> None:
    assert (ROOT / "scenarios" / cause.id / "scenario.toml").is_file()
