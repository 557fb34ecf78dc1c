"""Edits of files as steps: in the real file of a link or bind mount, and only the bytes that change."""

from __future__ import annotations

from bisect import bisect_left

from fixer.analysis.evidence import ENGINE, container_of, path_below, template_of
from fixer.formats.folders import is_below, is_within
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Unknown
from fixer.model.nginx_config import GeneratedFile
from fixer.model.plan import CheckNginx, ReloadNginx, Risk, Step, WriteFile
from fixer.model.snapshot import Container, FileContent, Nginx, Snapshot
from fixer.nginx.lexer import tokenize

with lazy_imports():  # not needed in most looks
    from fixer.nginx.span_edit import EditRefused, replace_span

_MAX_SINGLE_EDITS = 8      # edits of one file that are checked one by one


@dataclass(frozen=True, slots=True)
class EditableFile:
    """A file that can be written so that the change lasts: on which node, at which path, and how. A generated file is
    edited where it is: the diagnosis turns that into edits of its sources."""

    node: str
    path: str
    data: bytes
    in_place: bool
    managed_by: str
    display_path: str
    is_generated: bool = False


@dataclass(frozen=True, slots=True)
class NotEditable:
    """The reason why a file cannot be written so that the change lasts."""

    reason: str


def locate_editable_file(snapshot: Snapshot, node: str, path: str) -> EditableFile | NotEditable:
    """Return where the bytes of a file really are: itself on a machine, its bind mount's source for a container."""
    file = snapshot.file(node, path)
    if file is None:
        return NotEditable(f"{path} could not be read")
    box = container_of(snapshot, node)
    if box is None or box.is_machine:
        return EditableFile(node, file.real_path, file.data, file.single_file_mount, file.managed_by, file.real_path)
    if generated_file(snapshot, node, path) is not None:
        return EditableFile(node, file.real_path, file.data, False, "", file.real_path, is_generated=True)
    template = template_of(snapshot, file)
    if template is not None and file.stat.mtime < int(box.started_at):      # a file's time has whole seconds
        return NotEditable(
            f"the last start of container {box.name} did not make {file.real_path} of {template}, which it has: its "
            f"entry point may not write to that folder (docker logs {box.name} says so), or its command passes it by. "
            "Mend that, then recreate the container"
        )
    if template is not None:
        return NotEditable(
            f"container {box.name} generates {file.real_path} at each start from {template} and its variables: change "
            "the template, or the variable in the container's settings, then recreate the container"
        )
    writer = docker_follower(snapshot, box, file)
    if writer is not None:
        return NotEditable(
            f"{file.real_path} is written by a program of container {writer.name}, which follows Docker's events and "
            "writes it again when a container starts: change what it is made from, a variable or label of the "
            "application's container or the program's template"
        )
    return _file_of_volume(snapshot, box, file) or locate_mounted_file(snapshot, box, file)


def _file_of_volume(snapshot: Snapshot, box: Container, file: FileContent) -> EditableFile | None:
    """Return where the engine's machine holds a file of a volume, if its bytes were read there: the volume outlives the
    container, and hides the files of its image."""
    source, at = max((share for share in box.shares if is_within(file.real_path, share[1])),
                     key=lambda share: len(share[1]), default=("", ""))
    if not source or any(destination == at for _, destination, _ in box.mounts) or file.real_path == at:
        return None
    path = path_below(source, at, file.real_path)
    outside = snapshot.file(ENGINE, path)
    if outside is None or outside.data != file.data or outside.real_path != path:
        return None
    return EditableFile(ENGINE, path, file.data, False, file.managed_by, path)


def generated_file(snapshot: Snapshot, node: str, path: str) -> GeneratedFile | None:
    """Return what a file is made from at each start of its container; None if it is not, or if that is not proven."""
    file = snapshot.file(node, path) if snapshot.generated_files else None
    return next((made for made in snapshot.generated_files
                 if file is not None and (made.node, made.path) == (node, file.real_path)), None)


