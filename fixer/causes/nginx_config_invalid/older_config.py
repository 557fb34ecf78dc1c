"""Backup copies of a configuration file that nginx refuses, and dangling links in nginx's container. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, line_text
from fixer.formats.backup_names import is_backup_name, original_name
from fixer.formats.folders import is_within
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.nginx_config import ConfigProblem
from fixer.model.plan import Step, WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import Container, FileContent, Nginx, Snapshot
from fixer.nginx.config import read_config
from fixer.nginx.lexer import tokenize
from fixer.nginx.tree import Directive, parse
from fixer.redaction.nginx_words import redact_nginx
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    locate_editable_file,
    overwriters_text,
)
from fixer.repairs.older_state import BACKUP_ID, BACKUP_KEY, masked_lines, newest_first_key
from fixer.repairs.start_nginx import start_nginx_steps

_MIN_COMMON = 2


def is_same_file(broken: bytes, older: bytes) -> bool:
    """Return whether the older bytes parse and are a version of the same file.

    A file is identified by its server names, addresses and outermost blocks. A mistake may hide one of them from the
    parser, not its text: each identifying word of one file must occur in the other. Files without any, such as
    parameter lists, are the same if most directives are equal.
    """
    good = parse(older)
    if good.problem is not None or good.left < 0:
        return False
    bad = parse(broken)
    naming, torn = frozenset(_identifying_values(good.directives)), frozenset(_identifying_values(bad.directives))
    if not naming and not torn:
        return _is_same_list(good.directives, bad.directives)
    return bool(naming) and naming <= _word_tokens(broken) and torn <= _word_tokens(older)


def _is_same_list(good: Iterable[Directive], bad: Iterable[Directive]) -> bool:
    """Return whether two lists of plain directives, one maybe with a mistake, share at least two and most of all."""
    ours, theirs = ({(d.name, *d.args) for d in directives} for directives in (good, bad))
    return len(ours & theirs) >= max(_MIN_COMMON, len(ours) / 2, len(theirs) / 2)


def _word_tokens(data: bytes) -> frozenset[bytes]:
    return frozenset(token.value for token in tokenize(data)[0] if token.kind == "word")


def _identifying_values(directives: Iterable[Directive], *, inside: bool = False) -> Iterator[bytes]:
    for directive in directives:
        if directive.block is not None:
            if not inside or directive.name == b"upstream":
                yield from (directive.name, *directive.args)
            yield from _identifying_values(directive.block, inside=True)
        elif directive.name == b"server_name":
            yield from directive.args
        elif directive.name == b"listen":
            yield from directive.args[:1]


# Dangling links in nginx's container: removed on the Docker host if a mounted folder holds them.
DanglingLink = tuple[str, FileStat]


def remove_links_steps(snapshot: Snapshot, box: Container,
                       links: Sequence[DanglingLink]) -> tuple[WriteFile, ...] | NotEditable:
    """Return one step for each link. NotEditable if a link is in no mounted folder, was not read there, or leads to a
    host file, which is intended but not mounted."""
    stats = dict(snapshot.engine_files)
    steps = []
    for path, stat in links:
        outside = _path_on_engine(box, path)
        there = stats.get(outside) if outside is not None else None
        if outside == "":
            return NotEditable(f"{path} is in the image of container {box.name}: remove it from the image, then "
                               "recreate the container")
        if outside is None or there is None or (there.kind, there.link_target) != ("link", stat.link_target):
            return NotEditable(f"remove {path} at the source of the files of container {box.name}, then start it again")
        if there.real_path is not None:
            return NotEditable(
                f"{outside} points to {there.real_path} on the Docker host, which container {box.name} does not see: "
                f"mount that folder too, or replace the symlink with a copy; then start {box.name} again")
        steps.append(WriteFile(ENGINE, _real_path(outside, stats), None, None, "a dangling symlink",
                               link_target=stat.link_target))
    return tuple(steps)


def _path_on_engine(box: Container, path: str) -> str | None:
    """Return the link's path on the Docker host, from the innermost mounted folder. Empty if it is in the image, None
    if a volume or its own mount holds it."""
    mounts = [*((source, at) for source, at, _ in box.mounts), *(("", at) for _, at in box.shares)]
    holding = [m for m in mounts if is_within(path, m[1])]
    source, at = max(holding, key=lambda m: len(m[1]), default=("", path))
    if source and path != at:
        return posixpath.normpath(source + path[len(at.rstrip("/")):])
    return None if holding else ""


def _real_path(path: str, stats: Mapping[str, FileStat]) -> str:
    """Return the path with its folder's links resolved: a step follows no links."""
    folder = stats.get(posixpath.dirname(path))
    return posixpath.join(folder.real_path, posixpath.basename(path)) if folder and folder.real_path else path


