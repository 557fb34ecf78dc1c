"""A program that exists and cannot run: its first line names a missing interpreter, or it is a dangling link."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.exits.exec_step import (
    StepExplanation,
    is_executable_file,
    is_missing,
    link_of,
    missing_file_evidence,
    program_line_evidence,
    stat_of,
)
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.start_files import STANDARD_FOLDERS, resolve_link, stem_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.snapshot import FileContent, Snapshot

with lazy_imports():  # not needed in most looks
    from fixer.repairs.unit_edits import RepairWording, manual_repairs, written_and_start_repair
    from fixer.repairs.write_variables import EditSteps

INPUT_KEY = "interpreter"
VARIANT = "start-203-exec-bad-interpreter"
_REPAIR_ID = "correct-interpreter"


def explain_interpreter(case: Case, crash: FailedRun, file: FileContent, wanted: str) -> StepExplanation:
    """Explain a missing interpreter. `wanted` is from the first line, with a carriage return if it ends in one."""
    snapshot, service, plain = case.snapshot, crash.service, wanted.rstrip("\r")
    if wanted != plain and not is_missing(snapshot, service.node, plain):
        return _explain_carriage_returns(case, crash, file, plain)
    if link_of(snapshot, service.node, plain) is not None:
        return explain_broken_link(case, crash, plain, file.path)
    summary = f"{service.name} cannot be started: {plain}, the interpreter of {file.path}, is missing"
    evidence = (*program_line_evidence(service), _first_line_evidence(file), missing_file_evidence(plain))
    same, other = _candidate_interpreters(snapshot, service.node, file.path, plain)
    options = same or other
    if not options or len(file.data) != file.stat.size:
        manual = f"{file.path}:1 names {plain}, which is missing. Install it, or name the right interpreter there"
        if posixpath.dirname(plain) == posixpath.dirname(file.path):
            home = posixpath.dirname(posixpath.dirname(plain))
            manual += f". If {home} is a Python virtual environment, recreate it with its packages"
        return StepExplanation(VARIANT, summary, evidence, manual_repairs(_REPAIR_ID, manual))
    need, chosen = None, options[0] if len(same) == 1 else None
    if chosen is None:
        need = Need(INPUT_KEY, "choice", f"{plain}, named at {file.path}:1, does not exist; candidates: "
                    f"{', '.join(options)}", options)
        chosen = case.inputs.get(INPUT_KEY) if case.inputs.get(INPUT_KEY) in options else None
    does = f"run {file.path} with {chosen or 'the intended interpreter'} instead of {plain}"
    doing = RepairWording(_REPAIR_ID, does, f"write {chosen} instead of {plain} at {file.path}:1", need)
    if chosen is None:
        return StepExplanation(VARIANT, summary, evidence, (Repair(_REPAIR_ID, "disruptive", does, (), doing.needs),))
    at = file.data.index(wanted.encode("utf-8", "surrogateescape"))
    data = file.data[:at] + chosen.encode() + file.data[at + len(plain.encode("utf-8", "surrogateescape")):]
    return StepExplanation(VARIANT, summary, evidence,
                           (written_and_start_repair(case, crash, doing, _write_first_line(file, data)),))


def _write_first_line(file: FileContent, data: bytes) -> EditSteps:
    step = WriteFile(file.node, file.real_path, file.data, data, "its first line", in_place=file.single_file_mount)
    return EditSteps((step,), file.real_path, file.managed_by)


def _first_line_evidence(file: FileContent) -> Evidence:
    return Evidence("file", f"{file.path}:1", file.data.split(b"\n", 1)[0].decode("utf-8", "replace").rstrip())


def _explain_carriage_returns(case: Case, crash: FailedRun, file: FileContent, plain: str) -> StepExplanation:
    service = crash.service
    summary = (
        f"{service.name} cannot be started: the lines of {file.path} end in CR LF, so the name of its interpreter "
        f"is {plain} with a carriage return"
    )
    evidence = (*program_line_evidence(service),
                Evidence("file", file.path, f"{file.data.count(chr(13).encode())} lines end "
                                                                      "in a carriage return"))
    if len(file.data) != file.stat.size or b"\0" in file.data:
        manual = f"remove the carriage returns from {file.path} (sed -i 's/\\r$//'), then start {service.name}"
        return StepExplanation(VARIANT, summary, evidence, manual_repairs("strip-carriage-returns", manual))
    written = _write_first_line(file, file.data.replace(b"\r\n", b"\n"))
    does = f"remove the carriage returns from {file.path}"
    return StepExplanation(VARIANT, summary, evidence,
                (written_and_start_repair(case, crash, RepairWording("strip-carriage-returns", does, does), written),))


def _candidate_interpreters(snapshot: Snapshot, node: str, script: str,
                            missing: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return interpreters of the same name (in the script's folder, else the system's), and similar ones. A script with
    an environment's interpreter gets no system one: its packages are in that environment."""
    name, folder = posixpath.basename(missing), posixpath.dirname(script)
    beside = f"{folder}/{name}"
    if is_executable_file(stat_of(snapshot, node, beside)):
        return (beside,), ()
    same: dict[str, str] = {}
    own = posixpath.dirname(missing) == folder and folder not in STANDARD_FOLDERS and name.startswith("python")
    for place in () if own else STANDARD_FOLDERS:
        link = link_of(snapshot, node, f"{place}/{name}")
        if is_executable_file(link):
            assert link is not None
            same.setdefault(link.real_path or f"{place}/{name}", f"{place}/{name}")
    if same:
        return tuple(sorted(same.values())), ()
    found = next((n for n in snapshot.nodes if n.name == node), None)
    kin = tuple(
        path for path, stat in (found.files if found is not None else ())
        if posixpath.dirname(path) == folder and stem_of(posixpath.basename(path)) == stem_of(name)
        and path not in (script, missing) and is_executable_file(stat)
    )
    return (), kin


