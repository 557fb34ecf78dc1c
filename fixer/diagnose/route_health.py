"""From a snapshot to a diagnosis: every cause judges, roots come before what they explain, routes get their health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixer.analysis.case import Case, is_answering, open_case, route_key
from fixer.analysis.route_verdict import Judged
from fixer.causes import Cause, load_causes
from fixer.diagnose.fleeting import spare_fleeting
from fixer.diagnose.layered import layered_notes
from fixer.diagnose.revise_findings import together
from fixer.diagnose.rivals import spare_rivals
from fixer.lazy.dataclass import replace
from fixer.model.accepted import Accepted
from fixer.model.diagnosis import Check, Diagnosis, Finding, Found, HealthVerdict, Inputs, RouteHealth
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.plan import only_starts
from fixer.model.snapshot import Endpoint, Snapshot
from fixer.repairs.boot_enablement import unkept

_ROLES = {"root": 0, "contributing": 1, "consequence": 2, "advice": 3}
_CONFIDENCE = {"certain": 0, "likely": 1, "possible": 2}
_OVER = frozenset({"restart-window"})     # told of what has passed: behind what may come again
_OWN = frozenset({"backend-down", "crash-killed", "crash-loop-gave-up", "crash-missing-env", "crash-port-in-use"})
_AT_FAULT = frozenset({"root", "contributing"})
_SHOWN = 3
_AT_ONCE = 500.0     # milliseconds: so fast that two who ask a program of one worker both get their answer in time


def diagnose(
    snapshot: Snapshot, inputs: Inputs | None = None, *, causes: Sequence[Cause] | None = None,
    accepted: Sequence[Accepted] = (),
) -> Diagnosis:
    """The whole answer; the same snapshot always gives the same one. `causes` defaults to all of ours; what is
    `accepted` is told and not counted."""
    case = open_case(snapshot, inputs or {})
    judges = load_causes() if causes is None else tuple(causes)
    checks = tuple(Check(cause.id, cause.verdict(case)) for cause in judges)
    findings = [f for check in checks if isinstance(check.verdict, Found) for f in check.verdict.findings]
    told: Sequence[Finding] = spare_fleeting(snapshot, spare_rivals(snapshot, together(_demoted(findings))))
    told = _with_copies(case, told)
    excused: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    if accepted:
        from fixer.diagnose.ignored_findings import excuse  # hardly ever needed

        told, excused, notes = excuse(told, accepted, snapshot)
    settled = _ordered(told, judges)
    blamed: dict[str, str] = {}
    for finding in settled:
        if finding.role in _AT_FAULT:
            blamed.update((route, finding.cause) for route in finding.routes if route not in blamed)
    deaf = _deaf(case)
    health = tuple(_health(judged, blamed, route in deaf) for route, judged in case.judged.items())
    counted = tuple(entry for entry in health if entry.route not in excused)
    dark = _dark(case)
    verdict = _verdict(case, settled, counted, dark) if counted or not excused else "healthy"
    notes = (*notes, *_notes(case), *_late(case, health, dark), *_unheard(case, health), *_shared(snapshot, settled))
    puzzling = {entry.route for entry in counted if entry.state in ("failing", "degraded")} - set(blamed)
    if puzzling:
        from fixer.diagnose.unexplained import unexplained  # only where no cause is proven

        notes = (*notes, *unexplained(case, puzzling))
    if any(isinstance(nginx.errors, Known) and nginx.errors.value for nginx in snapshot.nginxes):
        from fixer.diagnose.unpassed import unpassed  # only where nginx has logged anything

        notes = (*notes, *unpassed(case, {entry.route for entry in counted if entry.state == "ok"}))
    if verdict != "healthy" and any(nginx.left_out for nginx in snapshot.nginxes):
        from fixer.diagnose.leftout import left_out_notes  # only where there are such

        notes = (*notes, *left_out_notes(case))
    if any(service.container is not None and service.container.published for service in snapshot.services):
        from fixer.diagnose.infront import in_front  # only where Docker publishes something

        notes = (*notes, *in_front(snapshot))
    if snapshot.nginxes and not snapshot.routes:
        from fixer.diagnose.nothingpassed import nothing_passed  # only where there is no page to judge

        notes = (*notes, *nothing_passed(snapshot))
    heard = (facts.probes.value for facts in snapshot.routes if isinstance(facts.probes, Known))
    if verdict == "healthy" and any(probe.location for probes in heard for probe in probes):
        from fixer.diagnose.notes import sent_on  # only where a page leads on

        notes = (*notes, *sent_on(case))
    if any(repair.steps for finding in settled for repair in finding.repairs):
        notes = (*notes, *layered_notes(snapshot, settled))
    return Diagnosis(verdict, settled, checks, health, notes)


def _shared(snapshot: Snapshot, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Drop-ins to blame that other services have too."""
    if not any("service.d/" in shown.where for finding in findings for shown in finding.evidence):
        return ()
    from fixer.diagnose.shareddropins import shared_notes  # only where a drop-in is to blame

    return tuple(shared_notes(snapshot, findings))


