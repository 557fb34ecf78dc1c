"""What explains what: a finding has effects, and each effect explains the causes that it looks like.

A explains B if both are at one place and A has an effect that shows as B. A then stays, B becomes its consequence and
is repaired with it. `ALSO` adds single pairs, each with its reason. If two explain each other, one of them stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from fixer.lazy.dataclass import dataclass, replace
from fixer.model.diagnosis import Check, Diagnosis, Effect, Finding, RuledOut, Undetermined
from fixer.model.plan import has_only_starts


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage on the way from nginx's start to the answer. `reveals_next`: whatever reports its faults reports one at a
    time, so that a repair shows the next. `needs_requests`: its faults show only where requests come as far as that.
    `refuted_by_answer`: a backend that answers fixer directly has none of its faults."""

    name: str
    causes: tuple[str, ...]
    reveals_next: bool = False
    needs_requests: bool = False
    refuted_by_answer: bool = False


# The way from nginx's start to the answer. Of two independent faults, the one that is nearer to the start is repaired
# first: the other can often not be repaired (or even seen) before. Within a stage, the order of the causes counts.
STAGES: tuple[Stage, ...] = (
    Stage("nginx-start", ("nginx-config-invalid", "nginx-down")),
    Stage("names", ("dns-unresolved", "no-resolver")),
    Stage("target", ("invalid-proxy-target", "error-from-config", "cached-error")),
    Stage("way", ("network-detached", "firewall-drop", "firewall-reject", "route-broken", "unix-socket-permission"),
          refuted_by_answer=True),
    Stage("unit", ("unit-misconfigured",), reveals_next=True, refuted_by_answer=True),
    Stage("exit-reason", ("crash-missing-env", "crash-dependency-down", "crash-code-error", "crash-port-in-use",
        "crash-file-access"), refuted_by_answer=True),
    Stage("isolation", ("mac-denied", "sandbox-denied"), refuted_by_answer=True),
    Stage("exit", ("worker-recycled", "crash-oom", "crash-killed", "crash-loop-gave-up"), refuted_by_answer=True),
    Stage("limits", ("cpu-throttled", "memory-pressure", "fd-exhausted",
        "worker-connections-exhausted", "ephemeral-ports-exhausted", "nginx-own-failure"), needs_requests=True),
    Stage("down", ("backend-down",), refuted_by_answer=True),
    Stage("no-answer", ("backend-hung", "backlog-full", "overload-saturated", "timeout-too-short"),
          needs_requests=True),
    Stage("routing", ("wrong-server-block", "dns-stale")),
    Stage("address", ("unix-socket-missing", "localhost-ipv6", "wrong-bind-address", "wrong-host", "wrong-port"),
          refuted_by_answer=True),
    Stage("protocol", ("header-too-big", "invalid-upstream-headers", "proxy-protocol-mismatch", "tls-mismatch",
        "tls-sni-missing", "tls-verify-failed", "upstream-expects-tls", "upstream-speaks-http-not-tls",
        "wrong-protocol"), needs_requests=True),
    Stage("reload", ("nginx-not-reloaded",)),
    Stage("group", ("no-live-upstreams",)),
    Stage("last", ("disk-full", "slow-start", "keepalive-race",
        "connection-reset"), needs_requests=True),
)
# Causes of other stages that show only where requests come as far as that: a page that ends its worker, a check that
# nginx makes before it answers.
_SHOWN_BY_REQUESTS = frozenset(("worker-recycled", "crash-killed", "error-from-config"))
_RANKS: Mapping[str, int] = {
    cause: rank for rank, cause in enumerate(cause for stage in STAGES for cause in stage.causes)}

_STAGE_OF: Mapping[str, int] = {cause: at for at, stage in enumerate(STAGES) for cause in stage.causes}
_LAST_OF_NGINX = 2      # the last stage that nginx decides alone, before it connects
_FIRST_BEHIND_NGINX = _RANKS[STAGES[_LAST_OF_NGINX].causes[-1]]

