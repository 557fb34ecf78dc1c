"""Complaints of a program about a dependency: refused, unknown name, login rejected, all slots used, no answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from fixer.analysis.run_log import RunEnd
from fixer.formats.dependency_systems import ADDRESS_VARIABLE, port_of, system_at_port, system_in_text
from fixer.formats.run_output import CONNECT_CALL, ends_run_at, is_traceback_start
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex, up_to_first
from fixer.model.deployment import Dependency
from fixer.model.service import EnvAssignment, Service
from fixer.model.snapshot import LogLine

_CONTEXT_LINES = 6          # lines above a complaint that may name the kind of system
_TRACEBACK_LINES = 100      # lines above it that may quote the call

ComplaintKind: TypeAlias = Literal["refused", "name", "auth", "starting", "slow", "full"]

_STARTING = regex(r"the database system is (?:starting up|shutting down|in recovery mode)")
_NAMES = (
    regex(r"could not translate host name \"(?P<host>[^\"]+)\" to address"),
    regex(r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<host>[\w.-]+)"),
    regex(r"Error -[235] connecting to (?P<host>[\w.-]+):(?P<port>\d+)"),
    regex(r"failed to resolve host '(?P<host>[^']+)'"),
    regex(r"Unknown (?:MySQL |MariaDB )?server host '(?P<host>[^']+)'"),
    regex(r"Can't connect to MySQL server on '(?P<host>[^']+)' \(\[Errno -[235]\]"),
    regex(r"(?<![\w.-])(?P<host>[\w.-]++):(?P<port>\d+): \[Errno -[235]\]"),
    # programs of start scripts that wait: Go's, netcat, curl
    regex(r"\blookup (?P<host>[\w.-]{1,253})(?: on [\w.:\[\]]{1,80})?: no such host"),
    regex(r"\bgetaddrinfo for host \"(?P<host>[^\"]+)\" port (?P<port>\d+): "),
    regex(r"^nc: bad address '(?P<host>[^']+)'"),
    regex(r"^curl: \(6\) Could not resolve host: (?P<host>[\w.-]+)"),
)
_SERVER = regex(r"connection to server at \"(?P<host>[^\"]+)\"(?: \((?P<ip>[^)]{0,80})\))?, "
                r"port (?P<port>\d+) failed: ")
_AUTH = (
    regex(r"password authentication failed for user \"(?P<what>[^\"]+)\""),
    regex(r"(?:database|role) \"(?P<what>[^\"]+)\" does not exist"),
    regex(r"no pg_hba\.conf entry for host \"[^\"]*\", user \"(?P<what>[^\"]+)\""),
    regex(r"fe_sendauth: (?P<what>no password supplied)"),
    regex(r"Access denied for user '(?P<what>[^']*)'@"),
    regex(r"Unknown database '(?P<what>[^']+)'"),
    regex(r"(?:WRONGPASS|NOAUTH|invalid username-password pair)(?P<what>)"),
    regex(r"(?:AuthenticationError|Authentication failed)(?P<what>)"),
)
_FULL = (
    regex(r"sorry, too many clients already"), regex(r"remaining connection slots are reserved"),
    regex(r"too many connections for (?:role|database) \""), regex(r"\(1040, ['\"]Too many connections"),
    regex(up_to_first(r"\(12(?:03|26), ['\"]User ") + r".* (?:max_user_connections|has exceeded)"),
    regex(r"no more connections allowed"), regex(r"max number of clients reached"),
)
_REFUSED = (
    regex(r"connection to server at \"(?P<host>[^\"]+)\"(?: \((?P<ip>[^)]{0,80})\))?, port (?P<port>\d+) failed: "
          r"(?:Connection refused|Network is unreachable|server closed)"),
    regex(r"connection to server on socket \"(?P<unix>/[^\"]+)\" failed: (?:No such file|Connection refused)"),
    regex(r"Connect call failed \('(?P<host>[^']+)', (?P<port>\d+)"),
    regex(r"connect ECONNREFUSED (?P<host>[\w.:-]+):(?P<port>\d+)"),
    regex(r"Can't connect to (?:MySQL|local) server (?:on|through socket) '(?P<host>[^'/]+)'"),
    regex(r"Can't connect to local \S+ server through socket '(?P<unix>/[^']+)'"),
    regex(r"Error 111 connecting to (?P<host>[\w.-]+):(?P<port>\d+)"),
    regex(r"(?<![\w.-])(?P<host>[\w.-]++):(?P<port>\d+): \[Errno 111\]"),
    # programs of start scripts that wait: Go's, netcat, curl, pg_isready; scripts that waited long enough
    regex(r"\bdial tcp (?P<host>[\d.]{7,15}|\[[0-9a-f:]{2,45}\]):(?P<port>\d+): connect: connection refused"),
    regex(r"^nc: connect to (?P<host>[\w.-]+) (?:\((?P<ip>[\w.:]{1,60})\) )?port (?P<port>\d+) \(tcp\) failed: "
          r"Connection refused"),
    regex(r"^curl: \(7\) Failed to connect to (?P<host>[\w.-]+) port (?P<port>\d+)"),
    regex(r"^(?P<host>[\w.-]++):(?P<port>\d+) - no response"),
    regex(r"(?i)\b(?:gave up|giving up|time[d]? ?out(?: occurred)?)(?: on| after| while)?(?: waiting)?"
          r"(?: \d{1,6}[a-z]{0,8})?(?: seconds?)?(?: wait\w*| reach\w*)?(?: for| on| to)? (?:[a-z]{2,12}://)?"
          r"(?P<host>[A-Za-z0-9_.-]{1,253}):(?P<port>\d{2,5})\b"),
)
_SLOW = (
    regex(r"connection to server at \"(?P<host>[^\"]+)\"(?: \((?P<ip>[^)]{0,80})\))?, port (?P<port>\d+) failed: "
          r"(?:timeout expired|Connection timed out|Operation timed out|No route to host)"),
    regex(r"connect ETIMEDOUT (?P<host>[\w.:-]+):(?P<port>\d+)"),
    regex(r"Error 1(?:10|13) connecting to (?P<host>[\w.-]+):(?P<port>\d+)"),
    regex(r"Can't connect to MySQL server on '(?P<host>[^']+)' \((?:timed out|\[Errno 110\])"),
    regex(r"(?<![\w.-])(?P<host>[\w.-]++):(?P<port>\d+): (?:timed out|\[Errno 1(?:10|13)\])"),
)
# Python's own exception names no address: a line of the program that its traceback quotes may.
_UNNAMED: tuple[tuple[ComplaintKind, re.Pattern[str]], ...] = (
    ("name", regex(r"(?:^|\.)gaierror: \[Errno -[235]\]")),
    ("refused", regex(r"^ConnectionRefusedError: \[Errno 111\] Connection refused$")),
    ("slow", regex(r"^(?:TimeoutError: (?:\[Errno 110\] Connection )?timed out"
                   r"|OSError: \[Errno 113\] No route to host)$")),
)
_QUOTED_CALL = regex(CONNECT_CALL + r"['\"](?P<host>[\w.:-]{1,255})['\"], {0,4}(?P<port>\d{1,5})\b")


@dataclass(frozen=True, slots=True)
class DependencyComplaint:
    """A log line about a dependency: its address, socket or name; `what` is the account or database in it.

    `engine` is the kind of system, empty if unknown. If `is_quoted`, only a quoted line of the program has the address:
    its code may have changed since.
    """

    kind: ComplaintKind
    log_line: LogLine
    text: str
    host: str = ""
    ip: str = ""
    port: int = 0
    unix: str = ""
    what: str = ""
    engine: str = ""
    is_quoted: bool = False

    @property
    def address(self) -> str:
        """The address as text for people."""
        return self.unix or (f"{self.host}:{self.port}" if self.port and self.host else self.host) or "its address"


def unset_addresses(service: Service) -> tuple[EnvAssignment, ...]:
    """Return the variables of the compose file that would give a dependency's address and that nothing sets."""
    return tuple(one for one in service.unset_variables if ADDRESS_VARIABLE.match(one.name.upper()))


