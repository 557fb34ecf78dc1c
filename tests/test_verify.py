"""Two looks compared, and the proofs of health: gone is gone, a route that stopped is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.model.diagnosis import Check, Diagnosis, Finding, Found, Need, Repair, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Listen, Span
from fixer.model.snapshot import ProbeResult, Snapshot
from fixer.verify import Observation, compare, proofs, url_notes
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NGINX_PID,
    REFUSED,
    Scene,
    healthy_scene,
    listener,
    probe,
    service,
    stopped_service,
    wrong_port_scene,
)
from tests.verify_builders import look, two_routes, with_health

RESET = probe(error="reset", phase="head")


def fault(found: Observation) -> Finding:
    return found.diagnosis.findings[0]


def test_a_healthy_look_after_is_better() -> None:
    before = look(wrong_port_scene())
    assert fault(before).cause == "wrong-port"
    judged = compare(before, look(healthy_scene()), fault(before))
    assert judged.is_better and judged.is_fixed and judged.regressions == ()


def test_the_same_finding_after_is_not_better() -> None:
    before = look(wrong_port_scene())
    judged = compare(before, before, fault(before))
    assert not judged.is_better and not judged.is_fixed


def test_another_fault_may_remain() -> None:
    before = look(wrong_port_scene())
    other = replace(fault(before), cause="crash-killed")
    after = with_health(before, "failing", findings=(other,))
    assert compare(before, after, fault(before)).is_better


@pytest.mark.parametrize(("asked", "better"), [(("DB_URL",), True), (("SECRET_KEY",), False), (("SECRET_KEY", "DB_URL"), False),
                                               ((), False)])
def test_the_next_variable_that_is_missing_is_another_fault(asked: tuple[str, ...], better: bool) -> None:
    before = look(wrong_port_scene())
    mine, next_one = (
        replace(fault(before), repairs=(Repair("set", "disruptive", "s", (), tuple(Need(k, "value", "w") for k in keys)),))
        for keys in (("SECRET_KEY",), asked)
    )
    after = with_health(before, "failing", findings=(next_one,))
    assert compare(before, after, mine).is_better is better


def test_what_cannot_be_told_after_is_not_better() -> None:
    before = look(wrong_port_scene())
    after = with_health(before, "failing", checks=(Check("wrong-port", Undetermined(("not root",))),))
    assert not compare(before, after, fault(before)).is_better


@pytest.mark.parametrize(("changes", "better"), [
    ({}, True), ({"confidence": "likely"}, False), ({"role": "consequence"}, False), ({"routes": ()}, False),
])
def test_what_another_cause_hides_now_is_no_doubt_about_the_first(changes: dict[str, Any], better: bool) -> None:
    """A dropped connection hid that nginx gets no memory for the answer; what fails so says nothing of the filter."""
    before = look(wrong_port_scene())
    other = replace(fault(before), cause="nginx-down", **{"confidence": "certain", **changes})
    after = with_health(before, "failing", findings=(other,), checks=(Check("wrong-port", Undetermined(("no tool",))),))
    assert compare(before, after, fault(before)).is_better is better
    both = with_health(before, "failing", findings=(fault(before), other))      # that one was there all the time
    assert not compare(both, after, fault(before)).is_better


@pytest.mark.parametrize(("role", "routes", "better"), [
    ("consequence", ("r1",), True), ("root", ("r1",), False), ("consequence", ("r1", "r2"), False),
])
def test_what_shows_its_own_cause_by_now_is_that_ones_consequence(role: str, routes: tuple[str, ...], better: bool) -> None:
    """A unit that had given up, with no reason in its log, is started once more and says what ends it."""
    before = two_routes()
    gave_up = replace(fault(look(wrong_port_scene())), cause="crash-loop-gave-up", routes=("r1",), service="s")
    reason = replace(gave_up, cause="crash-dependency-down", routes=("r1",))
    known = with_health(before, "failing", "ok", findings=(gave_up,))
    now = replace(gave_up, role=role, routes=routes)    # type: ignore[arg-type]
    assert compare(known, with_health(before, "failing", "ok", findings=(reason, now)), gave_up).is_better is better
    there = with_health(before, "failing", "ok", findings=(reason, gave_up))
    assert not compare(there, with_health(before, "failing", "ok", findings=(reason, now)), gave_up).is_better


DOUBT = ("which service belongs behind 127.0.0.1:8002",)


def neighbours(*, said: bool) -> tuple[Observation, Finding]:
    """The first of two failing routes has a wrong port; of the second nothing is known, which a look may have said."""
    both = look(Scene("127.0.0.1:8001", "127.0.0.1:8002").answers(BAD_GATEWAY).answers(BAD_GATEWAY, route=1))
    mine = replace(fault(both), cause="wrong-port", routes=("r1",))
    check = Check("wrong-port", Found((mine,), DOUBT if said else ()))
    return with_health(both, "failing", "failing", findings=(mine,), checks=(check,)), mine


@pytest.mark.parametrize(("state", "said", "better"), [
    ("ok", False, True), ("degraded", True, True), ("failing", True, False), ("failing", False, False),
])
def test_a_doubt_about_a_neighbour_takes_no_repair_back(state: str, said: bool, better: bool) -> None:
    before, mine = neighbours(said=said)
    after = with_health(before, state, "failing", checks=(Check("wrong-port", Undetermined(DOUBT)),))
    assert compare(before, after, mine).is_better is better


def by_mechanism(state: str = "ok") -> tuple[Observation, Finding]:
    """A route that answers although a cause is found, as with uploads that fail."""
    first = look(wrong_port_scene())
    mine = replace(fault(first), repairs=(Repair("reload", "disruptive", "s", (), proof="mechanism"),))
    return with_health(first, state, findings=(mine,), checks=(Check("wrong-port", Found((mine,), DOUBT)),)), mine


@pytest.mark.parametrize(("checks", "better"), [
    ((Check("wrong-port", RuledOut(())),), True),
    ((Check("wrong-port", Undetermined(("error.log: not readable",))),), False),
    ((Check("wrong-port", Undetermined(("error.log: not readable", *DOUBT))),), False),
    ((Check("wrong-port", Undetermined(())),), False),
    ((Check("wrong-port", Undetermined(DOUBT)),), True),        # unknown before too, beside the finding: of another place
])
def test_where_only_the_mechanism_proves_it_a_healthy_look_is_no_proof(checks: tuple[Check, ...], better: bool) -> None:
    before, mine = by_mechanism()
    after = with_health(before, "ok", checks=checks)
    assert after.is_healthy and compare(before, after, mine).is_better is better
    answered = replace(mine, repairs=(replace(mine.repairs[0], proof="answers"),))
    assert compare(before, after, answered).is_better


def test_where_only_the_mechanism_proves_it_another_certain_fault_does_not_hide_the_first() -> None:
    before, mine = by_mechanism()
    other = replace(mine, cause="nginx-down", repairs=())
    after = with_health(before, "failing", findings=(other,), checks=(Check("wrong-port", Undetermined(("no tool",))),))
    assert not compare(before, after, mine).is_fixed


def test_a_mechanism_that_is_gone_is_kept_only_if_no_route_is_worse() -> None:
    for was, now, better in (("ok", "ok", True), ("ok", "degraded", False), ("degraded", "degraded", True), ("degraded", "failing", False)):
        before, mine = by_mechanism(was)
        after = with_health(before, now, checks=(Check("wrong-port", RuledOut(())),))
        assert compare(before, after, mine).is_better is better
    before, mine = by_mechanism()
    assert not compare(before, before, mine).is_fixed       # still found


def test_a_pause_that_is_over_is_seen_directly() -> None:
    before, mine = by_mechanism()
    paused = replace(mine, variant="container-paused", is_seen_directly=True)
    after = with_health(before, "ok", checks=(Check("wrong-port", Undetermined(("no tool",))),))
    assert compare(before, after, paused).is_better


def test_advice_of_the_same_cause_is_no_fault() -> None:
    before = look(wrong_port_scene())
    after = with_health(before, "failing", findings=(replace(fault(before), role="advice"),))
    assert compare(before, after, fault(before)).is_fixed


def test_the_same_cause_on_another_route_of_the_service_is_another_fault() -> None:
    before = two_routes()
    mine = replace(fault(look(wrong_port_scene())), routes=("r1",), service="s")
    other = replace(mine, routes=("r2",))
    assert compare(before, with_health(before, "ok", "failing", findings=(other,)), mine).is_fixed
    assert not compare(before, with_health(before, "ok", "failing", findings=(replace(mine, routes=("r1", "r2")),)), mine).is_fixed


def test_the_same_cause_of_another_server_of_the_upstream_is_another_fault() -> None:
    before = two_routes()
    mine = replace(fault(look(wrong_port_scene())), routes=("r1",), service="pool1")
    other = replace(mine, service="pool3")
    known = with_health(before, "degraded", "ok", findings=(mine, other))
    assert compare(known, with_health(before, "degraded", "ok", findings=(other,)), mine).is_better
    assert not compare(known, known, mine).is_fixed
    unknown = with_health(before, "degraded", "ok", findings=(mine,))
    assert not compare(unknown, with_health(before, "degraded", "ok", findings=(other,)), mine).is_fixed


@pytest.mark.parametrize(("was", "seen", "now", "better"), [
    ("container-paused", True, "event-loop-blocked", True), ("backend-sigstop", True, None, True),
    ("container-paused", True, "container-paused", False), ("event-loop-blocked", False, "hang-mid-body", False),
])
def test_a_server_that_goes_on_and_answers_nobody_for_another_reason(was: str, seen: bool, now: str | None, better: bool) -> None:
    """A pause is plainly seen, and then no more: what it hid is the next to be mended."""
    before = two_routes()
    mine = replace(fault(look(wrong_port_scene())), cause="backend-hung", variant=was, service="shop", routes=("r1",),
                   is_seen_directly=seen)
    after = with_health(before, "failing", "ok", findings=(replace(mine, variant=now),))
    assert compare(with_health(before, "failing", "ok", findings=(mine,)), after, mine).is_better is better


@pytest.mark.parametrize("seen", [True, False])
def test_a_pause_that_is_over_is_gone_whatever_is_not_known_since(seen: bool) -> None:
    """Of a server that goes on and takes nobody for another reason nobody can tell whether it hangs as well."""
    before = two_routes()
    mine = replace(fault(look(wrong_port_scene())), cause="backend-hung", variant="container-paused", service="shop", routes=("r1",),
                   is_seen_directly=seen)
    unsure = Check("backend-hung", Undetermined(("whether shop still finishes requests",)))
    next_one = replace(mine, cause="fd-exhausted", variant="backend-fd-limit", confidence="likely")
    silent = with_health(before, "failing", "ok", findings=(mine,))
    silent = replace(silent, diagnosis=replace(silent.diagnosis, health=(replace(silent.diagnosis.health[0], reason="no answer"),
                                                                         *silent.diagnosis.health[1:])))
    after = with_health(before, "failing", "ok", findings=(next_one,), checks=(unsure,))
    assert compare(silent, after, mine).is_better is seen


def test_without_routes_the_service_decides() -> None:
    before = two_routes()
    mine = replace(fault(look(wrong_port_scene())), routes=(), service="a")
    same, other = replace(mine, summary="again"), replace(mine, service="b")
    assert not compare(before, with_health(before, "failing", "ok", findings=(same,)), mine).is_fixed
    assert compare(before, with_health(before, "failing", "ok", findings=(other,)), mine).is_fixed


@pytest.mark.parametrize(("was", "now", "regressed"), [
    ("ok", "failing", True), ("ok", "degraded", True), ("ok", "unknown", True), ("degraded", "failing", True),
    ("degraded", "ok", False), ("failing", "failing", False), ("unknown", "failing", False), ("ok", "ok", False),
])
def test_a_route_that_answered_must_go_on_answering(was: str, now: str, regressed: bool) -> None:
    base = two_routes()
    mine = fault(look(wrong_port_scene()))
    judged = compare(with_health(base, "failing", was), with_health(base, "ok", now), mine)
    assert bool(judged.regressions) is regressed
    assert judged.is_better is not regressed


def test_a_route_that_is_gone_is_a_regression() -> None:
    base = two_routes()
    gone = replace(base.snapshot, routes=base.snapshot.routes[:1])
    judged = compare(with_health(base, "failing", "ok"), Observation(gone, with_health(base, "ok").diagnosis), fault(look(wrong_port_scene())))
    assert judged.regressions == ("/1 on _ (0.0.0.0:80) is missing now",)


def test_a_route_is_the_same_when_its_number_changes() -> None:
    base = two_routes()
    first, second = base.snapshot.routes
    turned = replace(base.snapshot, routes=(
        replace(second, route=replace(second.route, id="r1")), replace(first, route=replace(first.route, id="r2")),
    ))
    after = Observation(turned, with_health(base, "ok", "ok").diagnosis)
    assert compare(with_health(base, "failing", "ok"), after, fault(look(wrong_port_scene()))).is_better


def test_of_two_routes_with_one_name_the_worse_counts() -> None:
    base = two_routes()
    first, second = base.snapshot.routes
    doubled = replace(base.snapshot, routes=(first, replace(second, route=replace(second.route, location="/"))))
    before = Observation(doubled, with_health(base, "ok", "ok").diagnosis)
    after = Observation(doubled, with_health(base, "ok", "failing").diagnosis)
    assert compare(before, after, fault(look(wrong_port_scene()))).regressions


def states(found: Observation) -> dict[str, str]:
    return {proof.check: proof.state for proof in proofs(found)}


def with_nginx(seen: Snapshot, **changes: object) -> Snapshot:
    return replace(seen, nginxes=tuple(replace(nginx, **changes) for nginx in seen.nginxes))  # type: ignore[arg-type]


def test_a_healthy_host_is_proven() -> None:
    good = look(healthy_scene())
    good = replace(good, snapshot=with_nginx(good.snapshot, test=Known((0, "syntax is ok"))))
    assert set(states(good).values()) == {"passed"}
    assert good.diagnosis.verdict == "healthy"


def test_what_fails_is_shown() -> None:
    bad = look(wrong_port_scene())
    refusal = "nginx: [warn] x\nnginx: [emerg] unknown directive"
    bad = replace(bad, snapshot=with_nginx(bad.snapshot, test=Known((1, refusal)), master_pid=None))
    assert set(states(bad).values()) == {"failed"}
    assert next(proof.text for proof in proofs(bad)) == "nginx: [emerg] unknown directive"
    assert bad.diagnosis.verdict == "broken"


def test_a_refusal_without_words_is_one_too() -> None:
    bad = replace(look(healthy_scene()), snapshot=with_nginx(healthy_scene().snapshot(), test=Known((1, ""))))
    assert proofs(bad)[0].text == "nginx -t fails"
    assert proofs(bad)[0].state == "failed"


def test_what_was_not_asked_is_unknown() -> None:
    scene = healthy_scene().endpoint(http=Unknown("no probe"))
    found = Observation(scene.snapshot(), Diagnosis("unknown", (), (), ()))
    assert {"nginx-test": "unknown", "backend-answers": "unknown", "route-answers": "unknown"}.items() <= states(found).items()


def test_an_endpoint_without_http_fails_with_its_word() -> None:
    found = look(healthy_scene().endpoint(http=Known(replace(REFUSED, error=None))))
    assert [p.text for p in proofs(found) if p.check == "backend-answers"] == ["no answer"]


def test_an_error_of_the_application_is_called_its_own() -> None:
    """A page of nginx's own kind is not: nginx may have made it."""
    own = probe(500, body="<h1>Server Error (500)</h1>")
    found = look(healthy_scene().answers(own).endpoint(http=Known(own)))
    assert [(p.state, p.text) for p in proofs(found) if p.check == "route-answers"] == [
        ("passed", "answers 500, which nginx only passes on")]
    limited = look(healthy_scene().answers(probe(503, body="<center>nginx</center>")))
    assert ["passes on" in p.text for p in proofs(limited) if p.check == "route-answers"] == [False]


