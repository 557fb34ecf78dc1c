"""The page in a real browser, Debian's chromium, on a real lab: what it shows, the keyboard, the repair and its undo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.stack import lab_records
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
WIDTHS = (360, 820, 1280)


def shows(window: Any, selector: str, text: str, timeout: float = 30000) -> None:
    """Wait until a part of the page shows a text; `timeout` is in milliseconds."""
    sync_api.expect(window.locator(selector)).to_contain_text(text, timeout=timeout)


@dataclass
class Shown:
    """The page of a lab in a browser."""

    url: str
    browser: Any
    problems: list[str]

    def open(self, **options: Any) -> Any:
        """A new window with that page, which has drawn the stack and the plot."""
        window = self.browser.new_context(**options).new_page()
        window.on("pageerror", lambda error: self.problems.append(str(error)))
        window.on("console", lambda said: self.problems.append(said.text) if said.type in ("error", "warning") else None)
        window.on("request", lambda one: None if one.url.startswith(self.url.partition("/#")[0]) else self.problems.append(one.url))
        window.goto(self.url)
        window.wait_for_selector("#diagram .node")
        window.wait_for_selector("#plot .curve", state="attached")
        return window


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "fixer"))
    lab = lab_up("wrong-port/wrong-port", "host", 7, lambda line: None).lab
    server = subprocess.Popen([sys.executable, "-m", "lab", "serve", lab.id], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield Shown(server.stdout.readline().strip(), browser, [])
            browser.close()
    finally:
        server.terminate()
        server.communicate(timeout=30)
        for kept in list(lab_records.all_records()):
            lab_down(kept.id)


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(600)
def test_the_page_of_a_lab(shown: Shown) -> None:
    """It fits a phone, a tablet and a desk in both themes; the keyboard reaches all; fixer repairs and undoes."""
    backs = set()
    for width in WIDTHS:
        window = shown.open(viewport={"width": width, "height": 800})
        for scheme in ("light", "dark"):
            window.emulate_media(color_scheme=scheme)
            assert window.evaluate("document.documentElement.scrollWidth") <= width
            assert window.evaluate("Math.min(...[...document.querySelectorAll('button')].map((one) => one.getBoundingClientRect().height))") >= 40
            backs.add(window.evaluate("getComputedStyle(document.body).backgroundColor"))
        window.context.close()
    assert len(backs) == 2
    window = shown.open()
    assert "#" not in window.url      # the token is out of sight
    assert window.inner_text("#rate") == "100 %" and "502" in window.inner_text("#last")
    window.wait_for_selector("#dots .dot.bad", state="attached")
    shows(window, "#log-nginx", "connect() failed")
    _names(window)
    _keys(window)
    for _ in range(6):      # a machine under load may hide facts from fixer, which then proposes nothing
        window.click("text=What fixer would do")
        window.wait_for_selector("#result li", timeout=90000)
        if window.query_selector(".diff .add"):
            break
    assert "127.0.0.1:" in window.inner_text(".diff .add >> nth=1") and "wrong-port" in window.inner_text("#result")
    window.on("dialog", lambda asked: asked.accept())
    for _ in range(6):
        window.click("text=Let fixer repair")
        shows(window, "#result", "fixer: ", timeout=200000)
        if "fixer: repaired" in window.inner_text("#result"):
            break
    shows(window, "#last", "200", timeout=90000)
    window.click("text=Check")
    window.wait_for_selector("#result .good", timeout=90000)
    window.click("text=Undo its repair")
    shows(window, "#last", "502", timeout=120000)
    assert shown.problems == []


def _names(window: Any) -> None:
    """Everything that a screen reader reads has a name; its tree shows state and rate as text."""
    for selector in ("svg", "section", "pre"):
        for one in window.query_selector_all(f"{selector}:visible"):
            label = one.get_attribute("aria-labelledby")
            assert label and window.text_content(f"#{label}"), selector
    assert "does not run" not in window.text_content("#parts") and "runs" in window.text_content("#parts")
    assert window.text_content("#plot-text").startswith("Share of failed requests")
    assert window.get_attribute("html", "lang") == "en" and window.locator("h1").count() == 1


def _keys(window: Any) -> None:
    """Tab goes through all that can be used, with a visible focus; Enter takes a hint."""
    seen = []
    window.evaluate("document.activeElement.blur()")
    for _ in range(12):
        window.keyboard.press("Tab")
        seen.append(window.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
        assert window.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if seen[-1] == "Next hint":
            window.keyboard.press("Enter")
            shows(window, "#result", "hint 1 of")
            break
    assert seen[0] == "Skip to the lab" and seen[-1] == "Next hint"