def locate_mounted_file(snapshot: Snapshot, box: Container, file: FileContent) -> EditableFile | NotEditable:
    """Return where a container's file is on the Docker host, if it is mounted from there."""
    mount = max((m for m in box.mounts if is_within(file.real_path, m[1])), key=lambda m: len(m[1]), default=None)
    shared = (source for source, at in box.shares if is_below(file.real_path, at))
    volume = None if mount is not None else next(shared, None)
    if volume is not None:
        return NotEditable(
            f"{file.real_path} is in a volume of container {box.name} ({volume} on the Docker host). The volume "
            "outlives the container and hides the files of its image: change the file in the volume"
        )
    written = next((one for one in snapshot.file_origins if (one.node, one.path) in (
        (file.node, file.path), (file.node, file.real_path))), None)
    if mount is None and written is not None:
        source = f" of {written.template}" if written.template else ""
        return NotEditable(
            f"{file.real_path} is made at each start of container {box.name} by {written.script}:{written.line}"
            f"{source}: change {'that file' if source else 'what it is made of'}, or the variables in it"
        )
    if mount is None and 0 < int(box.started_at) <= file.stat.mtime:      # a file's time has whole seconds
        return NotEditable(
            f"{file.real_path} was written after container {box.name} started, apparently by its entry point, which "
            "does so at each start: change the source of the file (a template, a variable or the script)"
        )
    if mount is None:
        return NotEditable(
            f"{file.real_path} is in the layer of container {box.name}: a change there is lost if the container is "
            "removed. Change the image, or mount the file"
        )
    source, destination, _ = mount
    host_path = path_below(source, destination, file.real_path)
    outside = snapshot.file(ENGINE, host_path)
    if outside is not None and outside.data != file.data:
        return NotEditable(f"container {box.name} does not read {host_path}: its mount is stale")
    single = file.real_path == destination
    path = host_path if outside is None else outside.real_path
    return EditableFile(ENGINE, path, file.data, single, file.managed_by, host_path)


def docker_follower(snapshot: Snapshot, box: Container, file: FileContent) -> Container | None:
    """Return the container whose program writes nginx's file from Docker's events: it has the engine's socket, and the
    file is in its own layer, written since it started, or in a folder that it shares with nginx's container."""
    if box.follows_docker and not _place_on_engine(box, file.real_path) and 0 < int(box.started_at) <= file.stat.mtime:
        return box
    place = _place_on_engine(box, file.real_path)
    others = (s.container for s in snapshot.services if s.container is not None and s.container.id != box.id)
    return next((other for other in (box, *others) if other.follows_docker and place and any(
        is_below(place, source) for source, _ in _writable_shares(other))), None)


def _place_on_engine(box: Container, path: str) -> str:
    """Return where a container's file is on the Docker host; empty if it is in the container's own layer."""
    return next((path_below(source, at, path) for source, at in box.shares if is_below(path, at)), "")


def _writable_shares(box: Container) -> tuple[tuple[str, str], ...]:
    read_only = {(source, at) for source, at, writable in box.mounts if not writable}
    return tuple(pair for pair in box.shares if pair not in read_only)


def check_and_reload_steps(snapshot: Snapshot, nginx: Nginx) -> tuple[Step, ...]:
    """Return steps that check the configuration, then reload the running master."""
    explicit = needs_explicit_config(snapshot, nginx)
    check = CheckNginx(nginx.node, nginx.binary, nginx.conf_path, nginx.prefix, explicit)
    if nginx.master_pid is None:
        return (check,)
    return check, ReloadNginx(
        nginx.node, nginx.master_pid, nginx.binary, nginx.conf_path, nginx.prefix, nginx.error_log_path, explicit,
    )


