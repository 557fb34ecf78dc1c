"""Tests of lab/course/fixer_view.py."""

from __future__ import annotations

import pytest

from fixer.languages.choose_language import VARIABLE
from lab.course.fixer_view import view_text

FINDING = {
    "cause": "wrong-port", "confidence": "certain", "summary": "nginx asks port 8001; the application listens on 8000.",
    "evidence": [{"where": f"file:{number}", "text": "proxy_pass\n x;"} for number in range(5)],
    "repairs": [{"risk": "safe", "summary": "point the route at the listener", "steps": ["edit site", "reload nginx"],
                 "diff": "-a\n+b"}]}


def test_what_fixer_saw_and_would_have_done() -> None:
    text = view_text({"verdict": "broken", "finding": FINDING})
    assert "wrong-port · certain" in text and "file:2  proxy_pass x;" in text and "file:3" not in text
    assert "(safe): point the route at the listener\n  1. edit site\n  2. reload nginx\n    -a\n    +b" in text


def test_without_a_finding_or_a_repair_it_says_so() -> None:
    assert "no cause, verdict unknown" in view_text({})
    assert view_text({"finding": {**FINDING, "repairs": []}}).endswith("It would have changed nothing.")


def test_confidence_and_risk_are_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")
    text = view_text({"verdict": "broken", "finding": FINDING})
    assert "wrong-port · \u78ba\u5b9a" in text and "certain" not in text and "safe" not in text
