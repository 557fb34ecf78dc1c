"""A page of `explain`, fitted to the terminal: prose is filled again, a command and a name's column stay."""

from __future__ import annotations

from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.render.terminal_text import PLAIN, SHORTEST_COLUMN, Style, count_columns, wrap

_SOURCE_WIDTH = 120  # columns to which the pages are written: a shorter line ends a paragraph
_COMMENT = regex(r"(?<! ) +(?=# )")
_ROW = regex(r"( +\S+ {2,})([^ #].*)")  # a name and its text, in two columns
_MARK = "> "  # in place of the indent of a line
_IS_COMMAND = regex(r" .*\S {2,}# ")


def page_text(page: str, style: Style = PLAIN) -> str:
    """Return the page with no line wider than the output, but for a command or a word that is longer."""
    lines = page.split("\n")
    if max(map(count_columns, lines)) <= style.width:
        return page
    fitted: list[str] = []
    in_commands = False
    commands_title = style.say("console/page-by-hand", "By hand")
    for paragraph in _paragraphs(lines, commands_title):
        line = _without_mark(paragraph)
        if line[:1] not in ("", " "):
            in_commands = line == commands_title
        if in_commands or _IS_COMMAND.match(line):
            new = _command_lines(line, style)
        else:
            new = _row_lines(line, style) or _prose_lines(line, style)
        fitted += new if line == paragraph else [f"{_MARK}{new[0][len(_MARK):]}", *new[1:]]
    return "\n".join(fitted)


def _without_mark(line: str) -> str:
    return f"{' ' * len(_MARK)}{line[len(_MARK):]}" if line.startswith(_MARK) else line


def _paragraphs(lines: list[str], commands_title: str) -> list[str]:
    """Return the lines with those joined that the source wrapped for its own width."""
    joined: list[str] = []
    in_commands = False
    last = ""  # the last source line of the paragraph
    for source in lines:
        line = _without_mark(source)
        first = line.split(" ")[_indent(line)] if line.strip() else ""
        is_filled = count_columns(last) + 1 + count_columns(first) > _SOURCE_WIDTH
        is_row = _ROW.match(line) or _ROW.match(last)
        starts = in_commands or is_row or line != source
        if joined and first and is_filled and not starts and _indent(line) == _indent(last):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(source)
        in_commands = line == commands_title or (in_commands and line[:1] == " ")
        last = line
    return joined


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _command_lines(line: str, style: Style) -> list[str]:
    """Return a command; if it is too long together with its comment, the comment comes first."""
    command, *comment = _COMMENT.split(line, maxsplit=1)
    if count_columns(line) <= style.width or not comment or not command.strip():
        return [line]
    return [f"{' ' * _indent(line)}{comment[0]}", command]


def _row_lines(line: str, style: Style) -> list[str]:
    """Return a row with its text in the second column; below the name if the column is narrow. Empty if it is none."""
    row = _ROW.match(line)
    if row is None:
        return []
    column = count_columns(row[1])
    if style.width - column >= SHORTEST_COLUMN:
        first, *rest = wrap(row[2], style.width - column)
        return [f"{row[1]}{first}", *(f"{' ' * column}{part}" for part in rest)]
    indent = _indent(line) + 2
    return [row[1].rstrip(), *(f"{' ' * indent}{part}" for part in wrap(row[2], style.width - indent))]


def _prose_lines(line: str, style: Style) -> list[str]:
    indent = _indent(line)
    style = replace(style, width=style.width - indent)
    return [f"{' ' * indent}{part}".rstrip() for part in wrap(line, style.text_width)]
