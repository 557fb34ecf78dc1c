"""The plots of docs/plots hold the figures of the ledger, at the right places, and can be read on light and dark pages."""

from __future__ import annotations

import json
import runpy
import statistics
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLOTS = ROOT / "docs" / "plots"
RUNS = {run["commit"][:8]: run for line in (ROOT / "benchmarks" / "random.jsonl").read_text("utf-8").splitlines()
        if (run := json.loads(line))["solver"] == "fixer"}
HISTORY = ROOT / "benchmarks" / "history.jsonl"
SCRIPT = runpy.run_path(str(ROOT / "script" / "make_plots.py"))
SVG = "{http://www.w3.org/2000/svg}"
LEFT, WIDTH = 150.0, 420.0


def marks(name: str) -> list[ElementTree.Element]:
    """The marks of a plot."""
    return [one for one in ElementTree.parse(PLOTS / name).iter(f"{SVG}g") if one.get("data-figure")]


def test_the_plots_are_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "script" / "make_plots.py"), "--check"], check=False)
    assert done.returncode == 0, "run script/make_plots.py"


@pytest.mark.parametrize(("name", "part"), [("accuracy.svg", "shares"), ("calibration.svg", "calibration")])
def test_each_share_is_that_of_the_ledger(name: str, part: str) -> None:
    for mark in marks(name):
        share = RUNS[mark.attrib["data-run"]][part][mark.attrib["data-figure"]]
        assert (int(mark.attrib["data-good"]), int(mark.attrib["data-of"])) == (share["good"], share["of"])
        dot, line = mark.find(f"{SVG}circle"), mark.find(f"{SVG}line")
        assert dot is not None and line is not None
        assert float(dot.attrib["cx"]) == pytest.approx(LEFT + WIDTH * share["good"] / share["of"], abs=0.06)
        assert [float(line.attrib[x]) for x in ("x1", "x2")] == [pytest.approx(LEFT + WIDTH * one, abs=0.06) for one in share["interval"]]
    last = list(RUNS)[-6:]
    shown = {(mark.attrib["data-run"], mark.attrib["data-figure"]) for mark in marks(name)}
    assert {(run, key) for run in last for key, share in RUNS[run][part].items() if share["of"] and key in {two for _, two in shown}} == shown


def test_the_seconds_are_those_of_the_ledger() -> None:
    shown = {(mark.attrib["data-run"], mark.attrib["data-figure"]): float(mark.attrib["data-seconds"]) for mark in marks("seconds.svg")}
    assert shown == {(run, key): RUNS[run]["seconds"][key] for run in list(RUNS)[-6:] for key in ("look", "repair") if RUNS[run]["seconds"].get(key)}
    widths = {float(bar.attrib["width"]) / shown[mark.attrib["data-run"], mark.attrib["data-figure"]]
              for mark in marks("seconds.svg") if (bar := mark.find(f"{SVG}rect")) is not None}
    assert max(widths) - min(widths) < 1.0, "one scale for all bars"


def test_the_plot_of_the_matrix_has_the_medians_of_the_table() -> None:
    table = [[cell.strip() for cell in line.strip("| ").split("|")] for line in
             (ROOT / "docs/results.md").read_text("utf-8").splitlines() if line.startswith("| ") and line.rstrip("| ")[-1].isdigit()]
    seconds = {stack: sorted(int(row[-1]) for row in table if row[2] == stack) for stack in {row[2] for row in table}}
    shown = {mark.attrib["data-figure"]: float(mark.attrib["data-median"]) for mark in marks("matrix.svg")}
    assert shown.keys() == seconds.keys() and sum(map(len, seconds.values())) > 400
    assert shown == {stack: statistics.median(values) for stack, values in seconds.items()}


def test_the_plot_of_speed_has_a_mark_for_each_recorded_row() -> None:
    lines = [json.loads(line) for line in HISTORY.read_text("utf-8").splitlines()] if HISTORY.is_file() else []
    shown = {(mark.attrib["data-run"], mark.attrib["data-figure"]): float(mark.attrib["data-share"]) for mark in marks("speed.svg")}
    last = {row["key"] for row in lines[-1]["rows"]} if lines else set()
    assert shown == {(line["commit"][:8], row["key"]): pytest.approx(max(0, row["value"]) / row["limit"], abs=1e-4)
                     for line in lines[-6:] for row in line["rows"] if row["key"] in last}


def test_the_limit_is_a_line_that_a_slow_row_is_right_of() -> None:
    row = {"key": "help", "what": "fixer --help", "value": 2.0, "limit": 2.5, "unit": "x"}
    lines = [{"version": "1.0", "commit": "a" * 12, "date": "2026-01-01", "rows": [row]},
             {"version": "1.1", "commit": "b" * 12, "date": "2026-02-01", "rows": [row | {"value": 5.0}, row | {"key": "up", "value": -1.0}]}]
    tree = ElementTree.fromstring(SCRIPT["speed_plot"](lines))
    limit = next(float(one.attrib["x1"]) for one in tree.iter(f"{SVG}line") if one.get("class") == "limit")
    at = {(one.attrib["data-run"][0], one.attrib["data-figure"]): float(dot.attrib["cx"])
          for one in tree.iter(f"{SVG}g") if (dot := one.find(f"{SVG}circle")) is not None}
    assert at["a", "help"] < limit < at["b", "help"] == LEFT + WIDTH and at["b", "up"] == LEFT
    assert (limit - LEFT) * 2 == pytest.approx(WIDTH, abs=0.1), "half of a row that takes twice its limit"


@pytest.mark.parametrize("path", sorted(PLOTS.glob("*.svg")), ids=lambda path: path.name)
def test_a_plot_follows_its_readers_colours_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "prefers-color-scheme: dark" in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    pages = ("docs/random-hosts.md", "docs/speed.md", "docs/results.md")
    assert any(f"plots/{path.name})" in (ROOT / page).read_text("utf-8") for page in pages)
