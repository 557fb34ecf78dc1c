"""The template language of scenarios and stacks: {{key}}, and lines {{#key}} {{#key=value}} {{^key}} {{/key}}."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lab.errors import ScenarioError

Value = str | int | float | bool
Parameters = Mapping[str, Value]

_NAME = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")
_LINE = re.compile(r"^\s*\{\{([#^/])([a-z][a-z0-9_]*)(?:=([^}]*))?\}\}\s*$")


def fill(text: str, parameters: Parameters, where: str) -> str:
    """Return the text with sections resolved and names filled in; `where` names file and key in messages."""
    if "{{" not in text:
        return text
    kept: list[str] = []
    open_sections: list[tuple[str, bool]] = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        mark = _LINE.match(line)
        if mark is None:
            if all(shown for _, shown in open_sections):
                kept.append(line)
            continue
        sign, name, wanted = mark.groups()
        if sign == "/":
            if not open_sections or open_sections.pop()[0] != name:
                raise ScenarioError(f"{where}:{number}: {{{{/{name}}}}} closes no open section")
            continue
        open_sections.append((name,
                              _matches_value(_value(name, parameters, f"{where}:{number}"), wanted) == (sign == "#")))
    if open_sections:
        raise ScenarioError(f"{where}: {{{{#{open_sections[-1][0]}}}}} is never closed")
    return _NAME.sub(lambda found: _value_text(_value(found[1], parameters, where)), "".join(kept))


def fill_deep(data: object, parameters: Parameters, where: str) -> object:
    """Fill lists and tables recursively; a string that is only one name takes that value's type."""
    if isinstance(data, str):
        only = _NAME.fullmatch(data)
        return _value(only[1], parameters, where) if only else fill(data, parameters, where)
    if isinstance(data, list):
        return [fill_deep(item, parameters, f"{where}[{index}]") for index, item in enumerate(data)]
    if isinstance(data, dict):
        return {
            fill(str(key), parameters, where): fill_deep(item, parameters, f"{where}.{key}")
            for key, item in data.items()
        }
    return data


def _value(name: str, parameters: Parameters, where: str) -> Value:
    if name not in parameters:
        raise ScenarioError(f"{where}: no parameter is called {name!r}")
    return parameters[name]


def _matches_value(value: Value, wanted: str | None) -> bool:
    return bool(value) if wanted is None else _value_text(value) in wanted.split("|")


def _value_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