@pytest.mark.parametrize(("answer", "state"), [
    (probe(502, body="<center>nginx/1.30.0</center>"), "unknown"), (probe(500, body="<center>nginx</center>"), "failed"),
    (probe(404, body="<center>nginx</center>"), "passed"), (probe(502, body="shop: the store is closed"), "passed"),
])
def test_an_error_page_of_nginx_is_no_answer_of_a_backend(answer: ProbeResult, state: str) -> None:
    """nginx hands the requests to itself, or to a gateway whose own backend is down: that one passes a 502 on."""
    found = look(healthy_scene().answers(BAD_GATEWAY).endpoint(http=Known(answer)))
    assert states(found)["backend-answers"] == state


def test_a_url_that_is_well_here_points_in_front() -> None:
    good = look(healthy_scene())
    assert url_notes(good, "") == ()
    assert "in front of it" in url_notes(good, "http://shop.example/x")[0]
    assert url_notes(look(wrong_port_scene()), "http://shop.example/x") == ()
    own = look(healthy_scene().answers(probe(500)).endpoint(http=Known(probe(500))))
    assert own.is_healthy and url_notes(own, "http://shop.example/x") == (), "what the user sees is its own error"
    assert "no route" in url_notes(replace(good, snapshot=replace(good.snapshot, routes=())), "http://x/")[0]


