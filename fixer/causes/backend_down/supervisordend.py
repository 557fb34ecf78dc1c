"""A supervisord that does not start: the line in which it says why, and what mends it."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.analysis.run_log import message
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import LogLine, Service, Unit

_ERROR = regex(r"^Error: \S")
_FOLDER = regex(r"^Error: The directory named as part of the path (?P<path>/[\w./-]+) does not exist")


def mended_by(case: Case, service: Service, unit: Unit) -> str:
    """What a person does before its unit is started again."""
    said = _error(case, service, unit)
    if said is None:
        return (f"supervisord itself ends with an error: journalctl -u {unit.name} names what is wrong; mend that, "
                f"then start {unit.name}")
    text = message(said)
    folder = _FOLDER.match(text)
    by = f"mkdir -p {folder['path'].rpartition('/')[0]}" if folder is not None else "mend that"
    return f"supervisord itself ends with an error: {text[7:207]}; {by}, then start {unit.name}"


def end_of(case: Case, service: Service, unit: Unit) -> tuple[Evidence, ...]:
    """Its last words of its own."""
    said = _error(case, service, unit)
    return () if said is None else (log_evidence(message(said), said.where),)


def _error(case: Case, service: Service, unit: Unit) -> LogLine | None:
    own = next((s for s in case.snapshot.services if s.unit is not None and s.node == service.node
                and s.unit.name == unit.name), None)
    lines = own.log.value if own is not None and isinstance(own.log, Known) else ()
    return next((line for line in reversed(lines) if _ERROR.match(message(line))), None)
