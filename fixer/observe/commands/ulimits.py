"""A limit on memory that a start script sets for its server with `ulimit`: read as text, with its place."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import ArgPlace, UnitSetting
from fixer.observe.commands.resolved_command import Told
from fixer.observe.view.node_view import View

# -v is the address space, -d the data of a process, both in KiB; without -H or -S both limits are set.
_ULIMIT = regex(rb"^[^#\n]*?\bulimit[ \t]+(?:-[SH][ \t]+)*-[SH]*(?P<what>[vd])[ \t]+(?P<value>[1-9][0-9]*)\b")


def ulimits_of(told: Told, view: View) -> tuple[UnitSetting, ...]:
    """`ulimit -v` and `ulimit -d` of the script that ends in its server, the last of each."""
    data = view.data(told.script) if told.script else None
    return tuple({one.key: one for one in _lines(told.script, data)}.values()) if data is not None else ()


def _lines(path: str, data: bytes) -> Iterator[UnitSetting]:
    at = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        match = _ULIMIT.match(line)
        if match is not None:
            value, key = match["value"].decode(), f"ulimit -{match['what'].decode()}"
            place = ArgPlace(value, path, number, at + match.start("value"), at + match.end("value"))
            said = Evidence("file", f"{path}:{number}", line.decode("utf-8", "replace").strip())
            yield UnitSetting(key, value, said, None, place)
        at += len(line) + 1
