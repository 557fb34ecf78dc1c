"""Files of an `include`, by nginx's own rules, among the paths that were read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping

from fixer.lazy.regex import regex
from fixer.nginx.tree import MOST_WORDS, Tree, parse

_WILDCARD = regex(r"[*?\[]")


class Sources:
    """The files of a configuration, each parsed once."""

    def __init__(self, files: Mapping[str, bytes], main: str, pipes: Collection[str] = ()) -> None:
        self._files = files
        self._pipes = pipes
        self._directory = posixpath.dirname(main)
        self._trees: dict[str, Tree] = {}
        self._paths: list[str] | None = None
        self._left = MOST_WORDS

    @property
    def cut(self) -> bool:
        """Return whether a limit was reached, and the rest was not read."""
        return self._left < 0

    @property
    def used(self) -> tuple[str, ...]:
        """Return the files that were read, in nginx's reading order."""
        return tuple(self._trees)

    def tree(self, path: str) -> Tree | None:
        """Return the parsed file, None if it was not read."""
        if path not in self._trees:
            data = self._files.get(path)
            if data is None:
                data = self._files.get(posixpath.normpath(path))
            if data is None:
                return None
            self._trees[path] = parse(data, path, most=self._left)
            self._left = self._trees[path].left
        return self._trees[path]

    def is_pipe(self, path: str) -> bool:
        """Return whether the path is a FIFO, on which nginx would wait for ever."""
        return bool(self._pipes) and posixpath.normpath(path) in self._pipes

    def full_path(self, value: bytes) -> str:
        """Return the argument of an include as a path: relative ones start at the main file's folder."""
        path = value.decode("utf-8", "surrogateescape")
        return path if path.startswith("/") else posixpath.join(self._directory, path)

    def matches(self, path: str) -> tuple[str, ...] | None:
        """Return the matches of a pattern, sorted; None for a path without wildcards."""
        if not _WILDCARD.search(path):
            return None
        if self._paths is None:
            self._paths = sorted(self._files)
        match = glob_pattern(posixpath.normpath(path)).fullmatch
        return tuple(candidate for candidate in self._paths if match(candidate))


def glob_pattern(path: str) -> re.Pattern[str]:
    """Return a regular expression equivalent to glob(3): wildcards stop at slashes and skip leading dots."""
    return re.compile("/".join(_component(part) for part in path.split("/")), re.DOTALL)


def _component(part: str) -> str:
    pieces = ["(?!\\.)"] if part[:1] in ("*", "?", "[") else []
    position = 0
    while position < len(part):
        char = part[position]
        close = part.find("]", position + 2)
        if char == "*":
            pieces.append("[^/]*")
        elif char == "?":
            pieces.append("[^/]")
        elif char == "[" and close > 0:
            pieces.append(_character_class(part[position + 1 : close]))
            position = close
        else:
            pieces.append(re.escape(char))
        position += 1
    return "".join(pieces)


def _character_class(body: str) -> str:
    negated = body[:1] in ("!", "^")
    members = body[1:] if negated else body
    escaped = re.sub(r"([\[\]\\^&~|])", r"\\\1", members)
    try:
        re.compile(f"[{escaped}]")
    except re.error:
        return "(?!)"
    return f"(?!/)[^{escaped}]" if negated else f"[{escaped}]"
