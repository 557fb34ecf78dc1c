"""A module that is there, in a folder that the program's account may not look into: Python says that there is none."""

from __future__ import annotations

from fixer.analysis.evidence import find_node
from fixer.analysis.exits.accounts import PASS, READ, Account, may
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.exits.path_access import account_for, hidden_by
from fixer.formats.modules import files_of, folders_to, module_folders, unfound
from fixer.formats.start_files import way_to
from fixer.model.snapshot import Container, Service, Snapshot
from fixer.repairs.file_edits import on_host


def closed_folder_of(snapshot: Snapshot, crash: Crash, fault: CodeFault) -> str:
    """The first folder on the way to the module that is closed to its account, empty where none is or was seen."""
    service = crash.service
    start = service.unit.working_directory if service.unit is not None and service.container is None else ""
    module = unfound(fault.said.text)
    node = find_node(snapshot, service.node)
    if module and service.container is not None:
        return _closed_in(snapshot, service, service.container, module)
    if not module or not start.startswith("/") or node is None:
        return ""
    stats, account = dict(node.files), account_for(snapshot, service)
    folder = next((f for f in module_folders(service.argv, start) if any(p in stats for p in files_of(f, module))), "")
    if account is None or not folder or hidden_by(service, folder):
        return ""        # it is not there, whoever asks
    inside = folders_to(folder, module)
    for path in dict.fromkeys((*way_to(folder), *inside)):
        end = stats[path].end if path in stats else None
        wanted = (PASS, READ) if path in inside else (PASS,)
        if end is not None and end.kind == "dir" and not all(may(end, account, right) for right in wanted):
            return path
    return ""


def _closed_in(snapshot: Snapshot, service: Service, box: Container, module: str) -> str:
    """The same of what a container has from the Docker host. An account that it names by a word has a number that
    only its image knows: then what is root's alone is closed to it."""
    user, _, group = box.user.partition(":")
    if user in ("", "0", "root") or box.is_machine:
        return ""
    stats = dict(snapshot.engine_files)
    folder = next((f for f in module_folders(service.argv, box.working_dir) if any(
        on_host(box, path) in stats for path in files_of(f, module))), "")
    file = next((path for path in files_of(folder, module) if on_host(box, path) in stats), "") if folder else ""
    for path in way_to(file) if file else ():
        stat = stats.get(on_host(box, path))
        end = stat.end if stat is not None else None
        if end is None or end.kind not in ("dir", "file"):
            continue
        gids = frozenset((int(group),)) if group.isdigit() else frozenset()
        account = Account(user, int(user) if user.isdigit() else -1, -1, gids, group)
        known = user.isdigit() or (end.uid == 0 and end.gid == 0)
        wanted = (PASS,) if end.kind == "dir" else (READ,)
        if known and not all(may(end, account, right) for right in wanted):
            return path
    return ""
