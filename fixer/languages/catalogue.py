"""A catalogue: what people read, in another language than English. English is where it is printed, in the code.

A folder for each language holds TOML files. An entry is `"name" = { of = "…", text = "…" }`: `of` is the digest of the
English that was translated. An entry whose English has changed since is stale: it counts as missing, and English
is shown. A file is read when its first text is asked for."""

from __future__ import annotations

import pkgutil
import tomllib
from collections.abc import Mapping
from functools import cache
from hashlib import blake2s

from fixer.lazy.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A translated text, and the digest of the English that it was made from."""

    of: str
    text: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of one package in one language. A key is FILE/NAME, such as `console/repaired`."""

    package: str
    language: str

    def text(self, key: str, english: str) -> str:
        """Return the translation of this English text, or the text itself."""
        entry = self.entry(key)
        return entry.text if entry is not None and entry.of == digest(english) else english

    def has(self, key: str, english: str) -> bool:
        """Return whether there is a translation that is not stale."""
        entry = self.entry(key)
        return entry is not None and entry.of == digest(english)

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a key, stale or not; None if it is missing."""
        file, name = split_key(key)
        return entries(self.package, self.language, file).get(name)


def split_key(key: str) -> tuple[str, str]:
    """Return the file and the name of a key: the last slash before the first space divides them."""
    head, space, tail = key.partition(" ")
    file, _, name = head.rpartition("/")
    return file, f"{name}{space}{tail}"


def digest(english: str) -> str:
    """Return eight hexadecimal digits that change with the text. Where its lines break makes no difference."""
    return blake2s(" ".join(english.split()).encode(), digest_size=4).hexdigest()


@cache
def entries(package: str, language: str, file: str) -> Mapping[str, Entry]:
    """Return the entries of a catalogue's file, by name; none if there is no such file."""
    try:
        data = pkgutil.get_data(package, f"{language}/{file}.toml")
    except OSError:
        return {}
    return parse_entries((data or b"").decode())


def parse_entries(text: str) -> dict[str, Entry]:
    """Return the entries of a file's text; raise ValueError for what is none."""
    parsed: dict[str, Entry] = {}
    for name, value in tomllib.loads(text).items():
        if not isinstance(value, dict) or not isinstance(value.get("text"), str):
            raise ValueError(f"{name}: an entry is {{ of = \"…\", text = \"…\" }}")
        parsed[name] = Entry(str(value.get("of", "")), value["text"])
    return parsed
