"""The time that gunicorn gives a worker, raised where its command says it."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.formats.numbers import is_number
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.snapshot import Endpoint, Service, Snapshot
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.optionedit import edit_option, numbered_option
from fixer.repairs.start_service import begin_steps
from fixer.repairs.write_variables import Written, write_variables

ID = "raise-worker-timeout"
KEY = "timeout"
DEFAULT = 30                # gunicorn's own, where nothing is said
_OPTION = regex(r"^(?P<head>--timeout=|--timeout$|-t=?(?=\d)|-t$)(?P<value>\d*)$")


def timeout_of(service: Service) -> int:
    """What its command says, in seconds."""
    found = numbered_option(service.command, _OPTION)
    return int(found.value) if found is not None and is_number(found.value) else DEFAULT


def raise_timeout(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """Four times the present one unless a person says otherwise."""
    now = timeout_of(service)
    need = Need(KEY, "value", f"seconds that a worker of {service.name} may be silent, now {now}",
                default=str(max(now * 4, 30)), pattern="[1-9][0-9]{0,3}")
    chosen = case.inputs.get(KEY, need.default or "")
    written = _write(case.snapshot, service, chosen)
    begin = begin_steps(case.snapshot, service, endpoint)
    if isinstance(written, NoPlace) or isinstance(begin, NoPlace):
        why = written.why if isinstance(written, NoPlace) else begin.why if isinstance(begin, NoPlace) else ""
        manual = f"run {service.name} with --timeout {chosen} instead of {now}: {why}"
        return Repair(ID, "manual", f"more time for the workers of {service.name}", (), manual=manual)
    summary = f"--timeout {chosen} instead of {now}, set in {written.where}, then restart {service.name}"
    return Repair(ID, "disruptive", summary, (*written.steps, *begin), needs=(need,))


def _write(snapshot: Snapshot, service: Service, seconds: str) -> Written | NoPlace:
    if service.runtime != "gunicorn":
        return NoPlace(f"{service.runtime or 'its server'} has no such option")
    found = numbered_option(service.command, _OPTION)
    if found is not None:
        return edit_option(snapshot, service, found, seconds, "its time limit")
    return write_variables(snapshot, service, {"GUNICORN_CMD_ARGS": f"--timeout={seconds}"})
