"""Units whose program is well and that systemd ends all the same; commands before it; files it has not read."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    listener_evidence,
    listeners_on,
    log_evidence,
    now_on,
    pids_of,
    say_age,
)
from fixer.analysis.exits.exec_step import Told, setting_evidence, setting_of, where
from fixer.analysis.exits.failed_run import Crash, holds_a_socket, says_why
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run, lines_of, message, own_lines
from fixer.analysis.service_state import ran_since, state_evidence
from fixer.causes.unit_misconfigured.start_steps import detaches, judge_pid_file
from fixer.formats.exec_status import failed_before, is_before_again
from fixer.formats.unit_file import bare_command
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding, LogLine, PreCommand, Service, Unit, UnitValue
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps
from fixer.repairs.unit_edits import Doing, by_hand, edit_and_start, reload_and_start, whole

# Servers that tell systemd neither that they are ready nor that they are alive.
SILENT = frozenset({"uvicorn", "hypercorn", "daphne", "flask", "django", "waitress-serve", "fastapi", "sanic"})
_TIMED_OUT = regex(r"[Ss]tart operation timed out\. Terminating")
_WATCHDOG = regex(r"Watchdog timeout \(limit (?P<limit>[^)]+)\)")
_TIME_UP = regex(r"Service reached runtime time limit")
_ENDED = regex(r"(?P<which>Control|Main) process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_SECONDS = regex(r"^(\d{1,4}) ?(?:s|sec|second|seconds)?$")
_WAITING = ("notify", "notify-reload", "forking")
_USUAL_START = 90  # seconds: systemd's own default
_SPAN = 900.0      # seconds: an end that old says nothing of the present
_KEY = "runtime-limit"
_UNREAD = "unit-edited-no-daemon-reload"
_CLOCKS = 2.0      # seconds between the clock of a manager and that of files


@dataclass(frozen=True, slots=True)
class Ended:
    """A service that systemd itself ends, with the lines that say so, newest first."""

    service: Service
    lines: tuple[LogLine, ...]

    @property
    def count(self) -> int:
        """How often, as far as its log reaches."""
        return len(self.lines)


def unread_edit(case: Case, trouble: Trouble) -> tuple[Owner, Told] | None:
    """Its files put the service where nginx asks, it has not been started with them since, and listens elsewhere."""
    endpoint, owner = trouble.endpoint, sole_owner(case, trouble)
    if owner is None or is_closed(endpoint) is not True:
        return None
    service = owner.service
    if service.unit is None and service.program is None:
        return None
    ports = [b for b in bindings_of(service) if b.unix is None]
    several = [b for b in ports if service.program is not None and b.source.source != "process"]      # of its processes
    told = next((b for b in several or ports if not several or b.port == endpoint.port), None)
    held = [x for x in listeners_on(case.snapshot, service.node) if set(pids_of(x)) & set(service.pids) and x.port]
    if told is None or told.port != endpoint.port or not held or any(
            x.port in {told.port, *(b.port for b in several)} for x in held):
        return None
    elsewhere = listener_evidence(case.snapshot, held[0], service)
    runs_on = f"{service.name} still runs on {address_text(held[0].address, held[0].port)}"
    crash = Crash(owner, (trouble,), ())
    if service.unit is not None and service.unit.need_daemon_reload:
        return owner, Told(
            _UNREAD,
            f"{runs_on}: its unit says port {told.port}, and systemd has not read the unit since it was edited",
            (told.source, Evidence("unit", service.name, "NeedDaemonReload=yes"), elsewhere),
            (reload_and_start(case, crash),),
        )
    changed = _changed_since_start(case, service, told)
    begin = begin_steps(case.snapshot, service, endpoint) if changed is not None else None
    if changed is None or begin is None or isinstance(begin, NoPlace):
        return None
    summary = f"start {service.name} anew, with what its files say"
    return owner, Told(
        _UNREAD,
        f"{runs_on}: {changed.where} says port {told.port} since it was edited, and nobody has restarted it since",
        (told.source, changed, elsewhere), (Repair("restart-service", "disruptive", summary, begin),),
        confidence="likely", detail=("nginx asks where those files say: another port in nginx would not last",),
    )


def _changed_since_start(case: Case, service: Service, told: Binding) -> Evidence | None:
    """The file that says where it listens, where it was changed after the start of what runs."""
    path, since = told.file or told.source.where.rpartition(":")[0], ran_since(service)
    file = case.snapshot.file(service.files_node or service.node, path)
    if file is None or not since or file.stat.mtime < since - _CLOCKS:
        return None
    if file.stat.mtime <= since + _CLOCKS:      # and yet it runs with something else: it was read before the edit
        return Evidence("file", path, f"changed in the moment in which {service.name} was started")
    return Evidence("file", path, f"changed {say_age(file.stat.mtime - since)} after {service.name} was started")


def ended_by_systemd(case: Case, service: Service, pattern: str) -> Ended | None:
    """The lines of the last minutes in which systemd says that it ended the service for that reason."""
    wanted = {"notify": _TIMED_OUT, "watchdog": _WATCHDOG, "runtime": _TIME_UP}[pattern]
    since = now_on(case.snapshot, service.node) - _SPAN
    said = f"{service.name}: "      # systemd's own words, not the program's
    lines = tuple(x for x in reversed(lines_of(service)) if (x.at or 0.0) >= since
                  and message(x).startswith(said) and wanted.search(message(x)))
    return Ended(service, lines) if lines else None


def judge_ended(case: Case, crash: Crash) -> Told | None:
    """What of its unit makes systemd end a program that is well."""
    return next(_reasons(case, crash), None)


def _reasons(case: Case, crash: Crash) -> Iterator[Told]:
    service = crash.service
    kind = setting_of(service, "Type")
    ended = ended_by_systemd(case, service, "notify")
    unwritten = judge_pid_file(case, crash, kind) if ended is not None and kind is not None else None
    if unwritten is not None:
        yield unwritten
    elif ended is not None and kind is not None and kind.value in _WAITING and not detaches(service, kind):
        served = service.runtime in SILENT or holds_a_socket(case, service)
        if served:
            yield _never_ready(case, crash, ended)
        elif (limit := _short_start(service)) is not None and not says_why(
                service, last_run(case.snapshot, service)):
            yield _starts_too_long(case, crash, ended, limit)
    limit = setting_of(service, "WatchdogSec")
    ended = ended_by_systemd(case, service, "watchdog")
    if ended is not None and limit is not None and not _is_lifted(limit) and service.runtime in SILENT:
        yield _no_pings(case, crash, ended)
    ended = ended_by_systemd(case, service, "runtime")
    limit = setting_of(service, "RuntimeMaxSec")
    if ended is not None and limit is not None and not _is_lifted(limit):
        yield _time_is_up(case, crash, ended)


def _is_lifted(limit: UnitValue) -> bool:
    """No limit any more: what systemd did before is no fault of the unit as it is now."""
    return limit.value == "infinity" or not limit.value.rstrip("ums").strip("0")


def _times(ended: Ended) -> str:
    return "" if ended.count == 1 else f" ({ended.count} times of late)"


def _said(ended: Ended) -> tuple[Evidence, ...]:
    return tuple(log_evidence(line.text, line.where) for line in ended.lines[:2])


def _never_ready(case: Case, crash: Crash, ended: Ended) -> Told:
    service = crash.service
    setting = setting_of(service, "Type")
    assert setting is not None
    waits = "a word that it is ready" if setting.value != "forking" else "its first process to end"
    doing = Doing(
        "correct-type", f"Type=exec instead of Type={setting.value}",
        f"write Type=exec instead of Type={setting.value} at {where(setting, service)}",
    )
    return Told(
        "start-type-notify-timeout",
        f"systemd ends {service.name} again and again: Type={setting.value} waits for {waits}, which "
        f"{service.runtime or 'the program'} never gives{_times(ended)}",
        (setting_evidence(setting), *_said(ended), state_evidence(service)),
        (edit_and_start(case, crash, doing, whole(setting, "exec")),),
    )


def _short_start(service: Service) -> UnitValue | None:
    """What the unit's files give a start, where that is less than systemd itself would."""
    written = setting_of(service, "TimeoutStartSec") or setting_of(service, "TimeoutSec")
    match = _SECONDS.match(written.value) if written is not None else None
    return written if match is not None and int(match[1]) < _USUAL_START else None


