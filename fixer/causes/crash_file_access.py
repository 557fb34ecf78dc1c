"""The backend ends at once: a file or folder that it needs is not there, or its account may not use it.

What it is
  A program opens its log, its data, its configuration when it starts. After `chown -R root`, a restore, a clean-up of
  /var/log or a move of the folder, the account that it runs under may no longer do so, or the folder is gone.

Why nginx says 502
  The program never gets as far as listening: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  Its manager says failed, and the last exception of its own log since the last start names a path: PermissionError,
  FileNotFoundError, "isn't writable" of gunicorn, EACCES or ENOENT of node. crash-code-error is an error of code;
  unit-misconfigured is a path that systemd itself needed, before the program ran; a full disk is disk-full. What the
  program says in an answer after it came up is none of these. Where `ProtectSystem=` of its unit makes the path
  read-only, that line is named.

The repair and its safety
  open-path (manual): who may use a path, and what belongs into a missing folder, only a person knows; the message names
  path, account and what shows the closed part. fixer changes no owner and no mode of an application's files.

  open-folder (disruptive): where ProtectSystem= keeps a program from its own folder of data (below /var/lib, /var/log,
  /var/cache, /srv or /opt), a drop-in with ReadWritePaths= for just that folder; the rest stays protected.

By hand
  journalctl -u UNIT -n 20; namei -l PATH; systemctl show -p User UNIT
  chown USER: PATH; LogsDirectory=, StateDirectory= or RuntimeDirectory= in the unit make a folder at each start
"""

from __future__ import annotations

import posixpath

from fixer.causes.base import Cause, conclude
from fixer.causes.case import Case
from fixer.causes.codefaults import code_fault
from fixer.causes.crashing import Crash, crashes
from fixer.causes.editing import NoPlace
from fixer.causes.envfiles import drop_in
from fixer.causes.logs import message
from fixer.causes.reading import absent_evidence, config_evidence, log_evidence, ran_since, state_evidence
from fixer.causes.reasons import missing_variables, port_in_use
from fixer.causes.symptoms import is_refused, symptom_evidence
from fixer.causes.unitedits import Doing, by_hand, with_start
from fixer.causes.unitfailure import setting_evidence
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.record import dataclass
from fixer.model.regex import regex
from fixer.model.snapshot import LogLine, UnitValue

_LAST = 120              # lines of a run's end that are read
_REQUEST = regex(r"\"[A-Z]+ .*HTTP/\d")
_SERVING = regex(r"Application startup complete")
_ENDS = regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Configured)\b")
_SAYS = (
    regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*Error: \[Errno (?P<errno>1|2|13|20|30)\] [^:]{1,60}: '(?P<path>/[^']+)'"),
    regex(r"^(?:Error: )+'(?P<path>/[^']+)' isn't writable \[(?P<name>FileNotFoundError|PermissionError)\("),
    regex(r"^(?:Uncaught )?Error: (?P<name>EACCES|ENOENT|EPERM|EROFS): [^,]{1,60}, \w+ '(?P<path>/[^']+)'"),
)
FILE = "50-badgateway-paths.conf"
_YES = ("/usr/", "/boot/", "/efi/")
_SYSTEM = {"full": (*_YES, "/etc/"), **dict.fromkeys(("yes", "true", "on", "1"), _YES)}
_DATA = ("/var/lib/", "/var/log/", "/var/cache/", "/srv/", "/opt/")      # a folder below them, never these themselves
_PLAIN = regex(r"/[\w./@-]+")
_GONE = frozenset({"2", "20", "FileNotFoundError", "ENOENT"})
_READ_ONLY = frozenset({"30", "EROFS"})


@dataclass(frozen=True, slots=True)
class _Denied:
    """The path that ended a run, why, and the line that says so."""

    path: str
    why: str
    line: LogLine


def judge(case: Case) -> Verdict:
    """For every service that failed: does its last error name a file that it could not use?"""
    all_of = crashes(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.sound]
    for crash in all_of.found:
        denied = _denied(crash)
        if denied is None:
            ruled.append(state_evidence(crash.service))
        else:
            findings.append(_found(case, crash, denied))
    return conclude(findings, all_of.missing, ruled)


