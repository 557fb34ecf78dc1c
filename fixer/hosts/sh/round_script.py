"""The sh script of one round: many queries, one program on stdin, every slot quoted."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from math import ceil, inf

from fixer.hosts.machine import probe_protocol, query_commands
from fixer.hosts.machine.procfs import PROC_LIMIT, TABLE_LIMIT
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.query import Command, ListProcesses, ListSockets, Probe, Query, ReadFile, ReadGlob, ReadTree

_SMALL_LIMIT = 1 << 20  # queries with limits up to this share one call of head
_LANE_DESCRIPTORS = (4, 5, 6, 7, 8, 9)  # descriptors of parallel commands; sh allows one digit only
_MAGIC = "*?["

Reading = ReadFile | ReadGlob | ReadTree


@dataclass(frozen=True, slots=True)
class RoundScript:
    """One round: its script, and what is needed to parse the output."""

    nonce: bytes
    prefix: bytes
    queries: tuple[Query, ...]
    groups: tuple[tuple[Reading, ...], ...]
    script: bytes


def build_round_script(queries: Sequence[Query], *, probes_too: bool = True, seconds: float = inf) -> RoundScript:
    """Return the round for these queries; omit those that sh cannot ask. No command takes more than `seconds`."""
    nonce, bits = os.urandom(16).hex(), os.urandom(8)
    prefix = "".join("/." if byte >> bit & 1 else "/" for byte in bits for bit in range(8)) + "/."
    indexed = list(enumerate(queries))
    groups: dict[tuple[bool, int], list[int]] = {}
    for index, query in indexed:
        if isinstance(query, ReadFile | ReadGlob | ReadTree) and is_askable(query):
            tail = isinstance(query, ReadFile) and query.tail
            groups.setdefault((tail, max(query.limit, _SMALL_LIMIT)), []).append(index)
    body = ['item "clock $u $$"', "date '+%s.%N %z'"]
    # Immediately after the clock: start times need both, and reading files takes a while.
    body += [f"booted {index} {1 << 22}" for index, query in indexed if isinstance(query, ListProcesses)]
    for index, query in indexed:  # before the files: of too many, those that come last are cut
        if isinstance(query, ListProcesses):
            body.append(f"processes {index} {PROC_LIMIT}")
        elif isinstance(query, ListSockets):
            body.append(f"sockets {index} {TABLE_LIMIT}")
        elif query == Command("ip-addresses"):
            body.append(f'item "{index} addresses"; beginnings {1 << 22} "$P/proc/net/fib_trie" "$P/proc/net/if_inet6"')
    for number, ((tail, limit), members) in enumerate(groups.items()):
        body += _group_text(number, tail, limit, [(i, queries[i]) for i in members])
    lanes = list(_command_lanes(indexed, seconds))
    probes = [q for q in queries if isinstance(q, Probe)] if probes_too else []
    if probes:
        lanes.insert(0, _probe_lane(probes))
    text = (
        f"N={nonce} P={prefix}\n{PRELUDE}round() {{\nprivilege\n{'limits' if lanes else ':'}\n"
        f"{_parallel_text(body, lanes)}\nitem end\n}}\nround </dev/null 2>/dev/null\n"
    )
    readings = tuple(tuple(q for i in m if isinstance(q := queries[i], Reading)) for m in groups.values())
    return RoundScript(nonce.encode(), prefix.encode(), tuple(queries), readings, os.fsencode(text))


def is_askable(query: Query) -> bool:
    """Return whether a read query's paths can be asked for: absolute, without NUL."""
    match query:
        case ReadFile(path) | ReadTree(root=path):
            paths: tuple[str, ...] = (path,)
        case ReadGlob(patterns):
            paths = patterns
        case _:
            return True
    return all(path.startswith("/") and "\0" not in path for path in paths)


def _group_text(number: int, tail: bool, limit: int, members: list[tuple[int, Query]]) -> Iterable[str]:
    """Return the text that lists the files of some queries and reads them all with few calls."""
    literals = [q.path for _, q in members if isinstance(q, ReadFile)]
    yield "set -- " + " ".join(f'"$P"{shlex.quote(path)}' for path in dict.fromkeys(literals))
    yield f'item "g{number} hidden"'
    yield LITERALS
    for index, query in members:
        if isinstance(query, ReadGlob):
            yield f'm={query.max_files}; item "{index} list"'
            for pattern in query.patterns:
                yield GLOB.replace("PATTERN", f'"$P"{quote_pattern(pattern)}')
        elif isinstance(query, ReadTree):
            root = query.root.rstrip("/")
            yield f'i={index} m={query.max_files} z={query.depth} g="$P"{shlex.quote(root)}\n{TREE}'
    yield f"facts g{number} {'ends' if tail else 'beginnings'} {limit if tail else limit + 1} \"$@\""


