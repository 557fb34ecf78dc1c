"""Frozen answers on disk (lines of JSON, sorted by key, compressed), and how present ones differ from them."""

from __future__ import annotations

import difflib
import json
import lzma
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

Answers = Mapping[str, str]     # by key, each as one line of JSON

SHOWN, LINES = 10, 40           # records whose difference is shown, and lines of each
_CUT = 160                      # characters of a line
_LISTED = 60                    # keys that a list of differences names


def read(path: Path) -> dict[str, str]:
    """The answers of a file; none where it is not there."""
    if not path.exists():
        return {}
    lines = lzma.decompress(path.read_bytes()).decode("ascii").splitlines()
    return {key: answer for key, _, answer in (line.partition("\t") for line in lines)}


def write(path: Path, answers: Answers) -> None:
    """The file of these answers; the same answers make the same bytes."""
    text = "".join(f"{key}\t{answer}\n" for key, answer in sorted(answers.items()))
    path.write_bytes(lzma.compress(text.encode("ascii"), preset=9 | lzma.PRESET_EXTREME))


def only(answers: Answers, glob: str) -> dict[str, str]:
    """Those whose key fits."""
    return {key: answer for key, answer in answers.items() if fnmatchcase(key, glob)}


@dataclass(frozen=True)
class Comparison:
    """Keys that differ, that are new, that are missing; `rekeyed` new ones answer what a missing one did."""

    compared: int
    differ: tuple[str, ...]
    new: tuple[str, ...]
    missing: tuple[str, ...]
    rekeyed: int

    @property
    def is_same(self) -> bool:
        return not (self.differ or self.new or self.missing)

    def summary(self) -> str:
        """One line."""
        said = (f"{self.compared} compared, {len(self.differ)} differ, {len(self.new)} new, "
                f"{len(self.missing)} missing")
        return f"{said} ({self.rekeyed} answers stand under another key)" if self.rekeyed else said

    def listed(self) -> Iterator[str]:
        """The differences as a commit message names them."""
        lines = [f"{word} {key}" for word, keys in (("differs", self.differ), ("new", self.new), ("missing", self.missing))
                 for key in keys]
        yield from lines[:_LISTED]
        if len(lines) > _LISTED:
            yield f"and {len(lines) - _LISTED} more"


def compare(frozen: Answers, present: Answers) -> Comparison:
    """How the present answers differ from the frozen ones."""
    both = sorted(frozen.keys() & present.keys())
    new, missing = sorted(present.keys() - frozen.keys()), sorted(frozen.keys() - present.keys())
    again = Counter(present[key] for key in new) & Counter(frozen[key] for key in missing)
    differ = tuple(key for key in both if frozen[key] != present[key])
    return Comparison(len(both), differ, tuple(new), tuple(missing), again.total())


def shown(found: Comparison, frozen: Answers, present: Answers, names: Mapping[str, str], *, full: bool) -> Iterator[str]:
    """What differs, for a person: each key (with the test that asked), and a diff. All of it with `full`."""
    for key in found.differ if full else found.differ[:SHOWN]:
        yield f"{key}{_named(names, key)}"
        lines = list(difflib.unified_diff(_pretty(frozen[key]), _pretty(present[key]), "frozen", "now", lineterm="", n=2))
        yield from (f"  {line}" if full or len(line) <= _CUT else f"  {line[:_CUT]}…"
                    for line in (lines if full else lines[:LINES]))
        if not full and len(lines) > LINES:
            yield f"  … {len(lines) - LINES} lines more (--full)"
    for word, keys in (("new", found.new), ("missing", found.missing)):
        yield from (f"{word}: {key}{_named(names, key)}" for key in (keys if full else keys[:SHOWN]))
    rest = 0 if full else sum(max(0, len(keys) - SHOWN) for keys in (found.differ, found.new, found.missing))
    if rest:
        yield f"… {rest} more (--full)"


def _named(names: Mapping[str, str], key: str) -> str:
    return f"  ({names[key]})" if key in names else ""


def _pretty(answer: str) -> list[str]:
    return json.dumps(json.loads(answer), indent=1, sort_keys=True).splitlines()
