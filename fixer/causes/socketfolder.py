"""The folder of the socket that a service is told to make is not there, and nginx asks for one in a folder that is."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import bindings_of, find_node
from fixer.analysis.exits.failed_run import Crash
from fixer.model.diagnosis import Repair
from fixer.model.snapshot import ArgPlace
from fixer.repairs.command_options import edit_word
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.listen_address import ID
from fixer.repairs.start_service import begin_steps


def listen_where_asked(case: Case, crash: Crash, path: str) -> Repair | None:
    """To put the folder back would let it listen where nobody asks."""
    service, endpoint = crash.service, crash.troubles[0].endpoint
    told = next((b for b in bindings_of(service) if b.unix == path), None)
    node = find_node(case.snapshot, service.node)
    asked = endpoint.unix or ""
    stat = dict(node.files).get(posixpath.dirname(asked)) if node is not None else None
    is_there = stat is not None and stat.kind == "dir"
    if told is None or not asked or asked == path or endpoint.node != service.node or not is_there:
        return None
    word = ArgPlace(path, told.file, 0, told.start, told.end)
    edit = edit_word(case.snapshot, service, word, asked, f"listen on {asked}")
    begin = begin_steps(case.snapshot, service, endpoint)
    does = f"let {service.name} listen on {asked}, where nginx asks, instead of {path}"
    if isinstance(edit, NoPlace) or isinstance(begin, NoPlace) or not begin:
        return Repair(ID, "manual", does, (), manual=f"{does} ({told.source.where}), then start it")
    return Repair(ID, "disruptive", f"{does}, in {edit.where}, then start it", (*edit.steps, *begin))
