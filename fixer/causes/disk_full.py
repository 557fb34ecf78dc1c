"""nginx or the backend cannot write to disk what it must: a long upload, a long answer, a log, a file at its start.
nginx logs `28: No space left on device` or `13: Permission denied`, and long uploads get 500. Free space, then reload.

By hand
  df -h /var/lib/nginx /var/log; df -i /var/lib/nginx /var/log    # 100%: no space, or no inodes
  du -xhd1 /var | sort -h         # what takes the space?
  namei -l /var/lib/nginx/body    # the folder that the log names: is it there, and the worker's?
  nginx -t && nginx -s reload     # nginx makes its folders again

What it is
  Bodies that do not fit in memory go to a folder of nginx's own (/var/lib/nginx/body, …/proxy). The disk is full, the
  folder is gone, or it belongs to somebody else since files were copied, restored or "cleaned".

Why nginx says 500
  `open() "/var/lib/nginx/body/0000000012" failed (13: Permission denied)` (or 2, or 28: No space left on device):
  long uploads get 500, small ones pass. A long answer to a slow visitor breaks off in the middle, with status 200. A
  full disk under the access log costs visitors nothing, and you the log. A backend that cannot write when it starts
  ends, and nginx says 502: `connect() failed (111: Connection refused)`.

How it is told apart
  The line in nginx's error log, and the folder as it is now: not there, or not the worker's. The backend never sees
  those requests, and every page that we ask for answers. Of a backend: the last words of its own log.

The repair and its safety
  reload-nginx (safe; disruptive if too few requests fail to measure it): at a reload nginx makes its folders again and
  takes them for itself, as at a start.
  A full disk is for a person: fixer names the folder, and deletes nothing.

Variants
  log-disk-full            the disk with the logs is full
  client-body-temp-broken  nginx cannot write long uploads to its folder
  proxy-temp-unwritable    nginx cannot write long answers to its folder
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import (
    clock_of,
    config_evidence,
    file_line_text,
    find_node,
    log_evidence,
    no_listener_evidence,
    processes_of,
)
from fixer.analysis.exits.code_error import application_frame
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.nginx_errors import is_from_current_worker
from fixer.analysis.nginx_process import route_ids_of
from fixer.analysis.run_log import message_of
from fixer.analysis.service_state import state_evidence
from fixer.formats.run_output import ends_run_at
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.query import FileStat
from fixer.model.snapshot import ComposeSetting, ErrorEvent, LogLine, Nginx, Service
from fixer.nginx.error_kinds import unwritable_folder

with lazy_imports():  # only for what is found
    from fixer.analysis.exits.exec_step import is_missing
    from fixer.repairs.file_edits import check_and_reload_steps

RECENT_SECONDS = 600.0       # maximum age of a log line, if the folder is still unwritable
_CURRENT_SECONDS = 60.0          # maximum age of a log line, if the folder cannot be checked
_LOG_ERROR = regex(r"^write\(\) to \"(?P<path>/[^\"\n]+)\" failed \(28: ")
_REASON_TEXTS = {
    2: "does not exist", 13: "gives its workers no write permission", 28: "had no space left",
    30: "is on a read-only disk",
}


def judge(case: Case) -> Verdict:
    """Judge each nginx: does its log name folders that it cannot write to, and is that still so?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = []
    for nginx in case.snapshot.nginxes:
        if nginx.master_pid is None:
            continue
        if isinstance(nginx.errors, Unknown):
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
            continue
        now = clock_of(case.snapshot, nginx.node)
        events = [e for e in nginx.errors.value if now - e.at < RECENT_SECONDS and _is_by_current_worker(nginx, e)]
        findings += _folder_findings(case, nginx, events)
        findings += _log_findings(case, nginx, [e for e in events if _is_after_repair(case, nginx, e)])
        ruled.append(Evidence("nginx-log", nginx.error_log_path, "reports no folder that nginx could not write to"))
    if case.failing_addresses:
        findings += full_disk_findings(case)
    return conclude(findings, missing, ruled or case.observed)


def _is_by_current_worker(nginx: Nginx, event: ErrorEvent) -> bool:
    """Return whether a current worker wrote the line, after the configuration was loaded."""
    loaded = nginx.loaded_at.value - 1.0 if isinstance(nginx.loaded_at, Known) else 0.0
    return event.at >= loaded and is_from_current_worker(event, nginx)


