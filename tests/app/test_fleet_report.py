"""Tests of fixer/app/fleet_report.py, and of `fixer fleet report` as a command."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from fixer.app import fleet_report as module
from fixer.app.fleet_report import fleet_report
from fixer.errors import UsageError
from fixer.render.json_schema import command_schemas
from fixer.render.to_json import render
from fixer.start import main
from tests.render import report_samples as r

HEALTHY = b'{"verdict": "healthy", "host": "web-1"}'
BROKEN = b'{"verdict": "broken", "host": "web-2", "findings": [{"cause": "wrong-port", "variant": "wrong-port", "role": "root"}]}'


def write(folder: Path, name: str, *lines: bytes) -> str:
    path = folder / name
    path.write_bytes(b"\n".join(lines))
    return str(path)


def test_lines_and_printed_objects_are_read(tmp_path: Path) -> None:
    names = [write(tmp_path, "fleet.jsonl", HEALTHY, b"", BROKEN), write(tmp_path, "web-3.json", render(r.BROKEN).encode()),
             write(tmp_path, "two.json", render(r.BROKEN).encode(), render(r.BROKEN).encode())]
    made = fleet_report(names)
    assert made.healthy == ("web-1",)
    second = r.BROKEN.target if r.BROKEN.target != "local" else "web-3"
    assert "web-2" in made.groups[0].hosts and second in made.groups[0].hosts


def test_a_file_of_one_host_names_it(tmp_path: Path) -> None:
    line = b'{"verdict": "healthy", "target": "local"}'
    assert fleet_report([write(tmp_path, "web-7.json", line)]).healthy == ("web-7",)
    assert fleet_report([write(tmp_path, "all.jsonl", line, line)]).healthy == ("all", "all:2")
    assert fleet_report([write(tmp_path, "web-8", line)]).healthy == (str(tmp_path / "web-8"),)


def test_a_damaged_line_is_a_host_that_nobody_saw(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    made = fleet_report([name := write(tmp_path, "fleet.jsonl", HEALTHY, BROKEN[:40], deep, b"\xff\xfe", b"{", b' "verdict": "hea')])
    assert made.healthy == ("web-1",)
    (unseen,) = made.unseen
    assert unseen.reason == "this line is no JSON" and unseen.hosts == tuple(f"{name}:{n}" for n in (2, 3, 4, 5))


def test_a_line_without_end_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_REPORT", 64)
    made = fleet_report([write(tmp_path, "fleet.jsonl", b"x" * 200, HEALTHY, b"{", *[b'"a": 1,'] * 30)])
    assert made.healthy == ("web-1",) and made.verdict == "incomplete"


def test_stdin_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(HEALTHY + b"\n" + BROKEN)))
    assert fleet_report(["-"]).hosts == 2
    with pytest.raises(UsageError, match="twice"):
        fleet_report(["-", "-"])


@pytest.mark.parametrize("text", [b"", b"\n \n"])
def test_no_report_at_all_is_wrong_usage(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UsageError, match="no report in"):
        fleet_report([write(tmp_path, "fleet.jsonl", text)])


@pytest.mark.parametrize("name", ["missing.jsonl", ""])
def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "report", str(tmp_path / name)]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(("lines", "code"), [
    ([HEALTHY], 0), ([HEALTHY, BROKEN], 1), ([HEALTHY, b"x"], 3), ([BROKEN, b"x"], 1),
])
@pytest.mark.parametrize("form", ["console", "markdown", "html", "junit", "json"])
def test_every_format_has_the_exit_code(tmp_path: Path, lines: list[bytes], code: int, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(tmp_path, "fleet.jsonl", *lines)
    assert main(["fleet", "report", name, "--format", form]) == code
    shown = capsys.readouterr()
    assert form == "console" or ("web-1" in shown.out) == (HEALTHY in lines)
    assert shown.err == ""
    if form == "json":
        Draft202012Validator(command_schemas()["fleet-report"]).validate(json.loads(shown.out))


def test_an_error_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "report", "/nowhere", "--json"]) == 2
    value = json.loads(capsys.readouterr().out)
    Draft202012Validator(command_schemas()["fleet-report"]).validate(value)
    assert (value["target"], value["error"]["kind"]) == ("local", "usage")
    assert main(["fleet", "report", "x", "--json", "--format", "html"]) == 2


def test_a_look_loads_nothing_of_it() -> None:
    code = ("import sys, fixer.start; fixer.start.main(['diagnose', 'bundle:/nowhere']); "
            "print([name for name in sys.modules if 'fleet' in name])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
