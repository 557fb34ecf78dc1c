"""A backend that systemd did not start, because a unit that it requires failed."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import condition
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.run_log import lines_of, message
from fixer.analysis.service_state import required_by
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import LogLine, Service

_FAILED = regex(r"^Dependency failed for |failed with result 'dependency'")
_BEGUN = regex(r"^Started \S")


@dataclass(frozen=True, slots=True)
class Required:
    """Who was not started, the line that says so, and what of that which it requires does not run."""

    owner: Owner
    trouble: Trouble
    line: LogLine
    lacking: tuple[Service, ...]
    why: tuple[Evidence, ...]

    @property
    def service(self) -> Service:
        """The service that was not started."""
        return self.owner.service


def not_started(case: Case) -> tuple[Required, ...]:
    """Every stopped unit behind a failing route whose last start ended with `Dependency failed`."""
    found: dict[str, Required] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is None or owner.service.unit is None or condition(owner.service) not in ("stopped", "failed"):
            continue
        line = _last_word(owner.service)
        if line is None:
            continue
        wanted = required_by(case.snapshot, owner.service)
        lacking = tuple(s for s in case.snapshot.services if s.node == owner.service.node and s.name in wanted
                        and condition(s) != "running")
        why = tuple(dict.fromkeys(wanted[s.name] for s in lacking))
        found.setdefault(owner.service.id, Required(owner, trouble, line, lacking, why))
    return tuple(found.values())


def _last_word(service: Service) -> LogLine | None:
    """systemd's line, where nothing was started after it."""
    for line in reversed(lines_of(service)):
        text = message(line)
        if _FAILED.search(text):
            return line
        if _BEGUN.search(text):
            return None
    return None
