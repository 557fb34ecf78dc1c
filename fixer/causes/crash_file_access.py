"""The backend ends at once: a file or folder that it needs is not there, or its account may not use it.
nginx finds no listener (`111: Connection refused`, 502). The service's log names the path: restore it, or open it.

By hand
  journalctl -u UNIT -n 20    # which path?
  systemctl show -p User -p ProtectSystem UNIT    # User= is empty: root
  namei -l PATH               # what stops that account?
  chown USER: PATH
  systemctl edit UNIT         # LogsDirectory=, StateDirectory= or RuntimeDirectory= make a folder at each start
  systemctl reset-failed UNIT; systemctl start UNIT

What it is
  A program opens its log, its data, its configuration when it starts. After `chown -R root`, a restore, a clean-up of
  /var/log or a move of the folder, the account that it runs under may no longer do so, or the folder is gone.

Why nginx says 502
  The program never gets as far as listening: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  Its manager says failed, and the last exception of its own log since the last start names a path: PermissionError,
  FileNotFoundError, "isn't writable" of gunicorn, EACCES or ENOENT of node; or it is SQLite's "unable to open database
  file", and the call above it names one; or certificate and key could not be opened, which Python says without a name,
  and the command names them: the disk tells which. crash-code-error is an error of code; unit-misconfigured is a path
  that systemd itself needed, before the program ran; a full disk is disk-full. What the program says in an answer
  after it came up is none of these. Where `ProtectSystem=` of its unit makes the path read-only, that line is named.

The repair and its safety
  give-folder (disruptive): a container that was made read-only is given /tmp as tmpfs, in its compose file.
  open-path (manual): who may use a path, and what belongs into a missing folder, only a person knows; the message names
  path, account and what shows the closed part. fixer changes no owner and no mode of an application's files.

  open-folder (disruptive): where ProtectSystem= keeps a program from its own folder of data (below /var/lib, /var/log,
  /var/cache, /srv or /opt), a drop-in with ReadWritePaths= for just that folder; the rest stays protected.

  make-folder (disruptive): what is gone is a folder below /run that the program puts its socket or pid file into, and
  that was made by hand: every boot empties /run. A drop-in with RuntimeDirectory= makes it at each start.

  The same where ProtectSystem=strict leaves it no folder for temporary files: PrivateTmp=yes gives it one of its own.
  A /tmp that is not everybody's to write to any more (1777, root's) is named with what puts it right.

  start-service (safe): the path is there now, and the mode and the folders above it let the account use it: only
  the start is left. What cannot be looked at (in a container, behind a unit's own view of the files) is said.

Variants
  start-file-denied   its account may not use a file or folder
  start-file-missing  a file or folder does not exist
"""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import bindings_of, find_node, log_evidence
from fixer.analysis.exits.code_error import find_code_fault
from fixer.analysis.exits.exec_step import setting_evidence
from fixer.analysis.exits.exit_reason import has_variable_or_port_reason
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.path_access import PathState, credential_texts, denied_folder_of, is_credential, path_state
from fixer.analysis.service_state import state_evidence
from fixer.formats.file_errors import (
    FOLDER_CODES,
    MISSING_CODES,
    NO_TEMP,
    READ_ONLY_CODES,
    absolute_path,
    inaccessible_path_at,
    inaccessible_socket_at,
    unnamed_paths_at,
)
from fixer.formats.folders import is_below
from fixer.formats.run_output import ends_run
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.service import configured_sockets
from fixer.model.snapshot import CommandArgument, LogLine, Service, UnitValue
from fixer.repairs.command_options import edit_argument
from fixer.repairs.container_settings import temporary_folder_repair
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.listen_address import LISTEN_ID
from fixer.repairs.start_service import start_again_repairs, start_or_restart_steps
from fixer.repairs.unit_edits import RepairWording, manual_repairs, written_and_start_repair
from fixer.repairs.write_variables import write_drop_in

_EACCES = "13"
PATHS_DROP_IN = "50-badgateway-paths.conf"
_SYSTEM_PATHS = ("/usr/", "/boot/", "/efi/")
_PROTECTED_BY_VALUE = {"full": (*_SYSTEM_PATHS, "/etc/"), **dict.fromkeys(("yes", "true", "on", "1"), _SYSTEM_PATHS)}
# only folders below these, never these themselves
_DATA_FOLDERS = ("/var/lib/", "/var/log/", "/var/cache/", "/srv/", "/opt/")
_UNIT_ADVICE = ("to create such a folder at each start, set LogsDirectory=, StateDirectory= or RuntimeDirectory= in "
                "the unit")
