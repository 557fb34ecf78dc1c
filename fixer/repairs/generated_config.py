"""Edits of files that nginx's container makes at its start, turned into edits of what they are made from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Literal

from fixer.analysis.evidence import ENGINE, container_of, listeners_on, pids_of
from fixer.formats.template_text import can_be_literal
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers.docker_steps import swarm_advice_text
from fixer.model.diagnosis import Repair
from fixer.model.nginx_config import GeneratedFile, SourceRun
from fixer.model.plan import CheckNginx, ContainerAction, ReloadNginx, Step, WaitForListener, WriteFile
from fixer.model.snapshot import Container, Nginx, Snapshot
from fixer.nginx.lexer import tokenize
from fixer.repairs.file_edits import EditableFile, NotEditable, generated_file, locate_mounted_file, overwriters_text
from fixer.repairs.start_service import LISTEN_TIMEOUT, compose_up_step, reachable_host

with lazy_imports():
    from difflib import SequenceMatcher  # only for directives that are added or removed

_MAX_TEXTS = 5000      # tokens of a file whose edits are told apart, with the texts between them
# Text that YAML, environment files and shells read as it is.
_PLAIN_VALUE = regex(rb"[A-Za-z0-9_.][A-Za-z0-9_.:/-]{0,252}")


@dataclass(frozen=True, slots=True)
class _Edit:
    """Bytes `start` to `end` of a file are replaced. `variable` carries them into the generated file, if any does."""

    start: int
    end: int
    new: bytes
    variable: str = ""


class _UnmappableError(Exception):
    """An edit of a generated file has no equal edit of its sources; the message is the reason, for people."""


def with_lasting_edits(snapshot: Snapshot, repair: Repair) -> Repair:
    """Return the repair; edits of generated files are made in their sources, from which the container makes them again.

    It is manual if that would change anything else than the files as the repair edits them. What a person is to do says
    where such a file comes from.
    """
    writes = [step for step in repair.steps if isinstance(step, WriteFile)
              and generated_file(snapshot, step.node, step.path) is not None]
    if not writes:
        origins = _origins_text(snapshot, repair.manual) if repair.manual else ""
        return replace(repair, manual=repair.manual + origins) if origins else repair
    box = container_of(snapshot, writes[0].node)
    assert box is not None      # only a container's file is generated
    try:
        return _lasting_repair(snapshot, repair, writes, box)
    except _UnmappableError as error:
        return replace(repair, risk="manual", steps=(), manual=_manual_text(snapshot, repair, writes, box, str(error)))


def _lasting_repair(snapshot: Snapshot, repair: Repair, writes: Sequence[WriteFile], box: Container) -> Repair:
    edits = _source_edits(snapshot, writes)
    names = tuple(dict.fromkeys(edit.variable for some in edits.values() for edit in some if edit.variable))
    places = {key: _source_place(snapshot, box, *key, is_template=not some[0].variable) for key, some in edits.items()}
    mask = tuple(dict.fromkeys(hidden for write in writes for hidden in write.mask))
    new = tuple(_write_step(places[key], some, mask) for key, some in edits.items())
    remake = _remake_steps(snapshot, writes[0].node, box, recreate=bool(names))
    others = [step for step in repair.steps if not _is_replaced(step, writes, box)]
    checks = [step for step in repair.steps if isinstance(step, CheckNginx) and step.node == writes[0].node]
    where = " and ".join(dict.fromkeys(place.display_path for place in places.values()))
    made = " and ".join(dict.fromkeys(posixpath.basename(write.path) for write in writes))
    verb = "recreate" if names else "restart"
    summary = (f"{repair.summary}: edit {where}, from which container {box.name} makes {made}, and {verb} it"
               f"{overwriters_text(tuple(places.values()))}")
    return replace(repair, risk="disruptive", summary=summary, steps=(*new, *others, *remake, *checks[:1]))


def _is_replaced(step: Step, writes: Sequence[WriteFile], box: Container) -> bool:
    """Return whether the start that makes the files again takes the place of this step."""
    if isinstance(step, ContainerAction):
        return step.container_id == box.id
    if isinstance(step, WaitForListener):
        return step.container == box.name
    return step in writes or (isinstance(step, CheckNginx | ReloadNginx) and step.node == writes[0].node)


def _source_edits(snapshot: Snapshot, writes: Sequence[WriteFile]) -> dict[tuple[str, str], list[_Edit]]:
    """Return the edits of each source, by its node and path."""
    wanted: dict[SourceRun, _Edit] = {}
    for write in writes:
        made = generated_file(snapshot, write.node, write.path)
        if made is None or write.before is None or write.after is None:
            raise _UnmappableError(f"{write.path} would be created or deleted")
        parts = [pair for edit in _changed_spans(write.before, write.after)
                 for pair in _split_by_runs(made, write.before, edit)]
        if _replaced(write.before, [part for _, part in parts]) != write.after:
            raise _UnmappableError("its sources would give another file")
        for run, part in parts:
            _add_edit(wanted, run, part, write.before)
    _require_same_everywhere(snapshot, writes[0].node, wanted)
    found: dict[tuple[str, str], dict[_Edit, None]] = {}
    for run, edit in wanted.items():
        found.setdefault((run.node, run.file), {})[edit] = None
    return {key: sorted(some, key=lambda edit: edit.start) for key, some in found.items()}


def _changed_spans(before: bytes, after: bytes) -> Iterator[_Edit]:
    """Yield what changes, argument by argument, with the blanks and comments between them."""
    old, new = _texts(before), _texts(after)
    offsets = list(accumulate(map(len, old), initial=0))
    if len(old) == len(new):
        yield from (_trimmed(was, now, at) for was, now, at in zip(old, new, offsets, strict=False) if was != now)
        return
    if max(len(old), len(new)) > _MAX_TEXTS:
        yield _trimmed(before, after, 0)
        return
    for kind, first, last, left, right in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield _trimmed(b"".join(old[first:last]), b"".join(new[left:right]), offsets[first])


def _texts(data: bytes) -> list[bytes]:
    """Return the tokens of a file and the text between them, in order."""
    edges = [0, *(edge for token in tokenize(data)[0] for edge in (token.start, token.end)), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _trimmed(old: bytes, new: bytes, at: int) -> _Edit:
    head = len(posixpath.commonprefix([old, new]))
    tail = len(posixpath.commonprefix([old[head:][::-1], new[head:][::-1]]))
    return _Edit(at + head, at + len(old) - tail, new[head:len(new) - tail])


def _split_by_runs(made: GeneratedFile, data: bytes, edit: _Edit) -> Iterator[tuple[SourceRun, _Edit]]:
    """Yield the part of the edit in each run. Where two runs meet, new text is added to the template if it can be, and
    not if it makes the value of a variable another name (`desk`, `helpdesk`)."""
    if edit.start == edit.end:
        touched = [run for run in made.runs if run.start <= edit.start <= run.end and run.at is not None]
        if not touched:
            raise _UnmappableError(_reason_at(made, edit.start))
        grown = next((run for run in touched if run.variable and _extends_name(run, edit)), None)
        yield grown or min(touched, key=lambda run: bool(run.variable)), edit
        return
    within = [run for run in made.runs if run.start < edit.end and run.end > edit.start]
    if len(within) == 1:
        yield within[0], edit
        return
    kept = next((run for run in within if run.variable and _is_kept(run, data, edit)), None)
    if kept is None:
        yield from _split_at_literal(within, data, edit)
        return
    head, _, tail = edit.new.partition(data[kept.start:kept.end])
    for part in (_Edit(edit.start, kept.start, head), _Edit(kept.end, edit.end, tail)):
        rest = _trimmed(data[part.start:part.end], part.new, part.start)
        if rest.start != rest.end or rest.new:
            yield from _split_by_runs(made, data, rest)


def _extends_name(run: SourceRun, edit: _Edit) -> bool:
    """Return whether the new text stands beside the variable's value as a part of the same name."""
    beside = edit.new[-1:] if edit.start == run.start else edit.new[:1]
    return beside.isalnum() or beside in (b"-", b"_")