def _starts_too_long(case: Case, crash: Crash, ended: Ended, setting: UnitValue) -> Told:
    service = crash.service
    doing = Doing(
        "raise-start-timeout", f"{setting.key}={_USUAL_START} instead of {setting.value}",
        f"write {setting.key}={_USUAL_START} instead of {setting.value} at {where(setting, service)}",
    )
    return Told(
        "start-timeout-too-short",
        f"systemd ends {service.name} before it is up: {setting.key}={setting.value} gives it {setting.value} seconds, "
        f"and its log tells no error{_times(ended)}",
        (setting_evidence(setting), *_said(ended), state_evidence(service)),
        (edit_and_start(case, crash, doing, whole(setting, str(_USUAL_START))),), confidence="likely",
    )


def _no_pings(case: Case, crash: Crash, ended: Ended) -> Told:
    service = crash.service
    setting = setting_of(service, "WatchdogSec")
    assert setting is not None
    doing = Doing("drop-watchdog", f"WatchdogSec=0 instead of {setting.value}",
                  f"take WatchdogSec={setting.value} out at {where(setting, service)}")
    return Told(
        "unit-watchdog-restarts",
        f"systemd kills {service.name}: WatchdogSec={setting.value} waits for signs of life that {service.runtime} "
        f"never gives{_times(ended)}",
        (setting_evidence(setting), *_said(ended), state_evidence(service)),
        (edit_and_start(case, crash, doing, whole(setting, "0")),),
    )