# Backup copies of the refused file; and parse errors that nginx reports at a later line.
_TORN_ERROR = regex(r"is not terminated by|unexpected |too long parameter")
_WORD_CHARACTER = regex(r"\w")


def restore_backup_repair(case: Case, nginx: Nginx, problem: ConfigProblem, near: int) -> Repair | None:
    """Return the repair that restores a backup copy; the operator chooses which."""
    at = locate_editable_file(case.snapshot, nginx.node, problem.file) if problem.file else None
    if at is None or isinstance(at, NotEditable) or at.is_generated:
        return None       # a change in the container's layer is lost when it is recreated
    torn = _TORN_ERROR.search(problem.message) is not None or parse(at.data).problem is not None
    wrong = "" if torn else line_text(case.snapshot, nginx.node, problem.file, near)
    states = [s for s in _backup_files(case, nginx, problem, at) if _is_better_copy(at.data, s.data, wrong)
              and not _has_mistake(case, nginx, problem.file, s.data)]
    if not states:
        return None
    states.sort(key=newest_first_key)
    paths = tuple(state.path for state in states)
    need = Need(BACKUP_KEY, "choice", f"a backup copy of {at.display_path} without the mistake: {', '.join(paths)}",
                paths)
    chosen = next((state for state in states if state.path == case.inputs.get(BACKUP_KEY)), None)
    steps: tuple[Step, ...] = ()
    if chosen is not None:
        write = WriteFile(at.node, at.path, at.data, chosen.data, f"the content of {chosen.path}", in_place=at.in_place,
                          mask=(*masked_lines(at.data, redact_nginx), *masked_lines(chosen.data, redact_nginx)))
        after = start_nginx_steps(case, nginx) if nginx.master_pid is None else check_and_reload_steps(case.snapshot,
                                                                                                       nginx)
        steps = (write, *after)
    then = "start nginx" if nginx.master_pid is None else "reload nginx"
    summary = f"restore {at.display_path} from a backup copy, then {then}{overwriters_text((at,))}"
    return Repair(BACKUP_ID, "disruptive", summary, steps, (need,))


def loaded_original(case: Case, nginx: Nginx, problem: ConfigProblem) -> str:
    """Return the original of a refused backup copy if nginx loads both, else an empty text."""
    folder, name = posixpath.split(problem.file)
    base = posixpath.join(folder, original_name(name)) if original_name(name) else ""
    loaded = nginx.config.value.files if isinstance(nginx.config, Known) else ()
    return base if base in loaded and problem.file in loaded else ""


def _backup_files(case: Case, nginx: Nginx, problem: ConfigProblem, at: EditableFile) -> list[FileContent]:
    """Return regular files named like a backup copy that nginx does not load."""
    named = {at.path} if at.node != nginx.node else {at.path, posixpath.normpath(problem.file)}
    loaded = nginx.config.value.files if isinstance(nginx.config, Known) and at.node == nginx.node else ()
    return [
        file for file in case.snapshot.files
        if file.node == at.node and file.stat.kind == "file" and file.path == file.real_path
        and file.path not in loaded and any(
            posixpath.dirname(path) == posixpath.dirname(file.path)
            and is_backup_name(posixpath.basename(file.path), posixpath.basename(path)) for path in named)
    ]


def _is_better_copy(broken: bytes, older: bytes, wrong: str) -> bool:
    """Return whether it is a version of the same file without the mistake: complete, and without the wrong line."""
    if older == broken or not is_same_file(broken, older):
        return False
    return not _WORD_CHARACTER.search(wrong) or wrong.encode() not in {line.strip() for line in older.split(b"\n")}


def _has_mistake(case: Case, nginx: Nginx, path: str, older: bytes) -> bool:
    """Return whether fixer's parser finds a mistake in it, read in its context."""
    files = {file.path: file.data for file in case.snapshot.files if file.node == nginx.node} | {path: older}
    main = nginx.conf_path
    if main not in files:
        main, files = path, {path: b"http {" + older + b"}"}
    return any(p.fatal and p.file == path and p.kind != "missing-include"
               for p in read_config(files, main, prefix=nginx.prefix).problems)
