"""The present state of a path that a program could not use: the path, the folders above it, and its account."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Literal, TypeAlias

from fixer.analysis.evidence import find_node, host_path_of, processes_of
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import message_of
from fixer.formats.file_errors import FOLDER_CODES, MISSING_CODES, READ_ONLY_CODES, is_write_error
from fixer.formats.folders import is_within
from fixer.formats.start_files import (
    find_missing_module,
    module_files,
    module_folders,
    module_parent_folders,
    path_and_parents,
)
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.query import FileStat
from fixer.model.snapshot import Container, LogLine, Service, Snapshot, UnitValue

FaultState: TypeAlias = Literal["holds", "gone", "unknown"]

_MAX_CALL_LINES = 12               # lines above an error that hold its own call
_READ_CALL = regex(r"\bopen\((?:[^(),]|\([^()]*\))+\)|\bopen\([^)]{0,500},\s*(?:mode=)?['\"]rb?['\"]"
                   r"|\.read_(?:text|bytes)\(|\bload_cert_chain\(")
_WRITE_CALL = regex(
    r"\bopen\([^)]{0,500},\s*(?:mode=)?['\"](?:[wax]|r[bt]?\+)|\.write_(?:text|bytes)\(|self\.baseFilename|mkdir\("
    r"|\bcreate_unix_server\b|\bsock(?:et)?\.bind\("
)
_FALSE_VALUES = frozenset({"", "no", "false", "off", "0"})
_HOMES = ("/home/", "/root/", "/run/user/")
_TEMPS = ("/tmp/", "/var/tmp/")      # noqa: S108  the folders that PrivateTmp= replaces
_ROOT_SETTINGS = frozenset({"RootDirectory", "RootImage", "DynamicUser"})
_PATH_SETTINGS = frozenset({"InaccessiblePaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths"})
_MOUNTS_FILE = "/proc/mounts"


@dataclass(frozen=True, slots=True)
class PathState:
    """The present state of a path, as text that continues "because it was so", and the evidence. `need` is what its
    account may not do (`write to /run/app`), empty for any other state."""

    state: FaultState
    text: str
    evidence: tuple[Evidence, ...] = ()
    need: str = ""


def path_state(snapshot: Snapshot, crash: FailedRun, path: str, why: str, line: LogLine) -> PathState:
    """Return the present state of the path that the program could not use."""
    service, path = crash.service, posixpath.normpath(path)
    if service.container is not None:
        return _container_path_state(snapshot, service, path, why)
    if why in FOLDER_CODES:
        node = find_node(snapshot, service.node)
        return _folder_state(path, dict(node.files).get(path) if node is not None else None)
    hidden = hiding_setting_text(service, path)
    if hidden:
        return PathState("unknown", f"{hidden} of its unit shows it other files than fixer sees")
    if is_credential(path):
        return PathState("unknown", "systemd creates that folder at each start and removes it after the end")
    if why in READ_ONLY_CODES:
        return _mount_state(snapshot, service, path)
    node = find_node(snapshot, service.node)
    stats, absent = (dict(node.files), set(node.missing_paths)) if node is not None else ({}, set[str]())
    way = path_and_parents(path)
    if why in MISSING_CODES and path in absent and _intended_access(crash, line) != "write":
        return PathState("holds", f"{path} is not there", (Evidence("file", path, "no such file"),))
    last = way[-1] if path not in absent else next((p for p in reversed(way[:-1]) if p not in absent), "/")
    if any(part not in stats and part not in absent for part in way):
        return PathState("unknown", f"the present state of {path} could not be read")
    account = account_of_run(snapshot, crash)
    if account is None:
        if why in MISSING_CODES and path not in absent:
            return PathState("gone", "it is there now", (_stat_evidence(path, stats[path]),))
        return PathState("unknown", "the account that it runs under is unknown")
    if why not in MISSING_CODES and account.uid == 0:
        return PathState("unknown", "file modes do not restrict root")
    return _judge_access(stats, tuple(p for p in way if p not in absent), account, (path, last),
                         _intended_access(crash, line))


def _folder_state(path: str, stat: FileStat | None) -> PathState:
    """Return whether a folder is where the program needs a file. Docker creates one for a missing source of a mount."""
    if stat is None:
        return PathState("unknown", f"the present state of {path} could not be read")
    shown = (_stat_evidence(path, stat),)
    return PathState("holds", f"{path} is a folder", shown) if stat.end.kind == "dir" else PathState(
        "gone", f"{path} is no folder any more", shown)


def _judge_access(stats: dict[str, FileStat], way: Sequence[str], account: Account, ends: tuple[str, str],
           use: Literal["read", "write", ""]) -> PathState:
    """Judge the account's access. `ends`: the path and its last existing part; if they differ, it is to be created."""
    path, last = ends
    folders = way if path != last else way[:-1]
    shut = next((p for p in folders if not has_permission(stats[p].end, account, PASS)), None)
    if shut is not None:
        return _closed(account, f"enter {shut}", _stat_evidence(shut, stats[shut]))
    end, shown = stats[last].end, (_stat_evidence(last, stats[last]),)
    if path != last:
        if last != posixpath.dirname(path):
            return PathState("holds", f"{path} is not there, nor is its folder", shown)
        if has_permission(end, account, WRITE):
            return PathState("gone", f"{account.name} may write to {last} now", shown)
        return _closed(account, f"write to {last}", *shown)
    if end.kind == "socket":        # a server creates its socket at each start
        folder = posixpath.dirname(path)
        if may_remove(stats[folder].end, end, account):
            return PathState("gone", f"{account.name} may create it now", shown)
        found = _closed(account, f"write to {folder}", _stat_evidence(folder, stats[folder]))
        return replace(found, text=f"{found.text}, so it cannot create its socket")
    read, write = has_permission(end, account, READ), has_permission(end, account, WRITE)
    if use == "write" and not write:        # who appends to a file need not read it
        return _closed(account, f"write to {path}", *shown)
    if not read and use != "write":
        return _closed(account, f"read {path}", *shown)
    if not write and use != "read":
        return PathState("unknown", f"{account.name} may read {path} and not write to it, and it is unknown which "
                                    "it needs", shown)
    return PathState("gone", f"it is there now and {account.name} may use it", shown)


