"""Writes the sh script of one round: many queries, one program on stdin, every slot quoted, nothing executed early."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from math import ceil

from fixer.hosts.machine import probe_protocol, query_commands
from fixer.hosts.machine.procfs import PROC_LIMIT, TABLE_LIMIT
from fixer.hosts.sh import shtext
from fixer.lazy.dataclass import dataclass
from fixer.model.query import Command, ListProcesses, ListSockets, Probe, Query, ReadFile, ReadGlob, ReadTree

_SMALL = 1 << 20              # queries with limits up to this share one call of head
_LANES = (4, 5, 6, 7, 8, 9)   # descriptors of commands that run beside the reading; sh knows one digit only
_MAGIC = "*?["

Reading = ReadFile | ReadGlob | ReadTree


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its script, and what is needed to read the output."""

    nonce: bytes
    prefix: bytes
    queries: tuple[Query, ...]
    groups: tuple[tuple[Reading, ...], ...]
    script: bytes


def plan_round(queries: Sequence[Query], *, probes_too: bool = True) -> Round:
    """The round for these queries; those that cannot be asked through sh are simply not in the script."""
    nonce, bits = os.urandom(16).hex(), os.urandom(8)
    prefix = "".join("/." if byte >> bit & 1 else "/" for byte in bits for bit in range(8)) + "/."
    indexed = list(enumerate(queries))
    groups: dict[tuple[bool, int], list[int]] = {}
    for index, query in indexed:
        if isinstance(query, ReadFile | ReadGlob | ReadTree) and is_askable(query):
            tail = isinstance(query, ReadFile) and query.tail
            groups.setdefault((tail, max(query.limit, _SMALL)), []).append(index)
    body = ['item "clock $u $$"', "date '+%s.%N %z'"]
    # At once after the clock: starts of processes are told from both, and reading files takes a while.
    body += [f"booted {index} {1 << 22}" for index, query in indexed if isinstance(query, ListProcesses)]
    for number, ((tail, limit), members) in enumerate(groups.items()):
        body += _group(number, tail, limit, [(i, queries[i]) for i in members])
    for index, query in indexed:
        if isinstance(query, ListProcesses):
            body.append(f"processes {index} {PROC_LIMIT}")
        elif isinstance(query, ListSockets):
            body.append(f"sockets {index} {TABLE_LIMIT}")
        elif query == Command("ip-addresses"):
            body.append(f'item "{index} addresses"; beginnings {1 << 22} "$P/proc/net/fib_trie" "$P/proc/net/if_inet6"')
    lanes = list(_command_lanes(indexed))
    probes = [q for q in queries if isinstance(q, Probe)] if probes_too else []
    if probes:
        lanes.insert(0, _probe_lane(probes))
    text = (
        f"N={nonce} P={prefix}\n{shtext.PRELUDE}round() {{\nprivilege\n{'limits' if lanes else ':'}\n"
        f"{_beside(body, lanes)}\nitem end\n}}\nround </dev/null 2>/dev/null\n"
    )
    readings = tuple(tuple(q for i in m if isinstance(q := queries[i], Reading)) for m in groups.values())
    return Round(nonce.encode(), prefix.encode(), tuple(queries), readings, os.fsencode(text))


def is_askable(query: Query) -> bool:
    """Whether the paths of a reading query can be asked for: absolute, and without NUL."""
    match query:
        case ReadFile(path) | ReadTree(root=path):
            paths: tuple[str, ...] = (path,)
        case ReadGlob(patterns):
            paths = patterns
        case _:
            return True
    return all(path.startswith("/") and "\0" not in path for path in paths)


