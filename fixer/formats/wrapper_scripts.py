"""Wrapper scripts: the server that a shell script starts, with the variables it sets. Read, never run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from fixer.formats.numbers import is_number
from fixer.formats.server_names import runtime_of
from fixer.formats.shell_branches import Branches, separator_at
from fixer.formats.shell_words import (
    Env,
    Piece,
    Word,
    expand_word,
    expand_words,
    replace_arguments,
    shell_words,
    split_assignment,
)
from fixer.lazy.dataclass import dataclass, field, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex

with lazy_imports():  # not needed in most looks
    from fixer.formats.backup_names import original_path
    from fixer.formats.env_file import exported_names, read_env_file
    from fixer.formats.init_script import started_daemon

_KEYWORDS = frozenset({"then", "do", "else", "if", "elif", "while", "until", "!", "{", "(", "fi", "done", "}", ")"})
_LABEL = regex(r"^\(?[^()]+\)$")  # of a `case`
_BACKGROUND = regex(r"[ \t]*&(?!&)")
_REFERENCE = regex(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_TAKEN = regex(r"\b([A-Za-z_]\w*)=[\"']?(?:\$\(|`)|\b(?:read|for|getopts)\b([^\n;|&]*)")
_REDIRECTION = regex(r"[\d&]?[<>]")
_DEFAULTS = regex(r"^\$\{(\w+):?=")
_SHELL_LINE = regex(rb"/(?:env +)?(?:sh|bash|dash|ash|zsh|ksh)\b")
_NAME = regex(r"\w+")
MAX_DEPTH = 3  # a wrapper that calls a wrapper that calls a wrapper


def is_start_script(path: str, data: bytes) -> bool:
    """Return whether somebody may run the file: a shell does, and it is by its name no copy of another one."""
    return is_shell_script(data) and original_path(path) == path


@dataclass(frozen=True, slots=True)
class BackgroundServer:
    """A server that a script runs beside the rest of it, with its variables, their files and the working directory."""

    command: tuple[Word, ...]
    env: Env
    directory: str
    sourced: tuple[str, ...] = ()


@dataclass(slots=True)
class ShellRun:
    """Result of reading a script: the server's command (None: no server), variables, sourced files."""

    env: dict[str, Word]
    command: list[Word] | None = None
    directory: str = ""
    sourced: list[str] = field(default_factory=list)
    required: list[str] = field(default_factory=list)  # sourced files that no test guards: without one a shell ends
    tested: set[str] = field(default_factory=set)  # words of its tests
    other: list[list[Word]] = field(default_factory=list)  # exec'd commands that are no known server
    arguments: list[Word] = field(default_factory=list)  # its arguments: "$@"
    has_arguments: bool = True  # False after a `shift` that may not be run: no branch is decided by them
    background: list[BackgroundServer] = field(default_factory=list)  # with `&`: each of them runs
    exports_all: bool = False  # after `set -a`

    def assign(self, values: Mapping[str, Word]) -> None:
        """Set variables of the shell: programs get only those that are exported, or were."""
        for name, word in values.items():
            known = self.env.get(name)
            exported = self.exports_all or (known is not None and known.exported)
            self.env[name] = replace(word, exported=exported)


def is_shell_script(data: bytes) -> bool:
    """Return whether a shell runs this file."""
    first = data[:128].split(b"\n", 1)[0]
    return first.startswith(b"#!") and bool(_SHELL_LINE.search(first))


def read_script(text: str, file: str, env: Mapping[str, Word], files: Mapping[str, bytes], *, line: int = 1,
                start: int | None = 0, directory: str = "", given: Sequence[Word] = (),
                source: Word | None = None) -> ShellRun:
    """Follow a script from top to bottom. Of branches that its arguments and variables do not decide, the last server
    counts; what they exclude does not. `given` are its arguments. `source` is the text as a word whose pieces have byte
    positions of their own."""
    run = ShellRun(dict(env), directory=directory, arguments=list(given))
    given_env = _kept_variables(text, env)
    branches, end = Branches(lambda word: _known_text(word, run, given_env)), 0
    for command, at, number in simple_commands(text):
        words = shell_words(command, file, line + number, None if start is None else start + at)
        words = words if source is None else [_at_source(word, source) for word in words]
        reached, end = branches.reach(words, separator := separator_at(text, end)), at + len(command)
        if reached is False:
            continue
        before, others = run.command, len(run.other)
        _follow_command(run, words, files, is_certain=bool(reached))
        if run.command is not None and run.command is not before and _BACKGROUND.match(text, at + len(command)):
            run.background.append(BackgroundServer(tuple(run.command), dict(run.env), run.directory,
                                                   tuple(run.sourced)))
        elif reached and "|" not in separator and _is_exec(words) and (
                run.command is not before or len(run.other) > others):
            break       # nothing after it is run
    return run


