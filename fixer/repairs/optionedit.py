"""One option of a service's command, changed where it is written."""

from __future__ import annotations

import re

from fixer.lazy.dataclass import dataclass
from fixer.model.snapshot import ArgPlace, Service, Snapshot
from fixer.repairs.command_options import replace_span
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.write_variables import Written


@dataclass(frozen=True, slots=True)
class Option:
    """The word that holds an option's value, and what of the word stands before the value."""

    word: ArgPlace
    head: str
    value: str
    name: str = ""


def find_option(service: Service, name: str) -> Option | None:
    """`--name 3` or `--name=3` in the command that starts a service; a number only."""
    for index, word in enumerate(service.command):
        if word.text == name and index + 1 < len(service.command):
            after = service.command[index + 1]
            return Option(after, "", after.text, name) if after.text.isdigit() else None
        match = re.match(rf"{re.escape(name)}=(\d+)$", word.text)
        if match is not None:
            return Option(word, f"{name}=", match[1], name)
    return None


def numbered_option(command: tuple[ArgPlace, ...], pattern: re.Pattern[str]) -> Option | None:
    """The first word that the pattern knows (`head`, and `value` where the number stands in the same word)."""
    for index, word in enumerate(command):
        match = pattern.match(word.text)
        if match is not None and match["value"]:
            return Option(word, match["head"], match["value"], match["head"])
        if match is not None and index + 1 < len(command):
            return Option(command[index + 1], "", command[index + 1].text, word.text)
    return None


def edit_option(snapshot: Snapshot, service: Service, option: Option, value: str, what: str) -> Written | NoPlace:
    """Another value for the option, in the one place that names it."""
    word = option.word
    node = service.files_node or service.node
    file = None if word.file is None else snapshot.file(node, word.file)
    span = None if file is None else _span(file.data, option)
    if file is None or span is None:
        return NoPlace(f"{what} stands in its command, and that is written nowhere that could be edited")
    return replace_span(service, word, file, span, option.head + value, summary=f"{what}: {value}")


def _span(data: bytes, option: Option) -> tuple[int, int] | None:
    """Where the word stands; inside a command within a command, where its line names the option once and as it is."""
    word = option.word
    if word.start is not None and word.end is not None:
        return word.start, word.end
    lines = data.split(b"\n")
    if not option.name or not 0 < word.line <= len(lines):
        return None
    gap = b"" if option.head else re.escape(option.name.encode()) + rb"[ \t]+"
    found = list(re.finditer(gap + b"(" + re.escape(word.text.encode()) + rb")(?![\w.])", lines[word.line - 1]))
    if len(found) != 1:
        return None
    before = sum(len(line) + 1 for line in lines[: word.line - 1])
    return before + found[0].start(1), before + found[0].end(1)
