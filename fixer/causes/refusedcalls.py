"""What a unit's own restrictions refuse to its program while it goes on until its last words: a family of sockets, a
system call that is answered with an error, memory that is written and executed."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.run_log import message, own_lines
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence
from fixer.model.facts import Known
from fixer.model.service import Service, UnitSetting
from fixer.model.snapshot import LogLine, UnitValue

_LAST = 25               # lines: a traceback's own end, with the calls above it
_CALL = 4                # lines: the call above its error
_FAMILY = regex(r"\[Errno 97\]|Address family not supported by protocol|\bEAFNOSUPPORT\b")
_OF_UNIX = regex(r"\bAF_UNIX\b|connection to /\S+ failed|\bunix:/")
_NUMBERS = {"EPERM": 1, "EACCES": 13}
_REFUSED = regex(r"\b(?:PermissionError|OSError): \[Errno (?P<number>\d+)\] [A-Za-z ]+$")
_PLAIN_END = regex(r"^(?:\w+\.)*\w*(?:Error|Exception)\b")
_EXECUTES = regex(r"write\+execute memory|unable to allocate section memory|allocate executable memory", 2)
_MAPS = regex(r"\bPROT_EXEC\b")
_NO_MEMORY = regex(r"^(?:PermissionError: \[Errno (?:1|13)\]|OSError: \[Errno 12\]|MemoryError\b)")
_UNBOUND = regex(r"\[Errno 1\]|\bEPERM\b|[Oo]peration not permitted")
_YES = frozenset({"yes", "true", "on", "1"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was refused: the key of the setting that does it, the line that says it, and how sure that is."""

    key: str
    words: str
    lines: str                  # of a drop-in that allows it again
    said: LogLine
    confidence: Confidence


def refused_family(lines: Sequence[LogLine], endpoint: str) -> tuple[str, LogLine] | None:
    """The family of sockets that its last words say it was refused, where they tell which; else `endpoint`,
    the one that nginx asks for. (A pair of sockets is never refused: the restriction is about socket() alone.)"""
    own = own_lines(lines)[-_LAST:]
    said = next((line for line in reversed(own) if _FAMILY.search(message(line))), None)
    if said is None:
        return None
    near = own[max(0, own.index(said) - _CALL):own.index(said) + 1]
    return ("AF_UNIX" if any(_OF_UNIX.search(message(line)) for line in near) else endpoint), said


def refused_call(service: Service, lines: Sequence[LogLine]) -> Refusal | None:
    """Its last words are the error that one of its unit's restrictions answers with."""
    own = own_lines(lines)[-_LAST:]
    last = next((line for line in reversed(own) if _PLAIN_END.search(message(line).strip())), None)
    return _of_memory(service, own, last) or _of_filter(service, last) or _of_bind(service, own)


def _of_memory(service: Service, own: Sequence[LogLine], last: LogLine | None) -> Refusal | None:
    if (_value(service, "MemoryDenyWriteExecute") or "no").lower() not in _YES:
        return None
    said = next((line for line in reversed(own) if _EXECUTES.search(message(line))), None)
    mapped = any(_MAPS.search(message(line)) for line in own)
    if said is None and mapped and last is not None and _NO_MEMORY.search(message(last).strip()):
        said = last
    if said is None:
        return None
    words = f"{service.name} may have no memory that it writes and executes, and needs some"
    return Refusal("MemoryDenyWriteExecute", words, "MemoryDenyWriteExecute=no\n", said, "certain")


def _of_filter(service: Service, last: LogLine | None) -> Refusal | None:
    """A filter that answers with an error rather than a signal: no path stands in it, as where a mode denies one."""
    match = _REFUSED.search(message(last).strip()) if last is not None else None
    number = (_value(service, "SystemCallErrorNumber") or "").upper()
    filtered = any(setting.key == "SystemCallFilter" for setting in service.settings)
    if last is None or match is None or not filtered or match["number"] != str(_NUMBERS.get(number, number)):
        return None
    words = f"{service.name} ends over a call that its filter of system calls may have refused ({number})"
    return Refusal("SystemCallFilter", words, "SystemCallFilter=\n", last, "likely")


def _of_bind(service: Service, own: Sequence[LogLine]) -> Refusal | None:
    """A port that it may not listen on: other than one below 1024 this is EPERM, and its list says which are denied."""
    ports = [b.port for b in service.bindings.value if b.port] if isinstance(service.bindings, Known) else []
    said = next((line for line in reversed(own[-_LAST:]) if _UNBOUND.search(message(line))), None)
    if said is None or not ports or _last(service, "SocketBindDeny") is None:
        return None
    words = f"{service.name} may not listen on port {ports[0]}"
    return Refusal("SocketBindDeny", words, f"SocketBindAllow=tcp:{ports[0]}\n", said, "certain")


def _value(service: Service, key: str) -> str | None:
    found = _last(service, key)
    return None if found is None else found.value.strip()


def _last(service: Service, key: str) -> UnitValue | None:
    return next((s for s in reversed(service.unit_values) if s.key == key), None)


def setting_for(service: Service, key: str) -> UnitSetting | UnitValue | None:
    """The last line of the unit's files that sets it."""
    for of_list in reversed(service.settings):
        if of_list.key == key:
            return of_list
    return _last(service, key)