def _denied(crash: Crash) -> _Denied | None:
    """What the end of the run says, where nothing explains it better and it never came to serve."""
    if missing_variables(crash.lines) or port_in_use(crash.lines) is not None:
        return None
    if code_fault(crash.lines, crash.service.argv, ran_since(crash.service)) is not None:
        return None
    for line in reversed(crash.lines[-_LAST:]):
        text = message(line).rstrip()
        if _REQUEST.search(text):
            continue           # a request line: a visitor's words
        if _SERVING.search(text):
            return None
        for pattern in _SAYS:
            match = pattern.match(text)
            if match is not None:
                named = match.groupdict()
                return _Denied(match["path"], named.get("errno") or named.get("name") or "", line)
        if _ENDS.match(text):
            return None
    return None


def _found(case: Case, crash: Crash, denied: _Denied) -> Finding:
    service, trouble = crash.service, crash.troubles[0]
    setting: UnitValue | None = None
    user = (service.unit.user if service.unit is not None else "") or "root"
    if denied.why in _GONE:
        variant, said = "start-file-missing", f"{denied.path} is not there"
        todo = (f"put {denied.path} (or the folder it belongs into) back, for {user} to use; LogsDirectory=, "
                "StateDirectory= or RuntimeDirectory= in the unit make such a folder at each start")
    elif denied.why in _READ_ONLY:
        variant, said = "start-file-denied", f"{denied.path} lies on a file system that is read-only for it"
        setting = protecting(crash, denied.path)
        by = "ReadWritePaths= in its unit, or the mount"
        if setting is not None:
            said += f" ({setting.key}={setting.value})"
            at = f"{setting.key}={setting.value} at {setting.file}:{setting.line}"
            by = f"{at} makes it so: ReadWritePaths= in its unit"
        todo = f"let {service.name} write to {denied.path} ({by})"
    else:
        variant, said = "start-file-denied", f"{user} may not use {denied.path}"
        todo = f"let {user} use {denied.path} (chown or chmod; namei -l {denied.path} shows which part is closed)"
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence="certain" if crash.owner.certain else "likely",
        summary=f"{service.name} ends at once: {said}", detail=("nothing listens while it does not run",),
        routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(denied.line.text, denied.line.where),
            *((setting_evidence(setting),) if setting is not None else ()), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=_repairs(case, crash, denied, setting, f"{todo}, then start {service.name}"),
        explains=("crash-loop-gave-up", "backend-down", "crash-killed", "slow-start"),
    )


def protecting(crash: Crash, path: str) -> UnitValue | None:
    """The setting of its unit that makes the path read-only for it."""
    for setting in crash.service.unit_values:
        value = setting.value.strip().lower()
        if setting.key == "ProtectSystem" and (value == "strict" or path.startswith(_SYSTEM.get(value, ("\0",)))):
            return setting
    return None


def _repairs(
    case: Case, crash: Crash, denied: _Denied, setting: UnitValue | None, todo: str,
) -> tuple[Repair, ...]:
    """Its own folder of data may be written to again, where the unit's protection of the system is all that forbids
    it; else a person's."""
    folder = posixpath.dirname(posixpath.normpath(denied.path))
    own = folder.startswith(_DATA) and _PLAIN.fullmatch(folder)
    written = drop_in(case.snapshot, crash.service, f"ReadWritePaths={folder}\n", FILE) if setting and own else None
    if written is None or isinstance(written, NoPlace):
        return by_hand("open-path", todo)
    doing = Doing("open-folder", f"let {crash.service.name} write to {folder}", todo)
    return (with_start(case, crash, doing, written),)


CAUSE = Cause(
    id="crash-file-access",
    title="the backend ends at once: a file it needs is missing or closed to it",
    family="backend crashed, or exits at once",
    variants=("start-file-denied", "start-file-missing"),
    verdict=judge,
    order=21,
    page=__doc__,
)
