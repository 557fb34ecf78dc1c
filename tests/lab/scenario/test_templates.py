"""The template language: names, sections, and messages that say where."""

from __future__ import annotations

import pytest

from lab.errors import ScenarioError
from lab.scenario.templates import fill, fill_deep


def test_names_are_filled_in() -> None:
    assert fill("port {{port}}; on {{on}}", {"port": 80, "on": True}, "x") == "port 80; on true"


@pytest.mark.parametrize(("section", "shown"), [
    ("#style=a", True), ("#style=b", False), ("#style=b|a", True), ("^style=a", False), ("#yes", True), ("#no", False),
    ("^no", True), ("#yes=true", True), ("#no=false", True),
])
def test_sections(section: str, shown: bool) -> None:
    name = section[1:].partition("=")[0]
    text = f"one\n  {{{{{section}}}}}\n  two\n  {{{{/{name}}}}}\nthree\n"
    expected = "one\n  two\nthree\n" if shown else "one\nthree\n"
    assert fill(text, {"style": "a", "yes": True, "no": False}, "x") == expected


def test_sections_nest() -> None:
    text = "{{#a}}\n{{#b}}\nboth\n{{/b}}\nonly a\n{{/a}}\n"
    assert fill(text, {"a": True, "b": False}, "x") == "only a\n"
    assert fill(text, {"a": False, "b": True}, "x") == ""


@pytest.mark.parametrize(("text", "said"), [
    ("{{nobody}}", "x: no parameter is called 'nobody'"),
    ("{{#nobody}}\n{{/nobody}}", "x:1: no parameter is called 'nobody'"),
    ("{{#a}}\n", "x: {{#a}} is never closed"),
    ("{{/a}}\n", "x:1: {{/a}} closes no open section"),
])
def test_mistakes_say_where(text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        fill(text, {"a": True}, "x")
    assert caught.value.message == said


def test_tables_keep_the_type_of_a_lone_name() -> None:
    filled = fill_deep({"set": {"port": "{{port}}", "{{name}}": ["a{{port}}", 1]}}, {"port": 80, "name": "KEY"}, "x")
    assert filled == {"set": {"port": 80, "KEY": ["a80", 1]}}
