"""What scenario.toml may abbreviate: named symptoms.

`symptoms.toml` defines the names. What follows after expansion knows none of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Table: TypeAlias = Mapping[str, Any]
KINDS_OF_SYMPTOM = ("healthy", "refused", "silent", "statuses")


@cache
def named_symptoms() -> Mapping[str, Table]:
    """Return the symptoms by name; `what` describes each."""
    return tomllib.loads(Path(__file__).with_name("symptoms.toml").read_text(encoding="utf-8"))


def expand(data: Table) -> dict[str, Any]:
    """Return a scenario file without abbreviations. It must be free of `problems_of_expansion`."""
    return {**data, "variants": {name: _expand_variant(table) for name, table in data["variants"].items()}}


def _expand_variant(table: Table) -> Table:
    return {**table, "symptom": [_expand_symptom(one) for one in listed_symptoms(table)]}


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


def problems_of_expansion(data: Table) -> Iterator[str]:
    """Yield what cannot be expanded, as `key: what is wrong`."""
    for name, variant in data["variants"].items():
        for number, symptom in enumerate(listed_symptoms(variant)):
            yield from _problems_of_symptom(symptom, f"variants.{name}.symptom[{number}]")


def _problems_of_symptom(symptom: str | Table, at: str) -> Iterator[str]:
    kinds = [kind for kind in KINDS_OF_SYMPTOM if kind in _expand_symptom(symptom)]
    if len(kinds) != 1:
        yield f"{at}: needs one of {', '.join(KINDS_OF_SYMPTOM)}, and has {' and '.join(kinds) or 'none'}"
