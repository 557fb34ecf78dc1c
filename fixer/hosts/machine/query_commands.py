"""The closed list of commands as argv: what each Command query runs, and which slots are refused."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.formats.journal_entries import FIELDS
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.host import CommandResult
from fixer.model.query import OTHER_UNITS, TOO_LONG, UNIT_PROPERTIES, Answer, AnswerStatus, Command

with lazy_imports():
    import socket  # 3 ms that most rounds do not need

MOST_OUTPUT = 4 << 20  # bytes that one command may print: a line takes far more memory once it is a string
MISSING_CODE = 127  # sh's exit code for a missing command
REFUSED_OPTION = 1  # exit code of systemd's tools for an option that they do not know

_UNIT = regex(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@*-]*\Z")
_NAMESPACE = regex(r"[A-Za-z0-9:_.@-]+\Z")
_HOST = regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z|[0-9a-fA-F:.]+\Z")
_NUMBER = regex(r"[0-9]{1,6}\Z")
_PATH = regex(r"/[^\0\n]*\Z")
_UNITS = ("--all", "--no-legend", "--plain", "--no-pager", "--full", "--type=service,socket")


@dataclass(frozen=True, slots=True)
class QueryCommand:
    """One command to run for a query. `trusted` is a program that must belong to root before root runs it. `older` asks
    a version that refuses an option of `argv`; it is run where that exits with REFUSED_OPTION."""

    argv: tuple[str, ...]
    timeout: float = 4.0
    trusted: str = ""
    older: tuple[str, ...] = ()


_JOURNAL = ("journalctl", "--quiet", "--no-pager")
# --all: else the long messages are null. --output-fields is known since systemd 236.
JOURNAL_AS_JSON = ("-o", "json", "--all", "--output-fields=" + ",".join(FIELDS))
JOURNAL_AS_TEXT = ("-o", "short-unix")
_FIXED_COMMANDS: Mapping[str, QueryCommand] = {
    "systemctl-jobs": QueryCommand(("systemctl", "list-jobs", "--before", "--full", "--no-legend", "--no-pager")),
    "kernel-log": QueryCommand(("dmesg",), 3.0),
    "nft-rules": QueryCommand(("nft", "-j", "list", "ruleset"), 4.0),
    "nft-text": QueryCommand(("nft", "-a", "list", "ruleset"), 4.0),
}


def commands_for(command: Command) -> tuple[QueryCommand, ...] | None:
    """Return the commands whose outputs, joined by lines `--`, answer the query; None if a slot is refused."""
    args = command.args
    if command.name in _FIXED_COMMANDS:
        return None if args else (_FIXED_COMMANDS[command.name],)
    match command.name:
        case "systemctl-units":
            # systemd searches all folders for the links of each file that it lists: most files are its own
            return (QueryCommand(("systemctl", "list-units", *_UNITS)),
                    QueryCommand(("systemctl", "list-unit-files", *_UNITS[1:], "--", *OTHER_UNITS)))
        case "systemctl-show" if all(map(_UNIT.match, args)):
            # --all: a pattern matches running units only, and the stopped unit is the wanted one
            show = ("systemctl", "show", "--no-pager", "--all", "--property=" + ",".join(UNIT_PROPERTIES), "--")
            return (QueryCommand((*show, *(args or OTHER_UNITS))),)
        case "journal" if len(args) in (2, 3) and _UNIT.match(args[0]) and _NUMBER.match(args[1]) \
                and all(map(_NAMESPACE.match, args[2:])):
            of = ("-n", args[1], *(f"--namespace=+{name}" for name in args[2:]), "-u", args[0])
            return (QueryCommand((*_JOURNAL, *JOURNAL_AS_JSON, *of), older=(*_JOURNAL, *JOURNAL_AS_TEXT, *of)),)
        case "audit-denials" if not args:
            # with a pipe for stdin it would read that instead of the logs
            return (QueryCommand(("ausearch", "--input-logs", "-m", "avc", "-ts", "recent", "-c", "nginx", "--raw"),
                                 3.0),)
        case "nginx-test" if len(args) == 3 and _PATH.match(args[0]):
            return (QueryCommand((args[0], "-t", *_option("-c", args[1]), *_option("-p", args[2])), 10.0, args[0]),)
        case "nginx-version" if len(args) == 1 and _PATH.match(args[0]):
            return (QueryCommand((args[0], "-V"), 5.0, args[0]),)
        case "iptables-rules" | "ip6tables-rules":
            return (QueryCommand((command.name.replace("-rules", "-save"), "-c"), 4.0),)
        case "resolve" if all(map(_HOST.match, args)):
            return tuple(QueryCommand(("getent", "ahosts", name), 2.5) for name in args)
        case _:
            return None


def _option(flag: str, value: str) -> tuple[str, ...]:
    return (flag, value) if _PATH.match(value) else ()


def needs_systemd(command: Command) -> bool:
    """Return whether only a running systemd can answer it."""
    return command.name in ("systemctl-units", "systemctl-show", "systemctl-jobs", "journal")


def refused_answer(command: Command) -> Answer:
    """Return the answer to a command of another node, or with an invalid slot."""
    return Answer("failed", message=f"{command.name} {command.args!r} is refused")


def answer_of(results: list[CommandResult]) -> Answer:
    """Combine the results of a query's commands into one answer."""
    if long := next((r for r in results if r.truncated), None):
        return Answer("failed", message=f"{long.argv[0]}: {TOO_LONG}")  # a part could pass for the whole
    worst = next((r for r in results if r.returncode != 0), results[0])
    status: AnswerStatus = "ok"
    message = ""
    if worst.missing:
        status, message = "no-tool", f"{worst.argv[0]}: command not found"
    elif worst.timed_out:
        status, message = "timeout", f"{worst.argv[0]} timed out"
    elif worst.returncode is None:
        status, message = "failed", worst.stderr.decode(errors="replace")
    elif worst.returncode != 0:
        status, message = "failed", f"{worst.argv[0]} exited with code {worst.returncode}"
    return Answer(
        status, b"--\n".join(r.stdout for r in results), returncode=worst.returncode,
        stderr=b"".join(r.stderr for r in results), message=message,
    )