def _time_is_up(case: Case, crash: Crash, ended: Ended) -> Told:
    """The limit may be meant (a program that leaks): whether it is lifted, a person says."""
    service = crash.service
    setting = setting_of(service, "RuntimeMaxSec")
    assert setting is not None
    doing = Doing(
        "lift-runtime-limit", f"RuntimeMaxSec=infinity instead of {setting.value}",
        f"take RuntimeMaxSec={setting.value} out at {where(setting, service)}",
        Need(_KEY, "choice", f"{service.name} is ended after {setting.value} ({where(setting, service)}); lift the "
             "limit unless it is meant: then give it Restart=always and a second instance", ("lift",)),
    )
    edit = whole(setting, "infinity") if case.inputs.get(_KEY) == "lift" else None
    return Told(
        "unit-watchdog-restarts",
        f"systemd ends {service.name}: RuntimeMaxSec={setting.value} allows it to run no longer{_times(ended)}",
        (setting_evidence(setting), *_said(ended), state_evidence(service)),
        (edit_and_start(case, crash, doing, edit),),
    )


def judge_before(case: Case, crash: Crash) -> Told | None:
    """A command of ExecStartPre= that failed: the program was never started."""
    service, unit = crash.service, crash.service.unit
    if unit is None or unit.main_pid or unit.exec_main_status:
        return None
    failed = failed_before(unit) or (_failed_last_time(service, unit) if is_before_again(unit) else None)
    if failed is None:
        return None
    setting = next((s for s in service.unit_values if s.key == "ExecStartPre"
                    and s.value.lstrip("-@:+!").split()[:1] == failed.argv.split()[:1]
                    and bare_command(s.value) == bare_command(failed.argv)), None)
    if setting is None:
        setting = next((s for s in service.unit_values if s.key == "ExecStartPre"), None)
    words = own_lines(_since_it_ran(service))[-3:]
    last = f": {message(words[-1]).strip()[:160]}" if words else ""
    how = f"status {failed.status}" if failed.code == "exited" else f"{failed.code} {failed.status}"
    manual = (
        f"{where(setting, service)} runs `{failed.argv[:120]}` before the program, and it ended with {how}{last}; mend "
        f"what it checks, or correct that line, then start {service.name}"
    )
    told = () if setting is None else (setting_evidence(setting),)
    return Told(
        "start-execstartpre-failed",
        f"{service.name} cannot be started: `{failed.argv[:120]}`, which runs before it, ended with {how}",
        (*told, Evidence("unit", service.name, f"ExecStartPre={failed.argv[:200]}: {how}"),
         *(log_evidence(x.text, x.where) for x in words)),
        by_hand("mend-start-pre", manual),
    )


def _since_it_ran(service: Service) -> tuple[LogLine, ...]:
    """The lines after the last that tells of the program itself: of a run that went well, or of its end."""
    lines = lines_of(service)
    over = (at + 1 for at in range(len(lines) - 1, -1, -1) if message(lines[at]).startswith(("Started ", "Stopped ")))
    return lines[next(over, 0):]


def _failed_last_time(service: Service, unit: Unit) -> PreCommand | None:
    """The only command before the program, as the log tells its last end, where systemd has forgotten it."""
    said = f"{service.name}: "
    ends = (found for line in reversed(lines_of(service)) if message(line).startswith(said)
            and (found := _ENDED.search(message(line))) is not None)
    last = next(ends, None)
    if last is None or last["which"] != "Control" or (last["code"] == "exited" and last["status"] == "0"):
        return None
    return PreCommand(unit.pre[0].argv, last["code"], int(last["status"]))


def running_units(case: Case) -> Iterator[Crash]:
    """Services behind routes that answer at this moment, which their manager has started again of late."""
    for key, facts in case.taken.items():
        service = case.service(key)
        unit = None if service is None else service.unit
        if service is None or unit is None or not (unit.n_restarts or unit.active_state == "activating"):
            continue
        ends = {e.id: e for e in case.snapshot.endpoints}
        near = [e for name in facts.endpoints if (e := ends.get(name)) is not None and key in (e.service, e.holder)]
        nginx = case.snapshot.nginx_of(facts)
        judged = next((j for j in case.judged.values() if j.facts is facts), None)
        if near and nginx is not None and judged is not None:
            trouble = Trouble(nginx, (near[0],), (facts,), (judged,))
            yield Crash(Owner(service, "placed", near[0].service_why), (trouble,), ())

