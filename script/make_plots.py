"""docs/plots/*.svg from the ledger of random hosts (accuracy, calibration, seconds), from docs/results.md (matrix) and
from the history of the benchmarks (speed). Each mark names its figures.

`--check` exits 1 if a plot is out of date."""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.history import read_history, share_of_limit  # noqa: E402  a script beside the package
from lab.random_hosts.ledger import SeedRange, ledger_path, read_ledger  # noqa: E402

FOLDER = ROOT / "docs" / "plots"
RESULTS = ROOT / "docs" / "results.md"
RESULTS_PLOTS = """\
![seconds of the cases by stack](plots/matrix.svg)

On [random hosts](random-hosts.md#the-ledger), run by run:

![accuracy on random hosts](plots/accuracy.svg)

![calibration on random hosts](plots/calibration.svg)

![seconds on random hosts](plots/seconds.svg)"""
MOST_RUNS = 6       # the last ones
LEFT, WIDTH, RIGHT, TOP, ROW, STEP = 150, 420, 30, 44, 20, 12      # pixels
ACCURACY = {
    "cause_right": "cause right", "outcome_right": "outcome right", "lasting": "lasting", "undo_exact": "undo exact",
    "steady": "steady", "falsely_healthy": "falsely healthy", "false_alarms": "false alarms", "harm": "harm",
}
CALIBRATION = {"certain": "right if certain", "likely": "right if likely", "possible": "right if possible"}
SECONDS = {"look": "a look", "repair": "a repair"}
SPEED_TITLE = "Share of its limit that each row of the benchmarks uses (right of the line is over)"
MATRIX_TITLE = "Seconds of a case of lab matrix: median, and what four of five cases took"
# Readable on light and dark pages: an image follows the reader's own scheme.
_LIGHT = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#6e7781")      # one for each run
_DARK = ("#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#f778ba", "#b1bac4")


def _style() -> str:
    """Return colours for light and dark pages: an image follows its reader's own scheme."""
    def colours(text: str, runs: Sequence[str]) -> str:
        return f"text {{ fill: {text} }}\n" + "\n".join(
            f".run{number} {{ fill: {colour}; stroke: {colour} }}" for number, colour in enumerate(runs))

    return "\n".join((
        "text { font: 12px system-ui, sans-serif }", ".title { font-weight: 600 }",
        ".axis { stroke: #8c959f; opacity: .5 }", ".range { stroke-width: 2; opacity: .55 }",
        colours("#24292f", _LIGHT),
        "@media (prefers-color-scheme: dark) {", colours("#e6edf3", _DARK), "}"))


def _runs() -> Sequence[Mapping[str, Any]]:
    return [run for run in read_ledger(ledger_path()) if run["solver"] == "fixer"][-MOST_RUNS:]


def _name(run: Mapping[str, Any]) -> str:
    return f"seeds {SeedRange(run['seeds']['first'], run['seeds']['count']).text}, commit {run['commit'][:8]}"


