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

  Where a socket unit or a step of root made the folder below /run first, that unit is named: a chown lasts until the
  next boot. What the program writes there gets a folder of its own (RuntimeDirectory=).

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
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.code_error import find_code_fault
from fixer.analysis.exits.exec_step import setting_evidence
from fixer.analysis.exits.exit_reason import has_variable_or_port_reason, says_in_use
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.folder_maker import FolderMaker, root_folder_maker
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.exits.path_access import (
    PathState,
    credential_texts,
    denied_folder_of,
    image_path_state,
    is_credential,
    path_state,
)
from fixer.analysis.service_state import start_text_of, state_evidence
from fixer.causes.crash_file_access.open_path import (
    NO_NAME,
    UnusablePath,
    account_text,
    folder_setting_text,
    is_folder_missing,
    open_path_repairs,
    own_runtime_folder_text,
    protecting_setting,
    temporary_folder_texts,
)
from fixer.formats.file_errors import (
    FOLDER_CODES,
    MISSING_CODES,
    NO_TEMP,
    READ_ONLY_CODES,
    absolute_path,
    inaccessible_path_at,
    unnamed_paths_at,
    unread_script_at,
)
from fixer.formats.run_output import ends_run_at
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Confidence, Finding, Verdict
from fixer.model.facts import Evidence
from fixer.model.service import Service
from fixer.repairs.mount_at_folder import find_mount_with, mount_at_folder_repair, mount_evidence
from fixer.repairs.start_service import start_again_repairs

_EACCES = "13"
_CONTAINER_ADVICE = ("mount what its image lacks (as a volume, a config or a secret of its service; a tmpfs for an "
                     "empty folder), and check that its configured path is the path of the mount")


