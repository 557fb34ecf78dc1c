"""Variables that a start script sets for its shell only: without `export` no program gets them."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import FailedRun
from fixer.causes.crash_missing_env.lost_env_file import CAUSE_ID
from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.snapshot import EnvAssignment
from fixer.repairs.file_edits import EditableFile, NotEditable, locate_editable_file, overwriters_text
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
    """Return the repair that writes `export` on each line, if all are simple assignments in files that fixer may edit;
    else the way by hand."""
    service, names = crash.service, ", ".join(one.name for one in found)
    by_hand = Repair(REPAIR_ID, "manual", f"export {names}", (), manual=text)
    places: dict[str, EditableFile] = {}
    edited: dict[str, bytes] = {}
    for one in found:
        path, _, number = one.defined_in.rpartition(":")
        place = locate_editable_file(case.snapshot, service.files_node, path)
        if isinstance(place, NotEditable):
            return replace(by_hand, manual=f"{text}; fixer cannot do this: {place.reason}")
        line = int(number) if is_number(number) else 0
        data = _exporting_line(edited.get(path, place.data), line, one.name)
        if data is None:
            return by_hand
        places[path], edited[path] = place, data
    again = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(again, NotEditable):
        return replace(by_hand, manual=f"{text}; fixer cannot do this: {again.reason}")
    writes = [WriteFile(place.node, place.path, place.data, edited[path], f"export {names}", in_place=place.in_place)
              for path, place in places.items()]
    return Repair(REPAIR_ID, "disruptive", text + overwriters_text(tuple(places.values())), (*writes, *again))


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
