"""A number for a value that no name of a class, a field or a module goes into: it survives every move and renaming."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
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
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
    return digest.hexdigest()[:LENGTH]


def _parts(value: object) -> Iterator[bytes]:
    match value:
        case None | bool() | int() | float():
            yield f"{value!r};".encode()
        case str():
            yield from _sized(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            yield from _sized(b"b", value)
        case tuple() | list():
            yield from _listed(b"(", [b"".join(_parts(item)) for item in value])
        case frozenset() | set():
            yield from _listed(b"{", sorted(b"".join(_parts(item)) for item in value))
        case Mapping():
            pairs = (b"".join(_parts(key)) + b"=" + b"".join(_parts(held)) for key, held in value.items())
            yield from _listed(b"[", sorted(pairs))
        case _:
            yield from _fields(value)


def _sized(tag: bytes, data: bytes) -> Iterator[bytes]:
    yield tag + str(len(data)).encode() + b":"
    yield data


def _listed(tag: bytes, items: list[bytes]) -> Iterator[bytes]:
    yield tag + str(len(items)).encode() + b":"
    yield from items


def _fields(value: Any) -> Iterator[bytes]:
    """A record: which kind of fact it is, where it is one, and its values."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} is no plain value")
    known = _defaults(type(value))
    held = [getattr(value, name) for name, _ in known]
    while held and known[len(held) - 1][1] == held[-1]:
        held.pop()
    tag = b"K" if isinstance(value, Known) else b"U" if isinstance(value, Unknown) else b"D"
    yield from _listed(tag, [b"".join(_parts(item)) for item in held])


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
