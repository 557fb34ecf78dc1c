"""Tests of fixer/render/json_schema.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from fixer.render.json_schema import command_schemas
from fixer.render.to_json import to_value
from tests.render import report_samples as s

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schema"


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
