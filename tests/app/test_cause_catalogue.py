"""A package that names the entry-point group adds its cause; one of ours is never replaced."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.app.cause_catalogue import all_causes, cause_page, known_cause
from fixer.causes import Cause, load_causes
from fixer.errors import UsageError

MODULE = '''
from fixer.causes import Cause
from fixer.model.diagnosis import RuledOut

def judge(case):
    return RuledOut(())

NEW = Cause("moon-phase", "the moon", "elsewhere", ("full",), judge)
OURS = Cause("wrong-port", "not ours", "elsewhere", (), judge)
'''


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    all_causes.cache_clear()
    yield
    all_causes.cache_clear()


def test_without_a_package_there_are_only_ours() -> None:
    assert all_causes() == load_causes()


def test_a_package_adds_a_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "moon-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moon\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[badgateway.causes]\nmoon = moon_cause:NEW\nwrong = moon_cause:OURS\n")
    (tmp_path / "moon_cause.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "gone")])
    found = {cause.id: cause for cause in all_causes()}
    assert found["moon-phase"].title == "the moon"
    assert found["wrong-port"] in load_causes()


VARIANTS = [(cause, variant) for cause in load_causes() for variant in cause.variants if variant != cause.id]


@pytest.mark.parametrize(("cause", "variant"), VARIANTS, ids=[variant for _, variant in VARIANTS])
def test_a_variant_is_explained_on_top_and_its_row_is_marked(cause: Cause, variant: str) -> None:
    having = [other.id for other in load_causes() if variant in other.variants]     # two causes have one in common
    page = cause_page(variant)
    rows = [line.split() for line in page.partition("\nVariants\n")[2].splitlines()]
    assert [row[1] for row in rows if row[0] == ">"] == [variant]
    (text,) = (" ".join(row[2:]) for row in rows if row[0] == ">")
    assert cause.id in having
    assert page.startswith(f"{variant} is a variant of {' and '.join(having)}: {text}.\n\n{having[0]} · ")


def test_the_paragraph_of_a_variant_is_marked_and_no_other() -> None:
    assert [line[:30] for line in cause_page("stop-timeout-sigkill").splitlines() if line.startswith(">")] == [
        "> stop-timeout-sigkill: someth", "> stop-timeout-sigkill        "]
    assert [line.split()[1] for line in cause_page("stale-dns").splitlines() if line.startswith(">")] == ["stale-dns"]
    assert "\n>" not in cause_page("backend-down")
    assert cause_page("wrong-port").startswith("wrong-port · ")     # also the name of a variant


@pytest.mark.parametrize("page", ["Odd.\n\nWhat it is\n  Odd.", "Odd.\n\nWhat it is\n  Odd.\n\nVariants\n  half  of it"])
def test_a_third_party_page_gets_a_row_for_each_variant(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Cause("moon-phase", "the moon", "elsewhere", ("half", "full"), load_causes()[0].verdict, page=page)
    monkeypatch.setattr("fixer.app.cause_catalogue.all_causes", lambda: (odd,))
    shown = cause_page("full")
    assert shown.startswith("full is a variant of moon-phase.\n\nmoon-phase · elsewhere\n\nOdd.\n\nWhat it is\n  Odd.\n\nVariants\n  half")
    assert shown.endswith("\n> full\n")


def test_a_failure_without_a_cause_has_no_page() -> None:
    with pytest.raises(UsageError, match="unexplained is no cause"):
        known_cause("unexplained")
    assert "unexplained" not in [cause.id for cause in all_causes()], "the name is reserved"