def judge(case: Case) -> Verdict:
    """Judge each failed service: does its last error name a file that it could not use?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in (*all_of.found, *hand_started_runs(case)):
        denied = _find_unusable_path(case, crash)
        if denied is None:
            ruled.append(state_evidence(crash.service))
        else:
            found = _with_other_mount(case, crash, denied, _unusable_path_finding(case, crash, denied))
            findings.append(for_person(crash, found))
    return conclude(findings, all_of.missing, ruled)


def _find_unusable_path(case: Case, crash: FailedRun) -> UnusablePath | None:
    """Return the unusable path in the last log lines, if the program never came up and nothing explains it better."""
    if has_variable_or_port_reason(crash.end):
        return None
    fault = find_code_fault(crash.end, crash.service.argv)
    if fault is not None:
        shut = denied_folder_of(case.snapshot, crash, fault)
        return UnusablePath(shut, _EACCES, fault.log_line) if shut else None
    end = crash.end
    for index in end.newest_first():
        named = inaccessible_path_at(end.texts, index) or unread_script_at(end.texts, index, crash.service)
        if named is not None:
            return UnusablePath(absolute_path(named[0], crash.service), named[1], end.lines[index])
        meant, why = unnamed_paths_at(end.texts, index, crash.service)
        if meant:
            found = UnusablePath(meant[0], why, end.lines[index], meant[1:])
            return found if why not in FOLDER_CODES else _folder_among(case, crash, found)
        if ends_run_at(end.texts, index) and not says_in_use(end.texts[index]):
            return None
    return None


def _unusable_path_finding(case: Case, crash: FailedRun, denied: UnusablePath) -> Finding:
    service, denied = crash.service, _select_path(case, crash, denied)
    setting = protecting_setting(crash,
                                 denied.path) if denied.reason in READ_ONLY_CODES or denied.reason == NO_TEMP else None
    state = _state_of(case, crash, denied)
    if state.state == "gone" and setting is None and denied.reason != NO_TEMP:
        return _mended_finding(case, crash, denied, state)
    box = service.container
    maker: FolderMaker | None = None
    user = account_text(case, crash)
    if denied.reason == NO_TEMP:
        variant, (said, todo) = "start-file-denied", temporary_folder_texts(service, denied.path, state, setting)
    elif denied.reason in MISSING_CODES and is_credential(denied.path):
        variant, (said, todo) = "start-file-missing", credential_texts(crash, denied.path)
    elif denied.reason in MISSING_CODES:
        lost = is_folder_missing(case.snapshot, service, denied.path)
        variant, said = "start-file-missing", f"{denied.path} is not there{', nor is its folder' if lost else ''}"
        advice = _CONTAINER_ADVICE if box is not None else folder_setting_text(service, denied.path, lost)
        what = f"{denied.path}{'' if lost is False else ' and its folder' if lost else ' (or its folder)'}"
        whose = user if user == NO_NAME else f"the account {user}"
        todo = f"restore {what} for {whose}{f'; {advice}' if advice else ''}"
        if state.state == "holds" and not state.text.startswith(f"{posixpath.normpath(denied.path)} is not there"):
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
        variant, (said, todo, maker) = "start-file-denied", _denied_texts(case, service, denied, user, state)
    known = state.state == "holds" or setting is not None
    doubt = () if known else (f"it is unknown whether that still holds: {state.text}",)
    confidence: Confidence = "certain" if crash.owner.certain and known and denied.named else "likely"
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence=confidence,
        summary=f"{crash.ends_text}: {said}",
        detail=(f"nothing listens {'meanwhile' if crash.has_running_parent else 'while it does not run'}", *doubt),
        routes=crash.routes, service=service.name, node=service.node,
        evidence=_evidence(case, crash, denied, (
            *((setting_evidence(setting),) if setting is not None else ()), *state.evidence,
            *((maker.evidence,) if maker is not None else ()))),
        repairs=open_path_repairs(case, crash, denied, setting, f"{todo}, then {start_text_of(service)}"),
    )


def _denied_texts(case: Case, service: Service, denied: UnusablePath, user: str,
                  state: PathState) -> tuple[str, str, FolderMaker | None]:
    """Return what the account may not use, what an operator does about it, and the unit that made its folder."""
    said = f"{user} cannot access {denied.path}"
    todo = f"let {user} access {denied.path} (chown or chmod; namei -l {denied.path} shows which part denies it)"
    if state.state != "holds":
        return said, todo, None
    maker = root_folder_maker(case.snapshot, service, posixpath.dirname(posixpath.normpath(denied.path)))
    if maker is None:
        return f"{said} ({state.text})", f"let {user} {state.need} (chown or chmod)" if state.need else todo, None
    return f"{said} ({state.text}): {maker.text}", own_runtime_folder_text(service, denied.path, maker), maker


def _with_other_mount(case: Case, crash: FailedRun, denied: UnusablePath, found: Finding) -> Finding:
    """Return the finding; a missing file that another mount has is found where that is mounted at its place."""
    there = find_mount_with(case.snapshot, crash.service, denied.path) if denied.reason in MISSING_CODES else None
    if there is None:
        return found
    return replace(
        found, confidence="certain" if crash.owner.certain else "likely", summary=f"{found.summary}; {there.text}",
        detail=found.detail[:1],
        evidence=(found.evidence[0], there.evidence, *mount_evidence(crash, there), *found.evidence[1:]),
        repairs=(mount_at_folder_repair(case, crash, there), *found.repairs))


def _state_of(case: Case, crash: FailedRun, denied: UnusablePath) -> PathState:
    """Return the present state of the path; of a file that a container has from its image alone, what its log says."""
    state = path_state(case.snapshot, crash, denied.path, denied.reason, denied.line)
    if state.state != "unknown" or not denied.named or denied.reason not in MISSING_CODES or crash.has_running_parent:
        return state
    return image_path_state(crash.service, denied.path) or state


def _folder_among(case: Case, crash: FailedRun, denied: UnusablePath) -> UnusablePath | None:
    """Return the only candidate that is a folder now, else None: the program may mean a path that is not mounted."""
    paths = [path for path in (denied.path, *denied.others)
             if path_state(case.snapshot, crash, path, denied.reason, denied.line).state == "holds"]
    return replace(denied, path=paths[0], others=(), named=False) if len(paths) == 1 else None


def _select_path(case: Case, crash: FailedRun, denied: UnusablePath) -> UnusablePath:
    """Select, of several candidates, the path that is unusable now, else one whose state is unknown."""
    paths = (denied.path, *denied.others)
    states = [path_state(case.snapshot, crash, path, denied.reason, denied.line).state for path in paths]
    for now in ("holds", "unknown", "gone"):
        if now in states:
            return replace(denied, path=paths[states.index(now)])
    return denied


def _mended_finding(case: Case, crash: FailedRun, denied: UnusablePath, state: PathState) -> Finding:
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


def _evidence(case: Case, crash: FailedRun, denied: UnusablePath, shown: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys((
        log_evidence(denied.line.text, denied.line.where), *shown, *crash.symptoms(case),
    )))


CAUSE = Cause(
    id="crash-file-access",
    title="the backend ends at once: a file that it needs is missing or not accessible",
    family="backend crashed, or exits at once",
    variants=("start-file-denied", "start-file-missing"),
    verdict=judge,
    page=__doc__,
)
