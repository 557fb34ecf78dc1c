"""Tests of fixer/causes/wrong_host/docker_gateway.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Listener, Service
from tests.causes.snapshot_builders import (
    Scene,
    binding,
    container_service,
    finding_of,
    listener,
    probe,
    roots,
    verdict_of,
)
from tests.causes.wrong_host.wrong_host_builders import apart, found

CAUSE = "wrong-host"


def test_the_docker_host_by_name() -> None:
    name = apart("host.docker.internal:8000").endpoint(addresses=Known(()), listener=Unknown("no address"),
                                                       tcp=Unknown("no address"), http=Unknown("no address"), node=None)
    finding = found(name)
    assert finding.variant == "host-gateway" and "host.docker.internal:host-gateway" in finding.repairs[0].manual
    refused = apart("host.docker.internal:8000").endpoint(addresses=Known(("172.17.0.1",)), node=None)
    assert "on the Docker host" in found(refused).repairs[0].manual
    well = apart("host.docker.internal:8000").endpoint(addresses=Known(("172.17.0.1",)), node=None, tcp=Known(probe()))
    assert isinstance(verdict_of(diagnose(well.snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize(("published", "told"), [
    ((("127.0.0.1", 8000, 9107),), True), ((("127.0.0.1", 8001, 9107),), False), ((("172.17.0.1", 8000, 9107),), False),
])
def test_what_is_published_for_the_docker_host_alone_is_named(published: tuple[tuple[str, int, int], ...], told: bool) -> None:
    app = container_service(box={"published": published})
    scene = apart("host.docker.internal:8000", app).endpoint(addresses=Known(("172.17.0.1",)), node=None)
    scene.listeners = [line for line in scene.listeners if line.port != 8000]
    finding = found(scene)
    assert ("Let nginx use app:9107" in finding.repairs[0].manual) is told
    assert any("127.0.0.1:8000 -> 9107" in e.text for e in finding.evidence) is told


def of_the_host(service: Service, *lines: Listener) -> Scene:
    """nginx asks the Docker host, whose network the application's container has."""
    scene = apart("host.docker.internal:8000", service).endpoint(addresses=Known(("172.17.0.1",)), node=None)
    scene.listeners = [line for line in scene.listeners if line.port != 8000] + list(lines)
    return scene


def test_who_shares_the_docker_hosts_network_and_is_told_that_port_is_meant() -> None:
    stopped = container_service(pid=None, bindings=Known((binding(8000, "compose.yaml:9"),)),
                    box={"network_mode": "host", "networks": (), "status": "exited"})
    assert roots(diagnose(of_the_host(stopped).snapshot())) == ["backend-down"]
    assert stopped.container is not None
    other = replace(stopped, container=replace(stopped.container, network_mode="bridge"))
    assert roots(diagnose(of_the_host(other).snapshot())) == [CAUSE]       # what listens in a network of its own does not
    elsewhere = replace(stopped, bindings=Known((binding(8001, "compose.yaml:9"),)))
    assert roots(diagnose(of_the_host(elsewhere).snapshot())) == [CAUSE]


def test_by_an_address_too_where_a_network_has_it_as_its_gateway() -> None:
    stopped = container_service(pid=None, bindings=Known((binding(8000, "compose.yaml:9"),)),
                    box={"network_mode": "host", "networks": (), "status": "exited"})
    scene = apart("172.18.0.1:8000", stopped).endpoint(node=None)
    scene.listeners = scene.listeners[:1]
    assert roots(diagnose(scene.snapshot())) == []
    told = scene.services[0]
    assert told.container is not None
    scene.services[0] = replace(told, container=replace(told.container, gateways=("172.18.0.1",)))
    assert roots(diagnose(scene.snapshot())) == ["backend-down"]


def test_in_the_hosts_network_only_its_own_loopback_is_told_to_come_out_to_the_containers_not_to_the_world() -> None:
    alone = container_service(bindings=Known((binding(8000, "compose.yaml:9"),)), box={"network_mode": "host", "networks": ()})
    finding = finding_of(diagnose(of_the_host(alone, listener(8000, 7, node="app")).snapshot()), "wrong-bind-address")
    assert "172.17.0.1" in finding.repairs[0].summary and "0.0.0.0" not in finding.repairs[0].summary


def test_the_docker_host_by_name_where_nginx_did_not_start() -> None:
    unknown = Unknown("nginx does not run")
    scene = apart("host.docker.internal:8000").endpoint(addresses=unknown, listener=unknown, tcp=unknown, http=unknown, node=None)
    refusal = (1, 'nginx: [emerg] host not found in upstream "host.docker.internal" in /etc/nginx/conf.d/a.conf:3')
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known(refusal)}
    scene.probes[0] = unknown
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and finding_of(diagnosis, CAUSE).variant == "host-gateway"
    told = scene.services[0]
    assert told.container is not None
    scene.services[0] = replace(told, container=replace(told.container, extra_hosts=("host.docker.internal",)))
    assert CAUSE not in roots(diagnose(scene.snapshot()))       # it was told: then the name is not what is missing
