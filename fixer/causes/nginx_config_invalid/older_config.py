"""Copies that lie beside a configuration file: which plainly are states of the same file, by what they hold. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, line_text
from fixer.formats.backup_names import is_backup_name, original_name
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
from fixer.redaction.config_files import redact_nginx
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
    """Whether the older bytes can be read to their end, and plainly are a state of the same file.

    What names a file are the names and addresses of its servers and its outermost blocks. A mistake may have hidden one
    of them as such, but not as a word: so each word that names the one must stand in the other. Files without any (the
    parameters that are handed to a backend) are one where most of what they say is the same.
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
    """Two lists of plain directives, one of which may have a mistake in it: at least two in common, and most of all."""
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


# Links that lead nowhere in nginx's container: removed on the Docker host where a mounted folder has them from.
DanglingLink = tuple[str, FileStat]


def remove_links_steps(snapshot: Snapshot, box: Container,
                       links: Sequence[DanglingLink]) -> tuple[WriteFile, ...] | NotEditable:
    """One step a link; NoPlace where one of them lies in no such folder, could not be seen there, or leads to a file
    of the host: that one is meant, and only not mounted."""
    stats = dict(snapshot.engine_files)
    steps = []
    for path, stat in links:
        outside = _path_on_engine(box, path)
        there = stats.get(outside) if outside is not None else None
        if outside == "":
            return NotEditable(f"{path} lies in the image of container {box.name}: remove it there, and create that "
                               f"anew")
        if outside is None or there is None or (there.kind, there.link_target) != ("link", stat.link_target):
            return NotEditable(f"remove {path} where the files of container {box.name} come from, then start it again")
        if there.real_path is not None:
            return NotEditable(
                f"{outside} leads to {there.real_path} on the Docker host, which container {box.name} does not see: "
                f"mount that folder too, or put a copy in the place of the link; then start {box.name} again")
        steps.append(WriteFile(ENGINE, _real_path(outside, stats), None, None, "a link that leads nowhere",
                               link_target=stat.link_target))
    return tuple(steps)


def _path_on_engine(box: Container, path: str) -> str | None:
    """The link on the Docker host: in a folder that is mounted, the innermost that holds it; empty where it lies in the
    image, None where a volume or its own mount has it."""
    mounts = [*((source, at) for source, at, _ in box.mounts), *(("", at) for _, at in box.shares)]
    holding = [m for m in mounts if path == m[1] or path.startswith(f"{m[1].rstrip('/')}/")]
    source, at = max(holding, key=lambda m: len(m[1]), default=("", path))
    if source and path != at:
        return posixpath.normpath(source + path[len(at.rstrip("/")):])
    return None if holding else ""


def _real_path(path: str, stats: Mapping[str, FileStat]) -> str:
    """Its folder behind links: a step follows none."""
    folder = stats.get(posixpath.dirname(path))
    return posixpath.join(folder.real_path, posixpath.basename(path)) if folder and folder.real_path else path


# Older states of the file that nginx refuses, beside it: which may be put back, and which nginx loads as well.
# said of a line at which it was too late
_TORN_ERROR = regex(r"is not terminated by|unexpected |too long parameter")
_WORD_CHARACTER = regex(r"\w")


def restore_backup_repair(case: Case, nginx: Nginx, problem: ConfigProblem, near: int) -> Repair | None:
    """The file with an older state's bytes; which one, and whether at all, a person says."""
    at = locate_editable_file(case.snapshot, nginx.node, problem.file) if problem.file else None
    if at is None or isinstance(at, NotEditable):
        return None       # what lies in an image only is gone with the container, be it older or newer
    torn = _TORN_ERROR.search(problem.message) is not None or parse(at.data).problem is not None
    wrong = "" if torn else line_text(case.snapshot, nginx.node, problem.file, near)
    states = [s for s in _backup_files(case, nginx, problem, at) if _is_better_copy(at.data, s.data, wrong)
              and not _has_mistake(case, nginx, problem.file, s.data)]
    if not states:
        return None
    states.sort(key=newest_first_key)
    paths = tuple(state.path for state in states)
    need = Need(BACKUP_KEY, "choice", f"an older state of {at.display_path} without the mistake: {', '.join(paths)}",
                paths)
    chosen = next((state for state in states if state.path == case.inputs.get(BACKUP_KEY)), None)
    steps: tuple[Step, ...] = ()
    if chosen is not None:
        write = WriteFile(at.node, at.path, at.data, chosen.data, f"the state of {chosen.path}", in_place=at.in_place,
                          mask=(*masked_lines(at.data, redact_nginx), *masked_lines(chosen.data, redact_nginx)))
        after = start_nginx_steps(case, nginx) if nginx.master_pid is None else check_and_reload_steps(case.snapshot,
                                                                                                       nginx)
        steps = (write, *after)
    then = "start nginx" if nginx.master_pid is None else "reload nginx"
    summary = f"put {at.display_path} back to an older state, then {then}{overwriters_text((at,))}"
    return Repair(BACKUP_ID, "disruptive", summary, steps, (need,))


def loaded_original(case: Case, nginx: Nginx, problem: ConfigProblem) -> str:
    """The file that a refused one is a backup of by its name, where nginx loads both; empty where it does not."""
    folder, name = posixpath.split(problem.file)
    base = posixpath.join(folder, original_name(name)) if original_name(name) else ""
    loaded = nginx.config.value.files if isinstance(nginx.config, Known) else ()
    return base if base in loaded and problem.file in loaded else ""


def _backup_files(case: Case, nginx: Nginx, problem: ConfigProblem, at: EditableFile) -> list[FileContent]:
    """Regular files that are called like an older state, and that nginx does not load by themselves."""
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
    """Plainly a state of the same file, and without the mistake: what is torn is whole in it, the wrong line gone."""
    if older == broken or not is_same_file(broken, older):
        return False
    return not _WORD_CHARACTER.search(wrong) or wrong.encode() not in {line.strip() for line in older.split(b"\n")}


def _has_mistake(case: Case, nginx: Nginx, path: str, older: bytes) -> bool:
    """Whether our own reading finds a mistake in it, in its place in the whole."""
    files = {file.path: file.data for file in case.snapshot.files if file.node == nginx.node} | {path: older}
    main = nginx.conf_path
    if main not in files:
        main, files = path, {path: b"http {" + older + b"}"}
    return any(p.fatal and p.file == path and p.kind != "missing-include"
               for p in read_config(files, main, prefix=nginx.prefix).problems)
