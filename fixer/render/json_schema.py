"""JSON Schemas of every `--json` output and of every tool of `fixer mcp`, generated from the report types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from fixer.model.fleet import FleetReport
from fixer.model.report import (
    CatalogueReport,
    CollectReport,
    Failure,
    HistoryReport,
    IgnoreReport,
    LearnReport,
    PageReport,
    PlanResult,
    Proof,
    RepairResult,
    Report,
    UndoResult,
)

Schema: TypeAlias = "dict[str, Any]"  # the keywords of JSON Schema have many types

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN_SCHEMAS: Mapping[object, Schema] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"},
    bool: {"type": "boolean"}, NoneType: {"type": "null"},
}


def _title(name: str) -> str:
    return "fixer mcp: plan" if name == "plan" else f"fixer {name.replace('-', ' ')} --json"


def command_schemas() -> dict[str, Schema]:
    """Return one schema per command, and that of the tool `plan`; each also allows the error object."""
    failure = _object_schema(Failure)
    return {
        name: {"$schema": DIALECT, "title": _title(name), "type": "object", "anyOf": [schema, failure]}
        for name, schema in {
            "diagnose": _object_schema(Report),
            "verify": _extend_schema(_object_schema(Report), {"proof": _list_schema(_object_schema(Proof))}),
            "repair": _repair_schema(),
            "undo": _object_schema(UndoResult),
            "history": _object_schema(HistoryReport),
            "ignore": _object_schema(IgnoreReport),
            "causes": _object_schema(CatalogueReport),
            "learn": _object_schema(LearnReport),
            "fleet-report": _object_schema(FleetReport),
            "explain": _object_schema(PageReport),
            "collect": _object_schema(CollectReport),
            "plan": _object_schema(PlanResult),
        }.items()
    }


def _repair_schema() -> Schema:
    report, result = _object_schema(Report), _object_schema(RepairResult)
    own = {key: value for key, value in result["properties"].items() if key != "exit_code"}
    return _extend_schema(report, own)


def _extend_schema(schema: Schema, more: Schema) -> Schema:
    properties = {**schema["properties"], **more}
    return {**schema, "properties": properties, "required": list(properties)}


def _object_schema(kind: type) -> Schema:
    hints = get_type_hints(kind)
    properties = {
        field.name: _schema_of(hints[field.name]) for field in fields(kind) if field.metadata.get("json", True)
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _schema_of(hint: Any) -> Schema:
    origin = get_origin(hint)
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return _list_schema(_schema_of(get_args(hint)[0]))
    if origin in (Union, UnionType):
        return {"anyOf": [_schema_of(part) for part in get_args(hint)]}
    if is_dataclass(hint) and isinstance(hint, type):
        return _object_schema(hint)
    return _PLAIN_SCHEMAS[hint]


def _list_schema(items: Schema) -> Schema:
    return {"type": "array", "items": items}
