"""Log lines of a run: how a server starts and ends, an exception, and a visitor's request."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.formats.application_servers import log_phrases
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.service import LogLine, Service


def _at_most(count: int, signs: str) -> str:
    """Return an ERE of POSIX for so many signs at most: some awks know no interval."""
    return f"({signs}" * count + ")?" * count


# a call up to the quoted host of the address that it asks, and what follows: its port
CONNECT_CALL = (rf"([Cc]onnect{_at_most(16, '[A-Za-z0-9_]')}|getaddrinfo)"
                rf"\({_at_most(4, ' ')}[(]?{_at_most(4, ' ')}")
PORT_OF_CALL = rf",{_at_most(4, ' ')}[0-9]"
TRACEBACK_START = "Traceback (most recent call last)"
_JOINS = ("During handling of the above exception", "The above exception was the direct cause")
_LAST_LINES = 80          # of a log: a traceback at its end is what counts
_UWSGI_ANSWER = r"=> generated \d"
_REQUEST_START = regex(rf"\"[A-Z]+ |{_UWSGI_ANSWER}")      # common log format; uWSGI, which does not quote the path
# of the servers, uWSGI alone says how long it worked on each request, unless it is configured to say so
_TIMED_REQUEST = regex(r"^\[pid: [^\]]*\] \S* \([^)]*\) \{[^}]*\} \[[^\]]*\] (?P<method>[A-Z]+) (?P<path>/[^\s?]*)"
                       rf"(?:\?.*)? {_UWSGI_ANSWER}\d* bytes in (?P<time>\d+) (?P<unit>msecs|micros) "
                       r"\(HTTP/\S+ (?P<status>\d{3})\) \d+ headers in \d+ bytes(?: \(\d+ switches on core \d+\))?$")
_HTTP_VERSION = regex(r"HTTP/\d")
_OTHER_START = regex(r"\"(?:[A-Z]{3,}|WebSocket) /")      # hypercorn, daphne; WebSockets of uvicorn
_OTHER_STATUS = regex(r"\" (?:\d{3}\b|\[|- -)")             # they escape no quote in the path
_BAD_REQUEST = regex(r"\] code \d{3}, message |\] Invalid request from ip=")      # http.server, gunicorn
_RAISED = regex(
    r"^(?:Uncaught )?(?:[A-Za-z_]\w*\.)*"
    r"(?P<name>[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Configured)\b|HaltServer\b"
    r"|Error(?=: (?:[a-z]+ )?E[A-Z]{3,}\b))"       # Node.js: a call of the system
)
_RAISED_BELOW, _FRAME = regex(r"[A-Za-z_][\w.]*(?:: |$)"), regex(r"\s+File \"")
_READY, _STARTING = regex(log_phrases(lambda log: log.ready)), regex(log_phrases(lambda log: log.starts))
_SERVER_STARTING = regex(log_phrases(lambda log: log.starts[:1]))      # not its workers
PROGRESS_LINE = regex(log_phrases(lambda log: (*log.starts, *log.progress)))      # reports no fault
STOPPING_LINE = regex(rf"^(?:INFO: +|\[[^]]*\] *)*(?:{log_phrases(lambda log: log.stops)})")
_FINISHED = regex(log_phrases(lambda log: log.finished))
_START_FAILED = regex(log_phrases(lambda log: log.failed))
# a parent's words on a worker that ended
WORKER_DIED = regex(r"Child process \[\d+\] died|Worker \(pid:\s*\d+\) was sent SIG(?!TERM|INT|QUIT)\w+|"
                    r"Worker \(pid:\s*\d+\) exited with code (?![034]\b)\d+$|"
                    r"Worker with pid \d+ was terminated due to signal (?!(?:2|3|15)\b)\d+|"
                    r"DAMN ! worker \d+ \(pid: \d+\) (?:died|MYSTERIOUSLY killed)")
WORKER_RECYCLED = regex(r"Maximum request limit of \d+ exceeded|Autorestarting worker|WORKER TIMEOUT|"
                        r"HARAKIRI ON WORKER")
# Exceptions that only carry an exit to the top: the log names their cause above them.
_CARRIERS = frozenset({"SystemExit", "KeyboardInterrupt", "HaltServer", "CancelledError"})


def is_request_line(text: str) -> bool:
    """Return whether a server logs a request there: a visitor's text proves nothing about the program."""
    start = _REQUEST_START.search(text)      # two searches: one pattern would take the square of the line's length
    if start is not None and _HTTP_VERSION.search(text, start.end()):
        return True
    start = _OTHER_START.search(text)
    if start is not None and _OTHER_STATUS.search(text, start.end()):
        return True
    return _BAD_REQUEST.search(text) is not None