def test_a_url_whose_route_has_a_finding_does_not_point_in_front() -> None:
    """A page may fail only for some requests."""
    good = look(healthy_scene())
    (found,) = [f for f in look(wrong_port_scene()).diagnosis.findings if f.role == "root"]
    at_fault = replace(good, diagnosis=replace(good.diagnosis, findings=(found,)))
    assert url_notes(at_fault, "http://shop.example/x") == ()


def test_the_longest_prefix_takes_a_url() -> None:
    base = two_routes()
    well = with_health(base, "failing", "ok")
    assert url_notes(well, "http://a:80/1/x") and not url_notes(well, "http://a:80/2")


@pytest.mark.parametrize(("root", "said", "state"), [
    (False, '[emerg] 9#9: open() "/run/nginx.pid" failed (13: Permission denied)', "unknown"),
    (True, '[emerg] 9#9: open() "/etc/nginx/x" failed (13: Permission denied)', "failed"),
    (False, '[emerg] 9#9: unknown directive "x" in /etc/nginx/nginx.conf:3', "failed"),
])
def test_what_an_ordinary_user_may_not_open_is_no_refusal_of_nginx(root: bool, said: str, state: str) -> None:
    found = look(healthy_scene())
    nodes = tuple(replace(node, root=root) for node in found.snapshot.nodes)
    nginxes = tuple(replace(nginx, test=Known((1, f"[warn] the user directive\n{said}\n"))) for nginx in found.snapshot.nginxes)
    told = replace(found, snapshot=replace(found.snapshot, nodes=nodes, nginxes=nginxes))
    assert [proof.state for proof in proofs(told) if proof.check == "nginx-test"] == [state]