def _group(number: int, tail: bool, limit: int, members: list[tuple[int, Query]]) -> Iterable[str]:
    """The text that lists the files of some queries and reads them all with few calls."""
    literals = [q.path for _, q in members if isinstance(q, ReadFile)]
    yield "set -- " + " ".join(f'"$P"{shlex.quote(path)}' for path in dict.fromkeys(literals))
    yield f'item "g{number} hidden"'
    yield shtext.LITERALS
    for index, query in members:
        if isinstance(query, ReadGlob):
            yield f'm={query.max_files}; item "{index} list"'
            for pattern in query.patterns:
                yield shtext.GLOB.replace("PATTERN", f'"$P"{quote_pattern(pattern)}')
        elif isinstance(query, ReadTree):
            root = query.root.rstrip("/")
            yield f'i={index} m={query.max_files} z={query.depth} g="$P"{shlex.quote(root)}\n{shtext.TREE}'
    yield f"facts g{number} {'ends' if tail else 'beginnings'} {limit if tail else limit + 1} \"$@\""


def quote_pattern(pattern: str) -> str:
    """An sh glob with everything quoted but `*`, `?`, and brackets with their `!` and `-`."""
    parts: list[str] = []
    inside = False
    for char in pattern:
        if char in _MAGIC or (inside and char in "]!-"):
            inside = char == "[" or (inside and char != "]")
            parts.append(char)
        else:
            parts.append(char if char.isascii() and (char.isalnum() or char in "/._-]") else shlex.quote(char))
    return "".join(parts)


def _command_lanes(indexed: Iterable[tuple[int, Query]]) -> Iterable[str]:
    """One lane of text a command, at most as many as there are descriptors for them and one for probes."""
    texts = [_command(index, query) for index, query in indexed if isinstance(query, Command)]
    spoken = [text for text in texts if text]
    width = len(_LANES) - 1
    return ["\n".join(spoken[lane::width]) for lane in range(min(width, len(spoken)))]


def _command(index: int, command: Command) -> str:
    runs = query_commands.runs_of(command)
    if runs is None or command.name == "ip-addresses":
        return ""
    lines = []
    for number, run in enumerate(runs):
        words = " ".join(map(shlex.quote, run.argv))
        ask = (
            f'item "{index} out {number}"; e=$($T ${{T:+{ceil(run.timeout)}}} {words} 2>&1 >&3 3>&- </dev/null); r=$?\n'
            f'item "{index} end {number} $r"; printf %s "$e"'
        )
        if run.trusted:
            ask = f'if ! owned {shlex.quote(run.trusted)}; then item "{index} untrusted {number}"; else\n{ask}\nfi'
        have = shlex.quote(run.argv[0])
        lines.append(f'if ! have {have}; then item "{index} none {number}"; else\n{ask}\nfi')
    text = "\n".join(lines)
    if query_commands.needs_systemd(command):
        text = f'if ! [ -d /run/systemd/system ]; then item "{index} no-systemd"; else\n{text}\nfi'
    return f"{{ {text}\n}} 3>&1"


def _probe_lane(probes: Sequence[Probe]) -> str:
    program = shlex.quote(probe_protocol.program_source())
    lines = [
        "if have python3; then",
        f'item "probe python"; python3 -I -S -c {program} {shlex.quote(probe_protocol.request_text(probes))}',
        "else",
        shtext.PLAIN_PROBES,
        'if [ "$how" ]; then',
    ]
    for number, probe in enumerate(probes):
        if probe.unix is None and not probe.tls and not probe.proxy_protocol:
            request = probe_protocol.http_request(probe)
            words = [str(number), str(ceil(probe.timeout)), probe.host, str(probe.port), request]
            lines.append("plain " + " ".join(map(shlex.quote, words)) + " &")
    return "\n".join([*lines, "wait", "fi", "fi"])


def _beside(body: Sequence[str], lanes: Sequence[str]) -> str:
    """The body with the lanes running at the same time; what they say is printed after it, lane by lane."""
    descriptors = _LANES[: len(lanes)]
    text = "\n".join([*body, *(f"cat <&{fd}" for fd in descriptors)])
    for fd, lane in zip(descriptors, lanes, strict=True):
        text = f"{{ {lane}\n}} | {{ exec {fd}<&0 </dev/null\n{text}\n}}"
    return text
