"""The documentation site: it builds, its links and anchors lead somewhere, and it loads nothing from another address."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urldefrag

import pytest

from fixer.app.cause_catalogue import all_causes
from fixer.diagnose.line_meanings import MEANINGS

pytest.importorskip("material", reason="the group `docs` is not installed")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
CUT_WORDS = """[...document.querySelectorAll("article table code")].filter((one) => /^[\\w.\\/]+$/.test(one.textContent)
    && one.getClientRects().length > 1).map((one) => one.textContent)"""
CUT_COMMANDS = """[...document.querySelectorAll("article pre > code")].filter((one) => one.scrollWidth > one.clientWidth)
    .map((one) => one.textContent)"""
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "use": "href", "object": "data"}


class Page(HTMLParser):
    """What a page loads, the links of its text, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.prose: list[str] = []
        self.depth: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("pre", "code", "script", "style"):
            self.depth.append(tag)
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if values.get(LOADS.get(tag, "")):
            self.loads.append(values[LOADS[tag]])
        self.loads += re.findall(r"url\(([^)]*)\)", values.get("style", ""))
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])


    def handle_endtag(self, tag: str) -> None:
        if tag in self.depth:
            del self.depth[len(self.depth) - 1 - self.depth[::-1].index(tag)]

    def handle_data(self, data: str) -> None:
        if not {"pre", "code", "script", "style"} & set(self.depth):
            self.prose.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)], cwd=ROOT,
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr        # strict: a broken link or anchor of a page ends it
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_another_address(site: Path, pages: dict[Path, Page]) -> None:
    outside = re.compile(r"^(?:[a-z]+:)?//")
    assert [(path.name, load) for path, page in pages.items() for load in page.loads if outside.match(load)] == []
    for path in site.rglob("*.css"):
        loaded = re.findall(r"url\([\"']?([^)\"']*)|@import\s+[\"']([^\"']*)", path.read_text("utf-8"))
        assert [found for found in loaded if any(map(outside.match, found))] == [], path.name
    assert not list(site.rglob("*.woff*")), "fonts are the reader's own"


def test_every_link_leads_to_a_page_and_every_anchor_to_its_place(site: Path, pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link) or path.name == "404.html":
                continue
            file, anchor = urldefrag(link)
            target = (path.parent / unquote(file)).resolve() if file else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (anchor and target in pages and unquote(anchor) not in pages[target].ids):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


def test_no_mark_of_markdown_is_left_in_the_prose(pages: dict[Path, Page]) -> None:
    left = re.compile(r"```|\]\(|^#{2,} |\*\*\w", re.MULTILINE)
    assert [(path.name, found) for path, page in pages.items() for found in left.findall("\n".join(page.prose))] == []


def test_code_shows_no_escape_of_markdown(site: Path) -> None:
    for path in [*(site / "causes").glob("*.html"), site / "decision-tree.html"]:
        code = re.findall(r"<code>([^<]*)</code>", path.read_text("utf-8"))
        assert [text for text in code if re.search(r"\\[\[\]_|]", text)] == [], path.name


def test_code_in_a_table_shows_bars_as_they_are_typed(site: Path) -> None:
    for path in site.rglob("*.html"):
        code = map(unescape, re.findall(r"<code>([^<]*)</code>", path.read_text("utf-8")))
        assert [text for text in code if "\\|" in text] == [], path.name
    assert "ps aux | grep '[u]vicorn'" in unescape((site / "README.zh-TW.html").read_text("utf-8"))


def test_the_results_have_a_plot(site: Path) -> None:
    shown = re.findall(r'<img alt="([^"]+)" src="(plots/[^"]+)"', (site / "results.html").read_text("utf-8"))
    assert [file for _, file in shown] == [f"plots/{name}.svg" for name in ("matrix", "accuracy", "calibration", "seconds")] and (site / shown[0][1]).is_file()


def test_a_translated_page_names_its_language(site: Path) -> None:
    assert '<div lang="zh-TW">' in (site / "README.zh-TW.html").read_text("utf-8")
    assert "<div lang=" not in (site / "index.html").read_text("utf-8")


def test_a_phone_shows_every_word(site: Path) -> None:
    """In a table a command without a space stands on one line; no command is cut; no page scrolls sideways."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    cut: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_context(viewport={"width": 360, "height": 800}).new_page()
        for name in ("CONTRIBUTING.html", "install.html", "commands.html", "lab.html", "decision-tree.html", "causes/disk-full.html"):
            window.goto((site / name).as_uri())
            cut += window.evaluate(CUT_WORDS) + window.evaluate(CUT_COMMANDS)
            assert window.evaluate("document.documentElement.scrollWidth") <= 360, name
        browser.close()
    assert cut == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_link_can_be_read(site: Path, scheme: Literal["light", "dark"]) -> None:
    """The contrast that WCAG asks of words is 4.5, also of code that is a link."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_context(color_scheme=scheme).new_page()
        window.goto((site / "causes" / "wrong-port.html").as_uri())
        shown = window.evaluate("""["color", "backgroundColor"].map((name) =>
            getComputedStyle(document.querySelector("article li a code"))[name])""")
        browser.close()
    low, high = sorted(_luminance([int(one) for one in re.findall(r"\d+", colour)[:3]]) for colour in shown)
    assert (high + 0.05) / (low + 0.05) >= 4.5, shown


def _luminance(colour: list[int]) -> float:
    """The relative luminance of WCAG 2."""
    parts = [one / 255 / 12.92 if one <= 10 else ((one / 255 + 0.055) / 1.055) ** 2.4 for one in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_a_list_within_a_list_stays_one(site: Path) -> None:
    text = (site / "ssh.html").read_text("utf-8")
    assert re.search(r"uses <code>sudo -n</code>\.</p>\s*<ul>|uses <code>sudo -n</code>\.\s*<ul>", text)


def test_every_cause_has_a_page_and_every_variant_an_anchor(site: Path, pages: dict[Path, Page]) -> None:
    for cause in all_causes():
        page = pages[site / "causes" / f"{cause.id}.html"]
        assert set(cause.variants) | {"by-hand", "what-nginx-logs"} <= page.ids, cause.id


@pytest.mark.parametrize(("cause", "sentence"), [
    ("error-from-config", "error_page shows another status than the one that happened."),
    ("upstream-expects-tls", "http:// in the pass, and the backend takes TLS only."),
    ("wrong-protocol", "uWSGI has loaded no plugin for the language of the application."),
    ("nginx-down", "nginx was stopped, or was not started after the boot."),
    ("nginx-down", "The workers end again and again."),
])
def test_a_name_at_the_beginning_of_a_sentence_is_written_as_it_is_typed(
        site: Path, pages: dict[Path, Page], cause: str, sentence: str) -> None:
    assert sentence in "".join(pages[site / "causes" / f"{cause}.html"].prose)


def test_the_decision_tree_leads_from_every_line_to_its_causes(site: Path, pages: dict[Path, Page]) -> None:
    tree = pages[site / "decision-tree.html"]
    assert {meaning.kinds[0] for meaning in MEANINGS} <= tree.ids
    assert {f"causes/{cause}.html" for meaning in MEANINGS for cause in meaning.causes} <= set(tree.links)


def test_ci_builds_it_as_script_docs_does() -> None:
    command = "-m mkdocs build --quiet"
    assert f"- run: python {command}\n" in (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    assert command in (ROOT / "script/docs").read_text("utf-8")


def test_every_page_is_in_the_menu(site: Path, pages: dict[Path, Page]) -> None:
    home = {urldefrag(link)[0] for link in pages[site / "index.html"].links}
    written = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} - {"index.html"}
    assert written <= home
