"""Findings about packet filters: one rule, and all routes that it stops."""

from __future__ import annotations

from collections.abc import Callable

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import conclude
from fixer.analysis.evidence import (
    config_evidence,
    connect_error_text,
    listener_at,
    listener_evidence,
    no_listener_evidence,
)
from fixer.analysis.nginx_errors import routes_text, symptom_evidence
from fixer.analysis.packet_filter.matching_rules import (
    FilterMatch,
    certain_filter_matches,
    filter_match_evidence,
    filter_match_text,
    is_refused_by_empty_port,
    uncertain_filter_matches,
)
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Effect, Finding, Verdict
from fixer.model.facts import Evidence, Known

with lazy_imports():  # not needed in most looks
    from fixer.repairs.packet_filter_rules import filter_repairs

_EFFECTS: tuple[Effect, ...] = ("nothing-listens", "no-answer", "stale-config")
# a rejected connection to the Docker host looks like one to a port at which no program of it listens
_HOST_EFFECTS: tuple[Effect, ...] = (*_EFFECTS, "wrong-place")


def judge_filters(case: Case, cause: str, variant: Callable[[FilterMatch], str | None]) -> Verdict:
    """Return the verdict with a finding for each rule that `variant` names."""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble in case.failing_addresses:
        found, lacking = certain_filter_matches(case, trouble)
        wanted = [(name, block) for block in found if (name := variant(block)) is not None]
        for name, block in wanted[:1]:
            new = filter_finding(case, cause, name, block)
            key = f"{block.node}/{block.hit.where}"
            old = findings.get(key)
            findings[key] = new if old is None else old.joined_with(new)
        unsure = () if wanted else tuple(b for b in uncertain_filter_matches(case, trouble) if variant(b) is not None)
        if lacking:
            missing.append(lacking)
        elif unsure:
            missing.append(f"whether a rule matches nginx's packets: {_filter_text(unsure[0])}")
        elif not wanted:
            ruled += _no_filter_evidence(case, trouble)
    return conclude(findings.values(), missing, ruled)


def _filter_text(block: FilterMatch) -> str:
    shown = filter_match_evidence(block)[0]
    return f"{shown.where}: {shown.text}"


def _no_filter_evidence(case: Case, trouble: FailingAddress) -> tuple[Evidence, ...]:
    if is_refused_by_empty_port(case, trouble):
        return no_listener_evidence(trouble.endpoint)
    tcp = trouble.endpoint.tcp
    if isinstance(tcp, Known):
        text = "connects" if tcp.value.error is None else f"{connect_error_text(tcp.value.error)}, and no rule matches"
        return (Evidence("probe", trouble.endpoint.written, text),)
    return tuple(e for j in trouble.verdicts[:1] for e in j.evidence[:1])


def _effects_of(block: FilterMatch) -> tuple[Effect, ...]:
    """Return what the rule looks like. No rule hides from the kernel's table that nothing listens: that is another
    fault."""
    told = _HOST_EFFECTS if block.is_to_docker_host else _EFFECTS
    held = block.failing_address.endpoint.listener
    is_empty = isinstance(held, Known) and held.value is None
    return tuple(effect for effect in told if effect != "nothing-listens") if is_empty else told


def filter_finding(case: Case, cause: str, variant: str, block: FilterMatch) -> Finding:
    """Return the finding about a rule: the routes that it stops, and its repairs."""
    trouble = block.failing_address
    held = listener_at(trouble.endpoint)
    there = () if held is None else (listener_evidence(case.snapshot, held,
                                                       case.service(trouble.endpoint.listening_service)),)
    evidence = (
        *filter_match_evidence(block), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *there,
        *symptom_evidence(case, trouble),
    )
    return Finding(
        cause=cause, variant=variant, role="root", confidence="certain", summary=filter_match_text(block),
        detail=(f"needed by {routes_text(trouble)}",), routes=trouble.route_ids, service=None, node=block.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=filter_repairs(case, block),
        effects=_effects_of(block), is_seen_directly=True,
    )