def needs_explicit_config(snapshot: Snapshot, nginx: Nginx) -> bool:
    """Return whether nginx needs `-c`: the running master has it, or the file is not the usual one."""
    if nginx.conf_path not in ("", "/etc/nginx/nginx.conf"):
        return True
    for node in snapshot.nodes:
        if node.name == nginx.node and not isinstance(node.processes, Unknown):
            for process in node.processes.value:
                if process.pid == nginx.master_pid:
                    return " -c " in f" {' '.join(process.argv)} "
    return False


def edit_spans(place: EditableFile, spans: dict[tuple[int, int], bytes], summary: str) -> WriteFile:
    """Return one write that replaces several spans of one nginx file; raise EditRefused if it would change more."""
    ordered = sorted(spans.items())
    data = place.data
    if len(ordered) > _MAX_SINGLE_EDITS:
        data = _replace_many_spans(data, ordered)
    else:
        for (start, end), new in reversed(ordered):
            data = replace_span(data, start, end, new)
    return WriteFile(place.node, place.path, place.data, data, summary, in_place=place.in_place)


def replace_argument(data: bytes, start: int, old: str, new: str) -> bytes:
    """Return the bytes with one argument replaced in the directive at `start`; raise EditRefused if it is not there."""
    for token in tokenize(data)[0]:
        if token.end > start and token.kind != "word":
            break
        if token.start >= start and token.value == old.encode():
            return replace_span(data, token.start, token.end, new.encode())
    raise EditRefused(f"the directive does not contain {old} as one argument")


def insert_block(place: EditableFile, at: int, new: bytes, summary: str) -> WriteFile:
    """Return one write that adds tokens at an offset between two tokens; all others must read the same afterwards."""
    edited = place.data[:at] + new + place.data[at:]
    before, wrong = tokenize(place.data)
    after, wrong_after = tokenize(edited)
    added = tokenize(new)[0]
    index = sum(token.end <= at for token in before)
    shape = [(t.kind, t.value, t.quote) for t in (*before[:index], *added, *before[index:])]
    if [(t.kind, t.value, t.quote) for t in after] != shape or len(wrong) != len(wrong_after):
        raise EditRefused("the edit would change the text around it")
    return WriteFile(place.node, place.path, place.data, edited, summary, in_place=place.in_place)


def _replace_many_spans(data: bytes, ordered: list[tuple[tuple[int, int], bytes]]) -> bytes:
    """Replace thousands of spans, with one check for all: every token but the edited ones stays the same."""
    if not all(new.lstrip(b":").isdigit() for _, new in ordered):
        raise EditRefused("fixer replaces only ports in so many positions at once")
    parts: list[bytes] = []
    at = 0
    for (start, end), new in ordered:
        parts += [data[at:start], new]
        at = end
    edited = b"".join([*parts, data[at:]])
    before, after = tokenize(data)[0], tokenize(edited)[0]
    starts = [start for (start, _), _ in ordered]
    if len(before) != len(after):
        raise EditRefused("the edit would change how nginx parses the file")
    for was, now in zip(before, after, strict=True):
        place = bisect_left(starts, was.start)
        if (place < len(starts) and starts[place] <= was.end) and was.kind == now.kind and was.quote == now.quote:
            continue
        if (was.kind, was.value, was.quote) != (now.kind, now.value, now.quote):
            raise EditRefused("the edit would change the text around it")
    return edited


def edit_risk(places: tuple[EditableFile, ...], otherwise: Risk) -> Risk:
    """Return at least disruptive if another tool will write the file again, or if only a start makes it again."""
    return "disruptive" if any(p.managed_by or p.is_generated for p in places) and otherwise == "safe" else otherwise


def overwriters_text(places: tuple[EditableFile, ...]) -> str:
    """Return which tools will undo the edit, as an addition to a summary."""
    notes = sorted({f"{p.managed_by} manages {p.display_path} and will overwrite the edit" for p in places
                    if p.managed_by})
    return f" ({'; '.join(notes)})" if notes else ""