def _closed(account: Account, need: str, *shown: Evidence) -> PathState:
    return PathState("holds", f"{account.name} may not {need}", shown, need)


def _stat_evidence(path: str, stat: FileStat) -> Evidence:
    end = stat.end
    return Evidence("file", path, f"{end.kind}, mode {end.mode & 0o7777:04o}, owner {end.uid}:{end.gid}")


def _intended_access(crash: FailedRun, line: LogLine) -> Literal["read", "write", ""]:
    """Return whether the program wanted to read or to write, by its call in the traceback above the error."""
    if is_write_error(message_of(line)):
        return "write"
    for text in reversed(crash.end.above(line, _MAX_CALL_LINES)):
        if _WRITE_CALL.search(text):
            return "write"
        if _READ_CALL.search(text):
            return "read"
    return ""


def hiding_setting_text(service: Service, path: str) -> str:
    """Return the setting of its unit that replaces what it sees at that path, empty if there is none."""
    for setting in service.unit_values:
        value = setting.value.strip().strip("'\"")
        on = value.lower() not in _FALSE_VALUES
        named = [word.lstrip("-+").split(":")[-1] for word in value.split()] if setting.key in _PATH_SETTINGS else []
        if on and (
            setting.key in _ROOT_SETTINGS
            or (setting.key == "PrivateTmp" and path.startswith(_TEMPS))
            or (setting.key == "ProtectHome" and path.startswith(_HOMES))
            or any(is_within(path, name) for name in named)
        ):
            return f"{setting.key}={value}"
    return ""


def account_of_run(snapshot: Snapshot, crash: FailedRun) -> Account | None:
    """Return the account that a run had: that to which its launchers change (`runuser`), else its service's; of one
    started by hand the owner of its log. Root's shell may have opened that for a program of another account."""
    if crash.is_hearsay:
        return find_account(snapshot, crash.service.node, crash.uid) if crash.uid > 0 else None
    if crash.service.runs_as:
        return find_account(snapshot, crash.service.node, crash.service.runs_as)
    if crash.has_running_parent:        # it may have changed its account since its start
        uids = {process.uid for process in processes_of(snapshot, crash.service.node, crash.service.pids)}
        if len(uids) == 1:
            return find_account(snapshot, crash.service.node, uids.pop())
    return account_of_service(snapshot, crash.service)


def account_of_service(snapshot: Snapshot, service: Service) -> Account | None:
    """Return the account that its unit, program or boot entry runs it as, with the groups that the unit adds."""
    unit = service.unit
    if unit is None:
        told = [v.value.strip() for v in service.unit_values if v.key == "user"] if service.program is not None else []
        name = service.boot_entry.user if service.boot_entry is not None else told[-1] if told else ""
        return find_account(snapshot, service.node, name) if name else None
    account = find_account(snapshot, service.node, unit.user or 0)
    groups = read_account_file(snapshot, service.node, "/etc/group")
    words = [unit.group] if unit.group else []
    words += [w for v in service.unit_values if v.key == "SupplementaryGroups" for w in v.value.split()]
    gids = {int(g[2]) for g in groups if len(g) > 2 and g[2].isdigit() and (g[0] in words or g[2] in words)}
    if account is None or (unit.group and not gids):
        return None
    return replace(account, gids=account.gids | gids, group=unit.group or group_name(groups, account.gid))


