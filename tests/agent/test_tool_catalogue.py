"""The tools as a client sees them."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator

from fixer.agent.settings import Settings
from fixer.agent.tool_catalogue import INSTRUCTIONS, tool_entries
from fixer.render.json_schema import command_schemas


def test_what_changes_a_host_takes_an_id_and_nothing_else() -> None:
    changes = [entry for entry in tool_entries(Settings(allow_repair=True)) if entry.is_destructive]
    assert [entry.name for entry in changes] == ["repair", "undo"]
    assert [list(entry.input_schema()["properties"]) for entry in changes] == [["plan_id"], ["plan_id"]]
    assert not [entry for entry in tool_entries(Settings()) if entry.is_destructive]


def test_schemas_are_valid_and_the_published_ones() -> None:
    for entry in tool_entries(Settings((("web", "ssh://root@web1"), ("local", "local")), allow_repair=True)):
        Draft202012Validator.check_schema(entry.input_schema())
        assert entry.output_schema() == command_schemas()[entry.schema]
        assert entry.input_schema()["properties"].get("target", {}).get("enum") in (None, ["web", "local"])
        assert "ssh://" not in str(entry.input_schema()), "the name is enough for a model"


@pytest.mark.parametrize("word", ["--yes", "-x", "a b", "", "A", "a/b", "a" * 65])
def test_no_free_word_is_an_argument(word: str) -> None:
    for entry in tool_entries(Settings(allow_repair=True)):
        for name, schema in entry.arguments.items():
            assert schema["type"] == "integer" or "enum" in schema or not re.search(schema["pattern"], word), name


def test_every_sentence_for_a_model_is_short() -> None:
    texts = [INSTRUCTIONS, *(entry.description for entry in tool_entries(Settings(allow_repair=True)))]
    assert [said for text in texts for said in text.split(".") if len(said.split()) > 25] == []
