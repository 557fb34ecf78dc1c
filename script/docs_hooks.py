"""Hooks of mkdocs: the generated pages, and the pages that lie outside docs/, with their links led to the site."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "script"))

from mkdocs.structure.files import File  # noqa: E402
from site_pages import generated_pages  # noqa: E402

OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "README.zh-TW.md", "examples/README.md",
           "examples/six_steps.sh", "examples/any_command.sh", "integrations/holmesgpt/badgateway.yaml",
           "integrations/ansible/playbooks/rolling_repair.yml")


def on_files(files: Any, config: Any) -> Any:
    """Add what is no file of docs/."""
    for path, text in generated_pages().items():
        files.append(File.generated(config, path, content=text))
    for name in OUTSIDE:
        if (ROOT / name).is_file():
            files.append(File.generated(config, name, content=site_links((ROOT / name).read_text(encoding="utf-8"))))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links that leave docs/ to their page of the site, and the home page to the tree that only the site has."""
    tree = "[From the error line to the command]("
    return as_mkdocs_reads(site_links(markdown.replace(f"{tree}nginx-messages.md", f"{tree}decision-tree.md")))


def as_mkdocs_reads(markdown: str) -> str:
    """Return GitHub's Markdown as Python-Markdown reads it: a fence names a language alone, and what belongs to a list
    is indented by four columns."""
    lines, in_fence = [], False
    for line in markdown.split("\n"):
        if line.lstrip().startswith("```"):
            in_fence = not in_fence
            lines.append(re.sub(r"^(\s*```\w+) .*$", r"\1", line))
        else:
            lines.append(line if in_fence else _row_with_bars(re.sub(r"^ {2,3}(?=\S)", "    ", line)))
    return "\n".join(lines)


def _row_with_bars(line: str) -> str:
    """Return a table's row; code with a bar becomes HTML: Python-Markdown would show the backslash before the bar."""
    return re.sub(r"`([^`]*\\\|[^`]*)`", _html_code, line) if line.startswith("|") else line


def _html_code(found: re.Match[str]) -> str:
    text = found[1].replace("\\|", "|")
    return f"<code>{''.join(char if char.isalnum() or char == ' ' else f'&#{ord(char)};' for char in text)}</code>"


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Name the language of a page such as README.zh-TW.md: screen readers and fonts go by it."""
    language = re.search(r"\.([a-z]{2}(?:-[A-Z]{2})?)\.md$", page.file.src_uri)
    return f'<div lang="{language[1]}">{html}</div>' if language else html


def site_links(markdown: str) -> str:
    """Return a page with links as the site has them: all pages of docs/ and of the project's root in one folder."""
    led = re.sub(r"\]\((?:\.\./)?docs/", "](../" if "](../docs/" in markdown else "](", markdown)
    outside = r"(?:CHANGELOG|CONTRIBUTING|SECURITY|README\.zh-TW)\.md|examples/|integrations/"
    led = re.sub(rf"\]\(\.\./(?={outside})", "](", led)
    return re.sub(r"\]\(README\.md", "](index.md", led)
