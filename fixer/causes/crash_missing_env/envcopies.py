"""A copy beside a file of variables holds what is missing: the file, or those of its lines, may be put back from it.

Of a file that holds other variables only what is missing is taken: what was changed there since stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import Crash
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import FileMeta, WriteFile
from fixer.model.snapshot import EnvCopy, FileContent, Service, Snapshot
from fixer.redaction.all_files import redact_env_file
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.older_state import BACKUP_KEY, ID, hidden_lines, order_of
from fixer.repairs.start_service import begin_steps


def copies_with(snapshot: Snapshot, service: Service, names: Iterable[str]) -> tuple[EnvCopy, ...]:
    """The copies that hold all of those variables; the newest first."""
    wanted = tuple(names)
    found = [(order_of(file), copy) for copy in service.env_copies
             if (file := snapshot.file(copy.node, copy.path)) is not None
             and all(_span(copy, name) is not None and not _is_elsewhere(service, copy, name) for name in wanted)]
    return tuple(copy for _, copy in sorted(found, key=lambda pair: pair[0]))


def copies_of(snapshot: Snapshot, service: Service, path: str) -> tuple[EnvCopy, ...]:
    """The copies of one file that is not there, with any variables in them; the newest first."""
    return tuple(copy for copy in copies_with(snapshot, service, ()) if copy.of == path and copy.there is None)


def copy_evidence(copies: Sequence[EnvCopy], names: Sequence[str]) -> tuple[Evidence, ...]:
    """Which variables a copy sets; never what to."""
    said = ", ".join(names)
    return tuple(Evidence("file", copy.path, f"sets {said or ', '.join(n for n, _, _ in copy.holds)}"[:300])
                 for copy in copies[:2])


def restore_variables(case: Case, crash: Crash, copies: Sequence[EnvCopy], names: Sequence[str]) -> Repair | None:
    """Take the variables (all of the file where that is empty or gone) from the copy that a person names."""
    service = crash.service
    begin = begin_steps(case.snapshot, service, crash.troubles[0].endpoint)
    if not copies or isinstance(begin, NoPlace):
        return None
    paths = tuple(copy.path for copy in copies)
    of = ", ".join(dict.fromkeys(copy.of for copy in copies))
    what = ", ".join(names)
    why = f"a copy of {of} that holds {what or 'variables'}: {', '.join(paths)}"
    need = Need(BACKUP_KEY, "choice", why, paths)
    chosen = next((copy for copy in copies if copy.path == case.inputs.get(BACKUP_KEY)), None)
    write = _write(case.snapshot, chosen, names) if chosen is not None else None
    does = f"take {what} from a copy of {of}" if what and any(copy.there for copy in copies) else f"put {of} back"
    summary = f"{does}, then start {service.name}"
    if write is not None and write[1]:
        summary += f" ({write[1]} manages that file and will overwrite the edit)"
    return Repair(ID, "disruptive", summary, () if write is None else (write[0], *begin), (need,))


def _span(copy: EnvCopy, name: str) -> tuple[int, int] | None:
    return next(((start, end) for held, start, end in copy.holds if held == name), None)


def _is_elsewhere(service: Service, copy: EnvCopy, name: str) -> bool:
    """Another place is known to give it an empty value, which may win over this file."""
    return any(a.name == name and a.defined_in.rpartition(":")[0] not in ("", copy.of) for a in service.env)


def _write(snapshot: Snapshot, copy: EnvCopy, names: Sequence[str]) -> tuple[WriteFile, str] | None:
    """The step, and who manages the file."""
    older, now = snapshot.file(copy.node, copy.path), snapshot.file(copy.node, copy.of)
    if older is None or (now is None) != (copy.there is None):
        return None
    if now is None:
        meta = FileMeta(older.stat.mode & 0o7777, older.stat.uid, older.stat.gid)
        return WriteFile(copy.node, copy.of, None, older.data, f"the state of {copy.path}", meta=meta,
                         mask=hidden_lines(older.data, redact_env_file)), older.managed_by
    data = _with_lines(now.data, older, copy, names) if copy.there else older.data
    said = f"{', '.join(names)} of {copy.path}" if copy.there else f"the state of {copy.path}"
    mask = (*hidden_lines(now.data, redact_env_file), *hidden_lines(older.data, redact_env_file))
    return WriteFile(copy.node, now.real_path, now.data, data, said, in_place=now.single_file_mount,
                     mask=mask), now.managed_by


def _with_lines(data: bytes, older: FileContent, copy: EnvCopy, names: Sequence[str]) -> bytes:
    """The file with the copy's lines: each in the place of the empty one that is there, else at the end."""
    for name in names:
        start, end = _span(copy, name) or (0, 0)
        line = older.data[start:end]
        empty = rb"(?m)^[ \t]*(?:export[ \t]+)?" + re.escape(name.encode()) + rb"[ \t]*=[ \t]*(?:\"\"|'')?[ \t]*$"
        if (found := re.search(empty, data)) is not None:
            data = data[:found.start()] + line + data[found.end():]
        else:
            data += (b"" if not data or data.endswith(b"\n") else b"\n") + line + b"\n"
    return data
