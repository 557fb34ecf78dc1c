"""Tests of fixer/render/fleet_to_markup.py."""

from __future__ import annotations

from html.parser import HTMLParser

from fixer.render.fleet_to_markup import render_html, render_markdown
from tests.render import fleet_samples as s


def test_markdown_lists_every_host() -> None:
    text = render_markdown(s.MIXED)
    assert text.startswith("# 17 hosts: 2 healthy (1 repaired) · 12 wrong-port (container-wrong-port) · ")
    for line in ("## `wrong-port (container-wrong-port)`", "- 1 host beside another cause: `web-40`", "## could not be looked at",
                 "- `nothing answers at port 22`: `web-50`, `web-51`", "- 2 hosts: `web-1`, `web-41`",
                 "Repair, safe: point-route-at-listener on 12 of 13"):
        assert line in text.splitlines(), line
    assert all(f"`{name}`" in text for name in s.WRONG_PORT.hosts)


def test_markdown_of_a_hostile_host_is_in_code_spans() -> None:
    text = render_markdown(s.EVIL)
    assert "\x1b" not in text and not [line for line in text.splitlines() if line.startswith(("|", "<", "*"))]


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


def test_html_shows_causes_hosts_and_reasons() -> None:
    page = Page(render_html(s.MIXED))
    for text in ("17 hosts", "wrong-port (container-wrong-port)", "web-14", "beside another cause: web-40",
                 "nothing answers at port 22", "web-51", "point-route-at-listener on 12 of 13"):
        assert text in page.said, text
    assert page.elements.count("table") == 2
    assert Page(render_html(s.HEALTHY)).elements.count("table") == 0


def test_html_of_a_hostile_host_has_no_element_of_it() -> None:
    text = render_html(s.EVIL)
    assert "script" not in Page(text).elements and "\x1b" not in text and "default-src 'none'" in text