@pytest.mark.parametrize(("now", "better"), [
    ({"variant": "start-type-notify-timeout"}, True), ({}, False), ({"variant": None}, False),
    ({"variant": "start-type-notify-timeout", "cause": "unit-misconfigured", "service": "other.service"}, False),
])
def test_systemd_tells_one_fault_of_a_unit_after_the_other(now: dict[str, object], better: bool) -> None:
    """The folder is right now, and its type is wrong still: that is the next round's."""
    before = look(wrong_port_scene())
    mine = replace(fault(before), cause="unit-misconfigured", variant="start-200-chdir", service="backend.service")
    after = with_health(before, "failing", findings=(replace(mine, **now),))     # type: ignore[arg-type]
    assert compare(before, after, mine).is_better is better


def test_a_logged_failure_that_is_not_over_is_no_health() -> None:
    lasting = look(healthy_scene().logs("upstream prematurely closed connection", None, "reading response header from upstream",
                                        path="/report?token=s3cret"))
    [proof] = [proof for proof in proofs(lasting) if proof.state == "failed"]
    assert (proof.check, proof.where) == ("no-failure-lasts", "/var/log/nginx/error.log:1")
    assert "1 failed request of /" in proof.text and "s3cret" not in proof.text
    assert lasting.diagnosis.verdict == "degraded"


