"""route-broken: what the kernel's own table says of an address to which connects fail at once."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.causes.route_broken import best_route
from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.firewall import Match
from fixer.model.plan import ContainerAction, RemoveRoute
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.causes.packet_filter_builders import nft_chain, rule
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    TIMED_OUT,
    Scene,
    container_service,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

BROKEN = "route-broken"


def away(ways: Fact[tuple[tuple[str, str], ...]], errno: int = 113, error: str = "unreachable", **changes: Any) -> Scene:
    """A backend on another machine, to which connects fail at once."""
    scene = Scene("203.0.113.9:8000", back="elsewhere").answers(BAD_GATEWAY)
    told = Known(probe(error=error, errno=errno))
    scene.endpoint(**{"tcp": told, "http": told, "listener": Unknown("elsewhere"), "node": None, **changes})
    scene.node_changes["local"] = {"ip_routes": ways}
    return scene.logs(f"connect() to 203.0.113.9:8000 failed ({errno}: x)", errno, "connecting to upstream")


def table(kind: str, network: str = "203.0.113.9/32") -> Known[tuple[tuple[str, str], ...]]:
    return Known((("0.0.0.0/0", "UNICAST"), (network, kind)))


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [BROKEN], roots(diagnosis)
    return diagnosis.findings[0]


@pytest.mark.parametrize(("kind", "errno"), [("UNREACHABLE", 113), ("PROHIBIT", 13), ("BLACKHOLE", 22), ("THROW", 101)])
def test_hit(kind: str, errno: int) -> None:
    shown = found(away(table(kind), errno))
    variant = "route-missing" if kind == "THROW" else f"route-{kind.lower()}"
    (step,) = shown.repairs[0].steps
    assert shown.variant == variant and shown.repairs[0].risk == "disruptive"
    assert step == RemoveRoute("local", kind.lower(), "203.0.113.9/32")     # type: ignore[arg-type]
    assert describe_step(step) == f"delete the {kind.lower()} route to 203.0.113.9/32"
    assert step_from_json(step_to_json(step)) == step


def test_what_the_log_holds_of_before_is_over_once_a_connect_is_refused() -> None:
    """The route was just deleted, nobody asked for the table again, and the next fault shows: the first is gone."""
    refused = Known(probe(error="refused", errno=111))
    after = away(Unknown("not asked"), 13, tcp=refused, http=refused)
    after.logs("connect() to 203.0.113.9:8000 failed (111: Connection refused)", 111, "connecting to upstream")
    assert isinstance(verdict_of(diagnose(after.snapshot()), BROKEN), RuledOut)


def test_a_connect_that_nobody_tried_is_told_by_the_kernels_table_alone() -> None:
    scene = away(table("UNREACHABLE"), tcp=Unknown("asked only once"), http=Unknown("asked only once"))
    scene.events.clear()
    assert found(scene).confidence == "likely"
    for ways in (table("THROW"), table("UNICAST"), Unknown("not asked")):
        scene.node_changes["local"] = {"ip_routes": ways}
        assert BROKEN not in roots(diagnose(scene.snapshot()))


def silent(error: str | None = "slow", *, down: bool = True) -> Scene:
    """A backend on the machine itself, whose port gives no answer."""
    scene = Scene().with_service(service(), listener(8000, 200)).answers(TIMED_OUT)
    told = Known(probe(error=error, errno=None) if error else GOOD)
    scene.endpoint(tcp=told, http=told)
    scene.node_changes["local"] = {"is_loopback_down": down}
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "connecting to upstream")


def test_hit_a_loopback_that_is_down_is_brought_up_by_a_person() -> None:
    shown = found(silent())
    assert (shown.variant, shown.confidence) == ("loopback-down", "certain")
    assert shown.repairs[0].risk == "manual" and "ip link set lo up" in shown.repairs[0].manual
    assert BROKEN not in roots(diagnose(silent(down=False).snapshot()))
    assert BROKEN not in roots(diagnose(silent(error=None).snapshot()))


def test_hit_in_the_network_of_a_container() -> None:
    scene = away(table("PROHIBIT", "203.0.112.0/22"), 13, "permission")
    scene.nginx["service"] = container_service("web", 80)
    scene.nginx["node"] = "local"
    scene.services.append(container_service("web", 80, pid=None))
    scene.services[-1] = type(scene.services[-1])(**{
        name: getattr(scene.services[-1], name) for name in scene.services[-1].__match_args__} | {"node": "local"})
    (step,) = found(scene).repairs[0].steps
    assert isinstance(step, RemoveRoute) and step.container == "p-web-1" and step.container_id
    assert describe_step(step).endswith("of container p-web-1")


def test_hit_no_route_at_all_is_for_a_person() -> None:
    shown = found(away(Known((("10.0.0.0/8", "UNICAST"),)), 101))
    assert shown.variant == "route-missing" and shown.repairs[0].risk == "manual"
    assert "correct the address at local:/etc/nginx/" in shown.repairs[0].manual


@pytest.mark.parametrize("shared", [True, False])
def test_the_way_into_a_network_of_its_own_is_laid_again_by_a_restart_of_the_container(shared: bool) -> None:
    """The route that Docker had laid is gone; to an address of no network of the container's, Docker lays none."""
    scene = away(Known(()), 101)
    scene.nginx["service"] = web = container_service("web", 80)
    assert web.container is not None
    theirs = ("shop", "203.0.113.9" if shared else "203.0.113.10", ())
    web = replace(web, container=replace(web.container, networks=(("shop", "203.0.113.8", ()),)))
    scene.services = [replace(web, node="local", pids=()), container_service("app", 8000, pid=None, box={"networks": (theirs,)})]
    repair = found(scene).repairs[0]
    if shared:
        (step,) = repair.steps
        assert isinstance(step, ContainerAction) and (step.name, step.verb) == ("p-web-1", "restart")
    assert repair.risk == ("disruptive" if shared else "manual")


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), away(table("UNICAST")), away(table("UNREACHABLE"), 13, "permission"),
    away(table("UNREACHABLE"), tcp=Known(probe())), away(table("UNREACHABLE", "10.0.0.0/8")), away(Known(()), 113),
    away(table("UNREACHABLE"), addresses=Known(("::1",))), away(table("UNREACHABLE"), addresses=Unknown("late")),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), BROKEN), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(away(Unknown("not asked")).snapshot()), BROKEN), Undetermined)