def _is_kept(run: SourceRun, data: bytes, edit: _Edit) -> bool:
    """Return whether the value that an edit covers stays within its new text, and where is plain."""
    value = data[run.start:run.end]
    return bool(value) and edit.start <= run.start and run.end <= edit.end and (
        data[edit.start:edit.end].count(value) == edit.new.count(value) == 1)


def _split_at_literal(within: Sequence[SourceRun], data: bytes, edit: _Edit) -> Iterator[tuple[SourceRun, _Edit]]:
    """Yield the parts on both sides of a text of the template that stays, such as the colon of `${HOST}:${PORT}`."""
    middle = within[1] if len(within) == 3 and not within[1].variable else None
    kept = data[middle.start:middle.end] if middle is not None else b""
    if middle is None or data[edit.start:edit.end].count(kept) != 1 or edit.new.count(kept) != 1:
        raise _UnmappableError("the address is put together of several variables")
    head, _, tail = edit.new.partition(kept)
    yield within[0], _Edit(edit.start, middle.start, head)
    yield within[2], _Edit(middle.end, edit.end, tail)


def _reason_at(made: GeneratedFile, at: int) -> str:
    return next((run.why for run in made.runs if run.start <= at <= run.end and run.why), "fixer found no place for it")


def _add_edit(wanted: dict[SourceRun, _Edit], run: SourceRun, edit: _Edit, data: bytes) -> None:
    """Add the edit, in offsets of the source. That of a variable is its complete new value."""
    if run.at is None:
        raise _UnmappableError(run.why)
    shift = run.at - run.start
    if not run.variable:
        if not can_be_literal(edit.new):
            raise _UnmappableError("the new text could be taken for a variable of the template")
        key = replace(run, start=edit.start, end=edit.end, at=edit.start + shift)
        wanted[key] = _Edit(edit.start + shift, edit.end + shift, edit.new)
        return
    new = data[run.start:edit.start] + edit.new + data[edit.end:run.end]
    if run in wanted and wanted[run].new != new:
        raise _UnmappableError(f"{run.variable} would have to change at several positions")
    if _PLAIN_VALUE.fullmatch(new) is None:
        raise _UnmappableError(f"{run.variable} would need quotes")
    wanted[run] = _Edit(run.at, run.at + run.end - run.start, new, run.variable)


