"""docs/terminal.svg: the README's picture shows a whole run in today's layout, and nothing of the machine that made it."""

from __future__ import annotations

import html
import json
import re
import runpy
from pathlib import Path

import pytest

from fixer.render.terminal_text import count_columns

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "script" / "make_picture.py"))
TEXT = re.compile(r'<text[^>]*x="(?P<x>[\d.]+)"[^>]*y="(?P<y>[\d.]+)"[^>]*>(?P<text>.*?)</text>')


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """The lines of the picture without the window's title, from top to bottom, the empty ones left out."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for found in TEXT.finditer((ROOT / "docs/terminal.svg").read_text("utf-8")):
        rows.setdefault(float(found["y"]), []).append((float(found["x"]), html.unescape(found["text"]).replace("\xa0", " ")))
    return [line for line in ("".join(text for _, text in sorted(rows[y])) for y in sorted(rows)) if line != "badgateway"]


def test_it_shows_a_broken_page_its_cause_and_the_repair(lines: list[str]) -> None:
    assert [re.sub(r"\w+-[0-9a-f]{4}", "ID", line) for line in lines if line.startswith("$ ")] == [
        f"$ lab up wrong-port --seed {SCRIPT['SEED']}", "$ fixer diagnose compose://ID", "$ fixer repair compose://ID --yes"]
    assert "✔ broken: 502 on 10 of 10 requests" in lines
    assert "✔ Repaired; a new observation proves it." in lines


def test_of_lab_up_the_first_lines_are_shown_and_all_of_fixer(lines: list[str]) -> None:
    """A report cuts no proof; one line stands for what `lab up` says besides."""
    assert [line for line in lines if "…" in line] == ["  …"]
    assert lines[lines.index("  …") - 1].startswith(SCRIPT["LAST_SHOWN"])
    assert max(map(count_columns, lines)) <= SCRIPT["WIDTH"]


def test_it_plays_the_recording_by_style_alone() -> None:
    """No script, no font and no address of elsewhere; whoever asks for less motion sees the end."""
    svg = (ROOT / "docs/terminal.svg").read_text("utf-8")
    shown = SCRIPT["shown_lines"](SCRIPT["read_cast"]((ROOT / "docs/terminal.cast").read_text("utf-8")))
    assert SCRIPT["picture"](shown) == svg, "run script/make_picture.py --render"
    assert not re.search(r"(?:href|src)=|url\((?!#)|@import|<script|@font-face", svg)
    assert "prefers-reduced-motion" in svg and svg.count("@keyframes l") == len(shown)


def test_a_command_is_typed_and_a_long_pause_is_short() -> None:
    shown = SCRIPT["shown_lines"]([(0.0, "$ lab up\r\n"), (90.0, "a\rb\r\n"), (90.1, "$ fixer\r\n")])
    assert [line.text for line in shown] == ["$ lab up", "b", "$ fixer"]
    assert shown[0].typing > 0 == shown[1].typing and shown[1].at - shown[0].at == pytest.approx(SCRIPT["LONGEST"])
    assert shown[2].at - shown[2].typing - shown[1].at > SCRIPT["READ"]


def test_the_recording_is_an_asciicast() -> None:
    header, *rows = map(json.loads, (ROOT / "docs/terminal.cast").read_text("utf-8").splitlines())
    assert (header["version"], header["width"]) == (2, SCRIPT["WIDTH"])
    times = [row[0] for row in rows]
    assert times == sorted(times) and {row[1] for row in rows} == {"o"}


def test_it_names_no_path_but_the_labs_own(lines: list[str]) -> None:
    folders = {found for line in lines for found in re.findall(r"(?<![\w:./-])/(?:root|home|var/lib|tmp)[\w./-]*", line)}
    assert folders and all(path.startswith(f"{SCRIPT['STATE']}/labs/") for path in folders)


def test_what_is_left_out_of_lab_up() -> None:
    shown = SCRIPT["shown_lines"]([(0.0, "a\n  user maria, password x\n  parts\n  files\n"), (1.0, "$ fixer\n")])
    assert [line.text for line in shown] == ["a", "  user maria, password x", "  …", "$ fixer"]