@dataclass(frozen=True, slots=True)
class TimedRequest:
    """A request that a server answered, and the seconds that it worked on it; without those in its queue."""

    method: str
    path: str
    status: int
    seconds: float


def timed_request(text: str) -> TimedRequest | None:
    """Return the request of a server's log line that says how long it took; None for any other line."""
    match = _TIMED_REQUEST.match(text)
    if match is None:
        return None
    seconds = int(match["time"]) / (1e3 if match["unit"] == "msecs" else 1e6)
    return TimedRequest(match["method"], match["path"], int(match["status"]), seconds)


def says_ready(text: str) -> bool:
    """Return whether a server reports that it is ready."""
    return _READY.search(text) is not None and not is_request_line(text)


def says_starting(text: str) -> bool:
    """Return whether a server reports that its process has started."""
    return _STARTING.search(text) is not None and not is_request_line(text)


def says_server_starting(text: str) -> bool:
    """Return whether a server reports its own start, which may precede those of several workers."""
    return _SERVER_STARTING.search(text) is not None and not is_request_line(text)


def says_start_failed(text: str) -> bool:
    """Return whether a server reports that it gives up its start."""
    return _START_FAILED.search(text) is not None and not is_request_line(text)


def says_goodbye(text: str) -> bool:
    """Return whether a server reports an orderly shutdown, or its end."""
    return STOPPING_LINE.search(text) is not None or (_FINISHED.search(text) is not None and not is_request_line(text))


def raised_name(text: str) -> str:
    """Return the name of the exception or warning, without its module, that the line begins with."""
    match = _RAISED.match(text)
    return match["name"] if match is not None else ""


def is_traceback_start(text: str) -> bool:
    """Return whether Python begins to print an exception there."""
    return text.startswith(TRACEBACK_START)


def joins_exceptions(text: str) -> bool:
    """Return whether Python says there that the exception above led to the one below."""
    return text.startswith(_JOINS)


def ends_run(text: str) -> bool:
    """Return whether the line names the exception that ends a run: no warning, and none that only carries another."""
    name = raised_name(text)
    return bool(name) and name not in _CARRIERS and not name.endswith("Warning")


def is_below_frames(texts: Sequence[str], index: int) -> bool:
    """Return whether the line names what the frames of Python above it raised, by any name (`socket.gaierror`)."""
    if not _RAISED_BELOW.match(texts[index]):
        return False
    for above in range(index - 1, -1, -1):
        if _FRAME.match(texts[above]):
            return True
        if texts[above][:1] != " ":
            return above < index - 1 and is_traceback_start(texts[above])
    return False


def ends_run_at(texts: Sequence[str], index: int) -> bool:
    """Return whether the line names the exception that ends a run, by its name or by the frames above it. One of any
    other name that Python joins to an earlier exception does not: it may wrap the one that says what is wrong."""
    if raised_name(texts[index]):
        return ends_run(texts[index])
    return is_below_frames(texts, index) and not _is_joined(texts, index)


def _is_joined(texts: Sequence[str], index: int) -> bool:
    """Return whether Python joins the traceback that ends there to an exception above it."""
    head = next((above for above in range(index - 1, 0, -1) if is_traceback_start(texts[above])), 0)
    return joins_exceptions(next((texts[above] for above in range(head - 1, -1, -1) if texts[above]), ""))


# phrases about a dependency that do not name it
_CONNECTION_TEXT = regex(
    r"(?i)\bconnect(?:ed|ing|ions?)?\b|\breach(?:ed|able|ing)?\b|unreachable|unavailable|not available|\brefused\b|"
    r"time[ds]? ?out|\b(?:database|db|broker|cache|queue|storage) (?:is|was|did|does|seems|not|gone|down|lost)\b|"
    r"\b(?:no|wait(?:ed|ing) for|lost) (?:the |a )?(?:database|db|broker|cache|queue|storage)\b")
# errors that may stem from a dependency
_GENERIC_ERROR = regex(r"^(?:[A-Za-z_]\w*\.)*(?:RuntimeError|Exception|SystemExit|OSError|"
                 r"\w*(?:Connect|Database|Operational|Interface|Unavailable|Startup|Broker|Timeout|Proxy)\w*)\b")


def speaks_of_connection(text: str) -> bool:
    """Return whether the line is about a dependency, whichever it is."""
    return _CONNECTION_TEXT.search(text) is not None


def may_be_of_dependency(text: str) -> bool:
    """Return whether an exception of that name may stem from a dependency."""
    return _GENERIC_ERROR.match(text) is not None


def last_own_lines(service: Service, most: int = _LAST_LINES) -> tuple[LogLine, ...]:
    """Return the last log lines that choose what else to read: a path that a visitor asked for chooses nothing."""
    lines = service.log.value[-most:] if isinstance(service.log, Known) else ()
    return tuple(line for line in lines if not is_request_line(line.text))