def _require_same_everywhere(snapshot: Snapshot, node: str, wanted: dict[SourceRun, _Edit]) -> None:
    """Raise unless every other text that comes from an edited place is edited in the same way, or is a comment."""
    edited = {(run.file, edit.start, edit.end): edit for run, edit in wanted.items() if edit.variable}
    for made in snapshot.generated_files:
        file = snapshot.file(made.node, made.path)
        for run in made.runs if made.node == node else ():
            if run.at is None or not run.variable or run in wanted:
                continue
            edit = next((e for (path, start, end), e in edited.items()
                         if path == run.file and start <= run.at + run.end - run.start and run.at <= end), None)
            data = file.data if file is not None else b""
            if edit is not None and not _is_comment(data, run):
                line = data.count(b"\n", 0, run.start) + 1
                raise _UnmappableError(f"{edit.variable} also gives {made.path}:{line} its text")


def _is_comment(data: bytes, run: SourceRun) -> bool:
    """Return whether no token of the file touches the run."""
    return bool(data) and not any(token.start < run.end and token.end > run.start for token in tokenize(data)[0])


def _source_place(snapshot: Snapshot, box: Container, node: str, path: str, *, is_template: bool) -> EditableFile:
    known = snapshot.templates if is_template else snapshot.files
    file = next((file for file in known if (file.node, file.path) == (node, path)), None)
    if file is None:
        raise _UnmappableError(f"{path} could not be read")
    if not is_template:
        return EditableFile(ENGINE, file.real_path, file.data, file.single_file_mount, file.managed_by, file.real_path)
    place = locate_mounted_file(snapshot, box, file)
    if isinstance(place, NotEditable):
        raise _UnmappableError(place.reason)
    return place


