"""Whether what a program said of a path when it ended is still so: the path, the folders above it, and its account."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Literal, TypeAlias

from fixer.analysis.evidence import find_node
from fixer.analysis.exits.accounts import PASS, READ, WRITE, Account, account_of, group_name, may, rows
from fixer.analysis.exits.credentials import is_credential
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import message
from fixer.formats.file_errors import GONE, READ_ONLY, says_writing
from fixer.formats.start_files import way_to
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.query import FileStat
from fixer.model.snapshot import LogLine, Service, Snapshot

Now: TypeAlias = Literal["holds", "gone", "unknown"]

_CALL = 12               # lines above an error in which its own call stands
_READS = regex(r"\bopen\((?:[^(),]|\([^()]*\))+\)|\bopen\([^)]*,\s*(?:mode=)?['\"]rb?['\"]|\.read_(?:text|bytes)\("
               r"|\bload_cert_chain\(")
_WRITES = regex(
    r"\bopen\([^)]*,\s*(?:mode=)?['\"](?:[wax]|r[bt]?\+)|\.write_(?:text|bytes)\(|self\.baseFilename|mkdir\("
    r"|\bcreate_unix_server\b|\bsock(?:et)?\.bind\("
)
_OFF = frozenset({"", "no", "false", "off", "0"})
_HOMES = ("/home/", "/root/", "/run/user/")
_TEMPS = ("/tmp/", "/var/tmp/")      # noqa: S108  the folders that PrivateTmp= replaces
_ROOTS = frozenset({"RootDirectory", "RootImage", "DynamicUser"})
_PATHS = frozenset({"InaccessiblePaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths"})
_MOUNTS = "/proc/mounts"


@dataclass(frozen=True, slots=True)
class PathState:
    """How it is now, in words that go on after "because it was so", and what shows it."""

    now: Now
    words: str
    evidence: tuple[Evidence, ...] = ()


def path_state(snapshot: Snapshot, crash: Crash, path: str, why: str, line: LogLine) -> PathState:
    """Look at what the program could not use."""
    service, path = crash.service, posixpath.normpath(path)
    if service.container is not None:
        return _in_container(snapshot, service, path, why)
    hidden = hidden_by(service, path)
    if hidden:
        return PathState("unknown", f"{hidden} of its unit shows it other files than those that were looked at")
    if is_credential(path):
        return PathState("unknown", "systemd makes that folder at each start and takes it away after the end")
    if why in READ_ONLY:
        return _mounted(snapshot, service, path)
    node = find_node(snapshot, service.node)
    stats, absent = (dict(node.files), set(node.absent)) if node is not None else ({}, set[str]())
    way = way_to(path)
    if why in GONE and path in absent and _use(crash, line) != "write":
        return PathState("holds", f"{path} is not there", (Evidence("file", path, "no such file"),))
    last = way[-1] if path not in absent else next((p for p in reversed(way[:-1]) if p not in absent), "/")
    if any(part not in stats and part not in absent for part in way):
        return PathState("unknown", f"what {path} is now could not be seen")
    account = account_for(snapshot, service)
    if account is None:
        if why in GONE and path not in absent:
            return PathState("gone", "it is there now", (_stat_evidence(path, stats[path]),))
        return PathState("unknown", "the account that it runs under is not known")
    if why not in GONE and account.uid == 0:
        return PathState("unknown", "no mode stops root")
    return _weigh(stats, tuple(p for p in way if p not in absent), account, (path, last), _use(crash, line))


def _weigh(stats: dict[str, FileStat], way: Sequence[str], account: Account, ends: tuple[str, str],
           use: Literal["read", "write", ""]) -> PathState:
    """`ends` are the path and the last part of the way that is there: another means that it is to be made in it."""
    path, last = ends
    folders = way if path != last else way[:-1]
    shut = next((p for p in folders if not may(stats[p].end, account, PASS)), None)
    if shut is not None:
        return PathState("holds", f"{account.name} may not pass {shut}", (_stat_evidence(shut, stats[shut]),))
    end, shown = stats[last].end, (_stat_evidence(last, stats[last]),)
    if path != last:
        if last != posixpath.dirname(path):
            return PathState("holds", f"the folder of {path} is not there", shown)
        state: Now = "gone" if may(end, account, WRITE) else "holds"
        return PathState(state, f"{account.name} may write to {last} now" if state == "gone" else
                         f"{account.name} may not write to {last}", shown)
    read, write = may(end, account, READ), may(end, account, WRITE)
    if not read and not (write and use == "write"):
        return PathState("holds", f"{account.name} may not read {path}", shown)
    if use == "write" and not write:
        return PathState("holds", f"{account.name} may not write to {path}", shown)
    if not write and use != "read":
        return PathState("unknown", f"{account.name} may read {path} and not write to it, and which it needs is not "
                                    "said", shown)
    return PathState("gone", f"it is there now and {account.name} may use it", shown)


def _stat_evidence(path: str, stat: FileStat) -> Evidence:
    end = stat.end
    return Evidence("file", path, f"{end.kind}, mode {end.mode & 0o7777:04o}, owner {end.uid}:{end.gid}")


def _use(crash: Crash, line: LogLine) -> Literal["read", "write", ""]:
    """Whether it wanted to read or to write, as its call in the traceback above the error says."""
    if says_writing(message(line)):
        return "write"
    at = next((i for i, one in enumerate(crash.lines) if one is line), 0)
    for one in reversed(crash.lines[max(0, at - _CALL):at]):
        text = message(one)
        if _WRITES.search(text):
            return "write"
        if _READS.search(text):
            return "read"
    return ""


def hidden_by(service: Service, path: str) -> str:
    """The setting of its unit for which it sees something else at that path."""
    for setting in service.unit_values:
        value = setting.value.strip().strip("'\"")
        on = value.lower() not in _OFF
        named = [word.lstrip("-+").split(":")[-1] for word in value.split()] if setting.key in _PATHS else []
        if on and (
            setting.key in _ROOTS
            or (setting.key == "PrivateTmp" and path.startswith(_TEMPS))
            or (setting.key == "ProtectHome" and path.startswith(_HOMES))
            or any(path == name or path.startswith(name.rstrip("/") + "/") for name in named if name)
        ):
            return f"{setting.key}={value}"
    return ""


def account_for(snapshot: Snapshot, service: Service) -> Account | None:
    """Whom its unit runs it as, with the groups that the unit adds."""
    unit = service.unit
    if unit is None:
        return None
    account = account_of(snapshot, service.node, unit.user or 0)
    groups = rows(snapshot, service.node, "/etc/group")
    words = [unit.group] if unit.group else []
    words += [w for v in service.unit_values if v.key == "SupplementaryGroups" for w in v.value.split()]
    gids = {int(g[2]) for g in groups if len(g) > 2 and g[2].isdigit() and (g[0] in words or g[2] in words)}
    if account is None or (unit.group and not gids):
        return None
    return replace(account, gids=account.gids | gids, group=unit.group or group_name(groups, account.gid))


def _mounted(snapshot: Snapshot, service: Service, path: str) -> PathState:
    """How the file system that holds the path is mounted; what the unit makes read-only of it is asked for before."""
    file = snapshot.file(service.node, _MOUNTS)
    best: tuple[str, str] = ("", "")
    for words in (line.split() for line in file.data.decode("utf-8", "replace").splitlines()) if file else ():
        at = words[1] if len(words) > 3 else ""
        if at and (path == at or path.startswith(at.rstrip("/") + "/")) and len(at) >= len(best[0]):
            best = (at, words[3])
    if not best[0]:
        return PathState("unknown", "how it is mounted could not be seen")
    shown = (Evidence("file", _MOUNTS, f"{best[0]} {best[1][:60]}"),)
    if "ro" in best[1].split(","):
        return PathState("holds", f"{best[0]} is mounted read-only", shown)
    return PathState("gone", f"{best[0]} is mounted for writing, and no setting of its unit forbids it now", shown)


def _in_container(snapshot: Snapshot, service: Service, path: str, why: str) -> PathState:
    """What the engine's machine holds behind a mount; what lies in the container itself cannot be looked at."""
    box = service.container
    mount = max((m for m in box.mounts if path == m[1] or path.startswith(m[1].rstrip("/") + "/")),
                key=lambda m: len(m[1]), default=None) if box is not None else None
    shared = box is not None and any(path == at or path.startswith(at.rstrip("/") + "/") for _, at in box.shares)
    if box is not None and why in READ_ONLY and box.read_only and mount is None and not shared:
        return PathState("holds", f"{box.name} was made read-only, and nothing is mounted at that path",
                         (Evidence("container", box.name, "ReadonlyRootfs"),))
    if mount is None or why not in GONE:
        return PathState("unknown", "what its container holds now could not be seen")
    there = posixpath.normpath(mount[0] + path[len(mount[1].rstrip("/")):])
    stat = dict(snapshot.engine_files).get(there)
    if stat is None or (stat.kind == "link" and stat.target is None):
        return PathState("holds", f"{path} is not there", (Evidence("file", there, "no such file"),))
    return PathState("gone", "it is there now", (_stat_evidence(there, stat),))
