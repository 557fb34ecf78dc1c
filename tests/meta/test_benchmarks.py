"""The arithmetic of the benchmark rows: a slow command must fail its row."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks import history
from benchmarks.__main__ import main
from benchmarks.alternate import time_alternately
from benchmarks.imports import imported_modules
from benchmarks.ratio import memory_row, overhead_row, ratio_row


def test_a_row_over_its_limit_does_not_hold() -> None:
    assert not ratio_row("a", "a", [400, 410, 390], "b", [100, 100, 100], limit=3).holds
    assert ratio_row("a", "a", [290, 300, 310], "b", [100, 100, 100], limit=3).holds


def test_the_spread_is_that_of_runs_beside_each_other() -> None:
    # both slow down together: the ratio of each pair is 2, 2, 3, 4, 4
    row = ratio_row("a", "a", [200, 400, 900, 1600, 2000], "b", [100, 200, 300, 400, 500], limit=3)
    assert (row.value, row.low, row.high) == (3, 2, 4)
    assert "900 ms = 3.00 x b (300 ms), quartiles 2.00 to 4.00 x, limit 3 x" in str(row)
    extra = overhead_row("a", "a", [110, 230, 340, 450, 560], "b", [100, 200, 300, 400, 500], limit=50)
    assert (extra.value, extra.low, extra.high) == (40, 30, 50)
    assert "340 ms = +40 ms to b (300 ms), quartiles +30 to +50 ms, limit 50 ms" in str(extra)
    with pytest.raises(ValueError, match="zip"):
        ratio_row("a", "a", [1, 2], "b", [1], limit=3)


def test_memory_is_judged_in_megabytes() -> None:
    row = memory_row("a", "a", [90, 100, 160, 110, 120], limit=150)
    assert row.holds and (row.value, row.low, row.high) == (110, 100, 120)
    assert "110 MB, quartiles 100 to 120 MB, limit 150 MB" in str(row)
    assert not memory_row("a", "a", [151], limit=150).holds


def measured(code: str) -> tuple[float, float, float]:
    """Wall time, CPU time and memory, measured by a program of its own: Linux counts the size of the one that starts it."""
    job = json.dumps({"once": [sys.executable, "-c", code]})
    program = Path(__file__).resolve().parents[2] / "benchmarks/alternate.py"
    done = subprocess.run([sys.executable, program], input=job, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["code"] == 0
    ms, cpu_ms, mb = found["use"]
    return ms, cpu_ms, mb


def test_the_memory_and_the_processor_time_of_a_run_are_its_own() -> None:
    _, busy_cpu, busy_mb = measured("x = bytearray(80_000_000)\nwhile __import__('time').process_time() < .4: pass")
    calm_ms, calm_cpu, calm_mb = measured("import time; time.sleep(.4); print('x' * 200_000)")
    assert 80 < busy_mb < 160 and busy_cpu > 390
    assert calm_mb < 60 and calm_ms >= 400 and calm_cpu < 390


def test_commands_run_in_turn() -> None:
    times = time_alternately({"a": [sys.executable, "-c", "pass"], "b": [sys.executable, "-c", "pass"]}, 2)
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


def test_what_comes_on_top_is_judged_in_milliseconds() -> None:
    assert overhead_row("a", "a", [190, 210, 200], "b", [170, 180, 190], limit=20).holds
    assert not overhead_row("a", "a", [201], "b", [180], limit=20).holds
    assert "+21 ms" in str(overhead_row("a", "a", [201], "b", [180], limit=20))


def test_rows_that_there_are_not_are_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speed"])
    assert main() == 2
    assert "no such rows: speed" in capsys.readouterr().err


def test_the_modules_of_a_look_are_those_that_python_reports() -> None:
    code = "import sys; sys.stderr.write('fixer: import time: 1 | 2 | no.module\\n'); import json; import json.decoder"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    names = imported_modules(done.stderr)
    assert {"json", "json.decoder", "json.scanner"} <= set(names) and "no.module" not in names
    assert len(names) == len(set(names)) and names.index("json.scanner") < names.index("json")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout with a fresh fixer.pyz, whose benchmarks have one row."""
    rows: dict[str, object] = {"help": lambda: [ratio_row("help", "fixer --help", [300, 320, 340], "b", [100, 100, 100], limit=2.5)]}
    monkeypatch.setattr(command, "GROUPS", rows)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr("lab.random_hosts.ledger.data_root", lambda: tmp_path)
    monkeypatch.setattr(history, "ROOT", tmp_path)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "start"]):
        (tmp_path / "fixer").mkdir(exist_ok=True)
        (tmp_path / "fixer" / "cli.py").write_text("")
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words], cwd=tmp_path, check=True)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "fixer.pyz").write_bytes(b"")
    (tmp_path / "dist" / "badgateway-1.0-py3-none-any.whl").write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--record"])
    return tmp_path


