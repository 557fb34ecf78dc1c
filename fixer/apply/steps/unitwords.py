"""Why a unit did not come up, asked before the round is taken back: afterwards nothing tells it any more."""

from __future__ import annotations

from fixer.apply.steps.node_access import Runner, complaint
from fixer.model.host import CommandResult
from fixer.redaction.secrets import redact_text

_LENGTH = 200        # characters of a line that are repeated


def refusal(result: CommandResult) -> str:
    """What systemctl says of a job that failed: its reason, not where else to look."""
    text = result.stderr.decode("utf-8", "replace")
    told = next((line.strip() for line in text.splitlines() if line.startswith("Job for ")), "")
    return told.removesuffix(".") or complaint(result)


def last_words(runner: Runner, unit: str) -> str:
    """`; its last words: …`, the last line that a process of this very start wrote, secrets masked; else empty."""
    shown = runner.run(["systemctl", "show", "--no-pager", "--property=InvocationID", "--", unit])
    start = shown.stdout.decode("ascii", "replace").strip().removeprefix("InvocationID=")
    if shown.returncode != 0 or not start.isalnum():
        return ""           # words of an earlier run explain nothing
    words = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=1", f"_SYSTEMD_INVOCATION_ID={start}"]
    said = runner.run(words)
    line = said.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2] if said.returncode == 0 else ""
    told = redact_text("".join(sign if sign.isprintable() else "?" for sign in line))[:_LENGTH]
    return f"; its last words: {told}" if told else ""
