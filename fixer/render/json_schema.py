"""The JSON Schema of every `--json` output, made from the report types: they cannot drift apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from fixer.model.report import (
    AcceptedReport,
    CatalogueReport,
    Failure,
    HistoryReport,
    LearnReport,
    Proof,
    RepairResult,
    Report,
    UndoResult,
)

Schema: TypeAlias = "dict[str, Any]"     # JSON Schema is open by nature: its keywords are its own types

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"},
    bool: {"type": "boolean"}, NoneType: {"type": "null"},
}


def schemas() -> dict[str, Schema]:
    """One schema a command; each also allows the object that is printed on error."""
    failure = _object(Failure)
    return {
        name: {"$schema": DIALECT, "title": f"fixer {name} --json", "anyOf": [schema, failure]}
        for name, schema in {
            "diagnose": _object(Report),
            "verify": _extended(_object(Report), {"proof": _list(_object(Proof))}),
            "repair": _repair(),
            "undo": _object(UndoResult),
            "history": _object(HistoryReport),
            "ignore": _object(AcceptedReport),
            "causes": _object(CatalogueReport),
            "learn": _object(LearnReport),
        }.items()
    }


def _repair() -> Schema:
    report, result = _object(Report), _object(RepairResult)
    own = {key: value for key, value in result["properties"].items() if key != "exit_code"}
    return _extended(report, own)


def _extended(schema: Schema, more: Schema) -> Schema:
    properties = {**schema["properties"], **more}
    return {**schema, "properties": properties, "required": list(properties)}


def _object(kind: type) -> Schema:
    hints = get_type_hints(kind)
    properties = {
        field.name: _of(hints[field.name]) for field in fields(kind) if field.metadata.get("json", True)
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _of(hint: Any) -> Schema:
    origin = get_origin(hint)
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return _list(_of(get_args(hint)[0]))
    if origin in (Union, UnionType):
        return {"anyOf": [_of(part) for part in get_args(hint)]}
    if is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    return _PLAIN[hint]


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}
