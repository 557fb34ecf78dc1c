"""A plain look begins without the parser, and means what the parser makes of the same words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixer import cli, diagnose_command, repair_command, start
from fixer.app.request import RepairRequest
from fixer.errors import NoNginx
from fixer.start import plain_command

ROOT = str(Path(__file__).resolve().parents[1])


@pytest.mark.parametrize("words", [
    ["diagnose"], ["diagnose", "local"], ["diagnose", "docker://x"], ["diagnose", "--json"], ["diagnose", ""],
    ["diagnose", "-v", "bundle:a b"], ["diagnose", "--no-probe", "--json", "local", "--verbose"],
    ["diagnose", "--json", "--json"],
])
def test_plain_words_mean_what_the_parser_makes_of_them(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def look(target: str, form: str, *, url: str = "", verbose: bool = False, wait: float = 0.0,
             no_probe: bool = False, requests: int = 0) -> int:
        asked.append((target, form, url, verbose, wait, no_probe, requests))
        return 3

    monkeypatch.setattr(diagnose_command, "run_diagnose", look)
    monkeypatch.setattr(cli, "run_diagnose", look)
    plain = plain_command(words)
    assert plain is not None
    assert plain() == cli.run_command_line(words) == 3
    assert asked[0] == asked[1]


@pytest.mark.parametrize("words", [
    ["repair"], ["repair", "local"], ["repair", "--yes", "docker://x"], ["repair", "-y", "--json"],
    ["repair", "--dry-run", "--no-probe"], ["repair", "bundle:a b", "--agent", "--dry-run", "--yes", "-y"], ["repair", ""],
])
def test_plain_words_of_a_repair_mean_what_the_parser_makes_of_them(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def run(target: str, options: RepairRequest, *, as_json: bool) -> int:
        asked.append((target, options, as_json))
        return 4

    monkeypatch.setattr(repair_command, "run_repair", run)
    monkeypatch.setattr(cli, "run_repair", run)
    plain = plain_command(words)
    assert plain is not None
    assert plain() == cli.run_command_line(words) == 4
    assert asked[0] == asked[1]


@pytest.mark.parametrize("words", [
    [], ["--help"], ["diagnose", "--help"], ["diagnose", "a", "b"], ["diagnose", "--"], ["diagnose", "-"],
    ["diagnose", "-vv"], ["diagnose", "--jso"], ["diagnose", "--json=1"], ["diagnose", "--format", "json"],
    ["diagnose", "--wait", "3"], ["diagnos"], ["--version", "diagnose"], ["diagnose", "--yes"],
    ["repair", "--help"], ["repair", "a", "b"], ["repair", "--max-risk", "safe"], ["repair", "--set", "a=b"],
    ["repair", "--plan", "x"], ["repair", "--verbose"], ["repair", "--dry"], ["repair", "--"], ["undo"], ["verify"],
])
def test_anything_else_is_left_to_the_parser(words: list[str]) -> None:
    assert plain_command(words) is None


BROKEN = f"bundle:{ROOT}/tests/observe/data/machine.tgz"
# Every form that both can be called in: what the fast path takes, and what it must leave to the parser. None of them
# looks at this machine, where containers come and go between the two calls.
LINES = [
    ["diagnose", BROKEN], ["diagnose", "--json", BROKEN], ["diagnose", BROKEN, "-v"], ["diagnose", "-v", "-v", BROKEN],
    ["diagnose", BROKEN, "--json", "--no-probe", "--verbose"], ["diagnose", "--format", "json", BROKEN],
    ["diagnose", "--format=markdown", BROKEN], ["diagnose", "--json", "--format", "html", BROKEN],
    ["diagnose", "--", BROKEN], ["diagnose", "-vv", BROKEN], ["diagnose", BROKEN, "--"],
    ["diagnose", "-h"], ["diagnose", "--help"], ["diagnose", "--json", "-h"], ["diagnose", BROKEN, "--help"],
    ["diagnose", "--help", "--jsn"], ["diagnose", "a", "b"], ["diagnose", "a", "b", "--json"], ["diagnose", "-"],
    ["diagnose", ""], ["diagnose", " "], ["diagnose", "nonsense://x"], ["diagnose", "nonsense://x", "--json"],
    ["diagnose", "http://shop.example/"], ["diagnose", "http://shop.example/", "--json"],
    ["diagnose", "bundle:"], ["diagnose", "bundle:/nowhere.tgz"], ["diagnose", "bundle:/nowhere.tgz", "--json"],
    ["diagnose", "bundle:/etc/hostname", "--json"], ["diagnose", "docker://-rf"], ["diagnose", "ssh://h:0", "-v"],
    ["diagnose", "--jso"], ["diagnose", "--json=1"], ["diagnose", "bundle:/nowhere.tgz", "--agent"], ["diagnose", "--verbos"], ["diagnose", "-x", "--json"],
    ["diagnose", "--wait", "x"], ["diagnose", "--url"], ["diagnose", "--url", "ftp://x", "--json"],
    ["diagnose", "\udcff\udcfe"], ["diagnose", "a\nb", "--json"], ["diagnose", "@file"], ["diagnose", "~"],
    ["diagnose", "$HOME"], ["diagnose", "*"],
    ["repair", BROKEN], ["repair", "--dry-run", BROKEN], ["repair", "--yes", BROKEN], ["repair", BROKEN, "--json", "-y"],
    ["repair", "--dry-run", "--json", BROKEN], ["repair", "nonsense://x"], ["repair", "bundle:/nowhere.tgz", "--json"],
    ["repair", BROKEN, "--no-probe", "--dry-run"], ["repair", "--dry-run", "-h"], ["repair", "", "--yes"],
    ["repair", "--", BROKEN],
    ["Diagnose"], ["diagnos"], ["--json", "diagnose"], ["--version", "diagnose"], ["-h", "diagnose"], [],
]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_the_fast_path_ends_as_the_parser_does(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    def ended() -> tuple[int, str, str]:
        code = start.main(words)
        out, err = capsys.readouterr()
        return code, re.sub(r'"duration_ms": [\d.]+', "", out), err

    fast = ended()
    monkeypatch.setattr(start, "plain_command", lambda words: None)
    assert fast == ended()


@pytest.mark.parametrize("error", [
    KeyboardInterrupt(), EOFError(), SystemExit(7), NoNginx("no", "do"), ZeroDivisionError("odd"), MemoryError(),
    RecursionError("deep"), OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe"),
    UnicodeEncodeError("ascii", "é", 0, 1, "odd"),
], ids=repr)
@pytest.mark.parametrize("words", [["diagnose"], ["diagnose", "--json"], ["repair"], ["repair", "--yes", "--json"]])
def test_a_failure_within_ends_as_the_parser_ends_it(
    words: list[str], error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*values: object, **named: object) -> int:
        raise error

    for module, name in ((diagnose_command, "run_diagnose"), (repair_command, "run_repair")):
        monkeypatch.setattr(module, name, fail)
        monkeypatch.setattr(cli, name, fail)

    def ended() -> tuple[object, str, str]:
        try:
            code: object = start.main(words)
        except SystemExit as end:
            code = repr(end)
        return (code, *capsys.readouterr())

    fast = ended()
    monkeypatch.setattr(start, "plain_command", lambda words: None)
    assert fast == ended()


@pytest.mark.parametrize(("environment", "redirect"), [
    ({}, ""), ({}, " | head -c 0"), ({}, " >/dev/full"), ({}, " >&-"), ({}, " 2>&-"), ({}, " <&-"),
    ({"_FIXER_COMPLETE": "complete_bash", "COMP_WORDS": "fixer diag", "COMP_CWORD": "1"}, ""),
    ({"_FIXER_COMPLETE": "source_bash"}, ""), ({"COLUMNS": "60"}, ""), ({"FORCE_COLOR": "1"}, ""), ({"LC_ALL": "C"}, ""),
])
def test_the_fast_path_treats_surroundings_as_the_parser_does(environment: dict[str, str], redirect: str) -> None:
    fast, slow = (
        subprocess.run(["bash", "-c", f"set -o pipefail; {sys.executable} -m fixer diagnose {BROKEN} {words}{redirect}"],
                       capture_output=True, cwd=ROOT, env={**os.environ, **environment}, check=False)
        for words in ("", "--wait 0")
    )
    assert (fast.returncode, fast.stdout, fast.stderr) == (slow.returncode, slow.stdout, slow.stderr)


def test_a_plain_look_imports_nothing_that_only_others_need() -> None:
    slow = "('typer', 'inspect', 'dataclasses', 'urllib.parse', 'ipaddress', 'calendar', 'traceback', 'rich', 'asyncio', 'difflib')"
    code = (
        "import sys; sys.modules.pop('traceback', 0); from fixer.start import main;"
        "from fixer.app import cause_catalogue, inspect_target; cause_catalogue.builtin_causes();"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({ROOT!r}); {code}"], check=True,
                          capture_output=True, text=True)
    assert done.stdout == "[]\n"


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_starting_imports_nothing_slow() -> None:
    code = "import sys, fixer.cli; print([m for m in ('rich', 'docker', 'httpx', 'asyncio', 'jsonschema') if m in sys.modules])"
    assert fresh(code) == "[]"