# What an effect looks like. In a chain (below) the order counts.
EFFECTS: Mapping[Effect, tuple[str, ...]] = {
    "nginx-stops": ("dns-unresolved", "nginx-down"),        # a mistake in its files is a fault of its own
    "run-ends": ("crash-killed", "crash-loop-gave-up", "backend-down", "slow-start", "keepalive-race",
                 "connection-reset", "no-live-upstreams"),
    "dependents-end": ("crash-killed", "crash-loop-gave-up", "backend-down", "slow-start"),     # runs of other services
    "last-words": ("crash-code-error",),                    # the program ends with an exception
    "nothing-listens": ("wrong-port", "backend-down", "slow-start", "no-live-upstreams"),
    "no-answer": ("backend-hung", "backlog-full", "overload-saturated", "timeout-too-short", "slow-start"),
    "looks-busy": ("backend-hung", "overload-saturated"),   # nginx or the address is at fault, the backend seems silent
    "looks-killed": ("crash-killed", "worker-recycled", "keepalive-race", "connection-reset"),  # closed connections
    "address-lost": ("dns-stale", "backend-down"),
    "wrong-name": ("network-detached",),                    # /etc/hosts leads elsewhere, the network itself is well
    "wrong-place": ("dns-stale", "wrong-host", "wrong-bind-address", "wrong-port", "backend-down"),
    "packets-blocked": ("firewall-drop", "firewall-reject"),
    "loops": ("worker-connections-exhausted", "fd-exhausted", "overload-saturated"),    # a request comes back for ever
    "node-ends": ("crash-killed", "crash-loop-gave-up", "backend-down", "slow-start", "wrong-port",
                  "no-live-upstreams"),                     # all that ran in a container ends with it
    # the last resort: what else explains the page, explains it
    "stale-config": ("nginx-not-reloaded", "no-live-upstreams"),
}
# A cause that is itself in one of these explains only what follows it.
CHAINS: frozenset[Effect] = frozenset(("nginx-stops", "no-answer"))
# Effects that end at the node: they explain nothing elsewhere, whatever routes both share.
ON_THE_NODE: frozenset[Effect] = frozenset(("node-ends",))

# The effects of each cause's findings, unless a finding states others (those of a packet filter's rule always do:
# `findings/filter_rule.py`). Causes without a row have none.
EFFECTS_OF: Mapping[str, tuple[Effect, ...]] = {
    "nginx-config-invalid": ("nginx-stops",),
    "dns-unresolved": ("nginx-stops", "nothing-listens", "stale-config"),
    "no-resolver": ("nothing-listens", "stale-config"),
    "unit-misconfigured": ("run-ends", "last-words", "nothing-listens"),
    "crash-missing-env": ("run-ends",),
    "crash-dependency-down": ("dependents-end", "nothing-listens"),
    "crash-code-error": ("run-ends",),
    "crash-port-in-use": ("run-ends", "nothing-listens"),
    "crash-file-access": ("run-ends",),
    "mac-denied": ("packets-blocked", "stale-config"),
    "sandbox-denied": ("run-ends", "nothing-listens", "looks-busy", "packets-blocked", "stale-config"),
    "network-detached": ("nginx-stops", "address-lost", "nothing-listens", "looks-busy", "packets-blocked",
                         "stale-config"),
    "route-broken": ("address-lost", "packets-blocked", "stale-config"),
    "worker-recycled": ("run-ends",),
    "crash-oom": ("run-ends", "stale-config"),
    "crash-killed": ("run-ends", "stale-config"),
    "crash-loop-gave-up": ("run-ends",),
    "cpu-throttled": ("no-answer", "stale-config"),
    "memory-pressure": ("no-answer", "stale-config"),
    "fd-exhausted": ("run-ends", "nothing-listens", "no-answer", "stale-config"),
    "worker-connections-exhausted": ("stale-config",),
    "ephemeral-ports-exhausted": ("stale-config",),
    "nginx-own-failure": ("stale-config",),
    "invalid-proxy-target": ("stale-config",),
    "cached-error": ("looks-busy", "stale-config"),
    "error-from-config": ("stale-config",),
    "backend-down": ("stale-config",),
    "backend-hung": ("no-answer", "stale-config"),
    "backlog-full": ("no-answer", "packets-blocked", "stale-config"),
    "overload-saturated": ("stale-config",),
    "timeout-too-short": ("stale-config",),
    "wrong-server-block": ("nothing-listens",),
    "dns-stale": ("looks-busy", "stale-config"),
    "unix-socket-missing": ("nothing-listens",),
    "localhost-ipv6": ("stale-config",),
    "wrong-bind-address": ("nothing-listens",),
    "wrong-host": ("nothing-listens",),
    "header-too-big": ("stale-config",),
    "invalid-upstream-headers": ("stale-config",),
    "proxy-protocol-mismatch": ("looks-killed", "looks-busy", "stale-config"),
    "tls-mismatch": ("looks-killed", "stale-config"),
    "tls-sni-missing": ("looks-killed", "stale-config"),
    "tls-verify-failed": ("stale-config",),
    "upstream-expects-tls": ("looks-killed", "looks-busy", "stale-config"),
    "upstream-speaks-http-not-tls": ("looks-busy",),
    "wrong-protocol": ("looks-busy", "looks-killed"),
}

