"""Variables that a start script sets for its shell only: without `export` no program gets them."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import FailedRun
from fixer.causes.crash_missing_env.lost_env_file import CAUSE_ID
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.snapshot import EnvAssignment, FileContent
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import start_or_restart_steps

REPAIR_ID = "export-variable"


def unexported_variables(crash: FailedRun, names: Sequence[str]) -> tuple[EnvAssignment, ...]:
    """Return the assignments of these variables that the shell of the start keeps for itself."""
    wanted = {name.upper() for name in names}
    return tuple(one for one in crash.service.env if not one.exported and not one.empty and one.name.upper() in wanted)


def unexported_finding(case: Case, crash: FailedRun, found: Sequence[EnvAssignment],
                       shown: Sequence[Evidence]) -> Finding:
    """Return the finding on variables that are set in the start script, or in what it sources, and not exported."""
    service, names = crash.service, ", ".join(one.name for one in found)
    verb = "is" if len(found) == 1 else "are"
    places = ", ".join(one.defined_in for one in found)
    text = f"write `export` before {names} ({places}), then start {service.name}"
    return Finding(
        cause=CAUSE_ID, variant="start-env-var-missing", role="root", confidence="certain",
        summary=f"{crash.ends_text}: {names} {verb} set in its start script, but not exported, so the program does not "
                f"get {'it' if len(found) == 1 else 'them'}",
        detail=("nothing listens while it does not run",), routes=crash.routes, service=service.name, node=service.node,
        evidence=(*(Evidence("file", one.defined_in, f"{one.name}=… without `export`") for one in found), *shown),
        repairs=(_repair(case, crash, found, text),),
    )


def _repair(case: Case, crash: FailedRun, found: Sequence[EnvAssignment], text: str) -> Repair:
    """Return the repair that writes `export` on each line, if all of them are simple assignments in files that were
    read; else the way by hand."""
    service, steps = crash.service, dict[str, WriteFile]()
    for one in found:
        path, _, number = one.defined_in.rpartition(":")
        file = case.snapshot.file(service.files_node, path)
        step = None if file is None else steps.get(file.real_path) or _unchanged(file)
        written = None if step is None else _exporting_line(step.after or b"", int(number or 0), one.name)
        if file is None or step is None or written is None:
            return Repair(REPAIR_ID, "manual", f"export {one.name}", (), manual=text)
        said = f"{step.summary}, {one.name}" if step.summary else f"export {one.name}"
        steps[file.real_path] = replace(step, after=written, summary=said)
    again = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(again, NotEditable):
        return Repair(REPAIR_ID, "manual", f"export {found[0].name}", (), manual=text)
    return Repair(REPAIR_ID, "disruptive", text, (*steps.values(), *again))


def _unchanged(file: FileContent) -> WriteFile:
    return WriteFile(file.node, file.real_path, file.data, file.data, "", in_place=file.single_file_mount)


def _exporting_line(data: bytes, number: int, name: str) -> bytes | None:
    """Return the file with `export ` in front of that assignment; None if the line begins with something else."""
    lines = data.split(b"\n")
    if not 0 < number <= len(lines):
        return None
    line = lines[number - 1]
    bare = line.lstrip(b" \t")
    if not bare.startswith(name.encode() + b"="):
        return None
    lines[number - 1] = line[:len(line) - len(bare)] + b"export " + bare
    return b"\n".join(lines)
