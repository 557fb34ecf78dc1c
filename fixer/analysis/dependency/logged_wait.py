"""What a start script says in its last lines that it waits for: an address, or a system that its variables name."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.analysis.run_log import last_run_lines, message_of, program_lines
from fixer.formats.addresses import is_wildcard
from fixer.formats.dependency_systems import SYSTEMS, is_named_in, system_at_port
from fixer.formats.run_output import is_request_line
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.deployment import Dependency
from fixer.model.snapshot import LogLine, Service

_LAST_LINES = 3      # a script that waits says so again and again, perhaps in two lines
_SEEN_LINES = 12
_WAITS = regex(
    r"(?i)\bwait(?:s|ing)?\b|\bnot (?:yet )?(?:running|ready|available|up|reachable|responding|accepting)\b"
    r"|\b(?:unavailable|unreachable)\b|\bno response\b|\bsleeping\b|\bretry(?:ing)?\b|\bstill (?:down|starting)\b")
# what a server waits for that has come up
_SERVES = regex(r"(?i)\bfor (?:incoming |new )?"
                r"(?:connections?|requests?|clients?|jobs?|tasks?|messages?|application)\b")
_ADDRESS = regex(r"(?<![\w.@-])(?P<host>[A-Za-z][A-Za-z0-9_.-]{0,252}|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"
                 r":(?P<port>\d{2,5})\b")
_SPELLED = regex(r"(?<![\w.-])[\"']?(?P<host>[A-Za-z0-9][\w.-]{0,252})[\"']?,? (?:\([\w.:]{1,60}\) )?"
                 r"(?:on )?port (?P<port>\d{2,5})\b")
_DATABASE = regex(r"(?i)\b(?:database|db)\b")
_DATABASES = frozenset(system.name for system in SYSTEMS if system.is_database)


def logged_wait(case: Case, service: Service) -> Dependency | None:
    """Return what the last lines of the run wait for, None if they name nothing, or several systems."""
    lines = program_lines(last_run_lines(case.snapshot, service))[-_SEEN_LINES:]
    for line in reversed(lines[-_LAST_LINES:]):
        text = message_of(line)
        if not _WAITS.search(text) or _SERVES.search(text) or is_request_line(text):
            continue
        named = _named_dependency(text, service.dependencies)
        if named is not None:
            return replace(named, source=log_evidence(line.text, line.where), wanted=True,
                           is_looped=_is_repeated(line, lines))
    return None


def _named_dependency(text: str, known: Sequence[Dependency]) -> Dependency | None:
    """Return the address in the text, else the one dependency in the variables whose host or kind it names."""
    for pattern in (_ADDRESS, _SPELLED):
        for match in pattern.finditer(text):
            port = int(match["port"])
            if port < 65536 and not is_wildcard(match["host"]):
                engine = system_at_port(port)
                return Dependency(log_evidence(text, ""), host=match["host"], port=port, engine=engine)
    by_host = [one for one in known if one.host and _has_word(text, one.host)]
    by_kind = [one for one in known if is_named_in(text, one.engine)]
    by_role = [one for one in known if one.engine in _DATABASES] if _DATABASE.search(text) else []
    meant = next((found for found in (by_host, by_kind, by_role) if found), [])
    return meant[0] if len({(one.host, one.port, one.path) for one in meant}) == 1 else None


def _has_word(text: str, name: str) -> bool:
    before, found, after = text.partition(name)
    return bool(found) and not any(char.isalnum() or char in "-_" for char in before[-1:] + after[:1])


def _is_repeated(line: LogLine, lines: Sequence[LogLine]) -> bool:
    """Return whether the run has said it before: then it tries again and again."""
    words = _without_numbers(message_of(line))
    return sum(_without_numbers(message_of(other)) == words for other in lines) > 1


def _without_numbers(text: str) -> str:
    return "".join(char for char in text if not char.isdigit())