def _mount_state(snapshot: Snapshot, service: Service, path: str) -> PathState:
    """Return how the file system of the path is mounted. Read-only settings of the unit are checked before."""
    file = snapshot.file(service.node, _MOUNTS_FILE)
    best: tuple[str, str] = ("", "")
    for words in (line.split() for line in file.data.decode("utf-8", "replace").splitlines()) if file else ():
        at = words[1] if len(words) > 3 else ""
        if is_within(path, at) and len(at) >= len(best[0]):
            best = (at, words[3])
    if not best[0]:
        return PathState("unknown", "its mount options could not be read")
    shown = (Evidence("file", _MOUNTS_FILE, f"{best[0]} {best[1][:60]}"),)
    if "ro" in best[1].split(","):
        return PathState("holds", f"{best[0]} is mounted read-only", shown)
    return PathState("gone", f"{best[0]} is mounted read-write, and no setting of its unit forbids writes now", shown)


def _container_path_state(snapshot: Snapshot, service: Service, path: str, why: str) -> PathState:
    """Return what the Docker host has at a mount; files in the container itself cannot be read."""
    box = service.container
    mount = max((m for m in box.mounts if is_within(path, m[1])),
                key=lambda m: len(m[1]), default=None) if box is not None else None
    shared = box is not None and any(is_within(path, at) for _, at in box.shares)
    if box is not None and why in READ_ONLY_CODES and box.read_only and mount is None and not shared:
        return PathState("holds", f"{box.name} was made read-only, and nothing is mounted at that path",
                         (Evidence("container", box.name, "ReadonlyRootfs"),))
    if mount is None or why not in MISSING_CODES | FOLDER_CODES:
        return PathState("unknown", "the present files of its container could not be read")
    there = posixpath.normpath(mount[0] + path[len(mount[1].rstrip("/")):])
    stat = dict(snapshot.engine_files).get(there)
    if why in FOLDER_CODES:
        return _folder_state(there, stat)
    if stat is None or (stat.kind == "link" and stat.target is None):
        return PathState("holds", f"{path} is not there", (Evidence("file", there, "no such file"),))
    return PathState("gone", "it is there now", (_stat_evidence(there, stat),))


def image_path_state(service: Service, path: str) -> PathState | None:
    """Return the state of a missing path that a container has from its image alone: what its last run did not find is
    not there now, since nothing is mounted at it or below which it could come. None if something is."""
    box, path = service.container, posixpath.normpath(path)
    if box is None or box.is_machine or any(is_within(path, at) for at in (*(m[1] for m in box.mounts),
                                                                         *(at for _, at in box.shares))):
        return None
    text = f"{path} is not there: its image lacks it, and no mount of {box.name} brings it"
    return PathState("holds", text, (Evidence("container", box.name, f"nothing is mounted at {path}"),))


# What an account of a machine may do with a file, by the machine's own account files and the file's mode.
READ, WRITE, PASS = 4, 2, 1
_STICKY = 0o1000


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its name, its user id, and all of its groups; `group` is the name of its own group."""

    name: str
    uid: int
    gid: int
    gids: frozenset[int]
    group: str


def find_account(snapshot: Snapshot, node: str, who: str | int) -> Account | None:
    """Return the account of a name or number; None if the machine's account files, as far as read, do not have it."""
    passwd, groups = (read_account_file(snapshot, node, path) for path in ("/etc/passwd", "/etc/group"))
    column = 2 if isinstance(who, int) or who.isdigit() else 0     # digits alone are no name
    row = next((r for r in passwd if len(r) > 3 and r[column] == str(who)), None)
    if row is None or not groups or not row[2].isdigit() or not row[3].isdigit():
        return None
    name, gid = row[0], int(row[3])
    mine = {int(g[2]) for g in groups if len(g) > 3 and g[2].isdigit() and name in g[3].split(",")}
    return Account(name, int(row[2]), gid, frozenset({gid, *mine}), group_name(groups, gid))


def has_permission(stat: FileStat, account: Account, bit: int) -> bool:
    """Return whether the mode grants the account that right."""
    if account.uid == 0:
        return True
    shift = 6 if stat.uid == account.uid else 3 if stat.gid in account.gids else 0
    return bool(stat.mode >> shift & bit)


