"""What scenario.toml may abbreviate: named symptoms, macros of steps, and texts in files beside it.

`symptoms.toml` and `macros.toml` define the names. What follows after expansion knows none of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Table: TypeAlias = Mapping[str, Any]
STEP_LISTS = ("breaks", "by_hand", "again")
KINDS_OF_SYMPTOM = ("healthy", "refused", "silent", "statuses")
_ARGUMENT = re.compile(r"\(\(([a-z_]+)\)\)")
_CALL_KEYS = ("macro", "when", "stacks")
_FILE_NAME = re.compile(r"[\w-][\w.-]*")


@cache
def named_symptoms() -> Mapping[str, Table]:
    """Return the symptoms by name; `what` describes each."""
    return _read("symptoms.toml")


@cache
def macros() -> Mapping[str, Table]:
    """Return the macros by name: `what`, `keys`, `defaults`, and `steps` with their arguments open."""
    return _read("macros.toml")


def _read(name: str) -> Mapping[str, Table]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def expand(data: Table, folder: Path) -> dict[str, Any]:
    """Return a scenario file without abbreviations. It must be free of `problems_of_expansion`."""
    return {**data, "variants": {name: _expand_variant(table, folder) for name, table in data["variants"].items()}}


def _expand_variant(table: Table, folder: Path) -> Table:
    steps = {key: _expand_steps(table[key], folder) for key in STEP_LISTS if key in table}
    return {**table, **steps, "symptom": [_expand_symptom(one) for one in listed_symptoms(table)]}


def listed_symptoms(variant: Table) -> Sequence[Any]:
    """Return a variant's symptoms as a list: it may be one name or one table."""
    found = variant["symptom"]
    return found if isinstance(found, list) else [found]


def _expand_symptom(symptom: str | Table) -> Table:
    table = {"like": symptom} if isinstance(symptom, str) else dict(symptom)
    like = table.pop("like", None)
    if like is None:
        return table
    return {key: value for key, value in named_symptoms()[like].items() if key != "what"} | table


def _expand_steps(steps: Sequence[Table], folder: Path) -> list[Table]:
    expanded: list[Table] = []
    for step in steps:
        filled = {key: value if key == "set" else _read_files(value, folder) for key, value in step.items()}
        expanded += _steps_of_macro(filled) if "macro" in filled else [filled]
    return expanded


def _steps_of_macro(call: Table) -> Iterator[Table]:
    """Yield a macro's steps, on the stacks of the call."""
    macro = macros()[call["macro"]]
    values = {**macro.get("defaults", {}), **{key: value for key, value in call.items() if key not in _CALL_KEYS}}
    for step in macro["steps"]:
        stacks = [stack for stack in step.get("stacks", call.get("stacks", ())) if stack in call.get("stacks", [stack])]
        if "stacks" in step and not stacks:
            continue
        kept = {"when": call["when"]} if "when" in call else {}
        kept |= {"stacks": stacks} if stacks else {}
        yield {**{key: _fill_in(value, values) for key, value in step.items()}, **kept}


def _fill_in(value: Any, arguments: Table) -> Any:
    """Return a value of a macro with its arguments. An element that is only one argument may become several."""
    if isinstance(value, str):
        only = _ARGUMENT.fullmatch(value)
        return arguments[only[1]] if only else _ARGUMENT.sub(lambda found: str(arguments[found[1]]), value)
    if isinstance(value, list):
        made: list[Any] = []
        for one in value:
            filled = _fill_in(one, arguments)
            made += filled if isinstance(filled, list) else [filled]
        return made
    return value


def _read_files(value: Any, folder: Path) -> Any:
    """Return a value of a step, with the text of each `{ from = NAME }`."""
    if isinstance(value, dict):
        return (folder / value["from"]).read_text(encoding="utf-8") if value.keys() == {"from"} else value
    return [_read_files(one, folder) for one in value] if isinstance(value, list) else value


def problems_of_expansion(data: Table, folder: Path) -> Iterator[str]:
    """Yield what cannot be expanded, as `key: what is wrong`."""
    for name, variant in data["variants"].items():
        for number, symptom in enumerate(listed_symptoms(variant)):
            yield from _problems_of_symptom(symptom, f"variants.{name}.symptom[{number}]")
        for key in STEP_LISTS:
            for number, step in enumerate(variant.get(key, ())):
                at = f"variants.{name}.{key}[{number}]"
                yield from _problems_of_call(step, at) if "macro" in step else ()
                yield from _problems_of_files({key: step[key] for key in step if key != "set"}, folder, at)


def _problems_of_symptom(symptom: str | Table, at: str) -> Iterator[str]:
    kinds = [kind for kind in KINDS_OF_SYMPTOM if kind in _expand_symptom(symptom)]
    if len(kinds) != 1:
        yield f"{at}: needs one of {', '.join(KINDS_OF_SYMPTOM)}, and has {' and '.join(kinds) or 'none'}"


def _problems_of_call(call: Table, at: str) -> Iterator[str]:
    macro = macros()[call["macro"]]
    given, keys = [key for key in call if key not in _CALL_KEYS], macro["keys"]
    for key in [key for key in given if key not in keys]:
        yield f"{at}.{key}: the macro {call['macro']} takes {', '.join(keys)}"
    for key in [key for key in keys if key not in given and key not in macro.get("defaults", {})]:
        yield f"{at}: the macro {call['macro']} needs {key!r}"


def _problems_of_files(value: Any, folder: Path, at: str) -> Iterator[str]:
    """Yield files beside scenario.toml that do not exist, and names that lead elsewhere."""
    if isinstance(value, dict) and value.keys() == {"from"}:
        name = str(value["from"])
        path = folder / name
        if not _FILE_NAME.fullmatch(name) or not path.is_file() or path.is_symlink():  # a link may lead to any file
            yield f"{at}: no file {name!r} lies beside scenario.toml"
        return
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _problems_of_files(one, folder, f"{at}[{key}]" if isinstance(key, int) else f"{at}.{key}")
