"""Repairs of server blocks that are in each other's way: one of two is put aside, or a name is added to one."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node, place
from fixer.errors import StepFailed
from fixer.model.diagnosis import Need, Repair
from fixer.model.nginx_config import ServerBlock
from fixer.model.plan import FileMeta, Step, WriteFile
from fixer.model.snapshot import Nginx
from fixer.nginx.lexer import tokenize
from fixer.repairs.file_edits import NoPlace, edit_block, nginx_steps, overwriters, risk_of, writable_place

KEEP, NAME, INTO = "keep", "server_name", "into"
_HOST_NAME = r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"


def keep_one(case: Case, nginx: Nginx, first: ServerBlock, second: ServerBlock) -> Repair:
    """Put one of two blocks aside: which one is meant, a person says."""
    files = tuple(dict.fromkeys(block.span.file for block in (first, second)))
    summary = "put the server block that is not meant out of nginx's sight"
    spots = " or ".join(place(case.snapshot, nginx.node, b.span.file, b.span.line) for b in (first, second))
    if len(files) < 2:
        return Repair("remove-shadowing-site", "manual", summary, (), manual=f"remove one of the two blocks: {spots}; "
                      "then nginx -t and reload")
    need = Need(KEEP, "choice", f"two server blocks have the same name ({spots}): name the file that is meant", files)
    chosen = case.inputs.get(KEEP)
    if chosen not in files:
        return Repair("remove-shadowing-site", "safe", summary, (), (need,))
    other = files[1] if chosen == files[0] else files[0]
    moved = _put_aside(case, nginx, other)
    if isinstance(moved, NoPlace):
        manual = f"take the server block in {other} out: {moved.why}; then nginx -t and reload"
        return Repair("remove-shadowing-site", "manual", summary, (), (need,), manual)
    return Repair("remove-shadowing-site", "safe", f"put {other} aside", (*moved, *nginx_steps(case.snapshot, nginx)),
                  (need,))


def _put_aside(case: Case, nginx: Nginx, path: str) -> tuple[Step, ...] | NoPlace:
    """A link is removed; a file gets a name that no `*.conf` matches."""
    file = case.snapshot.file(nginx.node, path)
    if file is None:
        return NoPlace(f"{path} could not be read")
    if sum(t.kind == "word" and t.value == b"server" for t in tokenize(file.data)[0]) != 1:
        return NoPlace(f"{path} holds more than that one server")
    here = writable_place(case.snapshot, nginx.node, path)
    if isinstance(here, NoPlace):
        return here
    node = find_node(case.snapshot, nginx.node)
    stat = dict(node.files).get(path) if node is not None else None
    if stat is not None and stat.kind == "link" and here.node == nginx.node:
        return (WriteFile(nginx.node, path, None, None, f"take {path} out", link_target=stat.link_target),)
    if here.in_place or not path.endswith(".conf") or file.managed_by:
        return NoPlace(f"{path} is no link, and cannot be renamed out of nginx's sight")
    meta = FileMeta(file.stat.mode & 0o7777, file.stat.uid, file.stat.gid)
    aside = f"{here.path}.off"
    return (
        WriteFile(here.node, aside, None, here.data, f"keep a copy of {posixpath.basename(path)}", meta=meta),
        WriteFile(here.node, here.path, here.data, None, f"take {path} out of nginx's sight"),
    )


def add_name(case: Case, nginx: Nginx, others: list[ServerBlock]) -> Repair:
    """Another name for the block that is meant; which name and, among several, which block is a person's word."""
    blocks = {place(case.snapshot, nginx.node, b.names_span.file, b.names_span.line): b
              for b in others if b.names_span is not None}
    summary = "add the name that visitors use to the server block that is meant"
    if not blocks:
        manual = "give the server block that is meant a server_name"
        return Repair("add-server-name", "manual", summary, (), manual=manual)
    needs = [Need(NAME, "value", "the name that visitors use, as their browser shows it", pattern=_HOST_NAME)]
    if len(blocks) > 1:
        needs.append(Need(INTO, "choice", "the server block that is meant", tuple(blocks)))
    name = case.inputs.get(NAME, "")
    into = case.inputs.get(INTO, "") if len(blocks) > 1 else next(iter(blocks))
    block = blocks.get(into)
    if not name or block is None or block.names_span is None:
        return Repair("add-server-name", "safe", summary, (), tuple(needs))
    here = writable_place(case.snapshot, nginx.node, block.names_span.file)
    if isinstance(here, NoPlace):
        return Repair("add-server-name", "manual", summary, (), tuple(needs), f"add {name} at {into}: {here.why}")
    try:
        step = edit_block(here, block.names_span.start, f" {name}".encode(), f"add {name} to {into}")
    except StepFailed as error:
        return Repair("add-server-name", "manual", summary, (), tuple(needs), f"add {name} at {into}: {error.message}")
    return Repair("add-server-name", risk_of((here,), "safe"), f"add {name} at {into}{overwriters((here,))}",
                  (step, *nginx_steps(case.snapshot, nginx)), tuple(needs))

