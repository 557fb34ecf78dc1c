"""What programs say of another system in words of their own, without its name."""

from __future__ import annotations

from fixer.lazy.regex import regex

SPEAKS = regex(
    r"(?i)\bconnect(?:ed|ing|ions?)?\b|\breach(?:ed|able|ing)?\b|unreachable|unavailable|not available|\brefused\b|"
    r"time[ds]? ?out|\b(?:database|db|broker|cache|queue|storage) (?:is|was|did|does|seems|not|gone|down|lost)\b|"
    r"\b(?:no|wait(?:ed|ing) for|lost) (?:the |a )?(?:database|db|broker|cache|queue|storage)\b")