def quote_pattern(pattern: str) -> str:
    """Return an sh glob with everything quoted except `*`, `?`, and brackets with their `!` and `-`."""
    parts: list[str] = []
    inside = False
    for char in pattern:
        if char in _MAGIC or (inside and char in "]!-"):
            inside = char == "[" or (inside and char != "]")
            parts.append(char)
        else:
            parts.append(char if char.isascii() and (char.isalnum() or char in "/._-]") else shlex.quote(char))
    return "".join(parts)


def _command_lanes(indexed: Iterable[tuple[int, Query]], seconds: float) -> Iterable[str]:
    """Return lanes of commands, which run in parallel; at most one per descriptor, and one is for probes."""
    texts = [_command_text(index, query, seconds) for index, query in indexed if isinstance(query, Command)]
    spoken = [text for text in texts if text]
    width = len(_LANE_DESCRIPTORS) - 1
    return ["\n".join(spoken[lane::width]) for lane in range(min(width, len(spoken)))]


def _command_text(index: int, command: Command, seconds: float) -> str:
    runs = query_commands.commands_for(command)
    if runs is None or command.name == "ip-addresses":
        return ""
    lines = []
    for number, run in enumerate(runs):
        limit = max(1, ceil(min(run.timeout, seconds)))
        asked, older = _run_text(run.argv, limit), _run_text(run.older, limit) if run.older else ""
        again = f"if [ $r = {query_commands.REFUSED_OPTION} ]; then {older}; fi\n" if older else ""
        ask = (
            f'item "{index} out {number}"; {asked}\n{again}'
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


def _run_text(argv: Sequence[str], limit: int) -> str:
    """Return the command, its errors in `e` and its exit code in `r`."""
    words = " ".join(map(shlex.quote, argv))
    return f"e=$($T ${{T:+{limit}}} {words} 2>&1 >&3 3>&- </dev/null); r=$?"


def _probe_lane(probes: Sequence[Probe]) -> str:
    program = shlex.quote(probe_protocol.program_source())
    lines = [
        "if have python3; then",
        f'item "probe python"; python3 -I -S -c {program} {shlex.quote(probe_protocol.program_argument(probes))}',
        "else",
        PLAIN_PROBES,
        'if [ "$how" ]; then',
    ]
    series: dict[Probe, list[str]] = {}
    for number, probe in enumerate(probes):
        if probe.unix is None and not probe.tls and not probe.proxy_protocol:
            words = [str(number), str(ceil(probe.timeout)), probe.host, str(probe.port),
                     probe_protocol.http_request(probe)]
            one = replace(probe, attempt=min(probe.attempt, 1))     # attempts of one request are made in a row
            series.setdefault(one, []).append("plain " + " ".join(map(shlex.quote, words)))
    for request, (first, *others) in series.items():
        lines.append("\n".join([f"{{ e=$(($(date +%s) + {probe_protocol.series_seconds(request):.0f})); {first}",
                                *(f'[ "$(date +%s)" -ge "$e" ] || {other}' for other in others), "} &"]))
    return "\n".join([*lines, "wait", "fi", "fi"])


def _parallel_text(body: Sequence[str], lanes: Sequence[str]) -> str:
    """Return the body with the lanes in parallel; their output is printed after it, lane by lane."""
    descriptors = _LANE_DESCRIPTORS[: len(lanes)]
    text = "\n".join([*body, *(f"lane {fd}" for fd in descriptors)])
    for fd, lane in zip(descriptors, lanes, strict=True):
        text = f"{{ {lane}\n}} | {{ exec {fd}<&0 </dev/null\n{text}\n}}"
    return text


# Constant POSIX sh text of one round; runs in busybox sh and dash, with cat-class tools.
PRELUDE = r"""LC_ALL=C; export LC_ALL; SYSTEMD_COLORS=0; export SYSTEMD_COLORS
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
S='%n|%f %u %g %s %Y %h %i %y'
item() { printf '\n%s %s\n' "$N" "$1"; }
have() { command -v "$1" >/dev/null 2>&1; }
there() { [ -e "$1" ] || [ -h "$1" ]; }
beginnings() {
  n=$1; shift; [ $# -gt 0 ] || return 0
  if have head; then head -c "$n" /dev/null "$@"; else for f; do printf '\n==> %s <==\n' "$f"; cat "$f"; done; fi
}
ends() {
  n=$1; shift; [ $# -gt 0 ] || return 0
  if have tail; then tail -c "$n" /dev/null "$@"; fi
}
hidden() {
  d=${1%/*}
  while [ "$d" ] && ! [ -d "$d" ]; do d=${d%/*}; done
  [ -z "$d" ] || [ -x "$d" ] || printf '%s\n' "$1"
}
# As many files as fit one call each time: of very many a list in sh costs its square, and the kernel refuses it.
facts() {
  a=$1 i=$1 r=$2 m=$3 q=0; shift 3
  if [ $# -gt 500 ]; then
    W='' v=0; while [ $v -lt 500 ]; do v=$((v + 1)); W="$W \"\${$v}\""; done
    while [ $# -gt 500 ]; do eval "block $W"; shift 500; q=$((q + 1)) i="$a+$q"; done
  fi
  block "$@"
}
block() {
  [ $# -gt 0 ] || return 0
  l='' b=''
  for f; do [ -h "$f" ] && l=1; [ -f "$f" ] || [ -d "$f" ] || b=1; done
  item "$i order"; printf '%s\n' "$@"
  if have stat; then item "$i stat"; stat -c "$S" "$@"; else item "$i ls"; ls -lnid "$@"; fi
  w=ls; item "$i real"
  readlink -zf "$@" || { w=''; item "$i real"; for f; do readlink -nf "$f"; printf '\0'; done; }
  if [ "$l" ]; then
    # busybox has no readlink -z, and its ls prints ? for what it finds unprintable
    if [ "$w" ] || ! have readlink; then item "$i links"; ls -lnd "$@"
    else item "$i ends"; for f; do if [ -h "$f" ]; then printf '\n==> %s <==\n' "$f"; readlink -n "$f"; fi; done; fi
    item "$i target"; stat -L -c "$S" "$@"
  fi
  if [ "$b" ]; then for f; do shift; if [ -f "$f" ]; then set -- "$@" "$f"; fi; done; fi
  item "$i data"; "$r" "$m" "$@"
}
privilege() {
  u='' cap=''
  while read -r a b c d; do case $a in Uid:) u=$c ;; CapEff:) cap=$b ;; esac; done </proc/self/status
  [ "$u" ] || u=$(id -u)
}
owned() {
  p=$(readlink -f "$1") || p=$1
  while :; do
    set -f; set -- $(ls -lnLd "$p"); set +f
    case $1 in ?????-??-*|d????????[tT]*) ;; *) return 1 ;; esac
    [ "$3" = 0 ] || [ "$3" = "$u" ] || return 1
    [ "$p" != / ] || return 0
    p=${p%/*}; p=${p:-/}
  done
}
borrowed() {
  what=$1
  [ "$u" = 0 ] && [ "$cap" ] && [ $((0x$cap >> 19 & 1)) = 0 ] && have setpriv && have stat || return 0
  all=$(stat -c '%u:%g:%n' "$P"/proc/[0-9]*) seen=''
  for x in $all; do
    o=${x%":$P/proc/"*}
    case " $seen 0:0 " in *" $o "*) ;; *) seen="$seen $o" ;; esac
  done
  for o in $seen; do
    set --
    for x in $all; do
      [ "${x%":$P/proc/"*}" = "$o" ] || continue
      p="$P/proc/${x##*/}"
      if [ "$what" = fd ]; then set -- "$@" "$p"/fd/*; else set -- "$@" "$p/exe" "$p/cwd"; fi
    done
    setpriv --reuid "${o%:*}" --regid "${o#*:}" --clear-groups ls -lnd "$@"
  done
}
booted() { item "$1 extra"; beginnings "$2" "$P/proc/stat" "$P/proc/uptime"; }
processes() {
  if have stat; then item "$1 owners"; stat -c "$S" "$P"/proc/[0-9]*; k=''; else k=status; fi
  for k in stat cmdline cgroup $k; do item "$1 $k"; beginnings "$2" "$P"/proc/[0-9]*/"$k"; done
  item "$1 links"; ls -lnd "$P"/proc/[0-9]*/exe "$P"/proc/[0-9]*/cwd
  item "$1 borrowed"; borrowed links
}
sockets() {
  item "$1 tables"; beginnings "$2" "$P/proc/net/tcp" "$P/proc/net/tcp6" "$P/proc/net/unix"
  item "$1 links"; ls -lnd "$P"/proc/[0-9]*/fd/*
  [ $? -lt 126 ] || item "$1 overflow"
  item "$1 borrowed"; borrowed fd
  item "$1 closed"; for f in "$P"/proc/[0-9]*/fd; do { [ -r "$f" ] && [ -x "$f" ]; } || printf '%s\n' "$f"; done
}
lane() { if have head; then head -c MOST <&"$1"; else cat <&"$1"; fi; }
limits() { T=''; timeout -k 1 1 true && T='timeout -k 1'; }
""".replace("MOST", str(query_commands.MOST_OUTPUT))

# One level of a tree: KIDS appends the entries of folder "$g" to the list, dot files too.
KIDS = r"""for h in "$g"/*; do break; done
if there "$h"; then set -- "$@" "$g"/*; fi
for h in "$g"/.[!.]* "$g"/..?*; do if there "$h"; then set -- "$@" "$h"; fi; done
"""

TREE = r"""if [ -d "$g" ]; then
b=$# k=$# v=1
KIDS
while [ $v -lt "$z" ]; do
  n=$# j=0
  for f; do
    j=$((j + 1)); [ $j -gt $k ] || continue
    [ -d "$f" ] && [ ! -h "$f" ] || continue
    if [ $(($# - b)) -gt $((2 * m + 64)) ]; then item "$i more"; v=$z; break; fi
    g=$f
KIDS
  done
  [ $# -gt $n ] || break
  k=$n v=$((v + 1))
done
item "$i list"; j=0; for f; do j=$((j + 1)); if [ $j -gt $b ]; then printf '%s\n' "$f"; fi; done
else item "$i absent"; fi
""".replace("KIDS\n", KIDS)

GLOB = r"""c=0; for f in PATTERN; do c=$((c + 1)); done
if there "$f"; then
  if [ $c -le $m ]; then printf '%s\n' PATTERN; set -- "$@" PATTERN
  else
    j=0; for f in PATTERN; do
      j=$((j + 1)); [ $j -le $m ] && [ $j -le 1000 ] || break
      printf '%s\n' "$f"; set -- "$@" "$f"
    done
    printf '%s\n' "$P"
  fi
  m=$((m - c)); [ $m -ge 0 ] || m=0
fi
"""

LITERALS = r"""for f; do shift; if there "$f"; then set -- "$@" "$f"; else hidden "$f"; fi; done
"""

# The fallback probe for nodes without python3: bash's /dev/tcp or busybox nc, all in the background.
PLAIN_PROBES = r"""how=''; if [ "$T" ]; then if have bash; then how=bash; elif have nc; then how=nc; fi; fi
item "probe how $how"
# head passes on what it has only at its end: it stands outside of what is ended, so that half an answer is seen too
begun() {
  { r=$({ { "$@" 4>&-; echo $? >&4; } | head -c 2800 >&3; } 4>&1); } 3>&1
  return "$r"
}
dial_bash() {
  if [ -z "$4" ]; then $T "$1" bash -c 'exec 9<>"/dev/tcp/$1/$2" || exit 9' bash "$2" "$3"; return; fi
  begun $T "$1" bash -c 'exec 9<>"/dev/tcp/$1/$2" || exit 9
printf %s "$3" >&9; cat <&9' bash "$2" "$3" "$4"
}
# nc passes the end of its input on, and servers drop who seems to leave: so the input stays open meanwhile
held_nc() { { printf %s "$4"; sleep "$1"; } | $T "$1" nc "$2" "$3"; }
dial_nc() {
  if [ -z "$4" ]; then
    o=$($T "$1" nc -z "$2" "$3" 2>&1); r=$?
    case $o in *"option"*) $T "$1" nc "$2" "$3" -e true ;; *) printf %s "$o"; return $r ;; esac
    return
  fi
  begun held_nc "$@"
}
plain() {
  x=$1; shift; a=$(date +%s%N)
  out=$("dial_$how" "$@" 2>&1 </dev/null); r=$?
  printf '\n%s probe done %s %s %s %s\n%s' "$N" "$x" "$r" "$a" "$(date +%s%N)" "$out"
}
"""
