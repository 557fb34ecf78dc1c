"""JSON, Markdown and HTML: every output fits the published schema, and no hostile text becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from fixer.model.report import ProbeReport
from fixer.render.json_schema import command_schemas
from fixer.render.to_html import render as html
from fixer.render.to_json import Document, render, to_value
from fixer.render.to_markdown import code_span
from fixer.render.to_markdown import render as markdown
from tests.render import report_samples as s

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schema"
DOCUMENTS: list[tuple[str, Document]] = [
    ("diagnose", s.BROKEN), ("diagnose", s.HEALTHY), ("diagnose", s.UNKNOWN), ("diagnose", s.CHAIN), ("diagnose", s.hostile_report()),
    ("verify", s.VERIFIED), ("repair", s.REPAIRED), ("repair", s.NOTHING), ("repair", s.WAITS_FOR_OPERATOR),
    ("undo", s.UNDONE), ("undo", s.UNDONE_IN_PART), ("history", s.HISTORY), ("causes", s.CATALOGUE),
    *((name, s.FAILURE) for name in ("diagnose", "verify", "repair", "undo", "history", "causes")),
]


@pytest.mark.parametrize(("name", "document"), DOCUMENTS)
def test_every_output_fits_its_schema(name: str, document: Document) -> None:
    text = render(document)
    assert text.isascii() and text.endswith("}\n")
    Draft202012Validator(command_schemas()[name]).validate(json.loads(text))


@pytest.mark.parametrize("name", command_schemas())
def test_the_published_schema_is_the_generated_one(name: str) -> None:
    Draft202012Validator.check_schema(command_schemas()[name])
    published = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    assert published == command_schemas()[name], "run script/schema"


def test_the_schema_refuses_what_the_types_refuse() -> None:
    value = to_value(s.BROKEN)
    with pytest.raises(ValidationError):
        Draft202012Validator(command_schemas()["diagnose"]).validate({**value, "verdict": "fine"})
    with pytest.raises(ValidationError):
        Draft202012Validator(command_schemas()["diagnose"]).validate({**value, "more": 1})


def test_the_report_has_exactly_the_fields_of_the_contract() -> None:
    value = json.loads(render(s.BROKEN))
    assert list(value) == ["schema_version", "target", "verdict", "duration_ms", "routes", "findings", "checks", "notes"]
    assert list(value["routes"][0]) == ["id", "listen", "server_names", "location", "source", "endpoints", "probe"]
    assert value["routes"][0]["probe"] == {"status": 502, "ms": 3.1, "error": None}
    finding = value["findings"][0]
    assert list(finding) == ["cause", "variant", "role", "confidence", "summary", "routes", "service", "node", "evidence", "repairs"]
    assert list(finding["repairs"][0]) == ["id", "risk", "summary", "steps", "diff", "needs"]
    assert list(value["checks"][0]) == ["cause", "verdict", "evidence", "missing"]


def test_a_repair_tells_its_outcome_with_both_reports() -> None:
    value = json.loads(render(s.REPAIRED))
    assert value["verdict"] == "healthy" and value["outcome"] == "repaired" and value["journal"]
    assert value["before"]["verdict"] == "broken" and value["after"]["findings"] == []
    assert value["routes"] == value["after"]["routes"]
    assert "exit_code" not in value


def test_no_number_and_no_byte_breaks_json() -> None:
    odd = replace(s.API, probe=ProbeReport(None, float("inf"), "\udcff"), location="é\udcff")
    value = json.loads(render(replace(s.BROKEN, routes=(odd,))))
    assert value["routes"][0]["probe"]["ms"] is None
    assert not re.search(r"[\ud800-\udfff]", value["routes"][0]["location"])


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


def test_markdown_holds_hostile_text_in_code() -> None:
    page = markdown(s.hostile_report())
    assert all(char == "\n" or char.isprintable() for char in page)
    in_fence = False
    for line in page.splitlines():
        if re.match(r"`{3,}", line) and (line.endswith("diff") or set(line) == {"`"}):
            in_fence = not in_fence
        elif not in_fence:
            assert "<script>" not in re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line)


@pytest.mark.parametrize("report", [s.BROKEN, s.CHAIN, s.HEALTHY, s.UNKNOWN])
def test_markdown_has_a_heading_and_every_finding(report: object) -> None:
    page = markdown(report)  # type: ignore[arg-type]
    assert page.startswith("# `")
    assert page.count("\n## ") == len(report.findings)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "span"), [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("", "`  `")])
def test_a_code_span_holds_any_text(text: str, span: str) -> None:
    assert code_span(text) == span


def test_a_route_that_was_not_asked_says_so() -> None:
    page = markdown(replace(s.BROKEN, routes=(replace(s.API, probe=None, reason=""), replace(s.API, reason=""))))
    assert "`not asked`" in page and "`502`" in page
    assert "not asked" in html(replace(s.BROKEN, routes=(replace(s.API, probe=None, reason=""),)))
