"""wrong-host: an address that nobody has, nginx's own container, a name of the Docker host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import NetworkAction, WriteFile
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    Scene,
    binding,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    verdict_of,
)
from tests.causes.wrong_host.wrong_host_builders import apart, found, web

CAUSE = "wrong-host"
UNREACHABLE = Known(probe(error="unreachable"))


def text_of(finding: Finding) -> bytes:
    step = finding.repairs[0].steps[0]
    assert isinstance(step, WriteFile)
    return step.after or b""


def test_hit_the_loopback_of_nginxs_own_container() -> None:
    finding = found(apart())
    assert (finding.variant, finding.confidence) == ("nginx-container-uses-loopback", "certain")
    assert finding.repairs[0].risk == "safe" and b"http://app:8000;" in text_of(finding)


def test_the_port_of_the_only_application_there_is() -> None:
    finding = found(apart(port=9000))
    assert finding.confidence == "likely" and b"http://app:9000;" in text_of(finding)
    assert finding.is_met_first, "nginx asks there whatever its application does meanwhile"


def test_several_applications_are_a_choice() -> None:
    two = (container_service(), container_service("other", box={"networks": (("p_default", "172.18.0.3", ("other",)),)}))
    (repair,) = found(apart("127.0.0.1:8000", *two)).repairs
    assert repair.needs[0].choices == ("app:8000", "other:8000") and not repair.steps
    assert not found(apart("127.0.0.1:8000", *two)).is_met_first, "a guess comes before nothing"
    assert b"http://other:8000;" in text_of(found(apart("127.0.0.1:8000", *two), upstream="other:8000"))


def test_who_is_told_that_port_is_meant_also_while_it_does_not_run_and_another_does() -> None:
    place = replace(binding(8000, "compose.yaml:9"), host="0.0.0.0")
    told = container_service(pid=None, bindings=Known((place,)), box={"status": "exited"})
    running = container_service("other", 9000, box={"networks": (("p_default", "172.18.0.3", ("other",)),)})
    for address in ("127.0.0.1:8000", "172.18.0.77:8000"):
        scene = apart(address, running, port=9000).with_service(told)
        diagnosis = diagnose((scene if address.startswith("127") else nobody(scene)).snapshot())
        assert roots(diagnosis) == [CAUSE, "backend-down"]
        assert (later := finding_of(diagnosis, CAUSE)).service == told.name and later.repairs[0].risk == "manual"
        assert finding_of(diagnosis, "backend-down").service == told.name


def test_where_nobody_is_told_that_port_one_that_does_not_run_may_be_meant() -> None:
    resting = container_service(pid=None, bindings=Known((binding(7000, "compose.yaml:9"),)),
                    box={"status": "exited", "restart_policy": "always"})
    running = container_service("other", 9000, box={"networks": (("p_default", "172.18.0.3", ("other",)),)})
    (repair,) = found(apart("127.0.0.1:8000", running, port=9000).with_service(resting)).repairs
    assert repair.needs[0].choices == ("other:9000",) and not repair.steps


def test_miss_what_is_well_or_has_an_owner_or_answers() -> None:
    elsewhere = apart("127.0.0.1:8000", container_service(box={"networks": (("other", "172.19.0.2", ("app",)),)}))
    for scene in (healthy_scene(), Scene().with_service(service(pid=None)).refused()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
    assert isinstance(verdict_of(diagnose(elsewhere.snapshot()), CAUSE), Undetermined)     # no network in common
    loopback = apart(held="127.0.0.1")
    assert isinstance(verdict_of(diagnose(loopback.snapshot()), CAUSE), Undetermined)      # out of nginx's reach
    refused = apart("10.7.7.7:8000").endpoint(node=None)
    assert isinstance(verdict_of(diagnose(refused.snapshot()), CAUSE), RuledOut)      # somebody is there and refuses


def test_unknown_who_is_meant_by_an_address_that_nobody_has() -> None:
    scene = Scene("10.7.7.7:8000").answers(BAD_GATEWAY).endpoint(
        node=None, listener=Unknown("outside"), tcp=UNREACHABLE, http=UNREACHABLE, configured_service=None)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def nobody(scene: Scene) -> Scene:
    return scene.endpoint(node=None, listener=Unknown("outside"), tcp=UNREACHABLE, http=UNREACHABLE)


def test_an_address_of_the_containers_own_network() -> None:
    finding = found(nobody(apart("172.18.0.77:8000")))
    assert (finding.variant, finding.confidence) == ("wrong-ip-unassigned", "certain")
    assert b"http://app:8000;" in text_of(finding)


def test_an_address_for_which_nobody_answers_the_kernel_is_nobodys() -> None:
    slow = Known(probe(error="slow"))
    scene = nobody(apart("172.18.0.77:8000")).endpoint(tcp=slow, http=slow)
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene.node_changes["web"] = {"kind": "container", "unanswered_addresses": ("172.18.0.77",)}
    finding = found(scene)
    assert finding.variant == "wrong-ip-unassigned" and "web /proc/net/arp" in [e.where for e in finding.evidence]


def test_an_address_of_another_network_may_be_a_machine_that_is_off() -> None:
    finding = found(nobody(apart("10.7.7.7:8000")))
    assert finding.confidence == "possible" and finding.repairs[0].needs[0].choices == ("app:8000",)


def test_on_a_machine_a_person_says_that_the_local_one_is_meant() -> None:
    scene = Scene("10.7.7.7:8000").with_service(service(), listener(8000, 200, "0.0.0.0")).answers(BAD_GATEWAY)
    nobody(scene).endpoint(configured_service=None, listening_service=None)
    (repair,) = found(scene).repairs
    assert repair.needs[0].choices == ("127.0.0.1:8000",) and not repair.steps
    assert b"http://127.0.0.1:8000;" in text_of(found(scene, upstream="127.0.0.1:8000"))


def test_on_a_machine_also_one_that_would_listen_there_if_it_ran() -> None:
    scene = Scene("10.7.7.7:8000").with_service(failed_service()).answers(BAD_GATEWAY)
    nobody(scene).endpoint(configured_service=None, listening_service=None)
    (repair,) = found(scene).repairs
    assert repair.needs[0].choices == ("127.0.0.1:8000",) and not repair.steps
    assert "is configured to listen" in found(scene).summary


def test_the_log_tells_that_nobody_has_it_where_no_probe_could() -> None:
    scene = nobody(apart("172.18.0.77:8000")).endpoint(tcp=Known(probe(error="slow")), http=Known(probe(error="slow")))
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene.logs("connect() failed (113: No route to host)", 113, "connecting to upstream")
    assert found(scene).variant == "wrong-ip-unassigned"


def test_a_file_of_the_image_is_for_a_person() -> None:
    scene = apart()
    scene.services[0] = web(pid=None, mounts=())
    (repair,) = found(scene).repairs
    assert repair.risk == "manual" and "write app:8000 instead of 127.0.0.1:8000" in repair.manual


def swapped(told: int = 9000, held: int = 9100, runtime: str = "uvicorn", **changes: object) -> Scene:
    """nginx names bare addresses; after a start in another order the container of that one is the admin's."""
    admin = container_service("admin", held, box={"networks": (("p_default", "172.18.0.2", ("admin",)),), **changes}, pid=8)
    shop = container_service("shop", told, box={"networks": (("p_default", "172.18.0.3", ("shop",)),)}, pid=9, runtime=runtime)
    scene = Scene("172.18.0.2:9000", node="web", back="admin").with_service(web(pid=None))
    scene.with_service(admin, listener(held, 8, "0.0.0.0", "admin")).with_service(shop, listener(told, 9, "0.0.0.0", "shop"))
    scene.answers(BAD_GATEWAY).endpoint(listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), configured_service=admin.id, listening_service=None)
    scene.node_changes = {name: {"kind": "container"} for name in ("web", "admin", "shop")}
    return scene


