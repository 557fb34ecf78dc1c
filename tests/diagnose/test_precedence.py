"""Tests of fixer/diagnose/precedence.py."""

from __future__ import annotations

from itertools import chain
from typing import Literal, get_args

import pytest

from fixer.causes import load_causes
from fixer.diagnose import precedence
from fixer.diagnose.precedence import (
    ALSO,
    CHAINS,
    EFFECTS,
    EFFECTS_OF,
    NOT,
    STAGES,
    _explains,
    demote_explained,
    does_reveal_next,
    explained_causes,
    rank_of,
    weigh_hidden,
)
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import (
    Check,
    Confidence,
    Diagnosis,
    Effect,
    Finding,
    Repair,
    Role,
    RouteHealth,
    RuledOut,
    Undetermined,
)
from fixer.model.facts import Evidence
from fixer.model.plan import UnitAction

CAUSES = {cause.id: cause for cause in load_causes()}
SEEN = (Evidence("probe", "w", "t"),)


def finding(cause: str, variant: str | None = None, effects: tuple[Effect, ...] | None = None) -> Finding:
    return Finding(cause, variant, "root", "certain", "s", (), ("r1",), "shop.service", "local", SEEN, effects=effects)


def roles(*findings: Finding) -> list[str]:
    return [found.role for found in demote_explained(findings)]


