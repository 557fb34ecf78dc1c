"""The path that a program could not use, as the line with which it ended names it. Pure words, no files."""

from __future__ import annotations

from fixer.model.regex import regex

_SAYS = (
    regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*Error: \[Errno (?P<errno>1|2|13|20|30)\] [^:]{1,60}: '(?P<path>/[^']+)'"),
    regex(r"^(?:Error: )+'(?P<path>/[^']+)' isn't writable \[(?P<name>FileNotFoundError|PermissionError)\("),
    regex(r"^(?:Uncaught )?Error: (?P<name>EACCES|ENOENT|EPERM|EROFS): [^,]{1,60}, \w+ '(?P<path>/[^']+)'"),
)
_WRITES = regex(r"isn't writable|, (?:mkdir|unlink|rename|symlink|chmod|chown) '")
GONE = frozenset({"2", "20", "FileNotFoundError", "ENOENT"})
READ_ONLY = frozenset({"30", "EROFS"})


def closed_path(text: str) -> tuple[str, str] | None:
    """(path, number or name of the error) of a line that ends a program, None where it names none."""
    for pattern in _SAYS:
        match = pattern.match(text)
        if match is not None:
            named = match.groupdict()
            return match["path"], named.get("errno") or named.get("name") or ""
    return None


def says_writing(text: str) -> bool:
    """The line itself says that it was to be written."""
    return _WRITES.search(text) is not None
