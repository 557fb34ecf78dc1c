"""What a backend that was started by hand said at its end, in the newest log that lies about: shown, never acted on."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import LastWords

_SERVER = regex(r"(?i)\b(?:uvicorn|gunicorn|hypercorn|daphne|asgi|wsgi)\b|Started server process|Application startup")
_STAMP = r"(?:@[0-9a-f]{24}|\d{4}-\d\d-\d\d[_T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?) +"     # of svlogd, multilog, s6-log
_ENDS = regex(
    rf"^(?:{_STAMP})?(?:\[[^\]]*\] *)*(?:(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit)\b|ERROR\b)"
    r"|\b(?:Killed|Segmentation fault)\b|[Aa]ddress already in use|Error loading ASGI app|Shutting down"
    r"|Finished server process"
)


_WENT_WELL = regex(r"Shutting down|Finished server process")


def is_an_end_like_any(said: str) -> bool:
    """It was asked to end, as at a reboot, and did: nothing there is to be mended."""
    return _WENT_WELL.search(said) is not None


def how_it_ended(lines: Iterable[str]) -> str:
    """The last line that tells how a program ended, empty where none does: a fault before the words of its leaving,
    which follow a fault as well."""
    ends = [line.strip()[:200] for line in lines if _ENDS.search(line)]
    return next((line for line in reversed(ends) if not is_an_end_like_any(line)), ends[-1] if ends else "")


def last_words(case: Case, node: str) -> tuple[str, tuple[Evidence, ...]]:
    """The line that tells how it ended, and the evidence; nothing where no log of an application server lies there,
    or it was written before this boot."""
    found = next((w for w in case.snapshot.last_words if w.node == node), None)
    if found is None or not _is_of_this_boot(case, found) or not any(_SERVER.search(x.text) for x in found.lines):
        return "", ()
    said = how_it_ended(line.text for line in found.lines)
    return said, (log_evidence(said, found.path),) if said else ()


def _is_of_this_boot(case: Case, found: LastWords) -> bool:
    boot = case.snapshot.node(found.node).boot_at
    return not isinstance(boot, Known) or found.written_at >= boot.value