def test_an_address_that_docker_gave_to_another_container_since_is_wrong_and_not_its_port() -> None:
    """To follow the port would have shown the admin's pages to everybody."""
    finding = found(swapped())
    assert (finding.confidence, finding.service) == ("certain", "p-shop-1") and "now the address of p-admin-1" in finding.summary
    assert b"http://shop:9000;" in text_of(finding)
    assert all(f.cause != "wrong-port" for f in diagnose(swapped().snapshot()).findings)


@pytest.mark.parametrize("scene", [
    swapped(runtime="python"),                                       # a script may be anything
    swapped(told=9500),                                              # nobody else is told that port
    swapped(fixed_addresses=(("p_default", ("172.18.0.2",)),)),                # its files chose that address: it keeps it
])
def test_an_address_that_is_still_its_containers_has_a_wrong_port(scene: Scene) -> None:
    assert roots(diagnose(scene.snapshot())) == ["wrong-port"]


def test_an_address_of_dockers_that_refuses_and_is_nobodys_that_was_seen() -> None:
    """A container outside of the project has it."""
    scene = apart("172.18.0.77:8000").endpoint(node=None, listener=Unknown("outside"))
    box = scene.services[0].container
    assert box is not None
    scene.services[0] = replace(scene.services[0], container=replace(
        box, subnets=(("p_default", "172.18.0.0/16"),), gateways=("172.18.0.1",)))
    finding = found(scene)
    assert "now the address of another container" in finding.summary and b"http://app:8000;" in text_of(finding)