def test_what_cannot_explain_one_another_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three thousand dead backends of one look took 19 seconds."""
    compared: list[str] = []

    def count(other: Finding, one: Finding) -> bool:
        compared.append(one.cause)
        return _explains(other, one)

    monkeypatch.setattr(precedence, "_explains", count)
    assert roles(finding("crash-oom"), *[finding("backend-down")] * 50) == ["root", *["consequence"] * 50]
    assert compared == ["backend-down"] * 50


def test_every_cause_has_one_stage() -> None:
    assert sorted(cause for stage in STAGES for cause in stage.causes) == sorted(CAUSES)


def test_what_is_nearer_to_the_start_of_nginx_is_repaired_first() -> None:
    assert rank_of("nginx-config-invalid") < rank_of("crash-missing-env") < rank_of("backend-down") < rank_of("wrong-port")
    assert rank_of("moon-phase") > max(map(rank_of, CAUSES)), "a cause of another package is the last"


def test_a_unit_reports_one_fault_at_a_time() -> None:
    assert [cause for cause in sorted(CAUSES) if does_reveal_next(cause)] == ["unit-misconfigured"]


def test_a_run_that_ends_does_not_explain_why_another_member_was_stopped() -> None:
    start = Repair("start-service", "safe", "start it", (UnitAction("local", "b.service", "start", "inactive", "enabled"),))
    stopped = replace(finding("backend-down"), service="b.service", repairs=(start,))
    assert roles(finding("crash-code-error"), stopped) == ["root", "root"]
    assert roles(finding("crash-dependency-down"), stopped) == ["root", "consequence"], "it stops those that need it"
    assert roles(finding("crash-code-error"), replace(stopped, service="shop.service")) == ["root", "consequence"]


def test_of_two_that_explain_each_other_the_closer_look_stays() -> None:
    published = finding("wrong-port", "docker-proxy-no-listener", ("nothing-listens", "wrong-place"))
    assert roles(finding("wrong-bind-address"), published) == ["consequence", "root"], "it states its effects"
    assert roles(published, finding("wrong-bind-address")) == ["root", "consequence"]
    killed, gave_up = finding("crash-killed"), finding("crash-loop-gave-up")
    assert roles(gave_up, killed) == ["consequence", "root"], "the kill is nearer to the start"


def test_a_circle_of_three_keeps_a_root() -> None:
    stale = finding("dns-stale", "docker-alias-collision", ("wrong-place",))
    circle = (finding("network-detached", effects=("address-lost",)), stale, finding("wrong-host", effects=("wrong-name",)))
    assert roles(*circle) == ["root", "consequence", "consequence"]
    assert roles(circle[2], circle[1], circle[0]) == ["consequence", "consequence", "root"]


@pytest.mark.parametrize(("confidence", "role"), [("possible", "root"), ("likely", "consequence")])
def test_what_is_only_possible_does_not_explain_what_is_certain(confidence: Confidence, role: Role) -> None:
    host = replace(finding("wrong-host"), confidence=confidence)
    assert roles(host, finding("backend-down")) == ["root", role]
    assert roles(host, replace(finding("backend-down"), confidence="likely")) == ["root", "consequence"]


@pytest.mark.parametrize("cause", sorted(set(CAUSES) - {"slow-start"}))
def test_a_slow_start_is_explained_by_whatever_ends_or_hides_the_run(cause: str) -> None:
    ends = {"run-ends", "dependents-end", "nothing-listens", "no-answer"} & set(EFFECTS_OF.get(cause, ()))
    assert ("slow-start" in explained_causes(finding(cause))) is bool(ends)


def test_a_hung_backend_explains_its_full_queue_and_the_timeouts() -> None:
    hung = finding("backend-hung", "event-loop-blocked")
    assert roles(hung, finding("backlog-full"), finding("timeout-too-short")) == ["root", "consequence", "consequence"]
    trickled = finding("timeout-too-short", "header-trickle-timeout", ("looks-busy", "no-answer", "stale-config"))
    assert roles(hung, trickled) == ["consequence", "root"], "an answer that trickles looks hung"


def test_every_reason_of_an_exit_explains_the_kill() -> None:
    for root in (finding("disk-full", effects=("run-ends", "last-words")), finding("crash-missing-env"),
                 finding("wrong-bind-address", effects=("run-ends", "nothing-listens"))):
        assert roles(root, finding("crash-killed")) == ["root", "consequence"]
    assert roles(finding("wrong-protocol"), finding("worker-recycled")) == ["root", "consequence"]


def test_a_name_without_a_container_explains_no_mistake_in_nginxs_files() -> None:
    """That nginx resolves no name is no nginx-config-invalid: it reads its files first, and tells of their mistake then."""
    awaited = finding("crash-dependency-down", "start-dependency-failed", ("nothing-listens", "nginx-stops"))
    assert roles(awaited, finding("nginx-config-invalid"), finding("nginx-down")) == ["root", "root", "consequence"]
    assert roles(finding("nginx-config-invalid"), finding("dns-unresolved")) == ["root", "root"]


def test_a_rule_on_the_way_to_the_wrong_place_is_a_consequence() -> None:
    collision = finding("dns-stale", "docker-alias-collision", ("wrong-place", "packets-blocked", "looks-busy", "stale-config"))
    for cause in ("firewall-drop", "firewall-reject"):
        assert roles(collision, finding(cause)) == ["root", "consequence"]
        assert roles(finding("network-detached"), finding(cause)) == ["root", "consequence"]


def test_a_denied_connect_says_nothing_about_the_backend() -> None:
    assert roles(finding("mac-denied"), finding("backend-down"), finding("dns-stale")) == ["root", "root", "consequence"]


def test_a_refused_pair_follows_from_no_effect() -> None:
    served = finding("backend-down", effects=("nothing-listens", "stale-config"))
    assert roles(served, finding("wrong-port")) == ["root", "root"]
    assert roles(finding("mac-denied"), finding("firewall-drop")) == ["root", "root"]


def test_every_effect_is_in_the_table_and_explains_causes() -> None:
    assert set(EFFECTS) == set(get_args(Effect)) and set(EFFECTS) >= CHAINS
    assert set(chain.from_iterable(EFFECTS.values())) <= set(CAUSES)


def test_every_name_in_the_tables_is_a_cause_or_its_variant() -> None:
    assert set(EFFECTS_OF) <= set(CAUSES)
    for name in (*ALSO, *NOT):
        cause, _, variant = name.partition("/")
        assert cause in CAUSES and (not variant or variant in CAUSES[cause].variants), name
    assert set(chain(*ALSO.values(), *NOT.values())) <= set(CAUSES)


STATED: dict[str, tuple[Effect, ...]] = {"backend-down": ("nothing-listens",)}      # effects of single findings


def test_every_exception_has_a_reason_and_changes_something() -> None:
    for name, pairs in (*ALSO.items(), *NOT.items()):
        cause = name.partition("/")[0]
        effects = (*EFFECTS_OF.get(cause, ()), *STATED.get(cause, ()))
        follows = {other for effect in effects for other in EFFECTS[effect]}
        assert all(pairs.values()) and follows & set(pairs) == (set(pairs) if pairs is NOT.get(name) else set()), name


def test_an_effect_explains_what_it_looks_like() -> None:
    explained = explained_causes(finding("crash-code-error"))
    assert explained == {"crash-killed", "crash-loop-gave-up", "backend-down", "slow-start", "keepalive-race",
                         "connection-reset", "no-live-upstreams"}
    assert roles(finding("crash-code-error"), finding("backend-down")) == ["root", "consequence"]


def test_a_finding_may_have_other_effects_than_its_cause() -> None:
    assert "crash-code-error" not in explained_causes(finding("backend-down"))
    assert "crash-code-error" in explained_causes(finding("backend-down", effects=("last-words",)))
    assert explained_causes(finding("crash-code-error", effects=())) == frozenset()


def test_in_a_chain_only_what_follows_is_explained() -> None:
    dns = explained_causes(finding("dns-unresolved"))
    assert "nginx-down" in dns
    assert explained_causes(finding("nginx-config-invalid")) == {"nginx-down"}


def test_a_pair_beyond_the_effects_may_concern_one_variant() -> None:
    assert "unit-misconfigured" in explained_causes(finding("network-detached", "shared-network-gone"))
    assert "unit-misconfigured" not in explained_causes(finding("network-detached", "docker-icc-disabled"))


def test_nothing_explains_its_own_cause_or_that_of_another_place() -> None:
    assert all(cause not in explained_causes(finding(cause)) for cause in CAUSES)
    elsewhere = replace(finding("backend-down"), service="other.service", routes=("r2",))
    assert roles(finding("crash-code-error"), elsewhere) == ["root", "root"]


@pytest.mark.parametrize("role", ["advice", "consequence"])
def test_what_is_not_at_fault_explains_nothing(role: Role) -> None:
    told = replace(finding("crash-code-error"), role=role)
    assert roles(told, finding("backend-down")) == [role, "root"]


def test_a_cause_of_another_package_explains_what_its_finding_states() -> None:
    assert explained_causes(finding("moon-phase")) == frozenset()
    assert explained_causes(finding("moon-phase", effects=("stale-config",))) == {"nginx-not-reloaded", "no-live-upstreams"}


def test_a_container_that_ended_explains_only_what_ran_in_it() -> None:
    """nginx and its backends in one container are one fault; a backend that is stopped in its own is a second one."""
    ended = replace(finding("nginx-down", "nginx-stopped", ("node-ends",)), node="edge", service="edge")
    beside = replace(finding("backend-down"), node="edge", service=None)
    assert roles(ended, beside) == ["root", "consequence"]
    assert roles(ended, replace(beside, node="api", service="api")) == ["root", "root"]
    assert roles(replace(ended, effects=None), beside) == ["root", "root"], "only nginx is missing: its container runs"


def verdicts(*findings: Finding, state: Literal["failing", "degraded"] = "failing", answering: tuple[str, ...] = ()) -> dict[str, object]:
    """The verdict on each cause that nothing shows, on a host whose only route is in that state."""
    checks = tuple(Check(cause, RuledOut(SEEN)) for cause in CAUSES if cause not in {found.cause for found in findings})
    made = Diagnosis("broken", findings, checks, (RouteHealth("r1", state, "502"),), ())
    return {check.cause: check.verdict for check in weigh_hidden(made, answering)}


@pytest.mark.parametrize(("root", "hidden", "ruled_out"), [
    ("nginx-down", ("header-too-big", "worker-recycled", "backend-hung", "crash-code-error", "wrong-port", "firewall-drop"), ()),
    ("crash-file-access", ("crash-missing-env", "crash-code-error", "wrong-protocol", "disk-full", "wrong-host"),
     ("nginx-down", "dns-unresolved", "firewall-drop", "unit-misconfigured")),
    ("unit-misconfigured", ("crash-missing-env", "slow-start", "dns-stale", "crash-loop-gave-up"), ("network-detached", "no-resolver")),
    ("wrong-port", ("wrong-host", "header-too-big"), ("backend-down", "crash-oom", "dns-stale", "wrong-server-block")),
])
def test_what_no_request_comes_to_is_not_ruled_out(root: str, hidden: tuple[str, ...], ruled_out: tuple[str, ...]) -> None:
    found = verdicts(finding(root))
    assert {found[cause] for cause in hidden} == {Undetermined((f"what shows once {root} is repaired",))}
    assert {found[cause] for cause in ruled_out} <= {RuledOut(SEEN)}


def test_each_proven_fault_hides_what_comes_after_it() -> None:
    """Two services: the one that nginx meets first says nothing of why the other one ends."""
    found = verdicts(finding("wrong-port"), finding("crash-code-error"))
    assert found["crash-file-access"] == Undetermined(("what shows once crash-code-error is repaired",))


def test_backends_that_answered_directly_rule_out_what_lies_before_their_answer() -> None:
    """nginx is down and its backend answers: what nginx decides, and what a visitor's request shows, is open."""
    found = verdicts(finding("nginx-down"), answering=("r1",))
    assert {found[cause] for cause in ("crash-code-error", "backend-down", "wrong-port", "firewall-drop")} == {RuledOut(SEEN)}
    hidden = {found[cause] for cause in ("header-too-big", "invalid-proxy-target", "wrong-server-block", "no-live-upstreams")}
    assert hidden == {Undetermined(("what shows once nginx-down is repaired",))}


def test_a_cause_of_another_package_is_not_weighed() -> None:
    """Nobody knows where it is on the way."""
    made = Diagnosis("broken", (finding("nginx-down"),), (Check("moon-phase", RuledOut(SEEN)),), (RouteHealth("r1", "failing", ""),))
    assert weigh_hidden(made)[0].verdict == RuledOut(SEEN)


def test_where_some_requests_pass_or_nothing_is_at_fault_absence_is_a_proof() -> None:
    """Advice keeps no request away."""
    for seen in (verdicts(finding("crash-file-access"), state="degraded"), verdicts(),
                 verdicts(replace(finding("crash-file-access"), role="advice"))):
        assert set(seen.values()) == {RuledOut(SEEN)}
