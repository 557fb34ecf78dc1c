"""Start steps at which systemd fails (output, folders, credentials, limits), ExecStartPost=, pid files of forking."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import clock_of, log_evidence, shorten
from fixer.analysis.exits.exec_step import (
    StepExplanation,
    StepFailure,
    is_missing,
    missing_file_evidence,
    setting_evidence,
    setting_of,
    setting_source_text,
    stat_evidence,
    stat_of,
)
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import event_of, has_kind, lines_of, message_of
from fixer.analysis.service_state import state_evidence
from fixer.formats.application_servers import server_of
from fixer.formats.exec_status import OTHER_STEPS, paths_of_step
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.model.facts import Evidence
from fixer.model.snapshot import CommandArgument, LogLine, Service, UnitValue

with lazy_imports():  # only for what is found
    from fixer.repairs.unit_edits import (
        RepairWording,
        complete_value_edit,
        edit_and_start_repair,
        manual_repairs,
        mended_explanation,
    )

VARIANT = "start-step-failed"
_REASON = regex(up_to_first("spawning ") + r".*?: (?P<why>[^:]+)$")
_OUTPUT_STEPS = frozenset({"STDOUT", "STDERR"})      # systemd creates the file if its folder exists


def judge_step(case: Case, crash: FailedRun, failure: StepFailure) -> StepExplanation | str:
    """Return systemd's error, the settings of that step, and the named files that do not exist."""
    service, (step, keys) = crash.service, OTHER_STEPS[failure.status]
    settings = [s for s in service.unit_values if (s.key in keys or (step == "LIMITS" and s.key.startswith("Limit")))
                and s.value.strip()]
    said = message_of(failure.lines[-1]).rstrip() if failure.lines else ""
    match = _REASON.search(said)
    reason = match["why"].strip() if match is not None else "reason unknown"
    gone, there = _check_named_files(case, crash, failure, writes=step in _OUTPUT_STEPS)
    shown = tuple(setting_evidence(s) for s in settings[-3:])
    if failure.why == "missing" and there and not gone:
        return mended_explanation(case, crash, VARIANT, f"a path that {_keys_text(keys)} needs was missing",
                                  (*shown, *there))
    place = setting_source_text(settings[-1], service) if settings else service.name
    what = "".join(f"; {path} is missing" for path in gone[:1]) or f": {reason}"
    summary = f"{service.name} cannot be started: systemd fails at the step {step}{what}"
    manual = (
        f"systemd could not apply {place} ({_keys_text(keys) or step}): {reason}. "
        f"{f'Create {gone[0]} (and its folder) for the account that needs it. ' if gone else ''}Correct or remove the "
        f"setting, run systemctl daemon-reload, then start {service.name}")
    return StepExplanation(VARIANT, summary, (*shown, *(missing_file_evidence(path) for path in gone)),
                           manual_repairs("mend-step", manual))


def _keys_text(keys: tuple[str, ...]) -> str:
    return " or ".join(keys[:2])      # without "=": redaction may take the text after it for a secret


def _check_named_files(
    case: Case, crash: FailedRun, failure: StepFailure, *, writes: bool,
) -> tuple[list[str], list[Evidence]]:
    """Return the files of the settings that do not exist, and evidence of those that do."""
    service, gone, there = crash.service, [], []
    for named in paths_of_step(failure.status, service.unit_values):
        path = posixpath.dirname(named) if writes else named
        stat = stat_of(case.snapshot, service.node, path)
        if is_missing(case.snapshot, service.node, path):
            gone.append(path)
        elif stat is not None:
            there.append(stat_evidence(path, stat))
    return gone, there


# Failed commands of ExecStartPost=: systemd then ends the program, though it works.
_SIGTERM = 15


def judge_start_post(crash: FailedRun) -> StepExplanation | None:
    """Judge the last start by systemd's log: a control process failed during the start, and no command of ExecStartPre=
    did."""
    service, unit = crash.service, crash.service.unit
    posts = [s for s in service.unit_values if s.key == "ExecStartPost" and s.value.strip()]
    if unit is None or not posts or any(p.code and (p.code != "exited" or p.status) for p in unit.pre):
        return None
    stops = any(s.key in ("ExecStop", "ExecStopPost") and s.value.strip() for s in service.unit_values)
    said = _control_process_line(service)
    if said is None:
        return None
    event = event_of(said)
    assert event is not None
    how = f"status {event.status}" if event.code == "exited" else f"{event.code} {event.status}"
    named = f"`{shorten(posts[0].value.strip(), 120)}`" if len(posts) == 1 else "a command of ExecStartPost="
    manual = (
        f"{setting_source_text(posts[-1], service)} runs {named} after the program starts. It ended with {how}, so "
        f"systemd stops the program too. Correct or remove the command, or write - before it if its failure may be "
        f"ignored. Then run systemctl daemon-reload and start {service.name}")
    return StepExplanation(
        "start-execstartpost-failed",
        f"{service.name} cannot be started: {named}, run after the program, ended with {how}",
        (*(setting_evidence(s) for s in posts[-2:]), log_evidence(said.text, said.where)),
        manual_repairs("mend-start-post", manual),
        "certain" if len(posts) == 1 and not unit.pre and not stops else "likely",
    )


