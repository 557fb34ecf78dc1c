"""A service that takes its socket from systemd and was started without: its last words are about the descriptor."""

from __future__ import annotations

from fixer.analysis.evidence import log_evidence
from fixer.analysis.run_log import last_run, message, own_lines
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding
from fixer.model.snapshot import LogLine, Service, Snapshot
from fixer.repairs.start_service import is_socket_off

_LAST = 8
_NO_SOCKET = regex(r"\[Errno (?:9|88)\]|Socket operation on non-socket|Bad file descriptor")


def missed_socket(snapshot: Snapshot, service: Service) -> LogLine | None:
    """The line that says it, where the socket unit of the service does not listen."""
    if service.unit is None or not is_socket_off(service):
        return None
    own = own_lines(last_run(snapshot, service))[-_LAST:]
    return next((line for line in reversed(own) if _NO_SOCKET.search(message(line))), None)


def told_without(service: Service, said: LogLine, found: Finding) -> Finding:
    """The finding of the stopped socket, in which the failure of the service is only what comes of it."""
    socket = service.socket
    assert socket is not None
    instead = found.summary.partition("; ")[2]
    return replace(
        found, summary=f"{service.name} was started without {socket.name}, which hands it its socket; {instead}",
        evidence=(log_evidence(said.text, said.where), *found.evidence),
        explains=(*found.explains, "crash-loop-gave-up", "crash-code-error", "crash-killed", "slow-start"))
