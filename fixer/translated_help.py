"""The help of a command in another language than English: of both programs, from a catalogue of theirs.

The parser's own formatter counts characters and wraps at spaces only. This one counts columns, so that Chinese fits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from fixer.languages.catalogue import Catalogue
from fixer.languages.choose_language import language_of
from fixer.lazy.dataclass import replace
from fixer.render.terminal_text import SHORTEST_COLUMN, Style, count_columns, pad, wrap
from fixer.terminal import style_of

HEADINGS = ("Usage:", "Arguments:", "Options:", "Commands:", "Examples:")
EXTRAS = ("[required]", "[default: ")
_WIDEST_NAME = 30


def translated_help(package: str, context: Any) -> str:
    """Return the help of the context's command, for stdout; empty if that is to be English."""
    language = language_of(sys.stdout)
    if not language:
        return ""
    style = replace(style_of(sys.stdout), catalogue=Catalogue(package, language))
    return "\n".join(_help_lines(context, style))


def help_texts(name: str, command: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each text of a command's help with its keys, the most special first: one entry may serve many commands."""
    yield (f"help/{name}",), command.help or ""
    for param in command.params:
        yield _param_keys(name, param), getattr(param, "help", None) or ""
    for row in _example_rows(command):
        if len(row) > 1:
            yield (f"help/$ {row[0]}",), row[1]


def _param_keys(name: str, param: Any) -> tuple[str, str]:
    option = next((word for word in param.opts if word.startswith("--")), f"<{param.name}>")
    return f"help/{name} {option}", f"help/{option}"


def _help_lines(context: Any, style: Style) -> list[str]:
    command, name = context.command, context.command_path.partition(" ")[2] or context.command_path
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    heading = _heading("Usage:", style)
    lines = [f"{heading}{' ' if heading.isascii() else ''}{usage}", ""]  # a wide colon needs no space
    lines += _indented(style.say(f"help/{name}", command.help or ""), style, 2)
    rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
    for param in command.get_params(context):
        if (row := _param_row(name, param, context, style)) is not None:
            rows["Arguments:" if param.param_type_name == "argument" else "Options:"].append(row)
    inside = f"{name} " if " " in context.command_path else ""  # `class up` is another command than `up`
    for subname, sub in getattr(command, "commands", {}).items():
        if not sub.hidden:
            rows["Commands:"].append((subname, style.say(f"help/{inside}{subname}", sub.help or "")))
    for heading, found in rows.items():
        if found:
            lines += ["", _heading(heading, style), *_row_lines(found, style)]
    shown = [(row[0], style.say(f"help/$ {row[0]}", row[1]) if len(row) > 1 else "") for row in _example_rows(command)]
    return [*lines, "", _heading("Examples:", style), *_example_lines(shown)] if shown else lines


def _heading(heading: str, style: Style) -> str:
    return style.say(f"help/{heading}", heading)


def _param_row(name: str, param: Any, context: Any, style: Style) -> tuple[str, str] | None:
    """Return an option or argument with its translated help; None for a hidden one."""
    english = getattr(param, "help", None) or ""
    keys = _param_keys(name, param)
    param.help = next((text for key in keys if (text := style.title(key, english))), english) or param.help
    record: tuple[str, str] | None = param.get_help_record(context)
    if record is None:
        return None
    text = record[1]
    for extra in EXTRAS:
        text = text.replace(extra, style.say(f"help/{extra}", extra))
    return record[0], text


def _example_rows(command: Any) -> list[list[str]]:
    """Return the examples below a help: the command, and what it is for if that is said."""
    lines = (command.epilog or "").splitlines()[2:]  # the parser's mark, and the heading
    return [line.split("   ", 1) if "   " in line.strip() else [line] for line in map(str.strip, lines)]


def _example_lines(rows: list[tuple[str, str]]) -> list[str]:
    width = max(count_columns(row[0]) for row in rows)
    return [f"  {pad(command, width)}   {text.strip()}".rstrip() for command, text in rows]


def _row_lines(rows: list[tuple[str, str]], style: Style) -> list[str]:
    """Return names and texts in two columns; a text stands below its name if the name or the terminal needs that."""
    column = min(max(count_columns(name) for name, _ in rows), _WIDEST_NAME) + 4
    narrow = style.text_width - column < SHORTEST_COLUMN
    lines: list[str] = []
    for name, text in rows:
        if not text:
            lines.append(f"  {name}")
        elif narrow or count_columns(name) > column - 4:
            lines += [f"  {name}", *_indented(text, style, 6 if narrow else column)]
        else:
            first, *rest = _indented(text, style, column)
            lines += [pad(f"  {name}", column) + first[column:], *rest]
    return lines


def _indented(text: str, style: Style, indent: int) -> list[str]:
    return [f"{' ' * indent}{line}" for line in wrap(text, style.text_width - indent)]