def _rows(names: Mapping[str, str], runs: int) -> Iterator[tuple[str, str, int]]:
    """Yield each figure with its name and the height of its first mark."""
    for number, (key, text) in enumerate(names.items()):
        yield key, text, TOP + number * (runs * STEP + ROW - STEP) + STEP


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def _frame(title: str, names: Mapping[str, str], ticks: Mapping[float, str], marks: Sequence[str],
           legend: Sequence[str] = (), *, series: int = 0) -> str:
    """Return a whole picture with room for `series` marks in a row: as many as the legend has, else one."""
    series = series or max(1, len(legend))
    bottom = TOP + len(names) * (series * STEP + ROW - STEP) + 4
    size = f"{LEFT + WIDTH + RIGHT} {bottom + 26 + 16 * len(legend)}"
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">',
             f"<title>{escape(title)}</title>", f"<style>\n{_style()}\n</style>", _text(8, 18, title, ' class="title"')]
    for share, text in ticks.items():
        x = LEFT + share * WIDTH
        lines += [f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}"/>',
                  _text(x, bottom + 14, text, ' text-anchor="middle"')]
    middle = (series - 1) * STEP / 2 + 4
    lines += [_text(LEFT - 8, y + middle, text, ' text-anchor="end"') for _, text, y in _rows(names, series)]
    lines += marks
    for number, name in enumerate(legend):
        y = bottom + 34 + 16 * number
        lines += [f'<circle class="run{number}" cx="{LEFT}" cy="{y - 4}" r="4"/>', _text(LEFT + 12, y, name)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _mark(number: int, run: Mapping[str, Any], told: str, shapes: str, **figures: object) -> str:
    named = {"run": run["commit"][:8], **figures}
    data = "".join(f' data-{name}="{value}"' for name, value in named.items())
    return f'<g class="run{number}"{data}><title>{escape(f"{told}, {_name(run)}")}</title>{shapes}</g>'


def share_plot(title: str, part: str, names: Mapping[str, str]) -> str:
    """Return a plot of shares with their 95 % intervals: a row for each figure, a mark for each run."""
    runs, marks = _runs(), []
    for key, text, first in _rows(names, len(runs)):
        for number, run in enumerate(runs):
            share, y = run[part].get(key), first + STEP * number
            if not share or not share["of"]:
                continue
            good, of, (low, high) = share["good"], share["of"], share["interval"]
            at, x1, x2 = (LEFT + WIDTH * one for one in (good / of, low, high))
            told = f"{text}: {good} of {of} ({low:.0%} to {high:.0%})".replace("%", " %")
            shapes = (f'<line class="range" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y}" y2="{y}"/>'
                      f'<circle cx="{at:.1f}" cy="{y}" r="4"/>')
            marks.append(_mark(number, run, told, shapes, figure=key, good=good, of=of))
    return _frame(title, names, {one / 4: f"{25 * one} %" for one in range(5)}, marks, [_name(run) for run in runs])


def seconds_plot(title: str) -> str:
    """Return a plot of the medians in seconds."""
    runs, marks = _runs(), []
    values = {(run["commit"], key): run["seconds"][key] for run in runs for key in SECONDS if run["seconds"].get(key)}
    top = max([1.0, *values.values()])
    for key, text, first in _rows(SECONDS, len(runs)):
        for number, run in enumerate(runs):
            value, y = values.get((run["commit"], key)), first + STEP * number
            if value:
                shapes = f'<rect x="{LEFT}" y="{y - 4}" width="{WIDTH * value / top:.1f}" height="8"/>'
                marks.append(_mark(number, run, f"{text}: {value} s", shapes, figure=key, seconds=value))
    return _frame(title, SECONDS, {one / 4: f"{top * one / 4:.1f} s" for one in range(5)}, marks,
                  [_name(run) for run in runs])


def case_seconds(page: str) -> Mapping[str, list[int]]:
    """Return the seconds of all cases in the table of docs/results.md, by stack."""
    found: dict[str, list[int]] = {}
    for row in re.findall(r"(?m)^\| (.*) \|$", page):
        cells = [cell.strip() for cell in row.split("|")]
        if cells[-1].isdigit():
            found.setdefault(cells[2], []).append(int(cells[-1]))
    return dict(sorted(found.items()))


def matrix_plot(seconds: Mapping[str, list[int]]) -> str:
    """Return a plot with a row for each stack: the median of its cases, from the tenth to the ninetieth percentile."""
    names = {stack: f"{stack} ({len(values)})" for stack, values in seconds.items()}
    spans = {stack: (tenths[0], statistics.median(values), tenths[-1]) for stack, values in seconds.items()
             if (tenths := statistics.quantiles(values * 2, n=10, method="inclusive"))}  # also of a single case
    top = max(60.0, *(high for _, _, high in spans.values()))
    marks = []
    for stack, text, y in _rows(names, 1):
        low, middle, high = spans[stack]
        at, x1, x2 = (LEFT + WIDTH * one / top for one in (middle, low, high))
        told = f"{text}: median {middle:g} s, four of five {low:g} to {high:g} s"
        marks.append(f'<g class="run0" data-figure="{escape(stack)}" data-median="{middle:g}">'
                     f'<title>{escape(told)}</title>'
                     f'<line class="range" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y}" y2="{y}"/>'
                     f'<circle cx="{at:.1f}" cy="{y}" r="4"/></g>')
    return _frame(MATRIX_TITLE, names, {one / 4: f"{top * one / 4:.0f} s" for one in range(5)}, marks)


def speed_plot(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return a plot with a row for each row of the last recorded run, and a mark for each of the last runs: the share
    of the limit that it uses. The limit is a line."""
    shown = lines[-MOST_RUNS:]
    names = {row["key"]: row["key"] for row in (shown[-1]["rows"] if shown else ())}
    rows = [(number, line, row) for number, line in enumerate(shown) for row in line["rows"] if row["key"] in names]
    top = max([1.25, *(share_of_limit(row) for _, _, row in rows)])
    heights = {key: y for key, _, y in _rows(names, 1)}
    limit, bottom = LEFT + WIDTH / top, TOP + len(names) * ROW + 4
    marks = [f'<line class="limit" stroke="#cf222e" stroke-width="2" x1="{limit:.1f}" x2="{limit:.1f}" y1="{TOP - 8}" '
             f'y2="{bottom}"/>']
    for number, line, row in rows:
        share, y = share_of_limit(row), heights[row["key"]]
        told = f"{row['what']}: {row['value']:.2f} of {row['limit']:g} {row['unit']}, {line['version']}, {line['date']}"
        marks.append(f'<g class="run{number}" data-figure="{escape(row["key"])}" data-run="{line["commit"][:8]}" '
                     f'data-share="{share:.4f}"><title>{escape(told)}</title>'
                     f'<circle cx="{LEFT + WIDTH * share / top:.1f}" cy="{y}" r="4"/></g>')
    step = 0.25 if top <= 2 else 1.0 if top <= 6 else 5.0
    ticks = {one * step / top: f"{one * step * 100:.0f} %" for one in range(int(top / step) + 1)}
    legend = [f"{line['version']}, commit {line['commit'][:8]}, {line['date']}" for line in shown]
    return _frame(SPEED_TITLE, names, ticks, marks, legend, series=1)


def with_plots(results: str) -> str:
    """Return docs/results.md with its plots: `lab matrix` writes it, also for other projects, which have none."""
    return results if RESULTS_PLOTS in results else results.replace("\n## All\n", f"\n{RESULTS_PLOTS}\n\n## All\n", 1)


def plots() -> Mapping[str, str]:
    """Return each file with its content."""
    accuracy = "fixer on random hosts: how many of the hosts (95 % interval)"
    calibration = "How often a first cause of each confidence is right (95 % interval)"
    return {
        "accuracy.svg": share_plot(accuracy, "shares", ACCURACY),
        "calibration.svg": share_plot(calibration, "calibration", CALIBRATION),
        "seconds.svg": seconds_plot("Median seconds on random hosts"),
        "speed.svg": speed_plot(read_history()),
        "matrix.svg": matrix_plot(case_seconds(RESULTS.read_text(encoding="utf-8"))),
    }


def main() -> int:
    """Write or check the plots, and that docs/results.md shows them."""
    is_current = True
    made = {FOLDER / name: text for name, text in plots().items()}
    made[RESULTS] = with_plots(RESULTS.read_text(encoding="utf-8"))
    for path, text in made.items():
        is_current = is_current and path.is_file() and path.read_text(encoding="utf-8") == text
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return 0 if is_current or "--check" not in sys.argv else 1


if __name__ == "__main__":
    sys.exit(main())