def _is_exec(words: list[Word]) -> bool:
    """Return whether another program takes the shell's place; `exec 2>&1` only redirects what it prints."""
    text = [word.text for word in _without_syntax(words)[:2]]
    return len(text) > 1 and text[0] == "exec" and not _REDIRECTION.match(text[1])


def _kept_variables(text: str, env: Env) -> Env:
    """Return the variables without those that the script takes from what a command prints, or from a list."""
    taken = {name for match in _TAKEN.finditer(text) for name in _NAME.findall(match[1] or match[2])}
    return {name: value for name, value in env.items() if name not in taken}


def _known_text(word: Word, run: ShellRun, env: Env) -> str | None:
    """Return what a word is when the script runs; None if it depends on more than arguments and variables that the
    script was given and has not set itself."""
    given = replace_arguments([word], run.arguments if run.has_arguments else [])
    if len(given) != 1:
        return None
    for piece in given[0].pieces:
        left = _REFERENCE.sub("", piece.text) if piece.expand else ""
        names = [match[1] or match[2] for match in _REFERENCE.finditer(piece.text)] if piece.expand else []
        if "$" in left or "`" in left or any(name not in env or run.env.get(name) is not env[name] for name in names):
            return None
    return expand_word(given[0], run.env).text


def _at_source(word: Word, source: Word) -> Word:
    """Return the word, whose positions are those in the text of `source`, with positions in the file."""
    return Word(tuple(replace(p, start=None if p.start is None else _file_position(p, source.slice(
        p.start, p.start + len(p.text)))) for p in word.pieces))


def _file_position(piece: Piece, source: Word) -> int | None:
    """Return where the file has the piece; None if it is not there as it is, or comes from a variable."""
    place = source.to_argument()
    return None if place.file != piece.file or any(part.variable for part in source.pieces) else place.start


def _follow_command(run: ShellRun, words: list[Word], files: Mapping[str, bytes], *, is_certain: bool) -> None:
    words = replace_arguments(_without_syntax(words), run.arguments)
    local: dict[str, Word] = {}
    while words and (pair := split_assignment(words[0])):
        local[pair[0]] = expand_word(pair[1], run.env)
        words = words[1:]
    if not words:
        run.assign(local)
        return
    name = words[0].text
    if name in ("shift", "set") and not is_certain:
        run.has_arguments = False
    if name in ("export", "readonly", "declare", "typeset", "local"):
        _declare(run, words)
    elif name == "shift":
        run.arguments = run.arguments[int(words[1].text) if len(words) > 1 and is_number(words[1].text) else 1:]
    elif name == "set":
        _set_options(run, words)
    elif name == ":":
        _set_defaults(run, words[1:])
    elif name in (".", "source") and len(words) > 1:
        _source(run, words[1], files)
    elif name in ("[", "[[", "test"):
        run.tested.update(expand_word(word, run.env).text for word in words[1:])
    elif name == "cd" and len(words) > 1:
        run.directory = posixpath.join(run.directory, expand_word(words[1], run.env).text)
    elif name in ("su", "runuser") and "-c" in [word.text for word in words[1:-1]]:
        _follow_su(run, words, files)
    else:
        _server_command(run, words, local)


def _source(run: ShellRun, word: Word, files: Mapping[str, bytes]) -> None:
    """Follow `. FILE`: the variables that it sets, and which of them it exports."""
    path = posixpath.join(run.directory, expand_word(word, run.env).text.removeprefix("./"))
    run.sourced.append(path)
    run.required += [path] if not {path, word.text} & run.tested else []
    data = files.get(path, b"")
    is_exported = exported_names(data)
    for key, value in read_env_file(path, data).items():
        run.assign({key: expand_word(value, run.env)})
        if is_exported(key):
            run.env[key] = replace(run.env[key], exported=True)


def _set_options(run: ShellRun, words: list[Word]) -> None:
    """Follow `set -a`, `set +a` and `set -- ARGUMENTS`."""
    text = [word.text for word in words]
    for at, word in enumerate(text[:text.index("--")] if "--" in text else text):
        if word[:1] in ("-", "+") and ("a" in word or (word.endswith("o") and text[at + 1:at + 2] == ["allexport"])):
            run.exports_all = word[0] == "-"
    if "--" in text:
        run.arguments = expand_words(words[text.index("--") + 1:], run.env)


