"""Files that changed after a program ended: the reason of its end may be repaired, and only a start shows it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence

from fixer.analysis.evidence import age_text, clock_of, find_node
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.source_files import has_valid_syntax
from fixer.analysis.run_log import has_kind
from fixer.analysis.service_state import end_time_of
from fixer.formats.application_servers import APPLICATION_SERVERS
from fixer.formats.folders import is_within
from fixer.formats.start_files import find_missing_module, module_files, module_folders
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Evidence
from fixer.model.snapshot import FileContent, LogLine, Snapshot

with lazy_imports():  # not needed in most looks
    from fixer.formats.source_paths import drop_in_folders, is_code_or_setting, is_own_source, missing_module

_MAX_QUOTED_CHARS = 200             # characters; a shorter quoted line was surely not cut
# lines of a traceback without quoted code
_NO_CODE_LINE = regex(r"^File \"|^[\w.]*(?:Error|Exception|Warning)\b|^[\s^~]*$")
CLOCK_SLACK = 0.5             # seconds between the clock of a log and that of a file
_SHORT_RUN = 5.0              # seconds: so long a run that fails at its start reads its files
_MAX_SHOWN = 2
_FUTURE_SLACK = 5.0             # seconds by which the time of a file may lie in the future
_PACKAGES = regex(r"/(?:site|dist)-packages/|/node_modules/")


def ended_at(crash: FailedRun) -> float:
    """Return when its last run logged its last line, without starts that systemd refused; 0.0 if unknown."""
    said = [line.at for line in _without_refused_starts(crash.lines) if line.at is not None]
    return max(said) if said else manager_of(crash.service).ended_at()


def short_run_began_at(crash: FailedRun) -> float:
    """Return when its last run began if that failed at its start, else 0.0. It has read its files in its first moment:
    what was changed before its end may have come too late for it."""
    began = manager_of(crash.service).run_began_at()
    return began if 0 < ended_at(crash) - began <= _SHORT_RUN else 0.0


def _without_refused_starts(lines: Sequence[LogLine]) -> Sequence[LogLine]:
    """Return the lines without systemd's last lines about refused starts: nothing of the unit ran then."""
    at = len(lines)
    while at and has_kind(lines[at - 1], "start-limit", "failed", "restart-scheduled", "start-failed"):
        at -= 1
    return lines[:at] if any(has_kind(line, "start-limit") for line in lines[at:]) else lines


def changed_command_evidence(snapshot: Snapshot, crash: FailedRun, target: str) -> tuple[Evidence, ...]:
    """Return the files that changed after its end of those that hold its command, and of the module of the target
    (`app.main:app`) that the command names: another file cannot mend what the command says."""
    told = set(_configured_paths(crash)) | set(drop_in_folders(crash.service))
    module = target.partition(":")[0].partition(".")[0]
    of_module = (f"/{module}.py/", f"/{module}/") if module else ()
    return changed_files_evidence(snapshot, crash, is_wanted=lambda path: path in told or any(
        name in f"{path}/" for name in of_module))


def changed_files_evidence(snapshot: Snapshot, crash: FailedRun, also: Sequence[str] = (), *,
                           is_wanted: Callable[[str], bool] = bool) -> tuple[Evidence, ...]:
    """Return its files, and those in `also`, that changed after its end; the newest first."""
    service, now = crash.service, clock_of(snapshot, crash.service.node)
    began = short_run_began_at(crash)
    since, what = (began, "last start") if began else (ended_at(crash), "end")
    found = {(at, path) for path, at in _file_mtimes(snapshot, crash, also)
             if since and since + CLOCK_SLACK < at <= now + _FUTURE_SLACK and is_wanted(path)}
    return tuple(
        Evidence("file", path, f"changed {age_text(max(0.0, now - at))} ago, {age_text(at - since)} after the {what} "
                               f"of {service.name}")
        for at, path in sorted(found, reverse=True)[:_MAX_SHOWN]
    )


def unread_unit_files_evidence(snapshot: Snapshot, crash: FailedRun) -> tuple[Evidence, ...]:
    """Return the files of its unit that changed after its end and that systemd has not reloaded."""
    unit = crash.service.unit
    if unit is None or not unit.need_daemon_reload:
        return ()
    files = (unit.fragment_path, *unit.drop_in_paths, *drop_in_folders(crash.service))
    return tuple(shown for shown in changed_files_evidence(snapshot, crash) if shown.where in files)


