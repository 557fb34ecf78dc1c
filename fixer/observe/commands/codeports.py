"""The ports that a Python program's own code listens on: where no command line, variable or setting says so.

It serves to find what rests behind an empty address, never to edit: the bindings hold no place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.formats.numbers import is_number
from fixer.formats.shell_words import Env
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding, Unit
from fixer.observe.commands.python_programs import program_paths
from fixer.observe.commands.resolved_command import Told
from fixer.observe.view.node_view import View

MOST_CALLS = 20
_LENGTH = 600           # of a call's arguments
_DEPTH = 4              # of names that stand for names

_NO_CODE = regex(r"(?s)\"\"\".*?\"\"\"|'''.*?'''|(?m:(?:^|(?<=\s))#[^\n]*)")
# What binds by (host, port) or host, port; what else takes a port is told by its keyword alone.
_BINDS = regex(
    r"\b(?P<name>\w*HTTPServer|\w*TCPServer|\w*WSGIServer|StreamServer|make_server|run_simple|start_server|"
    r"create_server|TCPSite|listen|bind|bind_sockets|run|run_app|serve|Config|Server)\s*\("
)
_BY_KEYWORD = frozenset(("run", "run_app", "serve", "Config", "Server"))
_NUMBER = regex(r"^[\"']?(?:[\w.*-]*:)?(\d{1,5})[\"']?$")
_KEYWORD = regex(r"^(\w+)\s*=(?!=)\s*(.+)$")
_NAME = regex(r"^[A-Za-z_]\w*$")
_VARIABLE = regex(
    r"^(?:os\.)?(?:environ\.get|getenv)\(\s*[\"'](\w+)[\"']\s*(?:,\s*(.+?))?\s*\)(?:\s*or\s*(.+))?$"
    r"|^(?:os\.)?environ\[\s*[\"'](\w+)[\"']\s*\]$"
)
_OF_ARGUMENTS = regex(r"^(?:args|options|opts|ns|namespace)\.(\w+)$")


def ports_in_code(unit: Unit, told: Told, view: View) -> tuple[Binding, ...]:
    """Where the program of a unit that does not run would listen, as far as its own file says it."""
    if unit.active_state == "active" or unit.main_pid or unit.load_state != "loaded" or unit.type == "oneshot":
        return ()
    found: dict[int, Binding] = {}
    for path in program_paths(told.argv, told.directory):
        for binding in bound_in(path, view.data(path) or b"", told.env):
            found.setdefault(binding.port, binding)
    return tuple(found.values())


def bound_in(file: str, data: bytes, env: Env) -> Iterator[Binding]:
    """Each port that a call in the code binds, with the line that gives its number."""
    text = _NO_CODE.sub(_blank, data.decode("latin-1"))
    has_bind = ".bind(" in text
    for call in list(_BINDS.finditer(text))[:MOST_CALLS]:
        if re.search(r"\b(?:def|class)\s+$", text[max(0, call.start() - 40) : call.start()]):
            continue
        for argument, at in _arguments(text, call.end()):
            keyword = _KEYWORD.match(argument)
            if keyword is None and (call["name"] in _BY_KEYWORD or (call["name"] == "listen" and has_bind)):
                continue        # of a socket, listen() takes the length of its queue
            if keyword is not None and keyword[1] not in ("port", "bind", "listen", "server_address", "address"):
                continue
            value = _last_of_tuple(keyword[2] if keyword is not None else argument)
            port, where = _number(value, at, text, env, _DEPTH)
            if port:
                line = text.count("\n", 0, where) + 1
                yield Binding("", port, None, Evidence("file", f"{file}:{line}", _line_at(text, where)))


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _line_at(text: str, offset: int) -> str:
    return text[text.rfind("\n", 0, offset) + 1 : offset + 200].split("\n", 1)[0].strip()[:120]


def _arguments(text: str, start: int) -> Iterator[tuple[str, int]]:
    """The arguments of a call whose `(` ends before `start`, each with the place where it begins."""
    depth, begun, quote = 0, start, ""
    for at in range(start, min(len(text), start + _LENGTH)):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            if word := text[begun:at].strip():
                yield word, begun + text[begun:at].index(word)
            if char == ")":
                return
            begun = at + 1


def _last_of_tuple(value: str) -> str:
    """The port of `(host, port)`."""
    if not (value.startswith("(") and value.endswith(")")):
        return value
    parts = [part for part, _ in _arguments(value, 1)]
    return parts[1] if len(parts) == 2 else ""


def _number(value: str, at: int, text: str, env: Env, depth: int) -> tuple[int, int]:
    """(port, where its number stands), 0 where the code alone does not say it."""
    value = value.strip()
    while value.startswith(("int(", "str(")) and value.endswith(")"):
        value = value[4:-1].strip()
    if match := _NUMBER.match(value):
        port = int(match[1])
        return (port if 0 < port < 65536 else 0), at
    if not depth:
        return 0, at
    if match := _VARIABLE.match(value):
        given = env.get(match[1] or match[4])
        if given is not None:
            return (int(given.text) if is_number(given.text) and 0 < int(given.text) < 65536 else 0), at
        return _number(match[2] or match[3] or "", at, text, env, depth - 1)
    if match := _OF_ARGUMENTS.match(value):
        name = rf"add_argument\([^()]{{0,80}}[\"']--{match[1]}[\"'][^()]{{0,200}}?\bdefault\s*=\s*([^,()\s]{{1,80}})"
        option = re.search(name, text)
        return _number(option[1], option.start(1), text, env, depth - 1) if option is not None else (0, at)
    if _NAME.match(value):
        lines = list(re.finditer(rf"(?m)^[ \t]*{value}[ \t]*(?::[^=\n]{{1,80}})?=(?!=)[ \t]*([^\n]{{1,200}})$", text))
        if len(lines) == 1:         # given twice, nobody knows which of them counts
            return _number(lines[0][1], lines[0].start(1), text, env, depth - 1)
    return 0, at
