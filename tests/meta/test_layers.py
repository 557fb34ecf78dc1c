"""docs/layers.svg: the picture of the layers is the import contract of pyproject.toml."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "script" / "make_layers.py"))
PICTURE = (ROOT / "docs" / "layers.svg").read_text("utf-8")


def test_it_is_current() -> None:
    assert SCRIPT["picture"]() == PICTURE, "run script/make_layers.py"


def test_it_names_every_layer_from_top_to_bottom() -> None:
    names = [text.text for text in ElementTree.fromstring(PICTURE).iter("{http://www.w3.org/2000/svg}text")
             if text.get("class") == "name"]
    assert names == [name for row in SCRIPT["layers"]() for name in row]


def test_it_needs_nothing_from_elsewhere() -> None:
    assert "http" not in PICTURE.replace('xmlns="http://www.w3.org/2000/svg"', "") and "<script" not in PICTURE


def test_the_comparison_quotes_the_last_whole_run() -> None:
    said = re.search(r"A restart of everything does not cure it, or only until the next boot: (\d+ of \d+) cases",
                     (ROOT / "docs/results.md").read_text("utf-8"))
    assert said is not None and said[1] in (ROOT / "docs/comparison.md").read_text("utf-8")


def test_no_box_cuts_a_sentence_or_shows_a_mark_of_markdown() -> None:
    assert [mark for mark in ("…", "`") if mark in PICTURE] == []