def explain_broken_link(case: Case, crash: FailedRun, path: str, program: str) -> StepExplanation:
    """Explain the dangling link `path`; `program` is what systemd should execute (the link, or a script that names
    it)."""
    snapshot, service = case.snapshot, crash.service
    link, end = path, _resolved_target(snapshot, service.node, path)
    while end is not None and link_of(snapshot, service.node, end) is not None and is_missing(snapshot, service.node,
                                                                                              end):
        following = _resolved_target(snapshot, service.node, end)
        if following in (None, link, end):
            break
        link, end = end, following
    if end is None:
        manual = f"the link {path} leads nowhere: recreate it, then start {service.name}"
        return StepExplanation(VARIANT, f"{service.name} cannot be started: {manual}",
                               (*program_line_evidence(service), missing_file_evidence(path)),
                    manual_repairs("mend-link", manual))
    asked = "" if program == path else f"{program} needs an interpreter, but "
    summary = f"{service.name} cannot be started: {asked}{link} is a link to {end}, which is missing"
    evidence = (*program_line_evidence(service), Evidence("file", link, f"link to {end}"), missing_file_evidence(end))
    # only the same name: the packages of an environment belong to one version of Python
    same = {(stat.real_path or name): name for place in STANDARD_FOLDERS
            if (name := f"{place}/{posixpath.basename(end)}") != end
            and is_executable_file(stat := link_of(snapshot, service.node, name)) and stat is not None}
    versioned = any(c.isdigit() for c in posixpath.basename(end))
    target = _link_target(snapshot, service.node, link)
    if len(same) == 1 and versioned and target is not None:
        new = next(iter(same.values()))
        steps = (
            WriteFile(service.node, link, None, None, f"remove the link to {end}", link_target=target),
            WriteFile(service.node, link, None, b"", f"link to {new}", link_target=new),
        )
        does = f"point {link} to {new} instead of {end}"
        return StepExplanation(VARIANT, summary, evidence,
                    (written_and_start_repair(case, crash, RepairWording("mend-link", does, does),
                                              EditSteps(steps, link)),))
    home = posixpath.dirname(posixpath.dirname(link))
    manual = (
        f"{link} points to {end}, which is missing. Install that version, or recreate the environment {home} and its "
        f"packages with an installed Python. Then start {service.name}"
    )
    return StepExplanation(VARIANT, summary, evidence, manual_repairs("mend-link", manual))


def _link_target(snapshot: Snapshot, node: str, path: str) -> str | None:
    stat = link_of(snapshot, node, path)
    return None if stat is None else stat.link_target


def _resolved_target(snapshot: Snapshot, node: str, path: str) -> str | None:
    target = _link_target(snapshot, node, path)
    return None if target is None else resolve_link(path, target)