def test_the_longest_network_decides() -> None:
    ways = (("0.0.0.0/0", "UNICAST"), ("10.0.0.0/8", "BLACKHOLE"), ("10.1.0.0/16", "UNICAST"))
    assert best_route(ways, "10.1.2.3") == ("10.1.0.0/16", "UNICAST") and best_route(ways, "10.9.0.1") == ("10.0.0.0/8", "BLACKHOLE")
    assert best_route((), "10.0.0.1") is None


def cut_short(*matches: Match, phase: str = "reading upstream") -> Scene:
    """Short answers pass; visitors of longer ones waited in vain just now."""
    scene = healthy_scene().logs("upstream timed out (110: Connection timed out)", 110, phase)
    scene.node_changes["local"] = {"firewall": nft_chain(rule("drop", Match("sport", ("8000",)), *matches), hook="output")}
    return scene


def test_only_long_answers_vanish() -> None:
    diagnosis = diagnose(cut_short(Match("length", ("1401-65535",))).snapshot())
    shown = next(f for f in diagnosis.findings if f.cause == BROKEN)
    assert (roots(diagnosis), shown.variant, diagnosis.verdict) == ([BROKEN], "mtu-blackhole", "degraded")
    assert shown.repairs[0].id == "remove-rule"


def test_a_rule_about_long_answers_is_one_finding_for_all_routes() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("feed.service", 8001, 201), listener(8001, 201))
    for path in ("/", "/1"):
        scene.logs("upstream timed out (110: Connection timed out)", 110, "reading upstream", path=path)
    scene.node_changes["local"] = {"firewall": nft_chain(rule("drop", Match("length", ("1401-65535",))), hook="output")}
    shown = [finding for finding in diagnose(scene.snapshot()).findings if finding.cause == BROKEN]
    assert [(finding.variant, finding.routes) for finding in shown] == [("mtu-blackhole", ("r1", "r2"))]


@pytest.mark.parametrize("scene", [
    cut_short(Match("length", ("1401-65535",)), phase="connecting to upstream"), cut_short(Match("skuid", ("999",))),
    healthy_scene().logs("upstream timed out (110: Connection timed out)", 110, "reading upstream"),
])
def test_what_was_late_for_another_reason(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert not [f for f in diagnosis.findings if f.variant == "mtu-blackhole"]
