"""Programs of supervisord that are several processes, told apart by `%(process_num)d` in their command."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.formats.ini_file import IniSection
from fixer.formats.numbers import is_number
from fixer.formats.server_bindings import parse_address
from fixer.formats.shell_words import Piece, Word
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding
from fixer.observe.commands.resolved_command import Told
from fixer.observe.commands.toldbindings import told_bindings
from fixer.observe.view.node_view import View

_NUMBER = regex(r"%\(process_num\)(?:(0?\d?)d|s)")
_MOST = 64
SHARING = "fcgi-program:"      # supervisord itself listens for its processes, and hands them the socket


def is_numbered(section: IniSection) -> bool:
    """Its processes are told apart by their numbers in the command."""
    return not section.name.startswith(SHARING) and _NUMBER.search(section.text("command")) is not None


def numbered_bindings(section: IniSection, told: Told, view: View, numbers: Sequence[int]) -> tuple[Binding, ...]:
    """Where its processes listen, each for itself where the number of the process stands in the command; on a socket
    that supervisord opens for them, all in the same place."""
    shared = section.get("socket") if section.name.startswith(SHARING) else None
    if shared is not None:
        word = Word((Piece(shared.value.strip(), shared.file, shared.line, shared.start),))
        said = Evidence("file", f"{shared.file}:{shared.line}", f"socket={shared.value.strip()}")
        binding = parse_address(word, said)
        return (binding,) if binding is not None else ()
    if not any(_NUMBER.search(word.text) for word in told.command):
        return told_bindings(told, view)
    found: list[Binding] = []
    for number in numbers:
        words = tuple(
            Word(tuple(
                Piece(_NUMBER.sub(lambda m, n=number: f"{n:{m[1] or ''}d}", piece.text), piece.file, piece.line)  # type: ignore[misc]
                if _NUMBER.search(piece.text) else piece for piece in word.pieces
            )) for word in told.command
        )
        found += told_bindings(replace(told, command=words), view)
    return tuple(dict.fromkeys(found))


def process_numbers(section: IniSection) -> range:
    """The numbers that supervisord counts a program's processes with."""
    count, start = section.text("numprocs", "1"), section.text("numprocs_start", "0")
    first = int(start) if is_number(start) else 0
    return range(first, first + min(int(count) if is_number(count) else 1, _MOST))
