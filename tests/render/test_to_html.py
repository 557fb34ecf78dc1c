"""Tests of fixer/render/to_html.py."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fixer.render.to_html import render as html
from tests.render import report_samples as s


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))


@pytest.mark.parametrize("report", [s.hostile_report(), s.BROKEN, s.CHAIN, s.HEALTHY, s.UNKNOWN, replace(s.UNKNOWN, checks=())])
def test_html_loads_and_runs_nothing(report: object) -> None:
    page = html(report)  # type: ignore[arg-type]
    parser = _Tags()
    parser.feed(page)
    assert {tag for tag, _ in parser.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "code", "span", "table", "tr", "th", "td", "section",
        "p", "ol", "li", "pre", "ins", "del",
    }
    assert not any(name in ("src", "href") or name.startswith("on") for _, attrs in parser.tags for name, _ in attrs)
    assert all(char == "\n" or char.isprintable() for char in page)


def test_html_shows_the_cause_and_the_change() -> None:
    page = html(s.BROKEN)
    assert "<ins>+    proxy_pass http://127.0.0.1:8000;</ins>" in page
    assert "wrong-port" in page and "nft: not root" in page