def _declare(run: ShellRun, words: Sequence[Word]) -> None:
    """Follow `export NAME=VALUE` and its like. What is named is exported, or all if a command prints the names."""
    run.assign({pair[0]: expand_word(pair[1], run.env) for word in words[1:] if (pair := split_assignment(word))})
    text = [word.text for word in words[1:]]
    if words[0].text != "export" and not any(word.startswith("-") and "x" in word for word in text):
        return
    named = run.env if any("$(" in word or "`" in word for word in text) else [word.partition("=")[0] for word in text]
    for name in [name for name in named if name in run.env]:
        run.env[name] = replace(run.env[name], exported=True)


def _without_syntax(words: list[Word]) -> list[Word]:
    """Return the command after keywords, a function's head and the labels of a `case`."""
    while words:
        text = words[0].text
        if text == "case" and "in" in [word.text for word in words]:
            words = words[[word.text for word in words].index("in") + 1:]
        elif text == "function" or (len(words) > 1 and words[1].text == "()"):
            words = words[2:]
        elif text in _KEYWORDS or text.endswith("()") or _LABEL.match(text):
            words = words[1:]
        else:
            break
    return words


def _follow_su(run: ShellRun, words: list[Word], files: Mapping[str, bytes]) -> None:
    """Follow `su - deploy -c "cd /srv/shop; uvicorn …"`: the text for another shell."""
    text = [word.text for word in words]
    said = expand_word(words[text.index("-c") + 1], run.env)
    place = said.to_argument()
    inner = read_script(said.text, place.file or "", run.env, files, line=place.line, start=place.start,
                        directory=run.directory)
    if inner.command is not None:
        run.command, run.env, run.directory = inner.command, inner.env, inner.directory
    run.sourced += inner.sourced
    run.required += inner.required


def _server_command(run: ShellRun, words: list[Word], local: Mapping[str, Word]) -> None:
    inline = {p[0]: p[1] for w in words if (p := split_assignment(w))}  # env PORT=8000 uvicorn …
    env = {**run.env, **local}
    expanded = expand_words(words, env)
    if expanded and posixpath.basename(expanded[0].text) in ("start-stop-daemon", "daemon"):
        given = started_daemon(expanded)
        if given is None:
            return
        expanded, run.directory = given[0], given[1] or run.directory
    argv = [w.text for w in expanded]
    runtime = runtime_of(argv)
    if runtime:
        run.command = expanded
        run.env.update(local)
        run.env.update({k: expand_word(v, env) for k, v in inline.items()})
    elif argv and argv[0] in ("exec", "nohup", "sh", "bash"):
        run.other.append(expanded)


def _set_defaults(run: ShellRun, words: list[Word]) -> None:
    """Set defaults: `: "${PORT:=8000}"` gives PORT a value if it has none."""
    for word in words:
        match = _DEFAULTS.match(word.text)
        if match and not (match[1] in run.env and run.env[match[1]].text):
            run.assign({match[1]: expand_word(word, {k: v for k, v in run.env.items() if k != match[1]})})


_TOKEN = regex(
    r"""\\. | '[^']*' | "(?:\\.|[^"\\])*" | \$\{[^}]*\}     # what quotes: operators inside it are text
      | [;\n&|]+                                            # ends a command
      | (?<![\w$"'}])\#[^\n]*                               # a comment
      | <<-?\s*['"]?(\w+)                                  # a here-document
      | [^\\'"$;\n&|#<]+ | .""",
    re.DOTALL | re.VERBOSE,
)


def simple_commands(text: str) -> list[tuple[str, int, int]]:
    """Return (text, offset, lines before it) of each simple command, split at newlines and operators outside quotes."""
    found: list[tuple[str, int, int]] = []
    begin = at = 0
    parts: list[str] = []

    def close(end: int) -> None:
        raw = "".join(parts)
        stripped = raw.lstrip()
        if stripped:
            offset = begin + len(raw) - len(stripped)
            found.append((stripped.rstrip(), offset, text.count("\n", 0, offset)))
        parts.clear()

    while at < len(text):
        match = _TOKEN.match(text, at)
        token = match[0] if match else text[at]
        end = at + len(token)
        if match and match[1]:
            end = _after_heredoc(text, end, match[1])
            parts.append(" " * (end - at))
        elif token.startswith("#"):
            parts.append(" " * len(token))
        elif token[0] in ";\n&|" and not (token[0] == "&" and "".join(parts).endswith(">")):
            close(at)
            begin = end
        else:
            parts.append(token)
        at = end
    close(at)
    return found


def _after_heredoc(text: str, at: int, word: str) -> int:
    match = re.compile(rf"^[^\S\n]*{re.escape(word)}\s*$", re.MULTILINE).search(text, at)
    return match.end() if match else len(text)
