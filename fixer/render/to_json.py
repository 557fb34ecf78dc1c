"""Reports as one JSON object, exactly the fields of the contract: null for unknown, [] for none."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import TypeAlias

from fixer.model.fleet import FleetReport
from fixer.model.report import (
    CatalogueReport,
    CollectReport,
    Failure,
    HistoryReport,
    IgnoreReport,
    LearnReport,
    PageReport,
    RepairResult,
    Report,
    UndoResult,
    VerifyResult,
)

Document: TypeAlias = (
    Report | VerifyResult | RepairResult | UndoResult | HistoryReport | IgnoreReport | CatalogueReport | Failure
    | LearnReport | FleetReport | PageReport | CollectReport
)
Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

NOT_PRINTED = frozenset({"exit_code", "after", "before", "report"})  # of the two results that contain reports


def render(document: Document) -> str:
    """Return one object and a newline. ASCII only: a target's text can harm no terminal and no pipe."""
    return json.dumps(to_value(document), indent=2) + "\n"


def to_value(document: Document) -> dict[str, Value]:
    """Return the object as plain values."""
    match document:
        case VerifyResult():
            return {**_object(document.report), "proof": _value(document.proof)}
        case RepairResult():
            # the last observation is the present state: its fields are the object's own
            mine = {key: value for key, value in _object(document).items() if key not in NOT_PRINTED}
            return {**_object(document.after), **mine,
                    "before": _object(document.before), "after": _object(document.after)}
        case _:
            return _object(document)


def _object(instance: object) -> dict[str, Value]:
    assert is_dataclass(instance)
    return {
        field.name: _value(getattr(instance, field.name))
        for field in fields(instance)
        if field.metadata.get("json", True)
    }


def _value(value: object) -> Value:
    if isinstance(value, str):
        # lone surrogates are invalid UTF-8 bytes; strict readers reject them in JSON
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not value.isascii() else value
    if isinstance(value, float) and not isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return _object(value)