def test_a_run_is_recorded_as_one_line_whether_it_holds_or_not(checkout: Path) -> None:
    assert main() == 1, "320 ms are over 2.5 times 100 ms"
    (line,) = (checkout / "benchmarks" / "history.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert len(kept["commit"]) == 40 and kept["cores"] >= 1 and kept["version"] and kept["date"]
    assert kept["rows"] == [{"key": "help", "what": "fixer --help", "median": 320, "baseline": "b", "baseline_median": 100,
                             "value": 3.2, "low": 3.1, "high": 3.3, "unit": "x", "limit": 2.5}]
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qam", "more"], cwd=checkout, check=False)
    assert main() == 1 and len((checkout / "benchmarks" / "history.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(("words", "said"), [
    (["--record", "help"], "--record takes no names of rows; a line of the history holds all of them\n"),
    (["--record"], "--record: 1 files differ from the commit; commit them first\n"),
])
def test_a_part_or_a_changed_checkout_is_not_recorded(
    checkout: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    (checkout / "fixer" / "cli.py").write_text("changed = True\n")
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    assert main() == 2 and capsys.readouterr().err == said
    assert not (checkout / "benchmarks").exists()


@pytest.mark.parametrize("name", ["fixer.pyz", "badgateway-1.0-py3-none-any.whl"])
def test_what_was_built_before_the_code_is_not_recorded(checkout: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime(checkout / "dist" / name, (1, 1))
    assert main() == 2
    assert re.search(r"dist/\S+ is older than the last commit to fixer; run script/build", capsys.readouterr().err)


def test_the_tables_hold_the_last_line_and_name_rows_over_their_limit() -> None:
    rows = [ratio_row("help", "fixer --help", [200, 200], "typer", [100, 100], limit=2.5),
            overhead_row("log", "a log", [230, 250], "without", [200, 200], limit=20), memory_row("mem", "a|b", [90], limit=150)]
    line = history.history_line(rows, "c" * 40)
    old = history.history_line(rows[:1], "d" * 40)
    assert list(history.row_table([old, line])) == [
        ("`help`", "fixer --help", "200 ms", "typer: 100 ms", "2.00 x", "2.00 to 2.00", "2.5 x", "yes"),
        ("`log`", "a log", "240 ms", "without: 200 ms", "+40 ms", "+35 to +45", "20 ms", "**no**"),
        ("`mem`", "a\\|b", "90 MB", "", "90 MB", "90 to 90", "150 MB", "yes")]
    assert [row[1:2] + row[4:] for row in history.run_table([old, line])] == [("dddddddd", "1", "none"), ("cccccccc", "3", "`log`")]
    assert [row[0] for table in (history.row_table, history.run_table) for row in table([])] == ["*no run is recorded yet*"] * 2


def test_a_key_names_one_row_of_a_recorded_run() -> None:
    for line in history.read_history():
        keys = [row["key"] for row in line["rows"]]
        assert keys and len(set(keys)) == len(keys)