def named(host: str, *, app: bool) -> Scene:
    """nginx asks at the name of another container for the port of the application."""
    other = container_service(host, 5432, pid=8, argv=("uvicorn",) if app else ("serve",), bindings=Known((binding(5432, "x:1"),)),
                  box={"exposes": () if app else (5432,)})
    shop = container_service("shop", 9000, box={"networks": (("p_default", "172.18.0.3", ("shop",)),)}, pid=9)
    scene = Scene(f"{host}:9000", node="web", back=host).with_service(web(pid=None))
    scene.with_service(other, listener(5432, 8, "0.0.0.0", host)).with_service(shop, listener(9000, 9, "0.0.0.0", "shop"))
    scene.answers(BAD_GATEWAY).endpoint(listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), configured_service=other.id, listening_service=None)
    scene.node_changes = {name: {"kind": "container"} for name in ("web", host, "shop")}
    return scene


def test_the_name_of_a_database_is_not_the_applications() -> None:
    """No page is behind its port, whatever that is."""
    finding = found(named("store", app=False))
    assert finding.service == "p-shop-1" and "which is not an application (postgresql)" in finding.summary
    assert b"http://shop:9000;" in text_of(finding)
    assert finding.variant is None
    late = named("store", app=False)            # the application came up a moment ago, after a try in vain
    late.services = [replace(s, container=replace(s.container, restart_count=1, started_at=NOW - 5)) if s.node == "shop" else s
                     for s in late.services]     # type: ignore[type-var]
    assert roots(diagnose(late.snapshot())) == [CAUSE]
    alone = named("store", app=False)
    alone.services = [s for s in alone.services if s.node != "shop"]
    assert roots(diagnose(alone.snapshot())) == []


def test_the_name_of_one_application_and_the_port_of_another_are_a_persons_to_choose() -> None:
    scene = named("admin", app=True)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["wrong-port"]
    finding = diagnosis.findings[0]
    assert finding.confidence == "possible" and finding.repairs[0].needs[0].choices == ("admin:5432", "shop:9000")
    assert not finding.repairs[0].steps
    for chosen in ("admin:5432", "shop:9000"):
        step = finding_of(diagnose(scene.snapshot(), {"upstream": chosen}), "wrong-port").repairs[0].steps[0]
        assert isinstance(step, WriteFile) and f"http://{chosen};".encode() in (step.after or b"")


def misnamed(runtime: str = "node", *, used: bool = True, alone: bool = False, configured: int = 5432) -> Scene:
    """nginx asks at the name of another route's container for the port of the application that nobody asks."""
    other = container_service("admin", 5432, pid=8, bindings=Known((binding(configured, "x:1"),)))
    shop = container_service("shop", 9000, pid=9, runtime=runtime, box={"networks": (("p_default", "172.18.0.3", ("shop",)),)})
    scene = Scene("admin:9000", "admin:5432", node="web", back="admin").with_service(web(pid=None))
    scene.with_service(other, listener(5432, 8, "0.0.0.0", "admin"))
    if not alone:
        scene.with_service(shop, listener(9000, 9, "0.0.0.0", "shop"))
    scene.answers(BAD_GATEWAY).endpoint(listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), configured_service=other.id, listening_service=None)
    scene.answers(GOOD if used else BAD_GATEWAY, route=1).endpoint(1, configured_service=other.id, listening_service=other.id)
    scene.node_changes = {name: {"kind": "container"} for name in ("web", "admin", "shop")}
    return scene


@pytest.mark.parametrize("runtime", ["node", "python", "uvicorn"])
def test_the_name_of_another_route_is_wrong_where_one_that_nobody_asks_has_the_port(runtime: str) -> None:
    finding = found(misnamed(runtime))
    assert finding.confidence == "likely" and "admin serves another route" in finding.summary
    assert finding.repairs[0].risk == "safe" and b"http://shop:9000;" in text_of(finding)