def resolve_answer(names: tuple[str, ...], results: list[CommandResult]) -> Answer:
    """Answer `resolve` from one `getent ahosts` per name: unique lines `NAME ADDRESS`, in order."""
    if results and all(r.missing for r in results):
        return Answer("no-tool", message="getent: command not found")
    lines: dict[str, None] = {}
    for name, result in zip(names, results, strict=True):
        for line in result.stdout.decode(errors="replace").splitlines() if result.returncode == 0 else ():
            if words := line.split():
                lines[f"{name} {words[0]}"] = None
    late = [name for name, result in zip(names, results, strict=True) if result.timed_out]
    message = f"no answer in time for {' '.join(late)}" if late else ""
    return Answer("ok", "".join(line + "\n" for line in lines).encode(), message=message)


def own_addresses(fib_trie: bytes, if_inet6: bytes) -> bytes:
    """Return one address per line, from /proc/net/fib_trie (v4, its LOCAL host entries) and /proc/net/if_inet6."""
    found: dict[str, None] = {}
    last = ""
    for line in fib_trie.decode("ascii", "replace").splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "|--":
            last = words[1]
        elif words[:2] == ["/32", "host"] and words[-1] == "LOCAL" and last:
            found[last] = None
    for line in if_inet6.decode("ascii", "replace").splitlines():
        digits = line.partition(" ")[0]
        if len(digits) == 32:
            found[_short_ipv6(digits)] = None
    return "".join(address + "\n" for address in found).encode()


def _short_ipv6(digits: str) -> str:
    try:
        return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
    except ValueError:
        return digits
