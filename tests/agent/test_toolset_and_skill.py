"""The HolmesGPT toolset and the skill: their commands are fixer's own, and none changes a host unasked."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import fixer.cli
from tests.agent.agent_builders import MACHINE

ROOT = Path(__file__).resolve().parents[2]
TOOLSET = ROOT / "integrations" / "holmesgpt" / "badgateway.yaml"
SKILL = ROOT / "skills" / "badgateway" / "SKILL.md"
COMMANDS: Any = typer.main.get_command(fixer.cli.app).commands  # type: ignore[attr-defined]


def tools() -> list[dict[str, Any]]:
    return list(yaml.safe_load(TOOLSET.read_text("utf-8"))["toolsets"]["badgateway"]["tools"])


def skill_parts() -> tuple[dict[str, Any], str]:
    _, head, body = SKILL.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def require_known(line: str) -> list[str]:
    """The words of a command line, after a look whether fixer has that command and these options."""
    words = shlex.split(line)
    assert words[0] == "fixer"
    options = {option for one in COMMANDS[words[1]].params for option in one.opts}
    assert [word for word in words[2:] if word.startswith("-") and word != "--" and word not in options] == [], line
    return words


def test_the_tools_of_holmes_only_look() -> None:
    for tool in tools():
        words = require_known(tool["command"])
        assert "--agent" in words and words[1] in ("diagnose", "verify", "explain", "repair")
        assert ("--dry-run" in words) is (words[1] == "repair") and "--yes" not in words
        # the one word that a model chooses comes after all options
        assert "{{" not in tool["command"] or "-- {{" in tool["command"]


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool["name"])
def test_holmes_gets_an_object_and_0_within_its_limit(tool: dict[str, Any], tmp_path: Path) -> None:
    command = tool["command"].replace("{{ cause }}", "'no-such-cause; false'")
    done = subprocess.run(["bash", "-c", f"ulimit -v 800000; {command}"], capture_output=True, text=True, check=False, env={
        "PATH": f"{Path(shutil_which('fixer')).parent}:/usr/bin:/bin", "BADGATEWAY_TARGET": MACHINE, "BADGATEWAY_STATE": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema_version"] == 1


def shutil_which(name: str) -> str:
    import shutil
    import sys

    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else str(shutil.which(name))


def test_holmes_itself_reads_the_toolset() -> None:
    plugins = pytest.importorskip("holmes.plugins.toolsets", reason="holmesgpt is not installed: its schema is checked above")
    (toolset,) = plugins.load_toolsets_from_file(str(TOOLSET), strict_check=True)
    assert [tool.name for tool in toolset.tools] == [tool["name"] for tool in tools()]


def test_the_head_of_the_skill_has_the_form_of_skills() -> None:
    head, _ = skill_parts()
    assert head["name"] == SKILL.parent.name and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", head["name"])
    assert 1 <= len(head["description"]) <= 1024
    allowed = re.findall(r"Bash\(fixer ([a-z]+):\*\)", head["allowed-tools"])
    assert allowed and set(allowed) <= set(COMMANDS) - {"repair", "undo", "ignore", "learn", "mcp", "collect"}


def test_the_skill_shows_commands_that_there_are() -> None:
    _, body = skill_parts()
    lines = [line.strip().split("  ")[0] for line in body.splitlines() if line.startswith("    fixer ")]
    assert len(lines) > 5
    for line in lines:
        require_known(line)
    repairs = [line for line in lines if line.startswith("fixer repair")]
    assert all("--dry-run" in line or "--plan" in line for line in repairs)
    assert "Never change a host without a yes" in body


def test_the_skill_gives_the_exit_codes_of_the_command_page() -> None:
    _, body = skill_parts()
    codes = re.findall(r"(?m)^\| (\d) \|", body)
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert codes == ["0", "1", "2", "3", "4"] and all(f"| {code} |" in page for code in codes)
