"""Exit statuses of the steps before a program runs: systemd.exec(5), and supervisord's spawn errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fixer.lazy.regex import regex
from fixer.model.service import PreCommand, Unit
from fixer.model.unit_event import SpawnReason

_TO_FILE = regex(r"(?:file|append|truncate|fd):(?P<path>/\S+)")
_CREDENTIAL = regex(r"[^\s:]+:(?P<path>/\S+)")
_FAILED = ("exit-code", "signal", "timeout", "start-limit-hit")

STEPS = {200: "CHDIR", 203: "EXEC", 216: "GROUP", 217: "USER", 226: "NAMESPACE"}
# Steps known by the settings that they apply. A program may exit with such a number itself, so they count only if
# systemd's own log line names the step.
OTHER_STEPS: dict[int, tuple[str, tuple[str, ...]]] = {
    205: ("LIMITS", ()), 206: ("OOM_ADJUST", ("OOMScoreAdjust",)), 208: ("STDIN", ("StandardInput",)),
    209: ("STDOUT", ("StandardOutput",)), 210: ("CHROOT", ("RootDirectory", "RootImage")),
    222: ("STDERR", ("StandardError",)),
    214: ("SETSCHEDULER", ("CPUSchedulingPolicy", "CPUSchedulingPriority")), 215: ("CPUAFFINITY", ("CPUAffinity",)),
    218: ("CAPABILITIES", ("CapabilityBoundingSet", "AmbientCapabilities")), 219: ("CGROUP", ()),
    224: ("PAM", ("PAMName",)), 225: ("NETWORK", ("PrivateNetwork", "NetworkNamespacePath")),
    228: ("SECCOMP", ("SystemCallFilter", "RestrictNamespaces", "SystemCallArchitectures")),
    229: ("SELINUX_CONTEXT", ("SELinuxContext",)), 231: ("APPARMOR_PROFILE", ("AppArmorProfile",)),
    233: ("RUNTIME_DIRECTORY", ("RuntimeDirectory",)), 238: ("STATE_DIRECTORY", ("StateDirectory",)),
    239: ("CACHE_DIRECTORY", ("CacheDirectory",)), 240: ("LOGS_DIRECTORY", ("LogsDirectory",)),
    241: ("CONFIGURATION_DIRECTORY", ("ConfigurationDirectory",)),
    243: ("CREDENTIALS", ("LoadCredential", "LoadCredentialEncrypted", "ImportCredential")),
}


def failed_pre_command(unit: Unit) -> PreCommand | None:
    """Return the ExecStartPre= command that failed, so that the program never started; else None."""
    if unit.result not in ("exit-code", "signal", "timeout") or unit.main_pid or unit.exec_main_status:
        return None
    return next((p for p in unit.pre if p.code and (p.code != "exited" or p.status)), None)


def is_pre_command_retried(unit: Unit) -> bool:
    """Return whether the only ExecStartPre= failed and systemd no longer reports how.
    It runs again, or the unit had failed for good before a `daemon-reload`."""
    if len(unit.pre) != 1:
        return False
    gave_up = unit.active_state == "failed" and unit.result in _FAILED and not (
        unit.pre[0].code or unit.main_pid or unit.exec_main_code)
    return gave_up or (unit.active_state, unit.sub_state) == ("activating", "start-pre")


def has_failed_before_start(unit: Unit) -> bool:
    """Return whether systemd failed at one of these steps, or at a command before the program."""
    at_step = not unit.main_pid and unit.result == "exit-code" and unit.exec_main_status in STEPS
    return at_step or failed_pre_command(unit) is not None or is_pre_command_retried(unit)


class SettingLine(Protocol):
    """One line of `[Service]`, as parsed or as stored in a service."""

    @property
    def key(self) -> str: ...
    @property
    def value(self) -> str: ...


def paths_of_step(status: int, lines: Iterable[SettingLine]) -> tuple[str, ...]:
    """Return the files that the settings of an OTHER_STEPS step name: outputs, credentials, root folders."""
    _, keys = OTHER_STEPS.get(status, ("", ()))
    found: list[str] = []
    for line in lines:
        value = line.value.strip().strip("'\"")
        if line.key not in keys:
            continue
        shape = _CREDENTIAL if line.key.startswith("LoadCredential") else _TO_FILE
        match = shape.fullmatch(value)
        path = match["path"] if match is not None else value if line.key.startswith("Root") else ""
        found += [path] if path.startswith("/") and "%" not in path else []
    return tuple(dict.fromkeys(found))


# supervisord's spawn errors, as the step at which systemd would have failed.
CHDIR, EXEC = 200, 203  # systemd's numbers for these steps
SPAWN_FAILED = "exit status 127"  # of the child that could not exec the program
NOT_STARTED_STATUSES = frozenset({SPAWN_FAILED, "exit status 126"})  # of a shell that could not either

_SPAWN_ERRORS: tuple[tuple[str, SpawnReason], ...] = (  # supervisor.process, checked before the fork
    ("can't find command ", "missing"), ("command at ", "denied"), ("no permission to run command ", "denied"),
)
# What the forked child writes to the program's own log.
_CHILD_ERROR = regex(r"^supervisor: couldn't (?P<step>chdir to|exec) .*: (?P<code>[A-Z]+)$")
_ERRNO_REASONS: dict[str, SpawnReason] = {"ENOENT": "missing", "ENOTDIR": "missing", "EACCES": "denied",
                                          "ENOEXEC": "format"}


def spawn_error(ended: str) -> tuple[int, SpawnReason] | None:
    """Return (step, reason) from supervisord's log text after `spawnerr:`."""
    return next(((EXEC, why) for words, why in _SPAWN_ERRORS if ended.startswith(words)), None)


def child_spawn_error(line: str) -> tuple[int, SpawnReason] | None:
    """Return the same from a line that the child wrote to the program's log."""
    match = _CHILD_ERROR.match(line.strip())
    if match is None:
        return None
    return CHDIR if match["step"] == "chdir to" else EXEC, _ERRNO_REASONS.get(match["code"], "unknown")
