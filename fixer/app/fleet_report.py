"""fleet report: read the JSON reports of many hosts from files, one host after the other, and group them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from fixer.app.fleet_groups import group_hosts, read_host
from fixer.errors import UsageError
from fixer.model.fleet import FleetReport, HostReport

LONGEST_REPORT = 1 << 26  # bytes; a report of 10,000 routes has 6 MB
_LINES_HINT = "a line is the object that `fixer diagnose --json` prints"


def fleet_report(names: Sequence[str]) -> FleetReport:
    """Return the grouped reports of the files; `-` is stdin. A line that is no report counts as a host that could not
    be looked at. Raise UsageError if a file cannot be read, or if there is no report at all."""
    if names.count("-") > 1:
        raise UsageError("- stands twice: stdin can be read only once", "fixer fleet report - < fleet.jsonl")
    made = group_hosts(report for name in names for report in _reports(name))
    if not made.hosts:
        raise UsageError(f"no report in {', '.join(names)}", _LINES_HINT)
    return made


def _reports(name: str) -> Iterator[HostReport]:
    if name == "-":
        yield from _hosts(sys.stdin.buffer, "stdin", "stdin")
        return
    try:
        with open(name, "rb") as stream:  # noqa: PTH123  a path of any bytes
            yield from _hosts(stream, os.path.basename(name).rpartition(".")[0] or name, name)  # noqa: PTH119
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}",
                         "name files of JSON lines, or - for stdin") from None


def _hosts(stream: BinaryIO, stem: str, name: str) -> Iterator[HostReport]:
    """Yield one report for each object. A host without a name gets the file's, and the line's if there are several."""
    for count, (line, text) in enumerate(_objects(stream)):
        unnamed = stem if not count else f"{stem}:{line}"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield HostReport(f"{name}:{line}", "unknown", why="this line is no JSON")
            continue
        yield read_host(value, unnamed)


def _objects(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the texts of the objects with their first line: one on each line, or over several lines from a line with a
    single { to one with a single }, as `--json` prints it."""
    parts: list[bytes] = []
    start = size = 0
    for number, line in enumerate(_lines(stream), 1):
        bare = line.rstrip()
        if not parts and bare != b"{":
            if bare:
                yield number, bare
            continue
        start, size = (start, size + len(line)) if parts else (number, len(line))
        parts.append(line)
        if bare == b"}" or size > LONGEST_REPORT:
            yield start, b"".join(parts)
            parts = []
    if parts:
        yield start, b"".join(parts)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; one that is longer than any report comes in pieces, of which none is JSON."""
    while line := stream.readline(LONGEST_REPORT):
        yield line
