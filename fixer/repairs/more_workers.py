"""More worker processes for a service: how many, and where the number is written."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.load.pressure import Pressure
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint, Service, Snapshot
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.optionedit import edit_option, numbered_option
from fixer.repairs.start_service import begin_steps
from fixer.repairs.write_variables import Written, write_variables

ID = "add-workers"
KEY = "workers"
VARIABLE = "WEB_CONCURRENCY"
_READS_VARIABLE = frozenset({"uvicorn", "gunicorn", "fastapi"})
_SPARE = 4                   # arrivals are uneven, and workers do not take turns
_BRIDGE = 2
_FEWEST, _MOST = 8, 16       # of a default: fewer are too few for uneven arrivals, more cost memory for nothing
_OPTION = regex(r"^(?P<head>--workers=|--workers$|-w$|-w=?(?=\d)|-W$)(?P<value>\d*)$")


def add_workers(case: Case, pressure: Pressure, workers: int, *, each: int = 1) -> Repair:
    """The repair: complete with the computed number, or with the one a person has given. `each` is how many requests a
    worker serves at once."""
    if each > 1:
        default = min(-(-_wanted(pressure) // each) + workers * 2, _MOST)      # they come in waves, and unevenly
    else:
        default = min(max(_wanted(pressure) + _SPARE, workers * 2, _FEWEST), _MOST)
    if default <= workers:
        default = workers * 2
    return _more(case, pressure.service, pressure.trouble.endpoint, workers, default)


def workers_for(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """A second worker for a server that ends its only one now and then: the parent goes on listening."""
    return _more(case, service, endpoint, 1, _BRIDGE)


def _more(case: Case, service: Service, endpoint: Endpoint, workers: int, default: int) -> Repair:
    need = Need(KEY, "value", f"worker processes of {service.name}, now {workers}", default=str(default),
                pattern="[1-9][0-9]?")
    chosen = case.inputs.get(KEY, str(default))
    written = _write(case.snapshot, service, chosen)
    begin = begin_steps(case.snapshot, service, endpoint)
    from fixer.repairs.resetting import Setting, set_and_begin  # only where something is found

    does = f"{chosen} workers instead of {workers}"
    return set_and_begin(Setting(
        ID, f"more workers for {service.name}", need, does, by_hand=f"run {service.name} with {does}",
        then=f"restart {service.name}",
    ), written, begin)


def _wanted(pressure: Pressure) -> int:
    """As many as requests are under way now: each has waited longer than it needs, so there will never be more at once
    when they are served in time. What its client has given up still queues and wants no worker of its own."""
    return pressure.established or pressure.queued


def _write(snapshot: Snapshot, service: Service, number: str) -> Written | NoPlace:
    if "--reload" in service.argv:
        return NoPlace("it runs with --reload, which allows one worker only")
    option = numbered_option(service.command, _OPTION)
    if option is not None:
        return edit_option(snapshot, service, option, number, "the number of workers")
    if any(_OPTION.match(word) for word in service.argv):
        return NoPlace("the number of workers stands in its command, and that is written nowhere that could be edited")
    if service.runtime not in _READS_VARIABLE:
        return NoPlace(f"{service.runtime or 'its server'} takes no number of workers from the environment")
    if isinstance(service.workers, Known):
        for evidence in service.workers.evidence:
            if evidence.where.rpartition(":")[0].endswith(".py"):
                return NoPlace(f"{evidence.where} sets it, and wins over the environment: change it there")
    return write_variables(snapshot, service, {VARIABLE: number}, replace=True)
