"""Calls that a unit's restrictions refuse with an error: socket families, system calls, executable memory."""

from __future__ import annotations

from fixer.analysis.run_log import RunEnd, last_run_lines, message_of, program_lines, read_run_end
from fixer.formats.run_output import ends_run
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence
from fixer.model.facts import Known
from fixer.model.snapshot import LogLine, Service, Snapshot, UnitSetting, UnitValue

_TAIL_LINES = 25               # lines: the end of a traceback and the calls above it
_CALL_LINES = 4                # lines: the call above its error
_FAMILY_ERROR = regex(r"\[Errno 97\]|Address family not supported by protocol|\bEAFNOSUPPORT\b")
_UNIX_SOCKET_TEXT = regex(r"\bAF_UNIX\b|connection to /\S+ failed|\bunix:/")
_ERRNO_NUMBERS = {"EPERM": 1, "EACCES": 13}
_REFUSED_CALL = regex(r"\b(?:PermissionError|OSError): \[Errno (?P<number>\d+)\] [A-Za-z ]+$")
_PLAIN_ERROR = regex(r"(?:Error|Exception)(?::|$)")
_EXEC_MEMORY_ERROR = regex(r"write\+execute memory|unable to allocate section memory|allocate executable memory", 2)
_MAP_CALL = regex(r"\bPROT_EXEC\b")
_MAP_ERROR = regex(r"^(?:PermissionError: \[Errno (?:1|13)\]|OSError: \[Errno 12\]|MemoryError\b)")
_BIND_ERROR = regex(r"\[Errno 1\]|\bEPERM\b|[Oo]peration not permitted")
_TRUE_VALUES = frozenset({"yes", "true", "on", "1"})


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A refused call: the setting's key, the log line, and the confidence."""

    key: str
    summary: str
    drop_in_text: str                  # drop-in that allows it again
    log_line: LogLine
    confidence: Confidence


def refused_family(snapshot: Snapshot, service: Service, endpoint: str) -> tuple[str, LogLine] | None:
    """Return the refused socket family that the last lines name; else `endpoint`, the family that nginx uses.
    (RestrictAddressFamilies refuses socket(), never socketpair().)"""
    end = _last_lines(snapshot, service)
    line = end.last_line(_FAMILY_ERROR)
    if line is None:
        return None
    near = (*end.above(line, _CALL_LINES), message_of(line))
    return ("AF_UNIX" if any(map(_UNIX_SOCKET_TEXT.search, near)) else endpoint), line


def find_refused_call(snapshot: Snapshot, service: Service) -> RefusedCall | None:
    """Return the call that a unit restriction refused, if the run's last error shows it."""
    end = _last_lines(snapshot, service)
    index = end.find_last(lambda text: ends_run(text.strip()) or _PLAIN_ERROR.match(text.strip()))
    last = None if index is None else end.lines[index]
    return _memory_refusal(service, end, last) or _filter_refusal(service, last) or _bind_refusal(service, end)


def _last_lines(snapshot: Snapshot, service: Service) -> RunEnd:
    return read_run_end(program_lines(last_run_lines(snapshot, service)), most=_TAIL_LINES)


def _memory_refusal(service: Service, end: RunEnd, last: LogLine | None) -> RefusedCall | None:
    if (_setting_value(service, "MemoryDenyWriteExecute") or "no").lower() not in _TRUE_VALUES:
        return None
    line = end.last_line(_EXEC_MEMORY_ERROR)
    mapped = any(map(_MAP_CALL.search, end.texts))
    if line is None and mapped and last is not None and _MAP_ERROR.search(message_of(last).strip()):
        line = last
    if line is None:
        return None
    summary = f"{service.name} needs memory that is writable and executable, which its unit forbids"
    return RefusedCall("MemoryDenyWriteExecute", summary, "MemoryDenyWriteExecute=no\n", line, "certain")


def _filter_refusal(service: Service, last: LogLine | None) -> RefusedCall | None:
    """Return a SystemCallFilter refusal with an errno. The error has no path, unlike one of file modes."""
    match = _REFUSED_CALL.search(message_of(last).strip()) if last is not None else None
    number = (_setting_value(service, "SystemCallErrorNumber") or "").upper()
    filtered = any(setting.key == "SystemCallFilter" for setting in service.settings)
    if last is None or match is None or not filtered or match["number"] != str(_ERRNO_NUMBERS.get(number, number)):
        return None
    summary = f"{service.name} fails at a call that its system call filter may have refused ({number})"
    return RefusedCall("SystemCallFilter", summary, "SystemCallFilter=\n", last, "likely")


def _bind_refusal(service: Service, end: RunEnd) -> RefusedCall | None:
    """Return a SocketBindDeny refusal: EPERM on a port, while a port below 1024 gives EACCES."""
    ports = [b.port for b in service.bindings.value if b.port] if isinstance(service.bindings, Known) else []
    line = end.last_line(_BIND_ERROR)
    if line is None or not ports or _last_setting(service, "SocketBindDeny") is None:
        return None
    summary = f"{service.name} may not listen on port {ports[0]}"
    return RefusedCall("SocketBindDeny", summary, f"SocketBindAllow=tcp:{ports[0]}\n", line, "certain")


def _setting_value(service: Service, key: str) -> str | None:
    found = _last_setting(service, key)
    return None if found is None else found.value.strip()


def _last_setting(service: Service, key: str) -> UnitValue | None:
    return next((s for s in reversed(service.unit_values) if s.key == key), None)


def setting_for(service: Service, key: str) -> UnitSetting | UnitValue | None:
    """Return the last line in the unit's files that sets it."""
    for of_list in reversed(service.settings):
        if of_list.key == key:
            return of_list
    return _last_setting(service, key)
