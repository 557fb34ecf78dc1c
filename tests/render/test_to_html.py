"""Tests of fixer/render/to_html.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer import __version__
from fixer.model.report import Report
from fixer.render.terminal_text import clean
from fixer.render.to_html import breakable
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
        "p", "ol", "li", "pre", "ins", "del", "div", "dl", "dt", "dd", "strong", "thead", "tbody", "wbr",
    }
    assert not any(name in ("src", "href") or name.startswith("on") for _, attrs in parser.tags for name, _ in attrs)
    assert all(char == "\n" or char.isprintable() for char in page)


def words_of(page: str) -> str:
    """What a browser shows of it, with every space as one."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", re.sub(r"</(?:p|d[dt]|t[dh]|h\d|li|div|ins|del)>", " ", page))).split())


def test_html_shows_the_cause_and_the_change() -> None:
    page = words_of(html(s.BROKEN))
    assert "- proxy_pass http://127.0.0.1:8001; + proxy_pass http://127.0.0.1:8000;" in page
    assert "wrong-port" in page and "nft: not root" in page


def test_the_summary_comes_first_then_where_and_when() -> None:
    page = words_of(html(replace(s.WORDY, host="web1", observed_at=1_767_268_800.0)).partition("<body>")[2])
    order = ["local broken", "answers 502 (3 of 3 requests)", "wrong-port, certain: nginx hands /api to 127.0.0.1:8001",
             "Repair, safe: point the route at the listener sudo fixer repair",
             f"Target local Host web1 Observed 2026-01-01 12:00:00 UTC fixer {__version__}, 212 ms", "Routes", "Every check"]
    assert [text for text in order if text not in page] == []
    assert sorted(order, key=page.index) == order


def test_what_is_not_known_of_its_origin_is_left_out() -> None:
    page = words_of(html(s.BROKEN))
    assert "Target local fixer" in page and "Observed" not in page and "1970" not in page


def test_every_check_has_a_reason_and_each_reason_stands_once() -> None:
    page = words_of(html(s.WORDY))
    assert "nginx-not-reloaded, nginx-down, crash-killed ruled-out nothing observed points to it" in page
    assert "backend-down ruled-out backend.service: active (running)" in page
    assert page.count("which service belongs behind 127.0.0.1:8001") == 1
    assert "crash-code-error, crash-killed, crash-oom, unit-misconfigured undetermined not known: which service" in page


@pytest.mark.parametrize(("text", "shown"), [
    ("undetermined 127.0.0.1:8000", "undetermined 127.0.0.1:8000"),
    ("header-too-big", '<span class="one">header-too-big</span>'),
    ("/etc/nginx/sites-enabled/shop-orders-backend.conf:12",
     '<span class="one">/etc/</span><wbr><span class="one">nginx/</span><wbr><span class="one">sites-enabled/</span><wbr>'
     '<span class="one">shop-orders-backend.conf:12</span>'),
    ("x" * 99, "x" * 99), ("a <b>", "a &lt;b&gt;"), ("", ""),
])
def test_only_long_words_wrap_and_only_after_a_separator(text: str, shown: str) -> None:
    assert breakable(text) == shown


@given(st.text(st.characters()))
def test_every_character_is_shown(text: str) -> None:
    assert unescape(re.sub(r"<wbr>|<span class=\"one\">|</span>", "", breakable(text))) == clean(text)


FRAMES = """<!doctype html><body>
<script>
const found = [];
for (const name of NAMES) for (const width of WIDTHS) {
  const frame = document.createElement("iframe");
  frame.style = `border:0;width:${width}px;height:900px`;
  frame.src = name;
  frame.onload = () => {
    found.push(`${name} ${width} ${frame.contentDocument.documentElement.scrollWidth};`);
    document.title = found.join("");
  };
  document.body.append(frame);
}
</script>"""
WIDTHS = (400, 1200)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
def test_a_page_never_scrolls_sideways(tmp_path: Path) -> None:
    """All pages at all widths in one browser: its start takes longer than they do."""
    reports: dict[str, Report] = {"wordy": s.WORDY, "chain": s.CHAIN, "created": s.with_repairs(s.CREATED), "hostile": s.hostile_report()}
    for name, report in reports.items():
        (tmp_path / f"{name}.html").write_text(html(report), encoding="utf-8")
    names = json.dumps([f"{name}.html" for name in reports])
    (tmp_path / "frames.html").write_text(FRAMES.replace("NAMES", names).replace("WIDTHS", json.dumps(WIDTHS)), encoding="utf-8")
    done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
                           "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
                           (tmp_path / "frames.html").as_uri()], check=True, capture_output=True, text=True)
    found = {(name, int(width)): int(needed) for name, width, needed in re.findall(r"(\w+)\.html (\d+) (\d+);", done.stdout)}
    assert found.keys() == {(name, width) for name in reports for width in WIDTHS}
    assert {place: needed for place, needed in found.items() if needed > place[1]} == {}