def test_a_backend_that_only_our_direct_request_does_not_reach_is_no_failure() -> None:
    """nginx answers through it: what it does with a request that comes from elsewhere is its own matter."""
    shut = look(healthy_scene().endpoint(http=Known(replace(REFUSED, error="closed", errno=None, phase="head"))))
    assert (states(shut)["backend-answers"], shut.diagnosis.verdict) == ("unknown", "healthy")


def test_one_error_for_another_is_no_help() -> None:
    before = look(wrong_port_scene())
    judged = compare(before, with_health(before, "failing"), fault(before))
    assert judged.is_fixed and not judged.has_helped and not judged.is_better


@pytest.mark.parametrize(("share", "helped"), [(0.1, True), (0.5, False), (0.6, False)])
def test_a_smaller_share_of_failures_is_help(share: float, helped: bool) -> None:
    seen = look(wrong_port_scene())
    mine = fault(seen)
    before, after = (with_health(seen, "degraded", findings=found) for found in ((mine,), ()))
    before, after = (replace(o, diagnosis=replace(o.diagnosis, health=(replace(o.diagnosis.health[0], failed_share=part),)))
                     for o, part in ((before, 0.5), (after, share)))
    judged = compare(before, after, mine)
    assert judged.has_helped is judged.is_better is helped


