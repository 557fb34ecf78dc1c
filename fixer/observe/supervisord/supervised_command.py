"""The command of a program of supervisord, with its variables, and the values of its section that repairs edit."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.ini_file import IniSection, IniValue
from fixer.formats.shell_words import Piece, Word, shell_words
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import EnvSlot, UnitValue
from fixer.observe.commands.resolved_command import CommandTrace, ServiceCommand, trace_command
from fixer.observe.commands.written_values import sourced_file_slot
from fixer.observe.supervisord.supervisord_config import supervisord_section
from fixer.observe.view.node_view import View

_ENV_PAIR = regex(r"(?<!\w)[^\W_A-Za-z]*+([A-Za-z_]\w*+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^,\s]*)")


def program_command(section: IniSection, main: Mapping[str, IniSection], view: View) -> ServiceCommand:
    """Return the command with its variables, traced through wrappers as for a unit."""
    value = section.get("command")
    assert value is not None
    directory = section.text("directory", "/") or "/"
    env = _parse_environment(supervisord_section(main).get("environment")) | _parse_environment(section.get(
        "environment"))
    words = [_expand_word(word, section) for word in shell_words(value.value, value.file, value.line, value.start)]
    said = Evidence("file", f"{value.file}:{value.line}", f"command={' '.join(value.value.split())}")
    follow = CommandTrace(view.contents(), directory)
    entry = words[0] if words else None
    words, env, style, said = trace_command(words, env, said, follow)
    return ServiceCommand(tuple(words), env, said, style, follow.directory, tuple(dict.fromkeys(follow.source_files)),
                tuple(dict.fromkeys(follow.env_files)), (section.file,), follow.script, entry=entry,
                required_files=tuple(follow.required_files), runs_as=follow.runs_as)


def _expand_word(word: Word, section: IniSection) -> Word:
    """Return the word with known `%(…)s` expanded; an expanded piece has no byte position."""
    pieces = []
    for piece in word.pieces:
        if "%" not in piece.text:
            pieces.append(piece)
            continue
        text = piece.text.replace("%(program_name)s", section.name.partition(":")[2]).replace("%%", "%")
        pieces.append(Piece(text.replace("%(here)s", posixpath.dirname(section.file)), piece.file, piece.line))
    return Word(tuple(pieces))


def _parse_environment(value: IniValue | None) -> dict[str, Word]:
    if value is None:
        return {}
    found: dict[str, Word] = {}
    for match in _ENV_PAIR.finditer(value.value):
        text, at = match[2], match.start(2)
        if text[:1] in ("'", '"') and len(text) > 1:
            text, at = text[1:-1], at + 1
        line = value.line + value.value.count("\n", 0, at)
        found[match[1]] = Word((Piece(text, value.file, line, value.start + at),))
    return found


def section_values(section: IniSection) -> Iterator[UnitValue]:
    """Yield the values of its section that a repair may edit, if they have a byte position."""
    for value in section.values:
        if value.key in ("command", "directory", "user") and "\n" not in value.value:
            yield UnitValue(value.key, value.value, value.file, value.line, value.start, value.start + len(value.value))


def environment_slots(section: IniSection, told: ServiceCommand, view: View) -> Iterator[EnvSlot]:
    """Yield the files that a wrapper reads, then the program's `environment=`, which is added if missing."""
    for path in told.env_files:
        data = view.data(path)
        if data is not None:
            yield sourced_file_slot(view.name, path, data, told.env)
    value = section.get("environment")
    if value is not None and value.value.strip():
        end = value.start + len(value.value.rstrip().rstrip(","))
        yield EnvSlot(view.name, section.file, end, ",{name}={value}", "supervisor")
    else:
        yield EnvSlot(view.name, section.file, section.end, "\nenvironment={name}={value}", "supervisor")
