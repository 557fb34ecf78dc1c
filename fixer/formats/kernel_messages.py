"""The kernel's sentences, and what each of them means. No other module knows them, and none of them is ever translated.

A new sentence is a row here: its pattern, its words in KEPT if a bundle must keep its line, and its reader."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

# What a line of the kernel's log must hold to stay in a bundle; all others are dropped. EREs of POSIX: awk reads them.
KEPT = ("oom-kill:", "Killed process", "memory: usage ")
# `dmesg`: the level of some versions, seconds since the boot, the text
_STAMP = regex(r"^(?:<\d+>)?\[\s*(?P<seconds>\d+\.\d+)\] (?P<text>.*)$")
# which limit was reached, and whose process is to end; then the line about its end
_OOM_CHOICE = regex(r"^oom-kill:constraint=(?P<constraint>\w+),"
                    r"(?>.*?(?:oom_memcg=(?P<limit>[^,]*),)?task_memcg=(?P<cgroup>[^,]*),task=).*?,pid=(?P<pid>\d+),")
# what was reached, a few lines before
_OOM_LIMIT = regex(r"^memory: usage \d+kB, limit (?P<limit>\d+)kB, failcnt \d+")
_OOM_KILL = regex(r"^(?:Memory cgroup out of memory|Out of memory): Killed process (?P<pid>\d+) \((?P<name>.*?)\)")
# as audit records it
_AVC = regex(r"^(?:node=\S+ )?type=AVC msg=audit\((?P<at>\d+\.\d+):\d+\): avc: +denied +\{ (?P<permission>[a-z_ ]+) \} "
             r"for +(?P<rest>.*)$")
_FIELD = regex(r"(?<!\w)(\w++)=(\"[^\"]*\"|\S+)")


@dataclass(frozen=True, slots=True)
class KernelLine:
    """A line of the kernel's log. `seconds` count from the boot."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class OomChoice:
    """The process that the OOM killer chose, its cgroup, and the cgroup whose limit was reached: empty for the
    machine's own memory."""

    pid: int
    cgroup: str
    limit: str


@dataclass(frozen=True, slots=True)
class OomLimit:
    """The memory limit in bytes that the next choice is about."""

    size: int


@dataclass(frozen=True, slots=True)
class OomEnd:
    """The process that the OOM killer ended."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class AvcDenial:
    """A denial of SELinux: epoch seconds, the permissions, the named fields, and the text behind the permissions."""

    at: float
    permission: str
    fields: dict[str, str]
    text: str


def parse_kernel_line(line: str) -> KernelLine | None:
    """Return the time and text of a line that `dmesg` printed."""
    found = _STAMP.match(line)
    return KernelLine(float(found["seconds"]), found["text"]) if found is not None else None


def read_oom(text: str) -> OomChoice | OomEnd | OomLimit | None:
    """Return what the kernel says of a kill for memory; None for another line."""
    reached = _OOM_LIMIT.match(text)
    if reached is not None:
        return OomLimit(int(reached["limit"]) * 1024)
    choice = _OOM_CHOICE.match(text)
    if choice is not None:
        limit = (choice["limit"] or "") if choice["constraint"] == "CONSTRAINT_MEMCG" else ""
        return OomChoice(int(choice["pid"]), choice["cgroup"], limit)
    end = _OOM_KILL.match(text)
    return OomEnd(int(end["pid"]), end["name"]) if end is not None else None


def read_denial(line: str) -> AvcDenial | None:
    """Return the denial of a line of `ausearch --raw`; None for another line."""
    found = _AVC.match(line)
    if found is None:
        return None
    fields = {key: value.strip('"') for key, value in _FIELD.findall(found["rest"])}
    return AvcDenial(float(found["at"]), found["permission"].strip(), fields, found["rest"])