@pytest.mark.parametrize(("confidence", "reason", "role", "kept"), [
    ("certain", "failing", "root", True), ("likely", "failing", "root", False), ("likely", "answers 504", "root", True),
    ("possible", "answers 504", "root", False), ("certain", "answers 504", "advice", False),
])
def test_the_next_fault_keeps_a_round_on_credit(confidence: str, reason: str, role: str, kept: bool) -> None:
    before = look(wrong_port_scene())
    mine = fault(before)
    other = replace(mine, cause="crash-killed", confidence=confidence, role=role)      # type: ignore[arg-type]
    after = with_health(before, "failing", findings=(other,))
    after = replace(after, diagnosis=replace(after.diagnosis, health=(replace(after.diagnosis.health[0], reason=reason),)))
    judged = compare(with_health(before, "failing", findings=(mine,)), after, mine)
    assert judged.is_better is kept and not judged.has_helped


@pytest.mark.parametrize(("cause", "met", "confidence", "kept"), [
    ("firewall-reject", RESET, "likely", True), ("firewall-reject", REFUSED, "likely", False),
    ("firewall-reject", RESET, "possible", False), ("wrong-port", RESET, "likely", False),
])
def test_a_way_that_is_open_now_keeps_a_round_on_credit_where_the_next_fault_shows(
        cause: str, met: ProbeResult, confidence: str, kept: bool) -> None:
    """Without the rule of the firewall nginx meets the program that holds the port: the page is 502 as before."""
    scene = Scene().with_service(service(), listener(8000, 300)).answers(BAD_GATEWAY)
    before = look(scene.endpoint(tcp=Known(REFUSED), http=Known(REFUSED)))
    after = look(scene.endpoint(tcp=Known(REFUSED if met is REFUSED else probe()), http=Known(met)))
    mine = replace(fault(look(wrong_port_scene())), cause=cause)
    other = replace(mine, cause="crash-port-in-use", confidence=confidence)     # type: ignore[arg-type]
    judged = compare(with_health(before, "failing", findings=(mine,)), with_health(after, "failing", findings=(other,)), mine)
    assert judged.is_better is kept and not judged.has_helped


@pytest.mark.parametrize(("awaited", "kept"), [("backend.service", True), ("other.service", False), ("", False)])
def test_a_fault_whose_repair_waited_for_the_service_is_the_next_one(awaited: str, kept: bool) -> None:
    """The page is as before: only once the service listens may nginx be led to it."""
    before = look(Scene().with_service(stopped_service()).refused())
    mine = fault(before)
    other = replace(mine, cause="wrong-port", confidence="likely", repairs=(Repair("x", "manual", "x", (), after=awaited),))
    scene = Scene().with_service(service(), listener(8000, 200)).answers(BAD_GATEWAY)
    after = with_health(look(scene), "failing", findings=(replace(other, repairs=()),))
    judged = compare(with_health(before, "failing", findings=(mine, other)), after, mine)
    assert judged.is_fixed and judged.is_better is kept and not judged.has_helped


@pytest.mark.parametrize(("inner", "kept"), [(True, True), (False, False)])
def test_the_next_fault_of_nginxs_own_server_behind_the_route_keeps_a_round_on_credit(inner: bool, kept: bool) -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").answers(BAD_GATEWAY).answers(BAD_GATEWAY, route=1)
    scene.route[0] = {"listens": (Listen("0.0.0.0", 80, False, False, False, Span("/etc/nginx/nginx.conf", 2, 0, 0)),)}
    scene.route[1] = {"listens": (Listen("127.0.0.1", 8000, False, False, False, Span("/etc/nginx/nginx.conf", 9, 0, 0)),)}
    scene.listeners.append(listener(8000, NGINX_PID if inner else 300))
    scene.endpoint(http=Known(BAD_GATEWAY), tcp=Known(probe()), listener=Known(scene.listeners[-1])).refused(1)
    before = look(scene)
    mine = replace(fault(look(wrong_port_scene())), cause="proxy-protocol-mismatch", service=None, routes=("r1",))
    other = replace(mine, cause="crash-killed", confidence="certain", routes=("r2",), service="backend.service")
    judged = compare(with_health(before, "failing", "failing", findings=(mine, other)),
                     with_health(before, "failing", "failing", findings=(other,)), mine)
    assert judged.is_better is kept and not judged.has_helped


