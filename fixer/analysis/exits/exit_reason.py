"""Why a program ended, by its last lines: a variable that is not set, a port in use, a dependency without an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from fixer.analysis.run_log import RunEnd, event_of, last_run_lines, lines_of, message_of, program_lines, read_run_end
from fixer.formats.file_errors import inaccessible_socket_at, is_socket_kept
from fixer.formats.run_output import ends_run_at, is_below_frames, raised_name
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.snapshot import LogLine, Service, Snapshot

_CONTEXT_LINES = 14            # lines before a KeyError that belong to its traceback
_VARIABLE_NAME = r"[\"'`]?(?P<name>[A-Z][A-Z0-9_]+)[\"'`]?"
# The same where nothing precedes it in the pattern: tried once for each run of such characters.
_FIRST_NAME = r"(?<![A-Z0-9_])[0-9_]*+(?P<name>[A-Z][A-Z0-9_]++)[\"'`]?"
_ENVIRON = regex(r"environ\b|getenv|<frozen os>|/os\.py\"")
_KEY_ERROR = regex(r"^KeyError: '(?P<name>[A-Za-z_]\w*)'$")
_CONFIG_ERROR = regex(r"^KeyError: \"Config '(?P<name>[A-Za-z_]\w*)' is missing")
_EXCEPTION = regex(
    r"^(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception|Configured|Undefined|Missing\w*)|Error|Exception|SystemExit): "
)
_VARIABLE_MISSING = (
    regex(rf"\b[Ss]et the {_VARIABLE_NAME} environment variable"),
    regex(rf"[Mm]issing (?:required )?(?:environment|env\.?) ?var(?:iable)?s?:? {_VARIABLE_NAME}"),
    regex(rf"(?:[Ee]nvironment|[Ee]nv) var(?:iable)? {_VARIABLE_NAME} (?:is |was |must be )?"
               r"(?:not (?:set|found|defined)|missing|required|unset|empty|set)"),
    regex(rf"{_FIRST_NAME} (?:environment variable |env var )(?:is |was |must be )?"
               r"(?:not (?:set|found|defined)|missing|required|unset|empty|set)"),
)
_VARIABLE_MISSING_BRIEF = (      # only in the line that names an exception
    regex(rf"{_FIRST_NAME} (?:is |was )?(?:not (?:set|found|defined)|missing|required|unset|empty)\b"),
    regex(rf"{_FIRST_NAME} (?:must|(?:has|have|needs?) to) "
          r"(?:be (?:set|configured|defined|provided|specified)|not be empty)\b"),
    regex(rf"\b(?:[Pp]lease|[Mm]ust|[Nn]eed to) set {_VARIABLE_NAME}(?![\w.])"),
    regex(rf"[Mm]issing (?:required )?(?:setting|configuration|config|variable):? {_VARIABLE_NAME}"),
)
_VARIABLE_MISSING_ALONE = regex(      # a line with nothing else, as `sys.exit("NAME is required")` prints it
    rf"^(?:\[?(?:ERROR|FATAL|CRITICAL|[Ee]rror|[Ff]atal)\]?:?\s+)?{_VARIABLE_NAME} "
    r"(?:(?:is |was )?(?:not (?:set|found|defined)|missing|required|unset|empty)|must (?:be set|not be empty))[.!]?$"
)
_SHELL_UNSET = regex(r"(?:^|: )(?P<name>[A-Z][A-Z0-9_]*): (?:unbound variable|parameter (?:null or )?not set)")
_BLANK_VALUE = regex(
    r"^(?:.*: )?[Ee]rror: (?:Invalid value for '-[^:]*: '' |Option '-.* requires an? |argument \S+: expected )|"
    r"^\w*Error: (?:'' is not a valid port number|invalid literal for int\(\) with base 10: ''$)")
_USAGE_ERROR = regex(
    r"^(?:.*: )?[Ee]rror: (?:Invalid value for '-|Option '-.* requires an? |"
    r"argument (?:-.*|\w+): (?:expected|invalid) )|"
    r"^\w*Error: (?:'' is not a valid port number|\"[^\"\s]*:\" is not a valid port number or address:port pair|"
    r"invalid literal for int\(\) with base 10: ''$)"
)
_IN_CONFIGURATION = regex(r"(?i)\b(?:from|in) (?:the |its |your )?(?:configuration|config|settings)(?: file)?\b")
_SETTINGS_ERROR = regex(r"validation errors? for \w*(?:Settings|Config|Configuration|Env)\w*")
_FIELD = regex(r"^(?P<name>[A-Za-z_]\w*)$")
_REQUIRED = regex(r"^\s+(?:Field required|field required)")
_REJECTED = regex(r"^\s+(?:Extra inputs are not permitted|extra fields not permitted)")
_PORT_IN_USE = regex(r"\[Errno 98\]|[Aa]ddress already in use|EADDRINUSE|\] Connection in use: ")
_SOCKET_IN_USE = regex(r"Address '(?P<path>/[^']+)' is already in use")
_UNAVAILABLE = regex(r"\[Errno 99\]|[Cc]annot assign requested address|EADDRNOTAVAIL")
_BIND_CALL = regex(r"\bbind(?:ing)?\b|\.bind\(|\blisten\b|create_server|create_sockets")
_CONNECTION_EXCEPTION = regex(
    r"^(?:[A-Za-z_]\w*\.)*(?:ConnectionRefusedError|ConnectionResetError|TimeoutError|ConnectionError|gaierror|"
    r"OperationalError|ConnectTimeout|ConnectError|InterfaceError|CannotConnectNowError|OSError): "
)
_CONNECTION_FAILED = regex(
    r"Connection refused|Connect call failed|could not connect|Connection reset|timed out|Name or service not known|"
    r"Temporary failure in name resolution|No route to host|starting up|could not translate host name|Connection error"
)
_NODE_ERROR, _NODE_FRAME = regex(r"(?:Uncaught )?Error(?: \[\w+\])?: "), regex(r"\s*at \S")
_SHOWS_PLACE = regex(r"[\s^~]*\Z|\s*(?:at \S.*:\d+\)?|File \".*|Node\.js v[\d.]+)\s*\Z")
_ERROR_LEVEL = regex(r"\b(?:ERROR|CRITICAL|FATAL)\b")
_MAX_SHUTDOWN_LINES = 6             # lines that a server logs at most between its error and its end
_LEVEL_CHARS = 60               # characters in which a line names its level


@dataclass(frozen=True, slots=True)
class NamedLine:
    """A log line, with the name or text that matters in it."""

    name: str
    line: LogLine


def names_configuration(line: LogLine) -> bool:
    """Return whether the program looks for what it lacks in its own configuration, not in its environment."""
    return _IN_CONFIGURATION.search(message_of(line)) is not None


def missing_variables(end: RunEnd) -> tuple[NamedLine, ...]:
    """Return the variables that the end of the run reports as missing; several if the program lists them."""
    tail, texts = end.lines, end.texts
    for index in range(len(tail) - 1, -1, -1):
        name = _missing_variable_in(texts, index)
        if name is not None:
            return (NamedLine(name, tail[index]),)
        if _USAGE_ERROR.search(texts[index]):
            return _systemd_unset_variables(tail, index)
        if _SETTINGS_ERROR.search(texts[index]):
            fields = _fields_with(end, index, _REQUIRED)
            if fields:
                return fields
    return ()


def rejected_variables(end: RunEnd) -> tuple[NamedLine, ...]:
    """Return the names that the end of the run reports as none of its settings: pydantic reads each line of a file."""
    index = next((i for i in range(len(end.texts) - 1, -1, -1) if _SETTINGS_ERROR.search(end.texts[i])), None)
    return () if index is None else _fields_with(end, index, _REJECTED)


def _fields_with(end: RunEnd, index: int, complaint: re.Pattern[str]) -> tuple[NamedLine, ...]:
    """Return the fields of the settings error at that line whose next line is such a complaint."""
    return tuple(NamedLine(match["name"].upper(), end.lines[i]) for i in range(index + 1, len(end.lines) - 1)
                 if (match := _FIELD.match(end.texts[i])) and complaint.match(end.texts[i + 1]))


def blank_variables(end: RunEnd, service: Service) -> tuple[NamedLine, ...]:
    """Return the unset compose variables if the run ended since an option or a number has no value. Prefer those of its
    command; else return all, since the message does not name one."""
    said = end.last_line(_BLANK_VALUE) if service.unset_variables else None
    places = {f"{word.file}:{word.line}" for word in service.command if word.file}
    meant = [one for one in service.unset_variables if one.defined_in in places] or service.unset_variables
    return () if said is None else tuple(NamedLine(one.name, said) for one in meant)


def _systemd_unset_variables(tail: Sequence[LogLine], index: int) -> tuple[NamedLine, ...]:
    """Return the variables that systemd reports as unset before an option without a value."""
    for at in range(index - 1, max(-1, index - _CONTEXT_LINES), -1):
        event = event_of(tail[at])
        if event is not None and event.kind == "variables-unset":
            return tuple(NamedLine(name, tail[at]) for name in event.detail.split(", "))
    return ()


def _missing_variable_in(texts: Sequence[str], index: int) -> str | None:
    text = texts[index]
    key = _KEY_ERROR.match(text)
    if key is not None:
        context = texts[max(0, index - _CONTEXT_LINES):index]
        return key["name"] if any(_ENVIRON.search(line) for line in context) else None
    for pattern in (_CONFIG_ERROR, *_VARIABLE_MISSING, _SHELL_UNSET, _VARIABLE_MISSING_ALONE):
        match = pattern.search(text)
        if match is not None:
            return match["name"]
    if _EXCEPTION.match(text):
        for pattern in _VARIABLE_MISSING_BRIEF:
            match = pattern.search(text)
            if match is not None:
                return match["name"]
    return None


def port_in_use_line(end: RunEnd) -> LogLine | None:
    """Return the line that reports that the address is in use; None if the server could not remove its old socket."""
    line = end.last_line(_PORT_IN_USE)
    named = _SOCKET_IN_USE.search(message_of(line)) if line is not None else None
    return None if line is not None and is_socket_kept(end.texts, named["path"] if named else "") else line


def says_in_use(text: str) -> bool:
    """Return whether the line reports an address in use: of a socket that was not removed, the line above says more."""
    return _PORT_IN_USE.search(text) is not None


def lacks_socket(end: RunEnd, service: Service) -> bool:
    """Return whether the end of the run names a socket of the service that could not be made."""
    return any(inaccessible_socket_at(end.texts, index, service)[0] for index in end.newest_first())


def has_variable_or_port_reason(end: RunEnd) -> bool:
    """Return whether the end of the run reports a missing variable or an address in use: other causes say so."""
    return bool(missing_variables(end)) or port_in_use_line(end) is not None


def address_unavailable_line(end: RunEnd) -> LogLine | None:
    """Return the line that reports that the machine lacks the listen address. A client connection can fail with the
    same number, so the line, or the traceback above it, must mention a bind."""
    index = end.find_last(_UNAVAILABLE.search)
    is_bind = index is not None and any(_BIND_CALL.search(text) for text in end.texts[max(0, index - 6):index + 1])
    return end.lines[index] if index is not None and is_bind else None


def dependency_error_line(end: RunEnd) -> LogLine | None:
    """Return the exception that ended the run, if it reports that another system did not answer."""
    index = next((i for i in range(len(end.texts) - 1, -1, -1) if ends_run_at(end.texts, i)), None)
    text = end.texts[index] if index is not None else ""
    is_refused = _CONNECTION_EXCEPTION.match(text) and _CONNECTION_FAILED.search(text)
    return end.lines[index] if index is not None and is_refused else None


def has_repeated_exception(end: RunEnd) -> bool:
    """Return whether the end of the run shows one exception more than once: what a parent starts ends repeatedly."""
    ends = [text for text in end.texts if _EXCEPTION.match(text)]
    return bool(ends) and ends.count(ends[-1]) > 1


def last_error_lines(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """Return the end of the last traceback, or the last lines: what an operator would read first."""
    tail, found = _tail_and_error(lines)
    return tail[-3:] if found is None else tail[max(0, found - 2):found + 1]


def last_log_lines(snapshot: Snapshot, service: Service) -> tuple[LogLine, ...]:
    """Return its last lines: its own of the last run, its manager's if it has none."""
    lines = last_run_lines(snapshot, service)
    return last_error_lines(program_lines(lines)) or last_error_lines(lines) or last_error_lines(lines_of(service))


