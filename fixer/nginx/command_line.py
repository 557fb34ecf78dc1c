"""nginx's command line, read as nginx reads it: its paths, whether it starts a server, and its copy in a title."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.lazy.regex import regex

PROCESS_TITLE = regex(r"^nginx: (master|worker) process(.*)$")

# -p prefix, -c main file, -e error log, -g directives, -s signal
_WITH_ARGUMENT = frozenset("pcegs")
# -t and -T test the configuration, -v and -V print the version, -h and -? the help, -s signals a master
_ENDS_AT_ONCE = frozenset("tTvVh?s")


def path_options(words: Sequence[str]) -> dict[str, str]:
    """Return the arguments of -c, -p and -e; of a repeated option the last one."""
    return {f"-{flag}": argument for flag, argument in _read_options(words) if flag in "cpe" and argument}


def starts_server(words: Sequence[str]) -> bool:
    """Return whether this command starts a server. A test of the configuration may take long, and serves nothing."""
    return not any(flag in _ENDS_AT_ONCE for flag, _ in _read_options(words))


def command_in_title(title: str) -> list[str]:
    """Return the command in a master's title; empty for any other title."""
    match = PROCESS_TITLE.match(title)
    return match[2].split() if match is not None and match[1] == "master" else []


def _read_options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each option letter with its argument.

    Letters may share one word (`-tc FILE`). An argument is the rest of its word, or else the next word.
    """
    rest = iter(words[1:])
    for word in rest:
        letters = word[1:] if word.startswith("-") else ""
        while letters:
            flag, letters = letters[0], letters[1:]
            if flag in _WITH_ARGUMENT:
                yield flag, letters or next(rest, "")
                break
            yield flag, ""
