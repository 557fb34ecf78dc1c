#!/usr/bin/env python3
"""The messages that nginx can write about requests which it passes on, read from its source.

    script/nginx_messages.py TREE            prints the table of one source tree
    script/nginx_messages.py --write TREE    makes tests/nginx/error_messages.tsv of it

A tree is an unpacked source, such as nginx-1.26.3. A row is when nginx writes the message (`config`: about a directive,
`start`: only while it loads its configuration, `notice`: never above the level notice, `run`: about a request), its
levels (`connection`: error, or info about visitors), whether an errno follows, the files, and nginx's own words."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "nginx" / "error_messages.tsv"
# All that connects to a backend, speaks to it, looks its name up, and moves its answer.
FILES = (
    "http/ngx_http_upstream*.c", "http/modules/ngx_http_upstream_*.c", "stream/ngx_stream_upstream*.c",
    *(f"http/modules/ngx_http_{name}_module.c" for name in ("proxy", "fastcgi", "uwsgi", "scgi", "grpc", "memcached")),
    "stream/ngx_stream_proxy_module.c", "core/ngx_resolver.c",
    *(f"event/ngx_event_{name}.c" for name in ("connect", "pipe", "openssl")),
    *(f"os/unix/ngx_{name}.c" for name in ("recv", "readv_chain", "send", "writev_chain", "udp_recv", "udp_send",
                                           "udp_sendmsg_chain", "linux_sendfile_chain", "files")),
)
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:[^"\\\n]|\\.)*")', re.DOTALL)
CALL = re.compile(r"\b(ngx_log_error|ngx_conf_log_error|ngx_connection_error|ngx_ssl_error|ngx_ssl_connection_error)"
                  r"\s*\(")
# The places of the level, the errno and the words among the arguments; no level where the errno decides.
PLACES = {"ngx_log_error": (0, 2, 3), "ngx_conf_log_error": (0, 2, 3), "ngx_ssl_error": (0, 2, 3),
          "ngx_connection_error": (None, 1, 2), "ngx_ssl_connection_error": (None, 2, 3)}
FUNCTION = re.compile(r"^(ngx_\w+)\(", re.MULTILINE)
NAME = re.compile(r'^\s*#\s*define\s+(ngx_\w+_n)\s+"([^"]*)"', re.MULTILINE)      # ngx_socket_n is "socket()"
PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\b(ngx_\w+_n)\b')
LEVELS = {"NGX_LOG_EMERG": "emerg", "NGX_LOG_ALERT": "alert", "NGX_LOG_CRIT": "crit", "NGX_LOG_ERR": "error",
          "NGX_LOG_WARN": "warn", "NGX_LOG_NOTICE": "notice", "NGX_LOG_INFO": "info", "NGX_LOG_DEBUG": "debug"}
QUIET = frozenset({"notice", "info", "debug"})
# Functions that only run while nginx loads its configuration, by their names or these.
AT_START = re.compile(r"_set_ssl$|^ngx_(?:ssl_init|ssl_session_ticket_keys|ssl_early_data|create_file_mapping|"
                      r"close_file_mapping|http_upstream_add|stream_upstream_add)$")


@dataclass(frozen=True, order=True)
class Message:
    """One message of one source tree."""

    when: str
    words: str
    levels: tuple[str, ...]
    has_errno: bool
    files: tuple[str, ...]

    def __str__(self) -> str:
        return "\t".join((self.when, ",".join(self.levels), "errno" if self.has_errno else "-", ",".join(self.files),
                          self.words))


def read_message(line: str) -> Message:
    """Return the message that such a line holds."""
    when, levels, errno, files, words = line.split("\t")
    return Message(when, words, tuple(levels.split(",")), errno == "errno", tuple(files.split(",")))


def messages_of(tree: Path) -> tuple[Message, ...]:
    """Return the messages of a source tree, in order; each text once."""
    names = {name: value for header in sorted((tree / "src").glob("[co][os]*/**/*.h"))
             for name, value in NAME.findall(header.read_text(encoding="latin-1"))}
    calls: dict[tuple[bool, str], list[tuple[str, bool, str, str]]] = {}
    for source in sorted({path for pattern in FILES for path in (tree / "src").glob(pattern)}):
        for is_config, words, *rest in _calls_in(source, names):
            calls.setdefault((is_config, words), []).append((*rest, source.stem.removeprefix("ngx_")))
    return tuple(sorted(_message(words, is_config, found) for (is_config, words), found in calls.items()))


def _message(words: str, is_config: bool, calls: list[tuple[str, bool, str, str]]) -> Message:
    levels = {level for level, _, _, _ in calls}
    at_start = all(level == "emerg" or AT_START.search(function) for level, _, function, _ in calls)
    when = "config" if is_config else "start" if at_start else "notice" if levels <= QUIET else "run"
    return Message(when, words, tuple(sorted(levels)), any(errno for _, errno, _, _ in calls),
                   tuple(sorted({file for *_, file in calls})))


def _calls_in(source: Path, names: dict[str, str]) -> Iterator[tuple[bool, str, str, bool, str]]:
    text = COMMENT.sub(lambda match: match[1] or " ", source.read_text(encoding="latin-1"))
    functions = [(match.start(), match[1]) for match in FUNCTION.finditer(text)]
    for call in CALL.finditer(text):
        arguments = _arguments(text, call.end())
        level, errno, words = PLACES[call[1]]
        if len(arguments) <= words or '"' not in arguments[words] or arguments[words] == '"%*s"':
            continue        # the function itself, or words that another call has made
        said = "".join(names.get(name, name) if name else part.replace('\\"', '"').replace("\\\\", "\\")
                       for part, name in PART.findall(arguments[words]))
        how = "connection" if level is None else LEVELS.get(arguments[level], "error")
        function = next((name for start, name in reversed(functions) if start < call.start()), "")
        yield call[1] == "ngx_conf_log_error", said, how, arguments[errno] != "0", function


def _arguments(text: str, start: int) -> list[str]:
    """Return the arguments of a call, without line breaks."""
    depth, begin, found = 1, start, []
    for match in re.compile(r'"(?:[^"\\\n]|\\.)*"|[(),]').finditer(text, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 or (depth == 1 and match[0] == ","):
            found.append(" ".join(text[begin:match.start()].split()))
            begin = match.end()
        if depth == 0:
            break
    return found


def digest_of(messages: Iterable[Message]) -> str:
    """Return a digest of the table, the same wherever its source lies."""
    return hashlib.sha256("".join(f"{message}\n" for message in messages).encode()).hexdigest()[:16]


def data_text(version: str, messages: tuple[Message, ...]) -> str:
    """Return the file: a line with the version, the number of messages and their digest, then one line for each."""
    return "\n".join([f"# {version}\t{len(messages)}\t{digest_of(messages)}", *map(str, messages)]) + "\n"


def read_data(text: str) -> tuple[str, tuple[Message, ...]]:
    """Return the version and the messages of the file."""
    head, *lines = text.splitlines()
    return head[2:].split("\t")[0], tuple(read_message(line) for line in lines)


def main() -> int:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="make tests/nginx/error_messages.tsv of it")
    parser.add_argument("tree", type=Path, metavar="TREE", help="an unpacked source, such as nginx-1.26.3")
    wish = parser.parse_args()
    text = data_text(wish.tree.name.replace("-", " ", 1), messages_of(wish.tree))
    if wish.write:
        DATA.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
