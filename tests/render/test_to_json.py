"""JSON, Markdown and HTML: every output fits the published schema, and no hostile text becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from fixer.model.report import ProbeReport
from fixer.render.json_schema import command_schemas
from fixer.render.to_json import Document, render
from tests.render import report_samples as s

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


def test_the_report_has_exactly_the_fields_of_the_contract() -> None:
    value = json.loads(render(s.BROKEN))
    assert list(value) == ["schema_version", "target", "verdict", "duration_ms", "routes", "findings", "checks", "notes"]
    assert list(value["routes"][0]) == ["id", "listen", "server_names", "location", "source", "endpoints", "probe"]
    assert value["routes"][0]["probe"] == {"status": 502, "ms": 3.1, "error": None}
    finding = value["findings"][0]
    assert list(finding) == ["cause", "variant", "role", "confidence", "summary", "routes", "service", "node", "evidence", "repairs"]
    assert list(finding["repairs"][0]) == ["id", "risk", "summary", "steps", "diff", "needs", "proof"]
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