def complaint_for(one: Dependency) -> DependencyComplaint:
    """Return an address in the form of a complaint."""
    return DependencyComplaint("refused", LogLine(None, "", ""), "", one.host, one.ip, one.port,
                               one.path if one.engine else "", "", one.engine or system_at_port(one.port))


def dependency_complaint(end: RunEnd) -> DependencyComplaint | None:
    """Return what the end of the run says of a system that the program needs, if the run never came to serve."""
    if end.served_at >= 0:
        return None            # its error may end one answer only
    for index in end.newest_first():
        text = end.texts[index]
        found = _parse_line(end.lines[index], text, end.texts[max(0, index - _TRACEBACK_LINES):index])
        if found is not None:
            return found
        if ends_run_at(end.texts, index):
            return None
    return None


def _parse_line(said: LogLine, text: str, before: Sequence[str]) -> DependencyComplaint | None:
    if _STARTING.search(text):
        return _make_complaint("starting", said, text, before, {})
    kinds: tuple[ComplaintKind, ...] = ("name", "full", "auth", "slow", "refused")
    for kind, patterns in zip(kinds, (_NAMES, _FULL, _AUTH, _SLOW, _REFUSED), strict=True):
        for pattern in patterns:
            match = pattern.search(text)
            if match is not None:
                server = _SERVER.search(text) if kind in ("auth", "full") else None
                return _make_complaint(kind, said, text, before,
                                       {**(server.groupdict() if server else {}), **match.groupdict()})
    return _quoted_complaint(said, text, before)


def _quoted_complaint(said: LogLine, text: str, before: Sequence[str]) -> DependencyComplaint | None:
    """Return the complaint about the address in the innermost call that the traceback above quotes. An unknown name is
    one also if no call shows it."""
    kind = next((kind for kind, pattern in _UNNAMED if pattern.search(text)), None)
    if kind is None:
        return None
    begin = next((at for at in range(len(before) - 1, -1, -1) if is_traceback_start(before[at])), len(before))
    calls = [match for line in before[begin:] if (match := _QUOTED_CALL.search(line)) is not None]
    if calls:
        return replace(_make_complaint(kind, said, text, before, calls[-1].groupdict()), is_quoted=True)
    return _make_complaint(kind, said, text, before, {}) if kind == "name" else None


def _make_complaint(kind: ComplaintKind, said: LogLine, text: str, before: Sequence[str],
                    found: dict[str, str | None]) -> DependencyComplaint:
    port = int(found.get("port") or 0)
    context = "\n".join((*before[-_CONTEXT_LINES:], text))
    engine = system_at_port(port) or system_in_text(text) or system_in_text(context)
    usual = port_of(engine)
    unix = found.get("unix") or ""
    return DependencyComplaint(kind, said, text, found.get("host") or "", found.get("ip") or "",
                               port or (0 if unix else usual),
                     unix, found.get("what") or "", engine)
