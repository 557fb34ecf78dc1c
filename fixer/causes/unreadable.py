"""A module that is there, in a folder that the program's account may not look into: Python says that there is none."""

from __future__ import annotations

from fixer.causes.accounts import PASS, READ, may
from fixer.causes.codefaults import CodeFault
from fixer.causes.crashing import Crash
from fixer.causes.pathstate import account_for, hidden_by
from fixer.causes.reading import find_node
from fixer.model.modules import files_of, folders_to, unfound
from fixer.model.snapshot import Snapshot


def closed_folder_of(snapshot: Snapshot, crash: Crash, fault: CodeFault) -> str:
    """The first folder on the way to the module that is closed to its account, empty where none is or was seen."""
    service = crash.service
    folder = service.unit.working_directory if service.unit is not None and service.container is None else ""
    module = unfound(fault.said.text)
    node = find_node(snapshot, service.node)
    if not module or not folder.startswith("/") or node is None or hidden_by(service, folder):
        return ""
    stats, account = dict(node.files), account_for(snapshot, service)
    if account is None or not any(path in stats for path in files_of(folder, module)):
        return ""        # it is not there, whoever asks
    for path in folders_to(folder, module):
        end = stats[path].end if path in stats else None
        if end is not None and end.kind == "dir" and not (may(end, account, READ) and may(end, account, PASS)):
            return path
    return ""