def _is_after_repair(case: Case, nginx: Nginx, event: ErrorEvent) -> bool:
    """Return whether the line is newer than fixer's last repair."""
    quiet = case.snapshot.seconds_since_repair
    return not quiet or event.at >= clock_of(case.snapshot, nginx.node) - quiet


def _folder_findings(case: Case, nginx: Nginx, events: Iterable[ErrorEvent]) -> Iterable[Finding]:
    last: dict[str, tuple[int, ErrorEvent]] = {}
    for event in events:
        failure = unwritable_folder(event)
        if failure is not None and failure[1] in _REASON_TEXTS:
            last[failure[0]] = (failure[1], event)
    for folder, (errno, event) in last.items():
        if _is_still_unwritable(case, nginx, folder, (errno, event)):
            yield _folder_finding(case, nginx, folder, (errno, event))


def _stat_of_folder(case: Case, nginx: Nginx, path: str) -> FileStat | None:
    node = find_node(case.snapshot, nginx.node)
    stat = dict(node.files).get(path) if node is not None else None
    return stat.target if stat is not None and stat.target is not None else stat


def _is_still_unwritable(case: Case, nginx: Nginx, folder: str, failure: tuple[int, ErrorEvent]) -> bool:
    """Return whether nginx still cannot write to the folder: it is missing, by its mode and owner, else by the log
    alone."""
    errno, event = failure
    stat = _stat_of_folder(case, nginx, folder)
    fresh = clock_of(case.snapshot, nginx.node) - event.at < _CURRENT_SECONDS and _is_after_repair(case, nginx, event)
    if errno == 2 and is_missing(case.snapshot, nginx.node, folder):
        return True
    if stat is None or errno in (28, 30):
        return fresh
    workers = processes_of(case.snapshot, nginx.node, nginx.worker_pids)
    if errno != 13 or not workers or workers[0].uid < 0:
        return errno == 13 and fresh
    mine = stat.uid == workers[0].uid
    return not (stat.mode & 0o300 == 0o300 if mine else stat.mode & 0o003 == 0o003)


def _folder_finding(case: Case, nginx: Nginx, folder: str, failure: tuple[int, ErrorEvent]) -> Finding:
    errno, event = failure
    answering = event.phase.startswith("reading upstream")
    what = "long responses are cut off" if answering else "long uploads get 500"
    stat = _stat_of_folder(case, nginx, folder)
    shown = [Evidence("nginx-log", event.where, event.raw)]
    if stat is not None:
        text = f"{stat.kind}, mode {stat.mode & 0o7777:o}, owner {stat.uid}"
        shown.append(Evidence("kernel", file_line_text(case.snapshot, nginx.node, folder), text))
    return Finding(
        cause=CAUSE.id, variant="proxy-temp-unwritable" if answering else "client-body-temp-broken", role="root",
        confidence="certain", summary=f"nginx cannot write to {folder}, which {_REASON_TEXTS[errno]}: {what}",
        detail=(),
        routes=route_ids_of(case, nginx), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node,
        evidence=tuple(shown), repairs=(_repair(case, nginx, folder, errno),),
    )


def _repair(case: Case, nginx: Nginx, folder: str, errno: int) -> Repair:
    if errno in (28, 30):
        where = file_line_text(case.snapshot, nginx.node, folder)
        what = f"free space on the disk of {where}" if errno == 28 else f"make {where} writable"
        small = ". If df shows space, what arrives does not fit there (a tmpfs with size=1m)" if errno == 28 else ""
        manual = f"{what} (df -h {folder}); fixer deletes nothing{small}"
        return Repair("free-disk-space", "manual", f"let nginx write to {folder}", (), manual=manual)
    summary = f"reload nginx: it creates {folder} again, owned by its workers"
    return Repair("reload-nginx", "safe", summary, check_and_reload_steps(case.snapshot, nginx))


def _log_findings(case: Case, nginx: Nginx, events: Iterable[ErrorEvent]) -> Iterable[Finding]:
    last = {match["path"]: event for event in events
            if event.kind == "log-full" and (match := _LOG_ERROR.match(event.message)) is not None}
    for path, event in last.items():
        yield Finding(
            cause=CAUSE.id, variant="log-disk-full", role="advice", confidence="certain",
            summary=f"nginx cannot write to its log {path}: no space is left on that disk; pages are not affected",
            detail=(), routes=route_ids_of(case, nginx), service=None, node=nginx.node,
            evidence=(Evidence("nginx-log", event.where, event.raw),),
        )