@pytest.mark.parametrize("scene", [misnamed(used=False), misnamed(alone=True), misnamed(configured=9000)])
def test_a_name_that_no_other_route_proves_right_is_not_called_wrong(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def behind(depends_on: str, **about: Any) -> Scene:
    """The same, where no other route uses the named container; nginx's own compose service depends on these."""
    scene = misnamed(used=False, **about)
    page = next(s for s in scene.services if s.node == "web")
    assert page.container is not None
    box = replace(page.container, labels=(*page.container.labels, ("com.docker.compose.depends_on", depends_on)))
    scene.services = [replace(s, container=box) if s is page else s for s in scene.services]
    return scene


def test_the_name_is_wrong_where_nginxs_own_service_depends_on_the_one_with_the_port() -> None:
    finding = found(behind("shop:service_started:false"))
    assert finding.confidence == "likely" and "depends on" in finding.summary and "not on admin" in finding.summary
    assert finding.repairs[0].risk == "safe" and b"http://shop:9000;" in text_of(finding)
    assert any(e.text == "depends_on: shop" for e in finding.evidence)


def test_a_wrong_name_of_one_that_does_not_run_is_a_fault_of_its_own() -> None:
    """It ends again and again: its configuration says where it would listen."""
    scene = misnamed(alone=True)
    scene.with_service(container_service(
        "shop", 9000, pid=None, box={"status": "restarting", "exit_code": 1, "networks": (("p_default", "172.18.0.3", ("shop",)),)},
        log=log_lines("Traceback (most recent call last):", "ValueError: no")))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis)[0] == CAUSE and len(roots(diagnosis)) == 2
    finding = finding_of(diagnosis, CAUSE)
    assert finding.repairs[0].risk == "manual" and "configured to listen on shop:9000" in finding.summary


def off(**box: object) -> Scene:
    """The one that is meant was taken off the network of its creation, and runs."""
    scene = misnamed(alone=True)
    scene.with_service(container_service("shop", 9000, pid=9, box={"networks": (), "network_mode": "p_default", **box}),
                       listener(9000, 9, "0.0.0.0", "shop"))
    scene.services = [replace(s, name="shop") if s.node == "shop" else s for s in scene.services]
    return scene


def test_a_wrong_name_of_one_that_was_taken_off_its_network_is_a_fault_of_its_own() -> None:
    """The named one answers at another port, and is not what visitors wanted: its page is no proof."""
    diagnosis = diagnose(off().snapshot())
    assert roots(diagnosis) == [CAUSE, "network-detached"]
    first, second = (finding_of(diagnosis, cause) for cause in (CAUSE, "network-detached"))
    assert first.summary.endswith("shop is configured to listen on shop:9000")
    # the round that connects it is kept for the repair that waits for it
    assert first.repairs[0].risk == "manual" and first.repairs[0].after == second.service == "shop"
    assert second.summary.endswith("was disconnected from network p_default: nginx cannot reach it")
    assert second.repairs[0].risk == "safe" and isinstance(second.repairs[0].steps[0], NetworkAction)


@pytest.mark.parametrize("box", [{"network_mode": "p_other"}, {"network_mode": "none"}, {"network_mode": "host"}])
def test_one_that_never_was_on_a_network_of_nginxs_is_not_meant(box: dict[str, object]) -> None:
    assert roots(diagnose(off(**box).snapshot())) == ["wrong-port"]


@pytest.mark.parametrize(("kind", "runtime", "is_wrong"), [
    ("uwsgi_pass", "uwsgi", True), ("fastcgi_pass", "uwsgi", False), ("uwsgi_pass", "node", False),
])
def test_the_name_is_wrong_in_any_kind_of_pass_that_the_other_one_speaks(
        kind: str, runtime: str, is_wrong: bool) -> None:
    scene = behind("shop:service_started:false", runtime=runtime)
    scene.route = {0: {"kind": kind, "pass_text": "admin:9000"}}
    assert (CAUSE in roots(diagnose(scene.snapshot()))) is is_wrong


@pytest.mark.parametrize("scene", [
    behind("admin:service_started:false"), behind("shop:service_started:false,admin:service_started:false"),
    behind("cache:service_started:false"), behind(""), behind("shop:service_started:false", alone=True),
    behind("shop:service_started:false", configured=9000),
])
def test_what_does_not_tell_the_two_apart_leaves_the_doubt(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_any_program_with_that_port_is_enough_for_a_doubt_about_the_port() -> None:
    (finding,) = (f for f in diagnose(misnamed(used=False).snapshot()).findings if f.cause == "wrong-port")
    assert finding.confidence == "possible" and "shop:9000" in finding.repairs[0].needs[0].choices
