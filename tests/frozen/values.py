"""A number for a value that no name of a class, a field or a module goes into: it survives every move and renaming."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from fixer.model.facts import Known, Unknown

LENGTH = 20
_NO_DEFAULT = object()


def number_of(value: object) -> str:
    """The first digits of the SHA-256 of the values, in the order of the fields.

    Fields at the end that hold their default are left out, so a new field with a default changes no number.
    Nor does one that the parser derives from the others.
    """
    parts: list[bytes] = []
    _write(value, parts)
    return hashlib.sha256(b"".join(parts)).hexdigest()[:LENGTH]


def _write(value: object, parts: list[bytes]) -> None:
    """Append the value. Each test's diagnosis comes through here, so nothing is joined that need not be sorted."""
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        parts += (b"s%d:" % len(data), data)
    elif value is None or isinstance(value, bool | int | float):
        parts.append(f"{value!r};".encode())
    elif isinstance(value, tuple | list):
        parts.append(b"(%d:" % len(value))
        for item in value:
            _write(item, parts)
    elif isinstance(value, bytes):
        parts += (b"b%d:" % len(value), value)
    elif isinstance(value, frozenset | set):
        parts.append(b"{%d:" % len(value))
        parts += sorted(map(_joined, value))
    elif isinstance(value, Mapping):
        parts.append(b"[%d:" % len(value))
        parts += sorted(_joined(key) + b"=" + _joined(held) for key, held in value.items())
    else:
        _write_fields(value, parts)


def _joined(value: object) -> bytes:
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write_fields(value: Any, parts: list[bytes]) -> None:
    """A record: which kind of fact it is, where it is one, and its values."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} is no plain value")
    known = _defaults(type(value))
    held = [getattr(value, name) for name, _ in known]
    while held and known[len(held) - 1][1] == held[-1]:
        held.pop()
    tag = b"K" if isinstance(value, Known) else b"U" if isinstance(value, Unknown) else b"D"
    parts.append(tag + b"%d:" % len(held))
    for item in held:
        _write(item, parts)


@cache
def _defaults(cls: Any) -> tuple[tuple[str, object], ...]:
    """The fields in their order, each with its default; what follows from the others is left out."""
    found: list[tuple[str, object]] = []
    for field in dataclasses.fields(cls):
        if field.metadata.get("derived"):
            continue
        default: object = field.default
        if default is dataclasses.MISSING:
            default = field.default_factory() if field.default_factory is not dataclasses.MISSING else _NO_DEFAULT
        found.append((field.name, default))
    return tuple(found)
