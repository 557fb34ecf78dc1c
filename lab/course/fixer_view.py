"""What fixer saw on the broken stack before the person began, and what it would have done: part of the debrief."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from lab.languages.translate import say
from lab.stack.fixer_command import fixer_outside
from lab.stack.running_lab import Lab

VIEW_KEY = "fixer_view"  # in a record
_WIDTH = 78
_EVIDENCE = 3  # pieces that are shown


def look_with_fixer(lab: Lab) -> dict[str, Any]:
    """Run `fixer diagnose` on the broken stack, which changes nothing; return its verdict and first finding."""
    document = fixer_outside(lab).ask("diagnose", "--json").document
    findings = [one for one in document.get("findings", ()) if one.get("role") != "advice"]
    return {"verdict": str(document.get("verdict", "unknown")), "finding": findings[0] if findings else None,
            "notes": list(document.get("notes", ()))}


def view_text(view: Mapping[str, Any]) -> str:
    """Return what fixer saw and would have done, for a terminal."""
    return "\n".join(_lines(view))


def _lines(view: Mapping[str, Any]) -> Iterator[str]:
    finding = view.get("finding")
    yield say("console/fixer-saw", "What fixer saw on the broken stack, before you began:")
    if not finding:
        verdict = view.get("verdict", "unknown")
        yield "  " + say("console/fixer-saw-none", "no cause, verdict {verdict}", verdict=verdict)
        return
    yield f"  {finding['cause']} · {_in_own_words(finding['confidence'])}"
    yield from textwrap.wrap(finding["summary"], _WIDTH, initial_indent="  ", subsequent_indent="  ",
                             break_long_words=False, break_on_hyphens=False)
    for piece in finding.get("evidence", ())[:_EVIDENCE]:
        yield f"    {piece['where']}  {' '.join(str(piece['text']).split())}"[:_WIDTH * 2]
    repairs = finding.get("repairs") or ()
    if not repairs:
        yield say("console/fixer-nothing", "It would have changed nothing.")
        return
    yield say("console/fixer-would", "What it would have done ({risk}): {summary}",
              risk=_in_own_words(repairs[0]["risk"]), summary=repairs[0]["summary"])
    yield from (f"  {number}. {step}" for number, step in enumerate(repairs[0].get("steps", ()), 1))
    yield from (f"    {line}" for line in str(repairs[0].get("diff") or "").splitlines())


def _in_own_words(word: str) -> str:
    """Return a confidence or a risk of fixer's JSON in the reader's language."""
    return {"certain": say("console/certain", "certain"), "likely": say("console/likely", "likely"),
            "possible": say("console/possible", "possible"), "safe": say("console/safe", "safe"),
            "disruptive": say("console/disruptive", "disruptive"), "manual": say("console/manual", "manual"),
            }.get(word, word)
