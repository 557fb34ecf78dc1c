"""Services that systemd kills at each stop, before their open requests end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import clock_of
from fixer.analysis.exits.exec_step import StepExplanation, setting_evidence, setting_of, setting_source_text
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.kills import cut_off_requests, routes_to
from fixer.analysis.ownership.configured import endpoints_of
from fixer.analysis.run_log import event_of, lines_of
from fixer.formats.numbers import is_number, times_text, timespan
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Service, UnitValue
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # only for what is found
    from fixer.repairs.unit_edits import complete_value_edit, write_edit

VARIANT = "stop-timeout-sigkill"
DEFAULT_SECONDS = 90              # seconds: systemd's default
_INPUT_KEY = "stop-timeout"
_SETTING_KEYS = ("TimeoutStopSec", "TimeoutSec")
_RECENT_SECONDS = 900.0           # seconds: older stops say nothing about the present
_LOSS_SECONDS = 3.0           # seconds between the kill and nginx's lost requests
_STOP_SLACK = 3.0            # seconds of delay of a busy systemd
_MIN_KILLS = 2              # a single one is over


@dataclass(frozen=True, slots=True)
class StopKill:
    """One stop that timed out, and the requests that nginx lost by it."""

    line: LogLine
    lost_requests: tuple[ErrorEvent, ...]


def judge_stop_kills(case: Case) -> Iterator[tuple[FailedRun, StepExplanation] | str]:
    """Return each unit that was killed several times during its stop and lost requests; or the missing fact."""
    for service in case.snapshot.services:
        endpoints = endpoints_of(case, service)
        if not endpoints or service.unit is None:
            continue
        if isinstance(service.log, Unknown):
            lost = cut_off_requests(case, endpoints, clock_of(case.snapshot, service.node) - _RECENT_SECONDS)
            if len(lost) >= _MIN_KILLS:
                yield f"log of {service.name}, which lost {len(lost)} requests: {service.log.reason}"
            continue
        setting = next((s for key in _SETTING_KEYS if (s := setting_of(service, key)) is not None), None)
        kills = _stop_kills(case, service, endpoints, DEFAULT_SECONDS if setting is None else _parse_seconds(setting))
        asked = routes_to(case, endpoints)
        nginx = case.snapshot.nginx_of(asked[0].facts) if asked else None
        if nginx is not None and kills and (len(kills) >= _MIN_KILLS
                                            or _has_earlier_losses(case, service, endpoints, kills[0])):
            trouble = FailingAddress(nginx, endpoints, tuple(j.facts for j in asked), tuple(asked))
            crash = FailedRun(PortOwner(service, "placed", endpoints[0].service_evidence), (trouble,), ())
            yield crash, _explain_stop_kills(case, service, setting, kills)


def _parse_seconds(setting: UnitValue) -> float:
    text = setting.value.strip()
    return timespan(f"{text}s" if is_number(text) else text)


def _stop_kills(case: Case, service: Service, endpoints: Sequence[Endpoint], limit: float) -> tuple[StopKill, ...]:
    """Return the kills that the present limit caused; those of another limit say nothing about it."""
    since = clock_of(case.snapshot, service.node) - _RECENT_SECONDS
    name = service.name
    began: float | None = None
    found: list[StopKill] = []
    for line in lines_of(service):
        event = event_of(line)
        if line.at is None or line.at < since or event is None:
            continue
        if event.kind == "stopping":
            began = line.at
        elif (event.kind, event.unit) == ("stop-timeout", name):
            if began is not None and abs(line.at - began - limit) <= _STOP_SLACK:
                lost = cut_off_requests(case, endpoints, line.at - _LOSS_SECONDS, line.at + _LOSS_SECONDS)
                found += [StopKill(line, lost)] if lost else []
            began = None
    return tuple(found)


def _has_earlier_losses(case: Case, service: Service, endpoints: Sequence[Endpoint], kill: StopKill) -> bool:
    """Return whether nginx's log shows an earlier moment with several lost requests. A busy program's own log may hold
    only the last stop."""
    first = next((line.at for line in lines_of(service) if line.at is not None), None)
    if first is None or kill.line.at is None:
        return False
    before = [event.at for event in cut_off_requests(case, endpoints, kill.line.at - _RECENT_SECONDS, first)]
    return any(abs(one - other) <= 1.0 for one, other in pairwise(before))


def _explain_stop_kills(case: Case, service: Service, setting: UnitValue | None,
                        kills: tuple[StopKill, ...]) -> StepExplanation:
    lost = [event for kill in kills for event in kill.lost_requests]
    times = f"{len(kills)} time{'s' if len(kills) > 1 else ''} within {_RECENT_SECONDS / 60:.0f} minutes"
    limit = "systemd's default of 90 s" if setting is None else f"{setting.key}={setting.value}"
    shown = () if setting is None else (setting_evidence(setting),)
    return StepExplanation(
        VARIANT,
        f"{service.name} is stopped again and again, and killed before its requests end: {limit} is too short "
        f"({times}, {len(lost)} requests lost)",
        (*shown, *(Evidence("service-log", k.line.where, k.line.text.strip()) for k in kills[-2:]),
         Evidence("nginx-log", lost[-1].where, f"{times_text(len(lost))}: {lost[-1].raw}")),
        (_repair(case, service, setting),),
        confidence="certain" if len(kills) >= _MIN_KILLS else "likely",
        detail=("something restarts it: check systemctl list-timers, cron and deployments. Each time, requests that "
                "take longer than the limit fail",),
    )


def _repair(case: Case, service: Service, setting: UnitValue | None) -> Repair:
    """Return the repair: systemd rereads the unit, and the service is not restarted."""
    name = "raise-stop-timeout"
    short = setting is not None and _parse_seconds(setting) < DEFAULT_SECONDS
    need = Need(_INPUT_KEY, "value", f"seconds that {service.name} may take to finish its requests when it stops",
                default=str(DEFAULT_SECONDS) if short else None, pattern="[1-9][0-9]{0,3}")
    chosen = case.inputs.get(_INPUT_KEY, need.default)
    does = f"let {service.name} finish its requests when it stops"
    if chosen is None:
        return Repair(name, "disruptive", does, (), (need,))
    if setting is None:
        manual = f"run systemctl edit {service.name}, set TimeoutStopSec={chosen}, then run systemctl daemon-reload"
        return Repair(name, "manual", does, (), (need,), manual)
    written = write_edit(case.snapshot, service, complete_value_edit(setting, chosen))
    if isinstance(written, NotEditable):
        manual = (f"set {setting.key}={chosen} at {setting_source_text(setting, service)}, then run systemctl "
                  f"daemon-reload; fixer cannot do this: {written.reason}")
        return Repair(name, "manual", does, (), (need,), manual)
    summary = f"set {setting.key}={chosen} instead of {setting.value}, in {written.where}, without a restart"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(name, "disruptive", summary, written.steps, (need,))
