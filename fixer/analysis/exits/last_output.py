"""The last output of a backend, of one that somebody started from its newest log: shown, never acted on."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable

from fixer.analysis.case import Case
from fixer.analysis.evidence import clock_of, log_evidence, shorten
from fixer.analysis.route_verdict import RECENT_ERROR, RouteVerdict
from fixer.formats.run_output import is_request_line, says_goodbye
from fixer.formats.server_names import SERVERS
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, HandStartedLog, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.exit_reason import names_error, reported_error_lines
    from fixer.analysis.run_log import last_run_lines, message_of
    from fixer.analysis.service_names import is_path_named_after_site

_MAX_QUOTED = 200       # characters of a log line
_SERVER = regex(rf"(?i)\b(?:{'|'.join(sorted(SERVERS))}|asgi|wsgi)\b|Started server process|Application startup")
_STAMP = r"(?:@[0-9a-f]{24}|\d{4}-\d\d-\d\d[_T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?) +"  # timestamps of svlogd, multilog, s6-log
_EXIT_LINE = regex(
    rf"^(?:{_STAMP})?(?:\[(?!(?:INFO|DEBUG)\])[^\]]*\] *)*"
    r"(?:(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception|Exit)\b|ERROR\b)"
    r"|\b(?:Killed|Segmentation fault)\b|[Aa]ddress already in use|Error loading ASGI app"
)
_STAMPED = regex(rf"^{_STAMP}")


def is_clean_shutdown(said: str) -> bool:
    """Return whether the program ended on request, as at a reboot: nothing needs a repair."""
    return says_goodbye(_STAMPED.sub("", said))


def find_exit_line(lines: Iterable[str]) -> str:
    """Return the last line that shows how a program ended, empty if there is none. A fault comes before shutdown lines,
    which follow a fault as well."""
    ends = [line.strip()[:200] for line in lines
            if (_EXIT_LINE.search(line) or is_clean_shutdown(line)) and not is_request_line(line)]
    return next((line for line in reversed(ends) if not is_clean_shutdown(line)), ends[-1] if ends else "")


def last_server_output(case: Case, node: str) -> tuple[str, tuple[Evidence, ...]]:
    """Return the line that shows how it ended, with the evidence. Empty if no application server has a log there, or if
    the log is older than this boot."""
    found = hand_started_log(case, node)
    if found is None:
        return "", ()
    said = find_exit_line(line.text for line in found.lines)
    return said, (log_evidence(said, found.path),) if said else ()


def hand_started_log(case: Case, node: str) -> HandStartedLog | None:
    """Return the newest log of a node, if it was written since its boot and an application server wrote it: its lines
    name one, or it is named after a site that fails."""
    found = next((w for w in case.snapshot.hand_started_logs if w.node == node), None)
    if found is None or not _is_since_boot(case, found):
        return None
    of_server = any(_SERVER.search(x.text) for x in found.lines) or any(
        t.endpoint.node == node and is_path_named_after_site(t, found.path) for t in case.failing_addresses)
    return found if of_server else None


def _is_since_boot(case: Case, found: HandStartedLog) -> bool:
    boot = case.snapshot.node(found.node).boot_at
    return not isinstance(boot, Known) or found.written_at >= boot.value


# Services that failed without a line in the log that was read: where it may be, and how to see it.
_UNLOGGED_OUTPUTS = frozenset({"null", "tty", "kmsg"})


def silent_exit_text(service: Service) -> str:
    """Return text that continues "it failed"."""
    if isinstance(service.log, Unknown):
        return f"its log could not be read ({service.log.reason})"
    text = f"{_exit_status_text(service)}its log, as far as it was read, does not show why"
    namespace = _unit_setting(service, "LogNamespace")
    if namespace:
        return f"{text}: its unit logs to another journal namespace (LogNamespace={namespace}). Run journalctl " \
               f"--namespace={namespace} -u {service.name}"
    lock = _flock_file(service)
    if lock:
        return f"{text}: flock, which starts it, ends silently if another process holds {lock} (see fuser -v {lock})"
    sink = next((v for k in ("StandardError", "StandardOutput")
                 if (v := _unit_setting(service, k)) in _UNLOGGED_OUTPUTS), "")
    lost = f"its output goes to {sink}; " if sink else ""
    return f"{text}: {lost}{_manual_start_text(service)}" if lost or _manual_start_text(service) else text


def _unit_setting(service: Service, key: str) -> str:
    return next((s.value.strip() for s in reversed(service.unit_values) if s.key == key), "")


def _exit_status_text(service: Service) -> str:
    unit = service.unit
    if unit is None or unit.result not in ("exit-code", "signal", "core-dump") or not unit.exec_main_status:
        return ""
    word = "status" if unit.result == "exit-code" else "signal"
    return f"it ended with {word} {unit.exec_main_status}, and "


def _manual_start_text(service: Service) -> str:
    unit = service.unit
    if unit is None or not unit.exec_start:
        return ""
    who = f"sudo -u {unit.user} " if unit.user else ""
    words = unit.exec_start if len(unit.exec_start) > 1 else tuple(unit.exec_start[0].split())
    return (f"start it by hand to see it (with its variables): cd {unit.working_directory or '/'} && {who}"
            f"{shorten(shlex.join(words), 200)}")


def _flock_file(service: Service) -> str:
    """Return the file that `flock -n FILE COMMAND` locks."""
    words = service.unit.exec_start if service.unit is not None else ()
    words = words if len(words) > 1 else tuple(words[0].split()) if words else ()
    if not words or posixpath.basename(words[0]) != "flock" or not {"-n", "--nonblock", "--nb"}.intersection(words):
        return ""
    return next((word for word in words[1:] if word.startswith("/")), "")


# Unix sockets of a killed server: nothing listens, and the next server may be unable to bind the path.


def is_stale_socket(endpoint: Endpoint) -> bool:
    """Return whether the file of the socket exists and a connect is refused."""
    return endpoint.unix is not None and isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error == "refused"


def logged_error_text(case: Case, judged: RouteVerdict) -> str:
    """Return the last error that the application's log names of late, or ""."""
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    for name in dict.fromkeys(e.listening_service or e.configured_service for e in ends):
        service = case.service(name)
        lines = last_run_lines(case.snapshot, service) if service is not None else ()
        last = reported_error_lines(lines)[-1] if service is not None and names_error(lines) else None
        if service is not None and last is not None and last.at is not None and (
                last.at >= clock_of(case.snapshot, service.node) - RECENT_ERROR):
            return f". {service.name} has logged: {message_of(last).strip()[:_MAX_QUOTED]}"
    return ""
