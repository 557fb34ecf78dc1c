"""The judge of the comparison: what a tool's output says about a host, by the words of hosts.toml. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOSTS_FILE = Path(__file__).with_name("hosts.toml")
PASSAGE = 6         # lines that are read as one statement
QUOTED = 40         # so much of a log line's message must stand in the output to count as quoted
SHORT = 20          # a message shorter than this proves nothing
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FRAME = re.compile(r"[\u2500-\u259f|]+")      # tables and panels are drawn around the words
_NGINX_LINE = re.compile(r"\S+ \S+ \[\w+\] \d+#\d+: (?:\*\d+ )?(?P<what>.*)")
_JOURNAL_LINE = re.compile(r"\w{3} +\d+ [\d:]{8} \S+ [^\s:]+: (?P<what>.*)")
_LINE_OF_FILE = re.compile(r"(?P<path>/[\w@.+/-]*[\w+])(?:[\"']?(?:,? line |:))(?P<line>\d+)")


@dataclass(frozen=True, slots=True)
class PeerHost:
    """One host of the comparison. `cause` and `place` still name values of the host."""

    seed: int
    fault: str      # empty: the healthy one
    cause: tuple[str, ...]
    place: tuple[str, ...]


def peer_hosts() -> tuple[PeerHost, ...]:
    """Return the hosts of hosts.toml, its common words filled in."""
    data = tomllib.loads(HOSTS_FILE.read_text(encoding="utf-8"))

    def filled(patterns: Iterable[str]) -> tuple[str, ...]:
        found = []
        for pattern in patterns:
            for name, words in data["words"].items():
                pattern = pattern.replace(f"{{{{{name}}}}}", words)  # noqa: PLW2901
            found.append(pattern)
        return tuple(found)

    return tuple(PeerHost(one["seed"], one["fault"], filled(one["cause"]), filled(one["place"]))
                 for one in data["hosts"])


def with_values(patterns: Iterable[str], fill: Callable[[str], str]) -> tuple[str, ...]:
    """Return patterns in which the host's values stand as plain words."""
    return tuple(re.sub(r"\{\{\w+\}\}", lambda found: re.escape(fill(found[0])), pattern) for pattern in patterns)


def lines_of(output: str) -> list[str]:
    """Return the lines that hold words, without colours and drawn frames."""
    bare = (_FRAME.sub(" ", line) for line in _COLOUR.sub("", output).splitlines())
    return [" ".join(line.split()) for line in bare if line.strip()]


def passages(output: str) -> Iterator[str]:
    """Yield each run of so many lines that is read as one statement."""
    lines = lines_of(output)
    for at in range(max(1, len(lines) - PASSAGE + 1)):
        yield " ".join(lines[at:at + PASSAGE])


def names_cause(output: str, cause: Sequence[str]) -> bool:
    """Return whether one passage holds a word of every group. A host without a cause has none to name."""
    groups = [re.compile(group, re.IGNORECASE) for group in cause]
    return bool(groups) and any(all(group.search(text) for group in groups) for text in passages(output))


def named_lines(output: str) -> Iterator[tuple[str, int]]:
    """Yield every line of a file that the output names, as `PATH:N` or `PATH line N`."""
    for found in _LINE_OF_FILE.finditer(" ".join(lines_of(output))):
        yield found["path"], int(found["line"])


def shows_place(output: str, place: Sequence[str], files: Mapping[str, str]) -> bool:
    """Return whether the output names a line of one of the host's files that shows the cause."""
    for path, number in named_lines(output):
        lines = files.get(path, "").splitlines()
        if 0 < number <= len(lines) and any(re.search(one, lines[number - 1], re.IGNORECASE) for one in place):
            return True
    return False


def quotes_log(output: str, logged: str) -> bool:
    """Return whether the output holds a line that nginx or the service logged since the fault."""
    text = " ".join(lines_of(output)).lower()
    return any(message[:QUOTED].lower() in text for message in messages(logged))


def messages(logged: str) -> Iterator[str]:
    """Yield the messages of log lines, without time, process and what varies by request."""
    for line in logged.splitlines():
        found = _NGINX_LINE.match(line) or _JOURNAL_LINE.match(line)
        what = " ".join((found["what"] if found else line).partition(", client: ")[0].split())
        if len(what) >= SHORT:
            yield what
