"""Why a unit did not come up, asked before the round is taken back: afterwards nothing tells it any more."""

from __future__ import annotations

from fixer.apply.nodes import Runner, complaint
from fixer.hosts.base import CommandResult
from fixer.model.redact import redact_text

_LENGTH = 200        # characters of a line that are repeated
_SINCE = "-2min"     # words of an earlier run explain nothing


def refusal(result: CommandResult) -> str:
    """What systemctl says of a job that failed: its reason, not where else to look."""
    text = result.stderr.decode("utf-8", "replace")
    told = next((line.strip() for line in text.splitlines() if line.startswith("Job for ")), "")
    return told.removesuffix(".") or complaint(result)


def last_words(runner: Runner, unit: str) -> str:
    """`; its last words: …`, the last line that a process of the unit wrote just now, secrets masked; else empty."""
    which = ["--lines=1", f"--since={_SINCE}", f"_SYSTEMD_UNIT={unit}"]
    said = runner.run(["journalctl", "--no-pager", "--quiet", "--output=cat", *which])
    line = said.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2] if said.returncode == 0 else ""
    shown = redact_text("".join(sign if sign.isprintable() else "?" for sign in line))[:_LENGTH]
    return f"; its last words: {shown}" if shown else ""
