"""Units whose program works but is ended by systemd and failed ExecStartPre= commands."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import clock_of, log_evidence, shorten
from fixer.analysis.exits.exec_step import StepExplanation, setting_evidence, setting_of, setting_source_text
from fixer.analysis.exits.failed_run import FailedRun, has_known_exit_reason, has_listening_socket
from fixer.analysis.run_log import event_of, has_kind, last_run_lines, lines_of, message_of, program_lines
from fixer.analysis.service_state import state_evidence
from fixer.formats.application_servers import server_of
from fixer.formats.exec_status import failed_pre_command, is_pre_command_retried
from fixer.formats.unit_file import bare_command
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need
from fixer.model.facts import Evidence
from fixer.model.snapshot import LogLine, PreCommand, Service, Unit, UnitValue
from fixer.model.unit_event import UnitEventKind

with lazy_imports():  # only for what is found
    from fixer.causes.unit_misconfigured.start_steps import is_detaching, judge_pid_file
    from fixer.repairs.unit_edits import RepairWording, complete_value_edit, edit_and_start_repair, manual_repairs

_SECONDS = regex(r"^(\d{1,4}) ?(?:s|sec|second|seconds)?$")
_WAITING_TYPES = ("notify", "notify-reload", "forking")
_DEFAULT_START_SECONDS = 90  # seconds: systemd's own default
_RECENT_SECONDS = 900.0      # seconds: older ends say nothing about the present
_INPUT_KEY = "runtime-limit"


@dataclass(frozen=True, slots=True)
class SystemdStop:
    """A service that systemd ended, with the log lines, newest first."""

    service: Service
    lines: tuple[LogLine, ...]

    @property
    def count(self) -> int:
        """Return the number of stops in its log."""
        return len(self.lines)



def find_systemd_stop(case: Case, service: Service, kind: UnitEventKind) -> SystemdStop | None:
    """Return recent log lines in which systemd ends the service for that reason."""
    since = clock_of(case.snapshot, service.node) - _RECENT_SECONDS
    lines = tuple(x for x in reversed(lines_of(service)) if (x.at or 0.0) >= since
                  and (event := event_of(x)) is not None and (event.kind, event.unit) == (kind, service.name))
    return SystemdStop(service, lines) if lines else None


def judge_systemd_stop(case: Case, crash: FailedRun) -> StepExplanation | None:
    """Explain which unit setting makes systemd end a working program."""
    return next(_stop_explanations(case, crash), None)


def _stop_explanations(case: Case, crash: FailedRun) -> Iterator[StepExplanation]:
    service = crash.service
    kind = setting_of(service, "Type")
    ended = find_systemd_stop(case, service, "start-timeout")
    unwritten = judge_pid_file(case, crash, kind) if ended is not None and kind is not None else None
    if unwritten is not None:
        yield unwritten
    elif ended is not None and kind is not None and kind.value in _WAITING_TYPES and not is_detaching(service, kind):
        served = not server_of(service.runtime).notifies_systemd or has_listening_socket(case, service)
        if served:
            yield _explain_never_ready(case, crash, ended)
        elif (limit := _short_start_setting(service)) is not None and not has_known_exit_reason(
                service, last_run_lines(case.snapshot, service)):
            yield _explain_slow_start(case, crash, ended, limit)
    limit = setting_of(service, "WatchdogSec")
    ended = find_systemd_stop(case, service, "watchdog")
    is_silent = not server_of(service.runtime).notifies_systemd
    if is_silent and ended is not None and limit is not None and not _is_unlimited(limit):
        yield _explain_no_pings(case, crash, ended)
    ended = find_systemd_stop(case, service, "runtime-limit")
    limit = setting_of(service, "RuntimeMaxSec")
    if ended is not None and limit is not None and not _is_unlimited(limit):
        yield _explain_runtime_limit(case, crash, ended)


def _is_unlimited(limit: UnitValue) -> bool:
    """Return whether there is no limit now: earlier stops are then no fault of the present unit."""
    return limit.value == "infinity" or not limit.value.rstrip("ums").strip("0")


def _count_text(ended: SystemdStop) -> str:
    return "" if ended.count == 1 else f" ({ended.count} times recently)"


def _stop_evidence(ended: SystemdStop) -> tuple[Evidence, ...]:
    return tuple(log_evidence(line.text, line.where) for line in ended.lines[:2])


def _explain_never_ready(case: Case, crash: FailedRun, ended: SystemdStop) -> StepExplanation:
    service = crash.service
    setting = setting_of(service, "Type")
    assert setting is not None
    waits = "the program reports that it is ready" if setting.value != "forking" else "its first process ends"
    doing = RepairWording(
        "correct-type", f"set Type=exec instead of Type={setting.value}",
        f"write Type=exec instead of Type={setting.value} at {setting_source_text(setting, service)}",
    )
    return StepExplanation(
        "start-type-notify-timeout",
        f"systemd stops {service.name} again and again: Type={setting.value} waits until {waits}, which "
        f"{service.runtime or 'the program'} never does{_count_text(ended)}",
        (setting_evidence(setting), *_stop_evidence(ended), state_evidence(service)),
        (edit_and_start_repair(case, crash, doing, complete_value_edit(setting, "exec")),),
    )


def _short_start_setting(service: Service) -> UnitValue | None:
    """Return the start timeout in the unit's files if it is below systemd's default."""
    written = setting_of(service, "TimeoutStartSec") or setting_of(service, "TimeoutSec")
    match = _SECONDS.match(written.value) if written is not None else None
    return written if match is not None and int(match[1]) < _DEFAULT_START_SECONDS else None


def _explain_slow_start(case: Case, crash: FailedRun, ended: SystemdStop, setting: UnitValue) -> StepExplanation:
    service = crash.service
    doing = RepairWording(
        "raise-start-timeout", f"set {setting.key}={_DEFAULT_START_SECONDS} instead of {setting.value}",
        f"write {setting.key}={_DEFAULT_START_SECONDS} instead of {setting.value} at "
        f"{setting_source_text(setting, service)}",
    )
    return StepExplanation(
        "start-timeout-too-short",
        f"systemd stops {service.name} before it is ready: {setting.key}={setting.value} allows {setting.value} "
        f"seconds, and its log shows no error{_count_text(ended)}",
        (setting_evidence(setting), *_stop_evidence(ended), state_evidence(service)),
        (edit_and_start_repair(case, crash, doing, complete_value_edit(setting, str(_DEFAULT_START_SECONDS))),),
        confidence="likely",
    )


def _explain_no_pings(case: Case, crash: FailedRun, ended: SystemdStop) -> StepExplanation:
    service = crash.service
    setting = setting_of(service, "WatchdogSec")
    assert setting is not None
    doing = RepairWording("drop-watchdog", f"set WatchdogSec=0 instead of {setting.value}",
                  f"remove WatchdogSec={setting.value} at {setting_source_text(setting, service)}")
    return StepExplanation(
        "unit-watchdog-restarts",
        f"systemd kills {service.name}: WatchdogSec={setting.value} expects keep-alive messages that "
        f"{service.runtime} never sends{_count_text(ended)}",
        (setting_evidence(setting), *_stop_evidence(ended), state_evidence(service)),
        (edit_and_start_repair(case, crash, doing, complete_value_edit(setting, "0")),),
    )


def _explain_runtime_limit(case: Case, crash: FailedRun, ended: SystemdStop) -> StepExplanation:
    """Explain RuntimeMaxSec=. The limit may be intended (a program that leaks): the operator decides."""
    service = crash.service
    setting = setting_of(service, "RuntimeMaxSec")
    assert setting is not None
    doing = RepairWording(
        "lift-runtime-limit", f"set RuntimeMaxSec=infinity instead of {setting.value}",
        f"remove RuntimeMaxSec={setting.value} at {setting_source_text(setting, service)}",
        Need(_INPUT_KEY, "choice",
             f"systemd stops {service.name} after {setting.value} ({setting_source_text(setting, service)}). Lift the "
             "limit, unless it is intended: then set Restart=always and run a second instance", ("lift",)),
    )
    edit = complete_value_edit(setting, "infinity") if case.inputs.get(_INPUT_KEY) == "lift" else None
    return StepExplanation(
        "unit-watchdog-restarts",
        f"systemd stops {service.name}: RuntimeMaxSec={setting.value} limits its run time{_count_text(ended)}",
        (setting_evidence(setting), *_stop_evidence(ended), state_evidence(service)),
        (edit_and_start_repair(case, crash, doing, edit),),
    )


def judge_start_pre(case: Case, crash: FailedRun) -> StepExplanation | None:
    """Explain a failed command of ExecStartPre=: the program was never started."""
    service, unit = crash.service, crash.service.unit
    if unit is None or unit.main_pid or unit.exec_main_status:
        return None
    failed = failed_pre_command(unit) or (_last_failed_command(service, unit) if is_pre_command_retried(unit) else None)
    if failed is None:
        return None
    setting = next((s for s in service.unit_values if s.key == "ExecStartPre"
                    and s.value.lstrip("-@:+!").split()[:1] == failed.argv.split()[:1]
                    and bare_command(s.value) == bare_command(failed.argv)), None)
    if setting is None:
        setting = next((s for s in service.unit_values if s.key == "ExecStartPre"), None)
    words = program_lines(_lines_since_run(service))[-3:]
    last = f": {shorten(message_of(words[-1]).strip(), 160)}" if words else ""
    how = f"status {failed.status}" if failed.code == "exited" else f"{failed.code} {failed.status}"
    manual = (
        f"{setting_source_text(setting, service)} runs `{shorten(failed.argv, 120)}` before the program. It ended with "
        f"{how}{last}. Repair what it checks, or correct that line. Then start {service.name}"
    )
    told = () if setting is None else (setting_evidence(setting),)
    return StepExplanation(
        "start-execstartpre-failed",
        f"{service.name} cannot be started: `{shorten(failed.argv, 120)}`, run before the program, ended with {how}",
        (*told, Evidence("unit", service.name, f"ExecStartPre={failed.argv}: {how}"),
         *(log_evidence(x.text, x.where) for x in words)),
        manual_repairs("mend-start-pre", manual),
    )


def _lines_since_run(service: Service) -> tuple[LogLine, ...]:
    """Return the log lines after the last one about the program itself: its start or its end."""
    lines = lines_of(service)
    over = (at + 1 for at in range(len(lines) - 1, -1, -1)
            if has_kind(lines[at], "started", "stopped"))
    return lines[next(over, 0):]


def _last_failed_command(service: Service, unit: Unit) -> PreCommand | None:
    """Return the only ExecStartPre= command with its last exit status from the log, if systemd has forgotten it."""
    ends = (event for line in reversed(lines_of(service)) if (event := event_of(line)) is not None
            and event.unit == service.name and event.kind in ("main-exited", "control-exited"))
    last = next(ends, None)
    if last is None or last.kind == "main-exited" or (last.code, last.status) == ("exited", 0):
        return None
    return PreCommand(unit.pre[0].argv, last.code, last.status)


def restarted_unit_runs(case: Case) -> Iterator[FailedRun]:
    """Return services of routes that answer now, but whose manager restarted them recently."""
    for key, facts in case.services_in_use.items():
        service = case.service(key)
        unit = None if service is None else service.unit
        if service is None or unit is None or not (unit.n_restarts or unit.active_state == "activating"):
            continue
        near = [e for e in case.reached(facts) if key in (e.configured_service, e.listening_service)]
        nginx = case.snapshot.nginx_of(facts)
        judged = next((j for j in case.verdicts.values() if j.facts is facts), None)
        if near and nginx is not None and judged is not None:
            trouble = FailingAddress(nginx, (near[0],), (facts,), (judged,))
            yield FailedRun(PortOwner(service, "placed", near[0].service_evidence), (trouble,), ())
