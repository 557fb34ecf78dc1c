"""Units that are each to start after the other: systemd starts none of them, or leaves one out at every boot."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node, log_evidence
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known
from fixer.model.snapshot import LogLine, Service

_CYCLE = regex(r"^(?P<by>\S+): (?:Found ordering cycle on|Found dependency on) (?P<unit>[^\s/]+)/")
_LEFT_OUT = regex(r"Job \S+/start deleted to break ordering cycle|Unable to break cycle")
_BEGUN = regex(r"^Start(?:ed|ing) ")
_MOST = 4


def in_a_cycle(case: Case, service: Service, found: Finding) -> Finding:
    """The finding of a stopped unit, told as what systemd says of it: it was not started since the boot for that."""
    lines = _said(case, service)
    if service.unit is None or not lines:
        return found
    matches = [match for line in lines if (match := _CYCLE.search(message(line))) is not None]
    units = dict.fromkeys(name for match in matches for name in (match["by"], match["unit"]))
    others = ", ".join([name for name in units if name != service.name][:_MOST]) or "others"
    manual = (
        f"{service.name} and {others} are each to start after the other: take one of After=, Before= or Requires= "
        f"between them out (systemctl list-dependencies --after {service.name}; systemd-analyze verify "
        f"{service.name}), systemctl daemon-reload, then start {service.name}; else the next boot leaves it out again")
    instead = found.summary.partition("; ")[2]
    return replace(
        found, variant="backend-not-running",
        summary=f"{service.name} was not started: systemd finds a cycle in the order of {service.name} and {others}; "
                f"{instead}",
        evidence=(*(log_evidence(line.text, line.where) for line in lines[-3:]), *found.evidence),
        repairs=(Repair("mend-order", "manual", "mend the order of the units", (), manual=manual),))


def _said(case: Case, service: Service) -> list[LogLine]:
    """systemd's lines of such a cycle since the boot and since the last start, where one tells that a start was left
    out for it."""
    node = find_node(case.snapshot, service.node)
    booted = node.boot_at.value if node is not None and isinstance(node.boot_at, Known) else 0.0
    kept: list[LogLine] = []
    for line in reversed(lines_of(service)):
        text = message(line)
        if _BEGUN.search(text) or (line.at is not None and line.at < booted - 1.0):
            break
        if _CYCLE.search(text) or _LEFT_OUT.search(text):
            kept.insert(0, line)
    told = any(_LEFT_OUT.search(message(line)) for line in kept)
    return kept if told and any(_CYCLE.search(message(line)) for line in kept) else []
