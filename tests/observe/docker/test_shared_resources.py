"""A container that lives in another one's network: an address that leads to the lender leads to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Service
from fixer.observe.docker.shared_resources import container_sharing_network
from tests.causes.snapshot_builders import container, container_service

POD = replace(container("pod"), network_mode="p_default")
LENDER = replace(container_service("pod"), container=POD, runtime="", bindings=Unknown("its command is inside the image"))


def guest(name: str, port: int, *, runtime: str = "uvicorn", of: str = POD.id) -> Service:
    made = container_service(name, port, runtime=runtime)
    assert made.container is not None
    return replace(made, container=replace(made.container, network_mode=f"container:{of}", networks=()))


def test_the_one_application_in_its_network_is_meant() -> None:
    app = guest("app", 9000)
    assert container_sharing_network(POD, 8000, (LENDER, app)) is app.container
    assert container_sharing_network(POD, 8000, (LENDER, app, guest("tunnel", 1, runtime=""))) is app.container


def test_of_several_the_one_that_is_told_the_port() -> None:
    first, second = guest("first", 9000), guest("second", 8000)
    assert container_sharing_network(POD, 8000, (LENDER, first, second)) is second.container
    assert container_sharing_network(POD, 7000, (LENDER, first, second)) is None


@pytest.mark.parametrize("services", [
    (LENDER,), (LENDER, container_service("app", 9000)), (LENDER, guest("app", 9000, of="other")),
    (replace(LENDER, runtime="uvicorn", bindings=Known(())), guest("app", 9000)),
])
def test_the_lender_itself_or_nobody(services: tuple[Service, ...]) -> None:
    assert container_sharing_network(POD, 8000, services) is None