def reported_error_lines(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """Return the line that names the error; without one the last lines, but for what only shows where code was."""
    tail, found = _tail_and_error(lines)
    return (tail[found],) if found is not None else tuple(
        line for line in tail if not _SHOWS_PLACE.match(message_of(line)))[-3:]


def names_error(lines: Sequence[LogLine]) -> bool:
    """Return whether the end of the last run says an error: an exception, or a line of that level."""
    return _tail_and_error(lines)[1] is not None


def _tail_and_error(lines: Sequence[LogLine]) -> tuple[tuple[LogLine, ...], int | None]:
    """Return the program's lines of the run's end, and the index of the one with its error."""
    end = read_run_end(lines)
    own = [(line, text) for line, text in zip(end.lines, end.texts, strict=True) if text]
    tail, texts = tuple(line for line, _ in own), [text for _, text in own]
    raised = (index for index in range(len(tail) - 1, -1, -1) if raised_name(texts[index]) or is_below_frames(
        texts, index) or (_NODE_ERROR.match(texts[index]) and _NODE_FRAME.match("".join(texts[index + 1:index + 2]))))
    told = (index for index in range(len(tail) - 1, max(-1, len(tail) - 1 - _MAX_SHUTDOWN_LINES), -1)
            if _ERROR_LEVEL.search(texts[index][:_LEVEL_CHARS]))     # later lines only show its shutdown
    return tail, next(chain(raised, told), None)