def may_remove(folder: FileStat, file: FileStat, account: Account) -> bool:
    """Return whether the account may remove a file of the folder: of one that is everybody's, only its own."""
    own = account.uid in (0, folder.uid, file.uid)
    return has_permission(folder, account, WRITE) and (own or not folder.mode & _STICKY)


def read_account_file(snapshot: Snapshot, node: str, path: str) -> list[list[str]]:
    """Return the fields of each line of an account file."""
    file = snapshot.file(node, path)
    return [] if file is None else [line.split(":") for line in file.data.decode("utf-8", "replace").splitlines()]


def group_name(groups: list[list[str]], gid: int) -> str:
    """Return the name of the group with that number."""
    return next((g[0] for g in groups if len(g) > 2 and g[2] == str(gid)), "")


# Credentials that systemd passes to a unit: their folder exists only while it runs.
_CREDENTIAL_PATH = regex(r"/run/credentials/(?P<unit>[^/]+)/(?P<name>[^/]+)")
_CREDENTIAL_SETTINGS = frozenset({"LoadCredential", "LoadCredentialEncrypted", "ImportCredential"})


def is_credential(path: str) -> bool:
    """Return whether the path is where systemd writes a unit's credentials at each start."""
    return _CREDENTIAL_PATH.fullmatch(path) is not None


def credential_texts(crash: FailedRun, path: str) -> tuple[str, str]:
    """Return the text about a credential that the program did not find, and what an operator does about it."""
    service, match = crash.service, _CREDENTIAL_PATH.fullmatch(path)
    name = match["name"] if match is not None else path
    setting = _credential_setting(service, name)
    if setting is not None:
        text = f"it did not get the credential {name} ({setting.key} names {setting.value.strip()})"
        return text, f"make sure that systemd can read what {setting.file}:{setting.line} names"
    passed = ", ".join(s.value.strip().partition(":")[0] for s in service.unit_values if s.key in _CREDENTIAL_SETTINGS)
    text = f"it did not get the credential {name}{f' (its unit passes {passed})' if passed else ''}"
    return text, "pass it a credential of that name in its unit (LoadCredential, with its file)"


def _credential_setting(service: Service, name: str) -> UnitValue | None:
    return next((s for s in reversed(service.unit_values)
                 if s.key in _CREDENTIAL_SETTINGS and s.value.strip().partition(":")[0] == name), None)


# A module in a folder that the program's account may not read: Python reports that it does not exist.


def denied_folder_of(snapshot: Snapshot, crash: FailedRun, fault: CodeFault) -> str:
    """Return the first folder on the way to the module that is closed to the account, empty if none is known."""
    service = crash.service
    start = service.start_folder if service.container is None else ""
    module = find_missing_module(fault.log_line.text)
    node = find_node(snapshot, service.node)
    if module and service.container is not None:
        return _denied_path_in_container(snapshot, service, service.container, module)
    if not module or not start.startswith("/") or node is None:
        return ""
    stats, account = dict(node.files), account_of_service(snapshot, service)
    folder = next((f for f in module_folders(service.argv, start) if any(p in stats for p in module_files(f, module))),
                  "")
    if account is None or not folder or hiding_setting_text(service, folder):
        return ""        # it is missing for every account
    inside = module_parent_folders(folder, module)
    for path in dict.fromkeys((*path_and_parents(folder), *inside)):
        end = stats[path].end if path in stats else None
        wanted = (PASS, READ) if path in inside else (PASS,)
        if end is not None and end.kind == "dir" and not all(has_permission(end, account, right) for right in wanted):
            return path
    return ""


def _denied_path_in_container(snapshot: Snapshot, service: Service, box: Container, module: str) -> str:
    """Return the same for files that a container has from the Docker host. Only the image knows the number of a named
    account: then only files of root alone count as closed."""
    user, _, group = box.user.partition(":")
    if user in ("", "0", "root") or box.is_machine:
        return ""
    stats = dict(snapshot.engine_files)
    folder = next((f for f in module_folders(service.argv, box.working_dir) if any(
        host_path_of(box, path) in stats for path in module_files(f, module))), "")
    file = next((path for path in module_files(folder, module) if host_path_of(box, path) in stats),
                "") if folder else ""
    for path in path_and_parents(file) if file else ():
        stat = stats.get(host_path_of(box, path))
        end = stat.end if stat is not None else None
        if end is None or end.kind not in ("dir", "file"):
            continue
        gids = frozenset((int(group),)) if group.isdigit() else frozenset()
        account = Account(user, int(user) if user.isdigit() else -1, -1, gids, group)
        known = user.isdigit() or (end.uid == 0 and end.gid == 0)
        wanted = (PASS,) if end.kind == "dir" else (READ,)
        if known and not all(has_permission(end, account, right) for right in wanted):
            return path
    return ""