_CONTAINER_ADVICE = ("mount what its image lacks (as a volume, a config or a secret of its service; a tmpfs for an "
                     "empty folder), and check that its configured path is the path of the mount")
_RUN_FOLDER = regex(r"/run/([A-Za-z0-9][\w.-]*)/[^/]+")
_PLAIN_PATH = regex(r"/[\w./@-]+")


@dataclass(frozen=True, slots=True)
class _UnusablePath:
    """The path that ended a run, the reason, and the log line. `others` are further candidates for the path; it is not
    `named` if the line names none, and only one candidate is as the line says."""

    path: str
    reason: str
    line: LogLine
    others: tuple[str, ...] = ()
    named: bool = True


def judge(case: Case) -> Verdict:
    """Judge each failed service: does its last error name a file that it could not use?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in all_of.found:
        denied = _find_unusable_path(case, crash)
        if denied is None:
            ruled.append(state_evidence(crash.service))
        else:
            findings.append(_unusable_path_finding(case, crash, denied))
    return conclude(findings, all_of.missing, ruled)


def _find_unusable_path(case: Case, crash: FailedRun) -> _UnusablePath | None:
    """Return the unusable path in the last log lines, if the program never came up and nothing explains it better."""
    if has_variable_or_port_reason(crash.end):
        return None
    fault = find_code_fault(crash.end, crash.service.argv)
    if fault is not None:
        shut = denied_folder_of(case.snapshot, crash, fault)
        return _UnusablePath(shut, _EACCES, fault.log_line) if shut else None
    end, told = crash.end, configured_sockets(crash.service)
    for index in end.newest_first():
        named = inaccessible_path_at(end.texts, index) or inaccessible_socket_at(end.texts, index, told)
        if named is not None:
            return _UnusablePath(absolute_path(named[0], crash.service), named[1], end.lines[index])
        meant, why = unnamed_paths_at(end.texts, index, crash.service)
        if meant:
            found = _UnusablePath(meant[0], why, end.lines[index], meant[1:])
            return found if why not in FOLDER_CODES else _folder_among(case, crash, found)
        if ends_run(end.texts[index]):
            return None
    return None


def _unusable_path_finding(case: Case, crash: FailedRun, denied: _UnusablePath) -> Finding:
    service, denied = crash.service, _select_path(case, crash, denied)
    setting = protecting_setting(crash,
                                 denied.path) if denied.reason in READ_ONLY_CODES or denied.reason == NO_TEMP else None
    state = path_state(case.snapshot, crash, denied.path, denied.reason, denied.line)
    if state.state == "gone" and setting is None and denied.reason != NO_TEMP:
        return _mended_finding(case, crash, denied, state)
    box = service.container
    user = manager_of(service).account_name()
    if denied.reason == NO_TEMP:
        variant, (said, todo) = "start-file-denied", temporary_folder_texts(service, denied.path, state, setting)
    elif denied.reason in MISSING_CODES and is_credential(denied.path):
        variant, (said, todo) = "start-file-missing", credential_texts(crash, denied.path)
    elif denied.reason in MISSING_CODES:
        variant, said = "start-file-missing", f"{denied.path} is not there"
        todo = (f"restore {denied.path} (or its folder) for {user} to use; "
                f"{_CONTAINER_ADVICE if box is not None else _UNIT_ADVICE}")
        if state.state == "holds" and state.text != said:
            said, todo = f"{said}, or not accessible: {state.text}", f"{todo} ({state.text})"
    elif denied.reason in FOLDER_CODES:
        variant, said = "start-file-missing", f"{denied.path} is a folder, and it needs a file there"
        todo = f"put the file in the place of the folder {denied.path}"
        if box is not None:
            todo += (": Docker creates an empty folder for a missing source of a mount. Stop the container, remove "
                     "that folder on the Docker host, restore the file there")
    elif denied.reason in READ_ONLY_CODES:
        variant, said = "start-file-denied", f"{denied.path} is on a file system that is read-only for it"
        by = "ReadWritePaths= in its unit, or a writable mount"
        if box is not None:
            by = f"a volume or a tmpfs at {posixpath.dirname(denied.path)} of {box.name}"
            said += f": {state.text}" if state.state == "holds" else ""
        if setting is not None:
            said += f" ({setting.key}={setting.value})"
            at = f"{setting.key}={setting.value} at {setting.file}:{setting.line}"
            by = f"{at} makes it read-only: set ReadWritePaths= in its unit"
        todo = f"let {service.name} write to {denied.path} ({by})"
    else:
        variant, said = "start-file-denied", f"{user} cannot access {denied.path}"
        todo = f"let {user} access {denied.path} (chown or chmod; namei -l {denied.path} shows which part denies it)"
        if state.state == "holds":
            said, todo = f"{said} ({state.text})", f"{todo}; {state.text}"
    known = state.state == "holds" or setting is not None
    doubt = () if known else (f"it is unknown whether that still holds: {state.text}",)
    confidence: Confidence = "certain" if crash.owner.certain and known and denied.named else "likely"
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence=confidence,
        summary=f"{service.name} ends at once: {said}", detail=("nothing listens while it does not run", *doubt),
        routes=crash.routes, service=service.name, node=service.node,
        evidence=_evidence(case, crash, denied, (
            *((setting_evidence(setting),) if setting is not None else ()), *state.evidence)),
        repairs=_repairs(case, crash, denied, setting, f"{todo}, then start {service.name}"),
    )


def _folder_among(case: Case, crash: FailedRun, denied: _UnusablePath) -> _UnusablePath | None:
    """Return the only candidate that is a folder now, else None: the program may mean a path that is not mounted."""
    paths = [path for path in (denied.path, *denied.others)
             if path_state(case.snapshot, crash, path, denied.reason, denied.line).state == "holds"]
    return replace(denied, path=paths[0], others=(), named=False) if len(paths) == 1 else None


def _select_path(case: Case, crash: FailedRun, denied: _UnusablePath) -> _UnusablePath:
    """Select, of several candidates, the path that is unusable now, else one whose state is unknown."""
    paths = (denied.path, *denied.others)
    states = [path_state(case.snapshot, crash, path, denied.reason, denied.line).state for path in paths]
    for now in ("holds", "unknown", "gone"):
        if now in states:
            return replace(denied, path=paths[states.index(now)])
    return denied


def _mended_finding(case: Case, crash: FailedRun, denied: _UnusablePath, state: PathState) -> Finding:
    """Return the finding for a path that is usable now: the service only has to be started."""
    service = crash.service
    missing = denied.reason in MISSING_CODES | FOLDER_CODES
    then = f"{denied.path} was not there" if missing else f"it could not access {denied.path}"
    doubt = () if missing else (
        f"if it fails again, an access control list (getfacl -p {denied.path}) or a kernel security policy denies it",)
    return Finding(
        cause=CAUSE.id, variant="start-file-missing" if missing else "start-file-denied", role="root",
        confidence="likely",
        summary=f"{service.name} ended because {then}; {state.text}, but the service was not started again",
        detail=("nothing listens while it does not run", *doubt), routes=crash.routes, service=service.name,
        node=service.node, evidence=_evidence(case, crash, denied, state.evidence),
        repairs=start_again_repairs(case, crash), is_over=True,
    )


def _evidence(case: Case, crash: FailedRun, denied: _UnusablePath, shown: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys((
        log_evidence(denied.line.text, denied.line.where), *shown, *crash.symptoms(case),
    )))


def protecting_setting(crash: FailedRun, path: str) -> UnitValue | None:
    """Return the ProtectSystem= setting that makes the path read-only for the service."""
    for setting in crash.service.unit_values:
        value = setting.value.strip().lower()
        if setting.key == "ProtectSystem" and (value == "strict"
                                               or path.startswith(_PROTECTED_BY_VALUE.get(value, ("\0",)))):
            return setting
    return None


def _runtime_folder(case: Case, crash: FailedRun, denied: _UnusablePath) -> str:
    """Return the name of a missing folder below /run that only this unit uses and that was created by hand, or ""."""
    service = crash.service
    path = posixpath.normpath(denied.path).removeprefix("/var")
    match, node = _RUN_FOLDER.fullmatch(path), find_node(case.snapshot, service.node)
    if denied.reason not in MISSING_CODES or match is None or node is None or service.unit is None:
        return ""
    folder = f"/run/{match[1]}"
    if not {folder, f"/var{folder}"}.intersection(node.missing_paths) or any(
            s.key == "RuntimeDirectory" and s.value for s in service.settings):
        return ""
    shared = any(is_below(path, folder) for other in case.snapshot.services
                 if other.id != service.id and other.node == service.node for path in configured_sockets(other))
    return "" if shared else match[1]


def _repairs(
    case: Case, crash: FailedRun, denied: _UnusablePath, setting: UnitValue | None, todo: str,
) -> tuple[Repair, ...]:
    """Return an edit that allows writes to the data folder, or lets systemd create the folder below /run. Else return
    a manual repair."""
    if (denied.reason in READ_ONLY_CODES or denied.reason == NO_TEMP) and crash.service.container is not None:
        given = temporary_folder_repair(case, crash, denied.path)
        return (*((given,) if given is not None else ()), *manual_repairs("open-path", todo))
    if denied.reason == NO_TEMP:
        return temporary_folder_repairs(case, crash, setting, todo)
    if denied.reason in MISSING_CODES and denied.path in configured_sockets(crash.service):

        moved = listen_where_asked_repair(case, crash, denied.path)
        if moved is not None:
            return (moved, *manual_repairs("open-path", todo))
    runtime = _runtime_folder(case, crash, denied)
    if runtime:
        made = write_drop_in(case.snapshot, crash.service, f"RuntimeDirectory={runtime}\n", PATHS_DROP_IN)
        if not isinstance(made, NotEditable):
            does = (f"let systemd create /run/{runtime} at each start of {crash.service.name} "
                    f"(RuntimeDirectory={runtime})")
            return (written_and_start_repair(case, crash, RepairWording("make-folder", does, todo), made),)
    folder = posixpath.dirname(posixpath.normpath(denied.path))
    own = folder.startswith(_DATA_FOLDERS) and _PLAIN_PATH.fullmatch(folder)
    written = write_drop_in(case.snapshot, crash.service, f"ReadWritePaths={folder}\n",
                            PATHS_DROP_IN) if setting and own else None
    if written is None or isinstance(written, NotEditable):
        return manual_repairs("open-path", todo)
    doing = RepairWording("open-folder", f"let {crash.service.name} write to {folder}", todo)
    return (written_and_start_repair(case, crash, doing, written),)


CAUSE = Cause(
    id="crash-file-access",
    title="the backend ends at once: a file that it needs is missing or not accessible",
    family="backend crashed, or exits at once",
    variants=("start-file-denied", "start-file-missing"),
    verdict=judge,
    page=__doc__,
)


def listen_where_asked_repair(case: Case, crash: FailedRun, path: str) -> Repair | None:
    """Return a repair that moves the socket from a missing folder to the path that nginx uses, if its folder exists.
    A restored folder would let the service listen where nginx does not connect."""
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    told = next((b for b in bindings_of(service) if b.unix == path), None)
    node = find_node(case.snapshot, service.node)
    asked = endpoint.unix or ""
    stat = dict(node.files).get(posixpath.dirname(asked)) if node is not None else None
    is_there = stat is not None and stat.kind == "dir"
    if told is None or not asked or asked == path or endpoint.node != service.node or not is_there:
        return None
    word = CommandArgument(path, told.file, 0, told.start, told.end)
    edit = edit_argument(case.snapshot, service, word, asked, f"listen on {asked}")
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    does = f"let {service.name} listen on {asked}, where nginx connects, instead of {path}"
    if isinstance(edit, NotEditable) or isinstance(begin, NotEditable) or not begin:
        return Repair(LISTEN_ID, "manual", does, (), manual=f"{does} ({told.source.where}), then start it")
    return Repair(LISTEN_ID, "disruptive", f"{does}, in {edit.where}, then start it", (*edit.steps, *begin))


# No folder for temporary files: /tmp has the wrong mode, the unit protects it, or the disk is full.
TMP_DROP_IN = "50-badgateway-tmp.conf"


def temporary_folder_texts(service: Service, path: str, state: PathState, setting: UnitValue | None) -> tuple[str, str]:
    """Return what is wrong, and what to do about it."""
    folder = posixpath.dirname(path)
    said = "it has no writable folder for temporary files"
    box = service.container
    if box is not None and box.read_only:
        return f"{said}: the file system of {box.name} is read-only", f"mount a tmpfs at {folder} of {box.name}"
    if setting is not None:
        return (f"{said} ({setting.key}={setting.value} makes {folder} read-only for it)",
                f"set PrivateTmp=yes next to {setting.key}= at {setting.file}:{setting.line}")
    if state.state == "holds":
        return (f"{said}: {state.text}",
                f"chown root:root {folder}; chmod 1777 {folder}, the default on every system ({state.text})")
    return said, (f"find out why {service.name} cannot write to {folder}: df -h {folder}; df -i {folder} (full?), "
                  "mount (read-only?), and the protection settings of its unit")


def temporary_folder_repairs(case: Case, crash: FailedRun, setting: UnitValue | None, todo: str) -> tuple[Repair, ...]:
    """Give the unit its own /tmp if only its protection settings forbid writes; else return a manual repair."""
    service = crash.service
    own = any(s.key == "PrivateTmp" for s in service.unit_values)
    written = write_drop_in(case.snapshot, service, "PrivateTmp=yes\n",
                            TMP_DROP_IN) if setting is not None and not own else None
    if written is None or isinstance(written, NotEditable):
        return manual_repairs("open-path", todo)
    doing = RepairWording("open-folder", f"give {service.name} its own /tmp (PrivateTmp=yes)", todo)
    return (written_and_start_repair(case, crash, doing, written),)