def _write_step(place: EditableFile, edits: Sequence[_Edit], mask: tuple[bytes, ...]) -> WriteFile:
    data = _replaced(place.data, edits)
    what = ", ".join(dict.fromkeys(edit.variable for edit in edits if edit.variable))
    return WriteFile(place.node, place.path, place.data, data, f"set {what}" if what else "edit the template",
                     in_place=place.in_place, mask=mask, display_path=place.display_path)


def _replaced(data: bytes, edits: Sequence[_Edit]) -> bytes:
    """Return the bytes after the edits, which are in order."""
    for edit in reversed(edits):
        data = data[:edit.start] + edit.new + data[edit.end:]
    return data


def _remake_steps(snapshot: Snapshot, node: str, box: Container, *, recreate: bool) -> tuple[Step, ...]:
    """Return the start that makes the files again, and the wait for nginx: before it listens, a check would read the
    old files."""
    service = next((s for s in snapshot.services if s.container is not None and s.container.id == box.id), None)
    if service is not None and (advice := swarm_advice_text(service)):
        raise _UnmappableError(advice)
    wait = tuple(_wait_steps(snapshot, node, box))
    if not recreate:
        verb: Literal["start", "restart"] = "start" if box.status in ("exited", "created") else "restart"
        return (ContainerAction(box.id, box.name, verb, box.status, "nginx is down for a moment"), *wait)
    lost = next((made.lost_file for made in snapshot.generated_files if made.node == node and made.lost_file), "")
    if lost:
        raise _UnmappableError(f"a new container would not have {lost}, which was written into the present one")
    up = compose_up_step(snapshot, box)
    if isinstance(up, NotEditable):
        raise _UnmappableError(up.reason)
    return (up, *wait)


def _wait_steps(snapshot: Snapshot, node: str, box: Container) -> Iterator[WaitForListener]:
    nginx = next((one for one in snapshot.nginxes if one.node == node), None)
    held = {nginx.master_pid, *nginx.worker_pids} if nginx is not None else set()
    line = next((line for line in listeners_on(snapshot, node) if line.port and held.intersection(pids_of(line))), None)
    address = (line.address, line.port) if line is not None else _first_listen(snapshot, nginx)
    if address is not None:
        yield WaitForListener(node, reachable_host(address[0]), address[1], None, LISTEN_TIMEOUT, "", box.name)


def _first_listen(snapshot: Snapshot, nginx: Nginx | None) -> tuple[str, int] | None:
    listens = (listen for facts in snapshot.routes if nginx is not None and nginx.serves(facts)
               for listen in facts.route.listens)
    return next(((listen.address, listen.port) for listen in listens if listen.port), None)


def _origins_text(snapshot: Snapshot, manual: str) -> str:
    """Return of what those files are made to which the text sends a person: an edit there is lost at the next start."""
    told = ""
    for made in snapshot.generated_files:
        box = container_of(snapshot, made.node)
        if box is not None and made.template not in manual and re.search(rf"{re.escape(made.path)}(?![\w./-])", manual):
            told += (f". Container {box.name} generates {made.path} at each start from {made.template} and its "
                     "variables: change those, then recreate the container")
    return told


def _manual_text(snapshot: Snapshot, repair: Repair, writes: Sequence[WriteFile], box: Container, why: str) -> str:
    """Return what an operator does: what is to become what, and of which template and variables it is made."""
    changes: dict[str, None] = {}
    made = [one for one in snapshot.generated_files if one.node == writes[0].node]
    for write in writes:
        of = next(one for one in made if one.path == write.path)
        names = dict.fromkeys(run.variable for run in of.runs if run.variable)
        also = f" and {', '.join(names)}" if names else ""
        changes[f"container {box.name} generates {write.path} at each start from {of.template}{also}"] = None
    return (f"{repair.summary}: {'; '.join(changes)}. Change it there, then recreate the container; fixer cannot do "
            f"this: {why}")