def _control_process_line(service: Service) -> LogLine | None:
    """Return the log line of the control process in the last failed start; None if the program had ended by itself
    before, or a later start succeeded."""
    lines = lines_of(service)
    end = next((at for at in range(len(lines) - 1, -1, -1) if has_kind(lines[at], "start-failed")), -1)
    if any(has_kind(line, "started", "stopped") for line in lines[end + 1:]):
        return None
    found: LogLine | None = None
    for at in range(end - 1, -1, -1):
        event = event_of(lines[at])
        if event is None:
            continue
        if event.is_start or event.is_stop:
            break
        if event.kind in ("start-timeout", "timeout"):
            return None         # later commands belong to the stop
        has_failed = (event.code, event.status) != ("exited", 0)
        if event.kind == "main-exited" and event.status != _SIGTERM and has_failed:
            return None
        if event.kind == "control-exited" and has_failed:
            found = lines[at]
    return found


# Type=forking with a program that detaches: systemd waits for a pid file that is never written.
_RECENT_SECONDS = 900.0      # seconds: older lines say nothing about the present
_DETACH_OPTIONS = frozenset({"--daemon", "--daemonize", "--daemonize2", "--background", "--fork"})
_PID_OPTIONS = ("--pid", "--pidfile", "--pid-file")


def is_detaching(service: Service, kind: UnitValue) -> bool:
    """Return whether, under Type=forking, an option of the command makes the program detach, as that type requires."""
    short = server_of(service.runtime).detach_option
    return kind.value == "forking" and any(
        w.partition("=")[0] in _DETACH_OPTIONS or (short and w == short) for w in _command_arguments(service))


def judge_pid_file(case: Case, crash: FailedRun, kind: UnitValue) -> StepExplanation | None:
    """Judge a program that detached without writing the pid file that PIDFile= names."""
    service = crash.service
    setting = setting_of(service, "PIDFile")
    said = _no_pid_file_line(case, service) if kind.value == "forking" and setting is not None else None
    if setting is None or said is None:
        return None
    path = setting.value if setting.value.startswith("/") else f"/run/{setting.value}"
    written = _pid_file_argument(service)
    evidence = (setting_evidence(setting), log_evidence(said.text, said.where), state_evidence(service))
    summary = f"systemd stops {service.name} again and again: its program detaches, and never writes {path}, " \
              "where PIDFile= expects its process ID"
    other = written is not None and written.text.startswith("/") and written.text != path
    if written is None or not other:
        why = "the program is configured to write it there: check that its account may write to that folder" \
            if written is not None and written.text == path else \
            "let the program write it there, or run it in the foreground with Type=exec"
        return StepExplanation(_NOTIFY_VARIANT, summary, evidence, manual_repairs(
            "mend-pid-file", f"{setting_source_text(setting, service)} names {path}: {why}; then start {service.name}"))
    doing = RepairWording("correct-pid-file", f"set PIDFile={written.text} instead of {setting.value}",
                  f"write PIDFile={written.text} at {setting_source_text(setting, service)}")
    told = Evidence("file", f"{written.file}:{written.line}", f"the program writes its process ID to {written.text}")
    return StepExplanation(_NOTIFY_VARIANT, f"{summary}; it is configured to write {written.text}",
                           (evidence[0], told, *evidence[1:]),
                (edit_and_start_repair(case, crash, doing, complete_value_edit(setting, written.text)),))


def _no_pid_file_line(case: Case, service: Service) -> LogLine | None:
    """Return systemd's newest log line about the missing pid file. It logs it only after the first process has ended
    by itself with success."""
    since = clock_of(case.snapshot, service.node) - _RECENT_SECONDS
    return next((x for x in reversed(lines_of(service)) if (x.at or 0.0) >= since
                 and (event := event_of(x)) is not None and event.kind == "pid-file-missing"
                 and event.unit == service.name), None)


def _command_arguments(service: Service) -> list[str]:
    return [word.text for word in service.command] or list(service.argv)


def _pid_file_argument(service: Service) -> CommandArgument | None:
    """Return the argument of its command that names the pid file it writes."""
    short = server_of(service.runtime).pid_option
    names = (*_PID_OPTIONS, short) if short else _PID_OPTIONS
    words = service.command
    for place, word in enumerate(words):
        key, mark, value = word.text.partition("=")
        if mark and key in names:
            return CommandArgument(value, word.file, word.line)
        if word.text in names and place + 1 < len(words):
            return words[place + 1]
    return None


_NOTIFY_VARIANT = "start-type-notify-timeout"