def _file_mtimes(snapshot: Snapshot, crash: FailedRun, also: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield (path, mtime) of the files that define its start, and of its code and settings."""
    service = crash.service
    told = {(service.files_node or service.node, path) for path in _configured_paths(crash)}
    yield from ((file.path, file.stat.mtime) for file in snapshot.files if (file.node, file.path) in told)
    for path, stat in snapshot.engine_files if service.container is not None else ():
        if stat.end.kind == "file" and _is_mounted(crash, path):
            yield path, stat.end.mtime
    node = find_node(snapshot, service.node)
    folders = drop_in_folders(service)
    for path, stat in node.files if node is not None and service.container is None else ():
        kind = stat.end.kind
        mine = path in folders if kind == "dir" else kind == "file" and (path in also or is_own_source(service, path))
        if mine:
            yield path, stat.end.mtime


def _configured_paths(crash: FailedRun) -> Iterator[str]:
    service = crash.service
    manager = manager_of(service)
    yield from (*manager.definition_files(), *manager.environment_files(), *service.env_files)
    yield from (word.file for word in service.command if word.file)


def _is_mounted(crash: FailedRun, path: str) -> bool:
    box = crash.service.container
    return box is not None and is_code_or_setting(path) and any(is_within(path, m[0]) for m in box.mounts)


def installed_module_evidence(snapshot: Snapshot, crash: FailedRun) -> Evidence | None:
    """Return the module that it lacked, if one of its folders holds it now and it came there after the end."""
    module, since = missing_module(crash.service), ended_at(crash)
    node = find_node(snapshot, crash.service.node)
    if not module or not since or node is None or crash.service.container is not None:
        return None
    stats = dict(node.files)
    name = module if crash.service.runtime == "node" else module.split(".")[0]
    for path, stat in node.files:
        base = path[path.rfind("/node_modules/") + 14:] if "/node_modules/" in path else posixpath.basename(path)
        if base != name and not (base.startswith(f"{name}.") and base.endswith((".py", ".so"))):
            continue
        above = [stats[p] for p in _parent_folders(path) if p in stats]
        newest = max(one.end.mtime for one in (stat, *above))
        if newest > since + CLOCK_SLACK and (_PACKAGES.search(path) or base != name or stat.end.kind == "dir"):
            age = age_text(max(0.0, clock_of(snapshot, node.name) - newest))
            return Evidence("file", path, f"exists now, for at most {age}")
    return None


def present_module_evidence(snapshot: Snapshot, crash: FailedRun, text: str) -> Evidence | None:
    """Return the file of the module that `text` reports as missing, if a folder that the server searches holds it now.
    A file that was moved away and back keeps its time of change."""
    service, module = crash.service, find_missing_module(text)
    node = find_node(snapshot, service.node)
    if not module or node is None or service.container is not None:
        return None
    if not module.startswith("/") and (service.runtime not in APPLICATION_SERVERS
                                       or not service.start_folder.startswith("/")):
        return None
    stats = dict(node.files)
    for path in (path for folder in module_folders(service.argv, service.start_folder or "/")
                 for path in module_files(folder, module)):
        if path in stats and stats[path].end.kind == "file":
            return Evidence("file", path, "exists now")
    return None


def _parent_folders(path: str) -> tuple[str, ...]:
    """Return the folders that hold it, up to one into which all modules may have been restored."""
    folder = posixpath.dirname(path)
    return (folder, posixpath.dirname(folder)) if folder.endswith(("-packages", "/node_modules")) else (folder,)


def is_file_mended(snapshot: Snapshot, crash: FailedRun, fault: CodeFault, file: FileContent) -> bool:
    """Return whether it changed after the line was logged and is sound now, or no longer holds the quoted line."""
    now = clock_of(snapshot, crash.service.node)
    quoted = fault.code if len(fault.code) < _MAX_QUOTED_CHARS and not _NO_CODE_LINE.search(fault.code) else ""
    if quoted and has_valid_syntax(file) and quoted not in file.data.decode("utf-8", "replace"):
        return True
    # a program's own file of output holds no times: nothing in it is later than the end of the last run
    said = fault.log_line.at if fault.log_line.at is not None else end_time_of(crash.service) or now
    began = short_run_began_at(crash)
    since = began + CLOCK_SLACK if began else said + 1.0
    return since < file.stat.mtime <= now and has_valid_syntax(file)
