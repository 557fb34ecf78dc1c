"""Ports that an application's own settings file names (YAML, INI, TOML, JSON): where it would listen."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.dependency_systems import SETTING_PATTERN
from fixer.formats.server_names import DAEMONS, runtime_of
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding

SETTINGS_SUFFIXES = (".yaml", ".yml", ".ini", ".toml", ".json", ".cfg", ".conf", ".properties")
_MOST_LINES = 4000
_MOST_LENGTH = 300      # characters of a line that are looked at

_ASSIGNED = regex(r"^([ \t]*+(?:-[ \t]++)?)([\"']?)([A-Za-z][\w.-]{0,60})\2[ \t]*[:=][ \t]*([^#;\n]*)")
_SECTION = regex(r"^[ \t]*\[{1,2}([^\]\n]{1,80})\]")
_ITEM = regex(r"^([ \t]*+)-[ \t]++[\"']?([^\s\"'#]{1,80})")
_LISTENS = regex(r"(?i)(?:^|[_.-])(?:port|listen|listeners?|bind|addr|address|addresses)$")
_ADDRESS = regex(r"^[\"']?(?:(?:https?|tcp)://)?(?:\[[0-9a-fA-F:.]*\]:|[\w.*-]{0,80}:)?(\d{2,5})/?[\"']?[ \t,]*$")
# what an application connects to, in the name of a setting or of a section around it
_CONNECTS_TO = regex(
    rf"(?i)(?:^|[^a-z])(?:{SETTING_PATTERN}|smtp|e?mail|ldap|kafka|elastic\w*|statsd|graphite|syslog|upstreams?|proxy|"
    r"remote|target|clients?|peers?|backends?|turn|imap|pop3|metrics|monitoring|debug|pprof)(?:$|[^a-z])")


def settings_files(argv: Sequence[str], directory: str) -> tuple[str, ...]:
    """Return the settings files that a command names, in its order: a word of its own, or the value of an option. None
    of a known daemon or of a program of the system: their files are no application's."""
    if not argv or not runtime_of(argv) or posixpath.basename(argv[0]) in DAEMONS:
        return ()
    words = (word.partition("=")[2] if word.startswith("-") else word for word in argv[1:])
    paths = (posixpath.normpath(posixpath.join(directory or "/", word)) for word in words
             if word.endswith(SETTINGS_SUFFIXES) and "://" not in word)
    return tuple(dict.fromkeys(path for path in paths if path.startswith("/")))


def listening_ports(path: str, data: bytes) -> Iterator[Binding]:
    """Yield the ports at which the file lets its program listen, each with its line. What is named after something
    that the program connects to is left out."""
    around: list[tuple[int, str]] = []      # names that the line is in, with their columns
    section = ""
    for number, whole in enumerate(data.decode("latin-1").split("\n")[:_MOST_LINES], 1):
        line = whole[:_MOST_LENGTH]
        if (header := _SECTION.match(line)) is not None:
            section, around = header[1], []
            continue
        found = _ASSIGNED.match(line)
        listed = _ITEM.match(line) if found is None else None
        if found is None and listed is None:
            continue
        column = len((found or listed or line)[1].expandtabs())
        while around and around[-1][0] >= column + (listed is not None):
            around.pop()
        if found is not None:
            names, value = (section, *(name for _, name in around), found[3]), found[4].strip()
            if value.rstrip(",") in ("", "{", "["):
                around.append((column, found[3]))
        else:
            assert listed is not None
            names, value = (section, *(name for _, name in around)), listed[2]
        given = _ADDRESS.match(value)
        if given is None or not _LISTENS.search(names[-1]) or any(map(_CONNECTS_TO.search, names)):
            continue
        if 0 < int(given[1]) < 65536:
            yield Binding("", int(given[1]), None, Evidence("file", f"{path}:{number}", line.strip()[:120]))
