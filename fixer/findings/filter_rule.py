"""Findings about packet filters: one rule, all the routes that it stops, and what it makes a consequence."""

from __future__ import annotations

from collections.abc import Callable

from fixer.analysis.case import Case, Trouble
from fixer.analysis.cause import conclude
from fixer.analysis.evidence import config_evidence, listener_at, listener_evidence
from fixer.analysis.nginx_errors import say_routes, symptom_evidence
from fixer.analysis.packet_filter.matching_rules import Block, block_evidence, block_words, blocks, doubts
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.facts import Evidence, Known

EXPLAINED = (
    "backend-hung", "overload-saturated", "nginx-not-reloaded", "slow-start", "wrong-port", "backend-down",
    "backlog-full", "timeout-too-short", "no-live-upstreams",
)


def judge_filters(case: Case, cause: str, variant: Callable[[Block], str | None]) -> Verdict:
    """A finding for each rule that `variant` has a name for."""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for trouble in case.troubles:
        found, lacking = blocks(case, trouble)
        wanted = [(name, block) for block in found if (name := variant(block)) is not None]
        for name, block in wanted[:1]:
            new = filter_finding(case, cause, name, block)
            key = f"{block.node}/{block.hit.where}"
            old = findings.get(key)
            findings[key] = new if old is None else _joined(old, new)
        unsure = () if wanted else tuple(b for b in doubts(case, trouble) if variant(b) is not None)
        if lacking:
            missing.append(lacking)
        elif unsure:
            missing.append(f"whether a rule takes nginx's packets: {_said(unsure[0])}")
        elif not wanted:
            ruled += _passes(trouble)
    return conclude(findings.values(), missing, ruled)


def _said(block: Block) -> str:
    shown = block_evidence(block)[0]
    return f"{shown.where}: {shown.text}"


def _passes(trouble: Trouble) -> tuple[Evidence, ...]:
    tcp = trouble.endpoint.tcp
    if isinstance(tcp, Known):
        said = "connects" if tcp.value.error is None else f"connect: {tcp.value.error}, and no rule that fits"
        return (Evidence("probe", trouble.endpoint.written, said),)
    return tuple(e for j in trouble.judged[:1] for e in j.evidence[:1])


def _joined(old: Finding, new: Finding) -> Finding:
    return replace(old, routes=tuple(dict.fromkeys((*old.routes, *new.routes))),
                   evidence=tuple(dict.fromkeys((*old.evidence, *new.evidence))))


def filter_finding(case: Case, cause: str, variant: str, block: Block) -> Finding:
    """The rule, the routes that it stops, and its repairs."""
    trouble = block.trouble
    held = listener_at(trouble.endpoint)
    there = () if held is None else (listener_evidence(case.snapshot, held, case.service(trouble.endpoint.holder)),)
    evidence = (
        *block_evidence(block), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *there,
        *symptom_evidence(case, trouble, lambda event: "upstream" in event.phase),
    )
    from fixer.repairs.packet_filter_rules import repairs_of  # only where a filter is found

    return Finding(
        cause=cause, variant=variant, role="root", confidence="certain", summary=block_words(block),
        detail=(f"needed by {say_routes(trouble)}",), routes=trouble.route_ids, service=None, node=block.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=repairs_of(case, block), explains=EXPLAINED,
    )
