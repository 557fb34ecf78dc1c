"""What the limits of one look cut from the answers of a node, as a sentence of the report.

It is read from the answers themselves, so that a bundle says the same."""

from __future__ import annotations

from fixer.model.capture import NodeCapture
from fixer.model.query import CUT_OFF, LOOK_LIMIT, LOOK_MEGABYTES, NOT_ASKED, TOO_LONG


def cut_text(node: NodeCapture) -> str:
    """Return which questions to the node the look had no time or memory for; empty if it had both for all."""
    said = [answer.message for answer in node.answers.values() if answer.status in ("timeout", "failed")]
    long = sum(message.endswith(TOO_LONG) for message in said)
    counts = ((said.count(NOT_ASKED), "not asked"), (said.count(CUT_OFF), "not answered in time"),
              (long, "answered at too great length"))
    parts = [f"{count} question{'s' if count > 1 else ''} {'were' if count > 1 else 'was'} {what}"
             for count, what in counts if count]
    limits = [f"{LOOK_LIMIT} s"] if len(parts) > bool(long) else []
    limits += [f"{LOOK_MEGABYTES} MB"] if long else []
    return f"{' and '.join(parts)}: one look takes at most {' and '.join(limits)}" if parts else ""
