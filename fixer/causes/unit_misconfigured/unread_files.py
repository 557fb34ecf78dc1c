"""Unit files that systemd refused to load, or has not read since they were edited."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import (
    address_text,
    age_text,
    bindings_of,
    listener_evidence,
    listeners_on,
    log_evidence,
    pids_of,
    processes_of,
    shorten,
)
from fixer.analysis.exits.exec_step import StepExplanation
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import event_of, lines_of
from fixer.analysis.service_state import start_time_of
from fixer.formats.process_table import is_supervisord
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding, Listener, Service
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # only for what is found
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.repairs.start_service import start_or_restart_steps
    from fixer.repairs.unit_edits import reload_and_start_repair


_UNREAD_VARIANT = "unit-edited-no-daemon-reload"
_CLOCK_SLACK = 2.0      # seconds between a manager's clock and that of files


def explain_unread_edit(case: Case, trouble: FailingAddress) -> tuple[PortOwner, StepExplanation] | None:
    """Explain a service that listens elsewhere because it was not restarted since its files were edited."""
    endpoint, owner = trouble.endpoint, only_owner(case, trouble)
    if owner is None or is_closed(endpoint) is not True:
        return None
    service = owner.service
    if service.unit is None and service.program is None:
        return None
    ports = [b for b in bindings_of(service) if b.unix is None]
    several = [b for b in ports if service.program is not None and b.source.source != "process"]      # one a process
    told = next((b for b in several or ports if not several or b.port == endpoint.port), None)
    held = [x for x in listeners_on(case.snapshot, service.node) if set(pids_of(x)) & set(service.pids) and x.port]
    if told is None or told.port != endpoint.port or not held or any(
            x.port in {told.port, *(b.port for b in several)} for x in held):
        return None
    elsewhere = listener_evidence(case.snapshot, held[0], service)
    runs_on = f"{service.name} still runs on {address_text(held[0].address, held[0].port)}"
    crash = FailedRun(owner, (trouble,), ())
    if service.unit is not None and service.unit.need_daemon_reload:
        return owner, StepExplanation(
            _UNREAD_VARIANT,
            f"{runs_on}: its unit says port {told.port}, but systemd has not read the unit since it was edited",
            (told.source, Evidence("unit", service.name, "NeedDaemonReload=yes"), elsewhere),
            (reload_and_start_repair(case, crash),),
        )
    since = _settings_time(case, service, held[0], {b.port for b in ports if b.source.source == "process"})
    changed = _changed_file_evidence(case, service, told, since)
    begin = start_or_restart_steps(case.snapshot, service, endpoint) if changed is not None else None
    if changed is None or begin is None or isinstance(begin, NotEditable):
        return None
    unread, does = "the service was not restarted since", f"restart {service.name} to apply its files"
    if service.program is not None:
        unread = "supervisord runs it with what it read before"
        does = f"let supervisord read its files again, and run {service.name} with them"
    return owner, StepExplanation(
        _UNREAD_VARIANT,
        f"{runs_on}: {changed.where} was edited and says port {told.port}, but {unread}",
        (told.source, changed, elsewhere), (Repair("restart-service", "disruptive", does, begin),),
        confidence="likely",
        detail=("nginx already uses the port of those files: another port in nginx would not last",),
    )


def _settings_time(case: Case, service: Service, held: Listener, named: set[int]) -> tuple[float, str]:
    """Return when its manager may last have read the settings that it runs with, and the name of what began then.

    supervisord starts a program again with what it has read itself: its own start counts where the command that runs
    names the port, or supervisord holds the socket (`socket=`)."""
    began = (start_time_of(service), service.name)
    parents = {p.ppid for p in processes_of(case.snapshot, service.node, service.pids)} | set(pids_of(held))
    masters = processes_of(case.snapshot, service.node, tuple(parents)) if service.program is not None else ()
    masters = tuple(p for p in masters if is_supervisord(p))
    if not masters or not (held.port in named or any(p.pid in pids_of(held) for p in masters)):
        return began
    return min(p.started_at for p in masters), "supervisord"


def _changed_file_evidence(case: Case, service: Service, told: Binding, began: tuple[float, str]) -> Evidence | None:
    """Return evidence that the file with its listen address changed after those settings were read."""
    path, (since, what) = told.file or told.source.where.rpartition(":")[0], began
    file = case.snapshot.file(service.files_node or service.node, path)
    if file is None or not since or file.stat.mtime < since - _CLOCK_SLACK:
        return None
    if file.stat.mtime <= since + _CLOCK_SLACK:      # it runs with another value, so it was read before the edit
        return Evidence("file", path, f"changed at the moment when {what} started")
    again = "; a restart of a program does not read it again" if what == "supervisord" else ""
    return Evidence("file", path, f"changed {age_text(file.stat.mtime - since)} after {what} started{again}")


# Units that systemd refused to load: a line is invalid or the command is missing. The journal names it.
_REFUSED_STATES = frozenset({"bad-setting", "error"})
_TAIL_LINES = 12


def explain_unloaded(case: Case, trouble: FailingAddress) -> tuple[FailedRun, StepExplanation] | None:
    """Return the finding for the unit of an address, None if systemd has loaded it."""
    owner = only_owner(case, trouble)
    unit = owner.service.unit if owner is not None else None
    if owner is None or unit is None or unit.load_state not in _REFUSED_STATES or unit.need_daemon_reload:
        return None
    service, said, place = owner.service, "", unit.fragment_path
    shown: tuple[Evidence, ...] = (Evidence("unit", unit.name, f"LoadState={unit.load_state} {unit.load_error}"),)
    for line in reversed(lines_of(service)[-_TAIL_LINES:]):
        event = event_of(line)
        if event is not None and event.kind == "bad-unit-file":
            said, place = event.detail, event.subject or place
            shown = (log_evidence(line.text, line.where), *shown)
            break
    why = f": {shorten(said, 160)} ({place})" if said else ""
    manual = (f"correct {place or 'its files'}{f' ({shorten(said, 160)})' if said else ''}. Check it with "
              f"systemd-analyze verify {unit.name}, then run systemctl daemon-reload and systemctl start {unit.name}")
    return FailedRun(owner, (trouble,), ()), StepExplanation(
        "unit-not-loaded", f"systemd cannot load {service.name}{why}", shown,
        (Repair("correct-unit", "manual", f"correct the files of {unit.name}", (), manual=manual),))