def _with_copies(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    if not any(judged.is_bad and len(judged.facts.endpoints) > 1 for judged in case.judged.values()):
        return findings
    from fixer.diagnose.copies import name_copies  # only where one of several may fail

    return name_copies(case, findings)


def _demoted(findings: Sequence[Finding]) -> list[Finding]:
    """What another finding explains becomes its consequence: told as part of the chain, repaired with its root."""
    return [
        replace(finding, role="consequence", repairs=())
        if finding.role in _AT_FAULT and any(_explains(other, finding) for other in findings if other is not finding)
        else finding
        for finding in findings
    ]


def _explains(other: Finding, finding: Finding) -> bool:
    if other.role not in _AT_FAULT or finding.cause not in other.explains or other.cause == finding.cause:
        return False
    if other.service is not None and other.service == finding.service and other.node == finding.node:
        return True
    if other.cause in _OWN and other.service and finding.service and any(only_starts(r.steps) for r in finding.repairs):
        return False        # two members of a group: that one was killed does not explain that the other was stopped
    return bool(set(other.routes) & set(finding.routes)) or (not other.routes and other.node == finding.node)


def _ordered(findings: Sequence[Finding], judges: Sequence[Cause]) -> tuple[Finding, ...]:
    nearness = {cause.id: cause.order for cause in judges}

    def rank(finding: Finding) -> tuple[int, bool, int, int, str, str, int]:
        first = min((_number(route) for route in finding.routes), default=0)
        return (
            _ROLES[finding.role], finding.variant in _OVER, nearness.get(finding.cause, 50),
            _CONFIDENCE[finding.confidence], finding.cause, finding.node, first,
        )

    return tuple(sorted(findings, key=rank))


def _number(route: str) -> int:
    digits = "".join(c for c in route if c.isdigit())
    return int(digits) if digits else 0


def _deaf(case: Case) -> frozenset[str]:
    """Slow routes of which no address takes a connection in time: that is no slow page, nobody gets through."""
    tried: dict[str, list[bool]] = {}
    for trouble in case.troubles:
        for facts in trouble.routes:
            tried.setdefault(route_key(facts), []).append(all(_is_silent(e) for e in trouble.endpoints))
    return frozenset(route for route, silent in tried.items() if all(silent))


def _dark(case: Case) -> Mapping[str, str]:
    """Slow routes of which nothing tells a slow page from a broken way, with the reason: behind them nobody was seen to
    answer, neither asked directly nor by another route, or there the very page was given at once."""
    if not any(judged.state == "slow" for judged in case.judged.values()):
        return {}
    known = {endpoint.id: endpoint for endpoint in case.snapshot.endpoints}
    alive = {
        _spoken(known[name], judged) for judged in case.judged.values() for name in judged.facts.endpoints
        if name in known and (judged.some_answered or is_answering(known[name]))
    }
    dark: dict[str, str] = {}
    for judged in case.judged.values():
        behind = [known[name] for name in judged.facts.endpoints if name in known]
        if judged.state == "slow" and not any(_spoken(endpoint, judged) in alive for endpoint in behind):
            dark[judged.facts.route.id] = "nobody behind it was seen to answer"
        elif judged.state == "slow" and behind and all(_gives_at_once(e, judged.facts.route) for e in behind):
            dark[judged.facts.route.id] = "asked directly, what is behind it answers the same page at once"
    return dark


def _gives_at_once(endpoint: Endpoint, route: Route) -> bool:
    """Asked directly for the page that nginx was asked for, as nginx hands it on, and answered."""
    target = route.pass_text.partition("://")[2]
    rewritten = target.count(":") > 1 if target.startswith("unix:") else "/" in target
    answer = endpoint.http
    return (isinstance(answer, Known) and answer.value.status is not None and answer.value.ms <= _AT_ONCE
            and route.path == endpoint.path and not rewritten)


def _spoken(endpoint: Endpoint, judged: Judged) -> tuple[object, ...]:
    """The address, and how it is spoken to: what answers plain HTTP may never answer TLS."""
    route = judged.facts.route
    return endpoint.node, endpoint.host, endpoint.port, endpoint.unix, endpoint.at, route.scheme, route.kind


def _is_silent(endpoint: Endpoint) -> bool:
    """No connection is taken in time, or there is no address to connect to: a container that is down has no name."""
    if isinstance(endpoint.addresses, Known) and not endpoint.addresses.value:
        return True
    return isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error == "slow"


def _health(judged: Judged, blamed: Mapping[str, str], deaf: bool) -> RouteHealth:
    """`blamed` are the causes by route: what decides where no answer came in time, or nobody could ask."""
    route = judged.facts.route.id
    match judged.state:
        case "ok" | "failing" | "degraded":
            return RouteHealth(route, judged.state, judged.reason)
        case "slow" | "unknown":
            if route in blamed:
                partly = judged.state == "slow" and judged.some_answered
                return RouteHealth(route, "degraded" if partly else "failing", f"{judged.reason}; {blamed[route]}")
            if judged.some_answered:
                return RouteHealth(route, "ok", judged.reason)
            if judged.state == "slow" and deaf:
                return RouteHealth(route, "failing", f"{judged.reason}; nothing behind it takes a connection")
            return RouteHealth(route, "unknown", judged.reason)


def _verdict(
    case: Case, findings: Sequence[Finding], health: Sequence[RouteHealth], dark: Mapping[str, str],
) -> HealthVerdict:
    states = [h.state for h in health]
    guilty = [f for f in findings if f.role in _AT_FAULT]
    told = [state for state in states if state != "unknown"]
    if any(not f.routes for f in guilty) and all(n.master_pid is None for n in case.snapshot.nginxes):
        return "broken"
    if "failing" in told or "degraded" in told:
        return "broken" if set(told) == {"failing"} else "degraded"
    if guilty:
        return "degraded"
    if any(entry.route in dark and entry.state == "unknown" for entry in health):
        return "unknown"
    return "healthy" if told else "unknown"


def _late(case: Case, health: Sequence[RouteHealth], dark: Mapping[str, str]) -> tuple[str, ...]:
    """Routes that gave no answer in time, nothing proves why: beside those that are well they must not be missed."""
    open_ones = {h.route for h in health if h.state == "unknown"}
    late = [j for j in case.judged.values() if j.state == "slow" and j.facts.route.id in open_ones]
    late.sort(key=lambda judged: judged.facts.route.id not in dark)
    said = tuple(f"{j.facts.route.location} on {j.facts.route.listen_text}: {j.reason}; "
                 + (f"{dark[j.facts.route.id]}, and " if j.facts.route.id in dark else "")
                 + "whether it is only slow was not seen (--wait 60 tells)" for j in late[:_SHOWN])
    return (*said, f"{len(late) - _SHOWN} more routes gave no answer in time") if len(late) > _SHOWN else said


def _unheard(case: Case, health: Sequence[RouteHealth]) -> tuple[str, ...]:
    """Routes that were asked, and of which what came tells nothing."""
    open_ones = {h.route for h in health if h.state == "unknown"}
    asked = [j for j in case.judged.values() if j.state == "unknown" and j.facts.route.id in open_ones
             and isinstance(j.facts.probes, Known) and j.facts.probes.value]
    said = tuple(f"{j.facts.route.location} on {j.facts.route.listen_text} could not be judged: {j.reason}"
                 for j in asked[:_SHOWN])
    return (*said, f"{len(asked) - _SHOWN} more routes could not be judged") if len(asked) > _SHOWN else said


def _notes(case: Case) -> tuple[str, ...]:
    own = [
        f"{j.facts.route.location} on {j.facts.route.listen_text} {j.reason}: sent by the application itself, or "
        "by a gateway in front of it: this nginx only passes it on"
        for j in case.judged.values() if j.own
    ]
    lost = [f"nginx on {n.node} writes to a log that was deleted ({', '.join(n.lost_logs)}): nothing of it is kept, "
            "and it takes room until nginx opens it anew (nginx -s reopen; where its folder is gone, make that first)"
            for n in case.snapshot.nginxes if n.lost_logs]
    unread = [f"the configuration is not known: {n.config.reason}" for n in case.snapshot.nginxes
              if isinstance(n.config, Unknown) and n.master_pid is not None]
    return (*case.snapshot.notes, *own, *lost, *unread, *unkept(case.snapshot))