# Pairs beyond the effects: a cause (or one variant, as cause/variant), what it also explains, and why.
ALSO: Mapping[str, Mapping[str, str]] = {
    "backend-hung": {"worker-connections-exhausted": "visitors that wait for an answer hold nginx's connections"},
    "overload-saturated": {"worker-connections-exhausted": "visitors that wait hold nginx's connections"},
    "keepalive-race": {"connection-reset": "a kept connection that ends during a request looks like one that is reset"},
    "memory-pressure": {"nginx-own-failure": "a machine without memory refuses it to nginx, too"},
    "nginx-down": {"nginx-own-failure": "a buffer that is too large for any memory is the reason of the refusal"},
    "sandbox-denied": {"nginx-own-failure": "the sandbox denies nginx that call",
                       "unit-misconfigured": "the sandbox is in the unit file: one fault, two readings"},
    "mac-denied": {"nginx-own-failure": "the policy denies nginx that call",
                   "dns-stale": "a connect that is denied looks like one to an address that nobody has"},
    "network-detached/shared-network-gone": {
        "unit-misconfigured": "the wait unit of a guest fails, since its network was replaced"},
    "wrong-port": {"no-live-upstreams": "a group is exhausted because its addresses are wrong",
                   "invalid-upstream-headers": "what listens at a wrong port answers something else"},
    "wrong-protocol": {"invalid-upstream-headers": "an answer in another protocol breaks the rules of this one"},
    "upstream-expects-tls": {"invalid-upstream-headers": "what TLS answers is no HTTP",
                             "tls-mismatch": "a certificate that nobody shows ends the handshake"},
    "upstream-speaks-http-not-tls": {"tls-mismatch": "plain HTTP ends every handshake"},
    "tls-sni-missing": {"tls-mismatch": "a name that nobody says ends the handshake"},
    "unix-socket-permission": {"no-live-upstreams": "a group is exhausted because its sockets refuse nginx"},
    "slow-start": {"no-live-upstreams": "a group is exhausted until its servers have started"},
    "route-broken": {"wrong-host": "a route leads elsewhere, the address itself is right"},
}

# Pairs that follow from the effects and are refused, and why.
NOT: Mapping[str, Mapping[str, str]] = {
    "nginx-config-invalid": {"dns-unresolved": "nginx resolves names after it has read its files: two faults"},
    "mac-denied": {"firewall-drop": "a denied connect fails at once: a rule that drops is a fault of its own"},
    "sandbox-denied": {"firewall-reject": "a sandbox drops what it denies: a rule that rejects is a fault of its own"},
    "route-broken": {"firewall-drop": "such a route fails at once: a rule that drops is a fault of its own"},
    "backlog-full": {"firewall-reject": "a full queue drops connections, it rejects none"},
    "backend-down": {"wrong-port": "it knows where the backend listens: one without a process listens nowhere"},
}


def rank_of(cause: str) -> int:
    """Return how near to nginx's start the cause is; lower ranks are repaired first."""
    return _RANKS.get(cause, len(_RANKS))      # causes of other packages are the last


def rank_of_finding(finding: Finding) -> int:
    """Return the rank of its cause. What nginx's requests meet comes before the service that they do not reach."""
    return min(rank_of(finding.cause), _FIRST_BEHIND_NGINX) if finding.is_met_first else rank_of(finding.cause)


def is_about_protocol(cause: str) -> bool:
    """Return whether it is about what two ends say to each other that have reached each other."""
    return _is_of_stage(cause, "protocol")


def is_about_address(cause: str) -> bool:
    """Return whether nginx's files and the server's say different addresses: either of them may be the mistake."""
    return _is_of_stage(cause, "address")


def is_about_way(cause: str) -> bool:
    """Return whether it lies between nginx and an address at which something may listen."""
    return _is_of_stage(cause, "way")


def _is_of_stage(cause: str, name: str) -> bool:
    return any(stage.name == name and cause in stage.causes for stage in STAGES)


def does_reveal_next(cause: str) -> bool:
    """Return whether a repair of this cause can show the next fault of the same kind."""
    return any(stage.reveals_next and cause in stage.causes for stage in STAGES)


def weigh_hidden(diagnosis: Diagnosis, answering: Collection[str] = ()) -> tuple[Check, ...]:
    """Return the checks; what comes only after a fault on the way of a request is not ruled out by a host on which that
    fault keeps all of them away: it may be the next one. `answering` are the routes whose backends answered fixer
    directly: what would have kept that answer away is ruled out."""
    failing = {entry.route for entry in diagnosis.health if entry.state == "failing"}
    hiding = [found for found in diagnosis.findings if found.role == "root" and found.is_proven_fault
              and failing.issuperset(found.routes)] if failing else []
    return tuple(replace(check, verdict=hidden) if isinstance(check.verdict, RuledOut) and (
        hidden := _hidden_by(hiding, check.cause, answering)) else check for check in diagnosis.checks)


