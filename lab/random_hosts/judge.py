"""The judge: what a solver said and did on one host, against the host's physical truth. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.random_hosts.host_spec import Fault

HEALTHY_EXIT, OPERATOR_EXIT = 0, 4
EXITS = {-1: "timeout", 1: "failed", 2: "usage", 3: "unobserved", OPERATOR_EXIT: "operator"}


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of a solver on one host, as plain documents. None: that question was not asked.
    `said` is its diagnosis: the first look, else what its output names; empty if it named nothing.
    `failing_…` is what the oracle found failing at that time; empty if all pages were well."""

    looks: tuple[Mapping[str, Any], ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    verify: Mapping[str, Any] | None = None
    bundle: Mapping[str, Any] | None = None
    repair_code: int = 0
    repair: Mapping[str, Any] = field(default_factory=dict)
    failing_after: tuple[str, ...] = ()
    failing_restarted: tuple[str, ...] | None = None
    failing_rebooted: tuple[str, ...] | None = None
    changed_by_looks: tuple[str, ...] = ()
    changed_by_repair: tuple[str, ...] = ()
    left_by_undo: tuple[str, ...] | None = None
    fails_otherwise: str = ""       # how the pages fail after the undo, if that is not as before the repair
    undo_kept: bool = False         # the undo left something, since somebody changed or started it meanwhile
    harm: tuple[str, ...] = ()      # foreign files, processes and sites; must-nots
    look_seconds: tuple[float, ...] = ()
    repair_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One root finding: its cause, how sure the solver was, whether an injected fault accepts it, and which do."""

    cause: str
    confidence: str
    right: bool
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one solver and one host. None: the question does not apply."""

    claims: tuple[Claim, ...]
    right: bool | None
    outcome: str
    outcome_right: bool
    falsely_healthy: bool
    false_alarm: bool | None
    lasting: bool | None
    undo_exact: bool | None
    agreeing: bool | None
    steady: bool | None     # all looks name the same first root cause
    harm: tuple[str, ...]
    problems: tuple[str, ...]   # each failed question in one line; empty: the host is passed
    falsely_ruled_out: bool | None = None   # of an injected fault all causes; None: the solver rules nothing out


def judge(faults: Sequence[Fault], showing: Sequence[str], seen: Observed) -> Judgement:
    """Judge a solver: the first root finding is a showing fault, and no root finding is none of the faults."""
    problems: list[str] = []
    claims = _claims(faults, seen.said)
    right = _is_right(faults, showing, claims) if faults and seen.said else None
    if right is False:
        said = ", ".join(f"{one.cause} ({one.confidence})" for one in claims) or "no root finding"
        wanted = ", ".join(f"{fault.name}: {' or '.join(fault.causes)}" for fault in faults)
        problems.append(f"cause: {said}; showing {', '.join(showing)} of {wanted}")
    outcome = _outcome(faults, seen)
    outcome_right = outcome in accepted_outcomes(faults)
    if not outcome_right:
        problems.append(f"outcome: {outcome}; accepted {' or '.join(sorted(accepted_outcomes(faults)))}")
    spoken = [one for one in (*seen.looks, seen.verify, seen.bundle) if isinstance(one, Mapping)]
    blind = any(one.get("verdict") == "healthy" for one in spoken) and bool(faults)
    falsely_healthy = blind or outcome == "falsely-healthy"
    if falsely_healthy:
        problems.append("falsely healthy: it calls the host well, and pages fail")
    false_alarm = _false_alarm(seen) if not faults else None
    if false_alarm:
        problems.append("false alarm: nothing was wrong")
    lasting = _lasting(outcome, seen, problems)
    if seen.left_by_undo:
        problems.append(f"undo: {len(seen.left_by_undo)} differences, first {seen.left_by_undo[0]}")
    if seen.fails_otherwise:
        problems.append(f"undo: {seen.fails_otherwise}")
    agreeing = _agreeing(seen, problems) if seen.looks else None
    steady = _steady(seen, problems) if seen.looks else None
    harm = (*seen.harm, *_changes_that_harm(faults, outcome, seen))
    problems += [f"harm: {line}" for line in harm]
    exact = None if seen.left_by_undo is None else not seen.left_by_undo and not seen.fails_otherwise
    undo_exact = None if exact and seen.undo_kept else exact    # the judge's own restart: it proves nothing
    return Judgement(claims, right, outcome, outcome_right, falsely_healthy, false_alarm, lasting, undo_exact,
                     agreeing, steady, harm, tuple(problems), _falsely_ruled_out(faults, seen.said))


def accepted_outcomes(faults: Sequence[Fault]) -> frozenset[str]:
    """Return the accepted outcomes: repaired if every fault can be, an operator if any fault may need one."""
    if not faults:
        return frozenset({"nothing"})
    found = {"repaired"} if all("repaired" in fault.outcomes for fault in faults) else set()
    return frozenset(found | ({"operator"} if any("operator" in fault.outcomes for fault in faults) else set()))


def _claims(faults: Sequence[Fault], look: Mapping[str, Any]) -> tuple[Claim, ...]:
    roots = [one for one in look.get("findings") or () if one.get("role") == "root"]
    met = [tuple(fault.name for fault in faults if one.get("cause") in fault.causes) for one in roots]
    return tuple(Claim(str(one.get("cause")), str(one.get("confidence")), bool(names), names)
                 for one, names in zip(roots, met, strict=True))


def _is_right(faults: Sequence[Fault], showing: Sequence[str], claims: Sequence[Claim]) -> bool:
    first = {cause for fault in faults if fault.name in showing for cause in fault.causes}
    return bool(claims) and claims[0].cause in first and all(one.right for one in claims)


def _falsely_ruled_out(faults: Sequence[Fault], said: Mapping[str, Any]) -> bool | None:
    """Return whether it calls all causes of a fault ruled out, also of one that another fault hides."""
    verdicts = {str(one.get("cause")): one.get("verdict") for one in said.get("checks") or ()}
    if not faults or not verdicts:
        return None
    return any(all(verdicts.get(cause) == "ruled-out" for cause in fault.causes) for fault in faults)


def _outcome(faults: Sequence[Fault], seen: Observed) -> str:
    if seen.repair_code != HEALTHY_EXIT:
        return EXITS.get(seen.repair_code, f"exit {seen.repair_code}")
    if seen.failing_after:
        return "falsely-healthy"
    if not faults:
        return "nothing"
    # where it changed nothing, the pages got well without it
    idle = seen.repair.get("outcome") == "nothing-to-do" and not seen.repair.get("applied")
    return "untouched" if idle else "repaired"


def _false_alarm(seen: Observed) -> bool:
    verdicts = [look.get("verdict") for look in (*seen.looks, *([seen.verify] if seen.verify else []))]
    found = [one for look in seen.looks for one in look.get("findings") or ()
             if one.get("role") in ("root", "contributing")]
    return any(verdict != "healthy" for verdict in verdicts) or bool(found)


def _lasting(outcome: str, seen: Observed, problems: list[str]) -> bool | None:
    if outcome != "repaired" or seen.failing_restarted is None:
        return None
    for what, failing in (("the service", seen.failing_restarted), ("the machine", seen.failing_rebooted or ())):
        if failing:
            problems.append(f"lasting: after a restart of {what}: {failing[0]}")
    return not seen.failing_restarted and not seen.failing_rebooted


def _agreeing(seen: Observed, problems: list[str]) -> bool:
    """Return whether looks, verify, bundle and repair's first look give one verdict, and the last two a first cause of
    the looks and its repairs."""
    looked = sorted({str(look.get("verdict")) for look in seen.looks})
    found = [f"looks differ: {', '.join(looked)}"] if len(looked) > 1 else []
    others = {"verify": seen.verify, "the bundle": seen.bundle, "repair's first look": seen.repair.get("before")}
    for name, document in others.items():
        if isinstance(document, Mapping) and str(document.get("verdict")) not in looked:
            found.append(f"{name} says {document.get('verdict')}, diagnose {', '.join(looked)}")
    offered = {(_first_root(look), _repairs(look)) for look in seen.looks}
    causes = {cause for cause, _ in offered}
    for name, document in list(others.items())[1:]:     # verify offers none
        if not isinstance(document, Mapping) or not causes:
            continue
        if (first := _first_root(document)) not in causes:
            known = " or ".join(sorted(cause or "no cause" for cause in causes))
            found.append(f"{name} names {first or 'no cause'} first, diagnose {known}")
        else:
            told = _repairs(document)
            if (_first_root(document), told) not in offered:
                known = " or ".join(sorted(" + ".join(each) or "none" for cause, each in offered))
                found.append(f"{name} repairs by {' + '.join(told) or 'none'}, diagnose by {known}")
    problems += found
    return not found


def _steady(seen: Observed, problems: list[str]) -> bool:
    causes = sorted({_first_root(look) or "none" for look in seen.looks})
    if len(causes) > 1:
        problems.append(f"first causes differ between looks: {', '.join(causes)}")
    return len(causes) == 1


def _first_root(look: Mapping[str, Any]) -> str:
    return next((str(one.get("cause")) for one in look.get("findings") or () if one.get("role") == "root"), "")


def _repairs(look: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the repairs of the first root finding, each with its risk and what an operator must give."""
    root: Mapping[str, Any] = next((one for one in look.get("findings") or () if one.get("role") == "root"), {})
    return tuple(map(_in_words, root.get("repairs") or ()))


def _in_words(repair: Mapping[str, Any]) -> str:
    asked = (str(need.get("key")) for need in repair.get("needs") or ())
    return " ".join((str(repair.get("id")), str(repair.get("risk")), *asked))


def _changes_that_harm(faults: Sequence[Fault], outcome: str, seen: Observed) -> list[str]:
    found = [f"a look changed {line}" for line in seen.changed_by_looks]
    kept_on_purpose = outcome == "operator" and bool(seen.repair.get("applied"))
    if not faults:
        found += [f"nothing was wrong, but this changed: {line}" for line in seen.changed_by_repair]
    elif outcome != "repaired" and not kept_on_purpose:
        found += [f"not repaired, but this changed: {line}" for line in seen.changed_by_repair]
    return found
