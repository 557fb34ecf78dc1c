"""Services without a proven claim to the address at which a finding names them.

Such a finding is about the address: it says where the service is configured to listen, and a person confirms that it is
meant. If the service ends again and again, its last run is asked why: until that is mended, nothing is to be confirmed.
Why it ends is seen; that the page needs it is not. So what ends it is possible, and its repair is a person's.
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import endpoint_text
from fixer.analysis.exits.failed_run import has_failed
from fixer.analysis.ownership.resolve import only_owner
from fixer.analysis.service_state import state_evidence
from fixer.diagnose.precedence import effects_of, is_about_address
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding
from fixer.model.snapshot import Service


def named_owners(case: Case, findings: Sequence[Finding]) -> dict[int, PortOwner]:
    """Return id of a failing address without a known owner -> the one failed service that findings name there."""
    named = [f for f in findings if f.is_at_fault and f.service and is_about_address(f.cause)]
    owners: dict[int, PortOwner] = {}
    for trouble in case.failing_addresses if named else ():
        names = {f.service for f in named if not set(f.routes).isdisjoint(trouble.route_ids)}
        found = [s for s in case.snapshot.services if s.name in names]
        if len(found) == 1 and only_owner(case, trouble) is None and has_failed(case, found[0], trouble):
            owners[id(trouble)] = PortOwner(found[0], "contested", (state_evidence(found[0]),))
    return owners


def doubt_named_services(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings: the one that names the service comes before the one that says why it ends, and is not
    explained by it."""
    named = [(trouble, case.named_owners[id(trouble)].service) for trouble in case.failing_addresses
             if id(trouble) in case.named_owners]
    for trouble, service in named:
        findings = [_doubted(finding, trouble, service) for finding in findings]
    return findings


def _doubted(finding: Finding, trouble: FailingAddress, service: Service) -> Finding:
    if set(finding.routes).isdisjoint(trouble.route_ids):
        return finding
    if is_about_address(finding.cause) and finding.service == service.name:
        return replace(finding, is_met_first=trouble.nginx.master_pid is not None)
    if finding.service != service.name and "dependents-end" not in effects_of(finding):
        return finding
    repairs = tuple(replace(repair, risk="manual", steps=(), needs=(), manual=repair.manual or repair.summary)
                    for repair in finding.repairs)
    effects = tuple(effect for effect in effects_of(finding) if effect != "nothing-listens")
    doubt = f"whether {service.name} belongs behind {endpoint_text(trouble.endpoint)} is not known"
    return replace(finding, confidence="possible", repairs=repairs, effects=effects,
                   detail=(*finding.detail, doubt))