def _hidden_by(hiding: Iterable[Finding], cause: str, answering: Collection[str]) -> Undetermined | None:
    """Return what keeps the cause from being seen, if something does."""
    by = next((found.cause for found in hiding if _hides(found, cause, answering)), None)
    return None if by is None else Undetermined((f"what shows once {by} is repaired",))


def _hides(found: Finding, cause: str, answering: Collection[str]) -> bool:
    """Return whether the cause would not show beside a fault that keeps all requests away. Within a stage, too: a
    program that ends names one reason."""
    at = _STAGE_OF.get(cause)
    if at is None:
        return False        # of another package: nobody knows where it is on the way
    stage = STAGES[at]
    if cause in _SHOWN_BY_REQUESTS or stage.needs_requests:
        return True
    is_refuted = stage.refuted_by_answer and bool(found.routes) and all(route in answering for route in found.routes)
    return not is_refuted and at >= _stage_of_finding(found)


def _stage_of_finding(found: Finding) -> int:
    """Return where it is on the way. What nginx's requests meet comes before the service that they do not reach."""
    at = _STAGE_OF.get(found.cause, len(STAGES))
    return min(at, _LAST_OF_NGINX) if found.is_met_first else at


def demote_explained(findings: Sequence[Finding]) -> list[Finding]:
    """Turn findings that another one explains into its consequences, repaired with their root."""
    places: dict[str, list[int]] = {}
    for at, finding in enumerate(findings):
        places.setdefault(finding.cause, []).append(at)
    explained = [[at for cause in explained_causes(other) for at in places.get(cause, ())
                  if _explains(other, findings[at])] for other in findings]
    explaining: list[list[int]] = [[] for _ in findings]
    for by, found in enumerate(explained):
        for at in found:
            explaining[at].append(by)
    shown = [_reachable(explained, at) for at in range(len(findings))]
    return [
        replace(finding, role="consequence", repairs=())
        if any(by not in shown[at] or _precedence(findings[by]) < _precedence(finding) for by in explaining[at])
        else finding
        for at, finding in enumerate(findings)
    ]


def _reachable(explained: Sequence[Sequence[int]], start: int) -> set[int]:
    """Return what the finding explains, itself or through others."""
    found: set[int] = set()
    ahead = [start]
    while ahead:
        ahead += (new := set(explained[ahead.pop()]) - found)
        found |= new
    return found


def _precedence(finding: Finding) -> tuple[bool, int]:
    """Return which of two findings that explain each other stays, the lower one: that of the closer look, which states
    its effects, else the one nearer to nginx's start."""
    return finding.effects is None, rank_of(finding.cause)


def effects_of(finding: Finding) -> tuple[Effect, ...]:
    """Return the effects that the finding states, else those of its cause."""
    return finding.effects if finding.effects is not None else EFFECTS_OF.get(finding.cause, ())


def explained_causes(finding: Finding, *, here: bool = True) -> frozenset[str]:
    """Return the causes that the finding explains wherever both are at one place; `here`: at one node, too."""
    names = (finding.cause, f"{finding.cause}/{finding.variant}")
    shown = {cause for effect in effects_of(finding) if here or effect not in ON_THE_NODE
             for cause in _shown_as(effect, finding.cause)}
    return frozenset(shown.union(*(ALSO.get(name, ()) for name in names)).difference(
        (finding.cause,), *(NOT.get(name, ()) for name in names)))


def _shown_as(effect: Effect, cause: str) -> tuple[str, ...]:
    causes = EFFECTS[effect]
    return causes[causes.index(cause) + 1:] if effect in CHAINS and cause in causes else causes


def _explains(other: Finding, finding: Finding) -> bool:
    # what stops nginx is no consequence of its end
    here = other.node == finding.node and "nginx-stops" not in effects_of(finding)
    if not other.is_at_fault or not finding.is_at_fault or finding.cause not in explained_causes(other, here=here):
        return False
    if finding.is_met_first and not other.is_met_first and finding.cause in EFFECTS["stale-config"]:
        return False        # what nginx asks proves it: it needs no explanation
    if finding.is_met_first and _is_of_stage(other.cause, "unit"):
        return False        # two files say different addresses: they do so also when the service runs
    if (other.confidence, finding.confidence) == ("possible", "certain"):
        return False        # what is only possible may be wrong, and would hide what is seen
    if other.service is not None and other.service == finding.service and other.node == finding.node:
        return True
    if other.service and finding.service and "run-ends" in effects_of(other) and any(
            has_only_starts(repair.steps) for repair in finding.repairs):
        return False        # two members of a group: a kill of one does not explain why the other was stopped
    return bool(set(other.routes) & set(finding.routes)) or (not other.routes and other.node == finding.node)
