"""Older states of the file that nginx refuses, beside it: which may be put back, and which nginx loads as well."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import line_text
from fixer.causes.nginx_config_invalid.older_config import is_same_file
from fixer.causes.nginx_down import begin_nginx
from fixer.formats.backup_names import is_copy_name, name_behind
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.nginx_config import ConfigProblem
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import FileContent, Nginx
from fixer.nginx.config import read_config
from fixer.nginx.tree import parse
from fixer.redaction.redactnginx import redact_nginx
from fixer.repairs.file_edits import NoPlace, Place, nginx_steps, overwriters, writable_place
from fixer.repairs.older_state import BACKUP_KEY, ID, hidden_lines, order_of

_TORN = regex(r"is not terminated by|unexpected |too long parameter")     # said of a line at which it was too late
_WORD = regex(r"\w")


def restore_backup(case: Case, nginx: Nginx, problem: ConfigProblem, near: int) -> Repair | None:
    """The file with an older state's bytes; which one, and whether at all, a person says."""
    at = writable_place(case.snapshot, nginx.node, problem.file) if problem.file else None
    if at is None or isinstance(at, NoPlace):
        return None       # what lies in an image only is gone with the container, be it older or newer
    torn = _TORN.search(problem.message) is not None or parse(at.data).problem is not None
    wrong = "" if torn else line_text(case.snapshot, nginx.node, problem.file, near)
    states = [s for s in _beside(case, nginx, problem, at) if _is_better(at.data, s.data, wrong)
              and not _is_refused(case, nginx, problem.file, s.data)]
    if not states:
        return None
    states.sort(key=order_of)
    paths = tuple(state.path for state in states)
    need = Need(BACKUP_KEY, "choice", f"an older state of {at.shown} without the mistake: {', '.join(paths)}", paths)
    chosen = next((state for state in states if state.path == case.inputs.get(BACKUP_KEY)), None)
    steps: tuple[Step, ...] = ()
    if chosen is not None:
        write = WriteFile(at.node, at.path, at.data, chosen.data, f"the state of {chosen.path}", in_place=at.in_place,
                          mask=(*hidden_lines(at.data, redact_nginx), *hidden_lines(chosen.data, redact_nginx)))
        after = begin_nginx(case, nginx) if nginx.master_pid is None else nginx_steps(case.snapshot, nginx)
        steps = (write, *after)
    then = "start nginx" if nginx.master_pid is None else "reload nginx"
    summary = f"put {at.shown} back to an older state, then {then}{overwriters((at,))}"
    return Repair(ID, "disruptive", summary, steps, (need,))


def loaded_copy(case: Case, nginx: Nginx, problem: ConfigProblem) -> str:
    """The file that a refused one is a backup of by its name, where nginx loads both; empty where it does not."""
    folder, name = posixpath.split(problem.file)
    base = posixpath.join(folder, name_behind(name)) if name_behind(name) else ""
    loaded = nginx.config.value.files if isinstance(nginx.config, Known) else ()
    return base if base in loaded and problem.file in loaded else ""


def _beside(case: Case, nginx: Nginx, problem: ConfigProblem, at: Place) -> list[FileContent]:
    """Regular files that are called like an older state, and that nginx does not load by themselves."""
    named = {at.path} if at.node != nginx.node else {at.path, posixpath.normpath(problem.file)}
    loaded = nginx.config.value.files if isinstance(nginx.config, Known) and at.node == nginx.node else ()
    return [
        file for file in case.snapshot.files
        if file.node == at.node and file.stat.kind == "file" and file.path == file.real_path
        and file.path not in loaded and any(
            posixpath.dirname(path) == posixpath.dirname(file.path)
            and is_copy_name(posixpath.basename(file.path), posixpath.basename(path)) for path in named)
    ]


def _is_better(broken: bytes, older: bytes, wrong: str) -> bool:
    """Plainly a state of the same file, and without the mistake: what is torn is whole in it, the wrong line gone."""
    if older == broken or not is_same_file(broken, older):
        return False
    return not _WORD.search(wrong) or wrong.encode() not in {line.strip() for line in older.split(b"\n")}


def _is_refused(case: Case, nginx: Nginx, path: str, older: bytes) -> bool:
    """Whether our own reading finds a mistake in it, in its place in the whole."""
    files = {file.path: file.data for file in case.snapshot.files if file.node == nginx.node} | {path: older}
    main = nginx.conf_path
    if main not in files:
        main, files = path, {path: b"http {" + older + b"}"}
    return any(p.fatal and p.file == path and p.kind != "missing-include"
               for p in read_config(files, main, prefix=nginx.prefix).problems)