@pytest.mark.parametrize(("states", "confidence", "kept"), [
    (("unknown", "unknown"), "likely", True), (("unknown", "unknown"), "possible", False), (("unknown", "failing"), "likely", True),
    (("unknown", "failing"), "possible", True),
    (("failing", "failing"), "likely", False),
])
def test_where_no_route_can_be_judged_a_likely_fault_keeps_a_round_on_credit(
        states: tuple[str, str], confidence: str, kept: bool) -> None:
    """nginx refuses its configuration, which is for a person, and the backend is stopped: no page can answer better."""
    seen = look(wrong_port_scene())
    mine = fault(seen)
    other = replace(mine, cause="nginx-config-invalid", confidence=confidence)      # type: ignore[arg-type]
    before = with_health(seen, states[0], findings=(mine, other))
    after = with_health(seen, states[1], findings=(other,))
    if states[0] == states[1]:
        after = replace(after, diagnosis=replace(after.diagnosis, health=(replace(after.diagnosis.health[0], reason=states[0]),)))
    judged = compare(before, after, mine)
    assert judged.is_better is kept


def test_a_service_that_had_no_container_listens_in_a_new_one() -> None:
    """Before, it was a name in the files of its project; its container is a node of its own."""
    before = look(Scene().with_service(stopped_service()).refused())
    before = replace(before, snapshot=replace(before.snapshot, services=()))
    mine = replace(fault(look(Scene().with_service(stopped_service()).refused())), node="engine", service="app")
    doubt = Check("backend-down", Undetermined(("log of nginx.service: not asked",)))
    for names, fixed in ((("app",), True), (("app", "app"), False), (("web",), False)):
        scene = Scene(back="app").with_service(replace(service(), node="app", name=names[0]), listener(8000, 200, node="app"))
        scene.services += [replace(service("x", 9000, 300), node=f"app{n}", name=name) for n, name in enumerate(names[1:])]
        after = with_health(look(scene.answers(BAD_GATEWAY)), "failing", findings=(), checks=(doubt,))
        assert compare(with_health(before, "failing", findings=(mine,)), after, mine).is_fixed is fixed


@pytest.mark.parametrize(("runs", "listens", "fixed"), [(True, True, True), (True, False, False), (False, False, False)])
def test_a_service_that_listens_again_is_no_longer_the_fault(runs: bool, listens: bool, fixed: bool) -> None:
    """Another fault keeps the page broken, and its unknown facts are not those of the service."""
    before = look(Scene().with_service(stopped_service()).refused())
    mine = fault(before)
    assert (mine.cause, mine.service) == ("backend-down", "backend.service")
    scene = Scene().with_service(service() if runs else stopped_service(), *([listener(8000, 200)] if listens else []))
    other = replace(mine, cause="invalid-proxy-target", service=None, confidence="likely")
    doubt = Check("backend-down", Undetermined(("log of nginx.service: not asked",)))
    after = with_health(look(scene.answers(BAD_GATEWAY)), "failing", findings=(other,), checks=(doubt,))
    assert compare(before, after, mine).is_fixed is fixed


SILENT, LATE = probe(error="slow"), probe(504, body="<center>nginx</center>")


@pytest.mark.parametrize(("then", "now", "better"), [
    (LATE, SILENT, False), (LATE, probe(200), True), (BAD_GATEWAY, SILENT, True),      # what starts may take its time
])
def test_a_page_that_nginx_waited_for_in_vain_and_that_is_silent_now_is_not_better(
    then: ProbeResult, now: ProbeResult, better: bool) -> None:
    """Another page of the backend is well, so the host is healthy: that proves nothing of this one."""
    before = two_routes()
    mine = replace(fault(before), repairs=())
    first, after = (replace(made.snapshot, routes=tuple(
        replace(facts, probes=Known((answer,))) if facts.route.id in mine.routes else facts for facts in made.snapshot.routes))
        for made, answer in ((before, then), (before, now)))
    health = tuple(replace(one, state="unknown" if now is SILENT and one.route in mine.routes else "ok") for one in before.diagnosis.health)
    done = Observation(after, replace(before.diagnosis, verdict="healthy", findings=(), health=health, checks=()))
    assert compare(replace(before, snapshot=first), done, mine).is_better is better
