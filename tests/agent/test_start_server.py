"""What `fixer mcp` says before it serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fixer.agent import start_server as module
from fixer.start import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("words", "said"), [
    (["--target", "web1"], "unknown target"), (["--allow-unattended"], "needs --allow-repair"),
    (["--target", "a=local", "--target", "a=local"], "two targets are called a"), (["local"], "unexpected"),
    (["--max-risk", "manual"], "'safe', 'disruptive'"),
])
def test_wrong_options_end_with_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 2


def test_without_the_sdk_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert not module.has_sdk()
    assert main(["mcp"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "pip install 'mcp>=2.1,<3'" in err and err.count("\n") == 2


def test_an_audit_log_that_cannot_be_written_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mcp_types", reason="the extra mcp is not installed")
    assert main(["mcp", "--audit", str(tmp_path / "no" / "audit.jsonl")]) == 4
    assert "--audit FILE" in capsys.readouterr().err


def test_no_other_module_knows_the_sdk() -> None:
    users = {str(path.relative_to(ROOT)) for path in (ROOT / "fixer").rglob("*.py")
             if any(f"{word} mcp{end}" in path.read_text("utf-8") for word in ("import", "from") for end in ("\n", ".", "_types", " import"))}
    assert users == {"fixer/agent/mcp_server.py"}


def test_no_other_command_loads_it() -> None:
    code = ("import sys, fixer.start; fixer.start.main(['explain', 'wrong-port']); import fixer.cli;"
            "print([name for name in sys.modules if name.partition('.')[0] in ('mcp', 'mcp_types', 'anyio', 'pydantic')])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
