"""A service that ended with success over an error: hypercorn's parent, and scripts that go on after their program, hand
no status on, so its manager calls it no failure."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.analysis.run_log import ended_by_itself, last_run, message, own_lines
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.snapshot import LogLine, Service, Snapshot

_LAST_WORDS = 3          # behind an error there may be a note to it, or the script's own last line
_ERROR = regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Configured)\b")
_SERVED = regex(r"Application startup complete|[Rr]unning on \S|[Ll]istening (?:at|on)\b|[Ss]erving on\b")


def fell_over(snapshot: Snapshot, service: Service) -> LogLine | None:
    """The error that it ended over, by itself and before it ever served."""
    if service.unit is None or not service.is_app_server or not ended_by_itself(snapshot, service):
        return None
    own = own_lines(last_run(snapshot, service))
    if any(_SERVED.search(message(line)) for line in own):
        return None
    return next((line for line in own[-_LAST_WORDS:] if _ERROR.match(message(line))), None)


def over_an_error(case: Case, service: Service, found: Finding) -> Finding:
    """What is said of such an end where no cause of its own is known: started again it would end the same way."""
    line = fell_over(case.snapshot, service) if found.variant == "clean-exit-not-restarted" else None
    if line is None:
        return found
    said = message(line).strip()[:160]
    manual = f"mend that first, and start {service.name} then: its log ends with: {said}"
    return replace(
        found, confidence="likely", evidence=(log_evidence(line.text, line.where), *found.evidence),
        summary=f"{service.name} ended by itself, with success as it says, over an error: {said}",
        repairs=(Repair("start-service", "manual", f"repair what ends {service.name}", (), manual=manual),))