CAUSE = Cause(
    id="disk-full",
    title="the disk is full or not writable: uploads, responses, logs or a start fail",
    family="overload, comes and goes",
    variants=("log-disk-full", "client-body-temp-broken", "proxy-temp-unwritable"),
    verdict=judge,
    page=__doc__,
)

# Backends that ended because the disk is full.
_FULL_ERROR = regex(r"Error: (?:\[Errno 28\] |ENOSPC: )|: No space left on device\.?$|Error: database or disk is full$")
_QUOTA_ERROR = regex(r"Error: (?:\[Errno 122\] |EDQUOT: )|: Disk quota exceeded\.?$")
_PYTHON_ERROR = regex(r"Error: (?:\[Errno \d+\] |database or disk )")
_TRACE_LINES = 60          # lines above the error that may belong to its traceback
_CALL_LINES = 4            # of these the last, which may show the call
_PATH_IN_CALL = regex(r"['\"](?P<path>/(?=[^'\"\s{}%]+/[^'\"\s{}%])[^'\"\s{}%]++)['\"]")
_PATH_IN_ERROR = regex(r": '(?P<path>/[^'\n]+)'$")


def full_disk_findings(case: Case) -> Iterator[Finding]:
    """Yield one finding for each service that ended because its disk or quota is full."""
    for crash in (*failed_runs(case).found, *hand_started_runs(case)):
        line = _disk_error_line(crash)
        if line is not None:
            yield for_person(crash, _exit_finding(case, crash, line))


def _disk_error_line(crash: FailedRun) -> LogLine | None:
    """Return the log line of the disk error, if no other error follows it."""
    for index in crash.end.newest_first():
        text = crash.end.texts[index]
        if _FULL_ERROR.search(text) or _QUOTA_ERROR.search(text):
            return crash.end.lines[index]
        if ends_run_at(crash.end.texts, index):
            return None
    return None


def _exit_finding(case: Case, crash: FailedRun, line: LogLine) -> Finding:
    service, trouble = crash.service, crash.failing_addresses[0]
    message = message_of(line).strip()
    match, quota = _PATH_IN_ERROR.search(message), _QUOTA_ERROR.search(message) is not None
    where = match["path"] if match is not None else _written_at(crash, line)
    who = f" or raise the quota of {_account_text(service)} (repquota -a)" if quota else ""
    small = _tmpfs_setting(service, match["path"] if match is not None else "")
    also = "" if small is None else (
        f"; {small.file}:{small.line} gives it {small.value} as a tmpfs: if that is full, allow more")
    manual = (f"free space on the disk of {where} (df -h; df -i){who}; fixer deletes nothing{also}. Then start "
              f"{service.name}")
    what = f"the disk quota of {_account_text(service)} is used up" if quota else \
        "no space is left on the disk that it writes to"
    return Finding(
        cause="disk-full", variant=None, role="root", confidence="certain" if crash.owner.certain else "likely",
        summary=f"{service.name} ends at once: {what}", detail=(),
        routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where),
            *((Evidence("file", f"{small.file}:{small.line}", f"tmpfs: {small.value}"),) if small is not None else ()),
            state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("free-disk-space", "manual", f"free disk space for {service.name}", (), manual=manual),),
        effects=("run-ends", "last-words"),
    )


def _tmpfs_setting(service: Service, path: str) -> ComposeSetting | None:
    """Return the service's tmpfs setting with a size limit. If a path is known, it must lie in that tmpfs."""
    given = next((s for s in service.compose_settings if s.key == "tmpfs" and "size=" in s.value), None)
    places = [word.partition(":")[0] for word in given.value.split()] if given is not None else []
    return given if not path or any(path.startswith(f"{place.rstrip('/')}/") for place in places) else None


def _account_text(service: Service) -> str:
    return (service.unit.user if service.unit is not None else "") or "its account"


def _written_at(crash: FailedRun, line: LogLine) -> str:
    """Return what is known of the file, which the error leaves out: the path in the call above it, as part of a
    message, or the line of the application that writes, by the error's own traceback."""
    above = crash.end.above(line, _TRACE_LINES)
    for text in reversed(above[-_CALL_LINES:]):
        match = _PATH_IN_CALL.search(text) if not text.lstrip().startswith("File ") else None
        if match is not None:
            return f"its output file (its call names {match['path']})"
    own = list(takewhile(lambda text: text.startswith(" "), reversed(above)))[::-1]
    file, number, _ = application_frame(own) if _PYTHON_ERROR.search(message_of(line)) else ("", 0, "")
    return f"its output file, which {file}:{number} writes" if file else "its output file"
