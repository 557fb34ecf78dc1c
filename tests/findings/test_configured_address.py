"""A service that cannot be connected to now, and an address of nginx that is wrong besides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.findings.configured_address import differing_part
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    REFUSED,
    Scene,
    binding,
    causes_of,
    container_service,
    finding_of,
    roots,
)


def paused(asked: str, host: str, port: int) -> Diagnosis:
    """A paused container in nginx's own network namespace, configured to listen at host:port."""
    told = Known((replace(binding(port), host=host),))
    made = replace(container_service("app", port, pid=None, bindings=told, box={"status": "paused"}), node="local")
    scene = Scene(asked).with_service(made).endpoint(
        tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None), listening_service=None, configured_service=made.id)
    return diagnose(scene.answers(BAD_GATEWAY).snapshot())


@pytest.mark.parametrize(("asked", "cause"), [
    ("127.0.0.2:8000", "wrong-bind-address"), ("127.0.0.1:8001", "wrong-port"),
])
def test_an_address_that_stays_wrong_when_a_paused_container_goes_on_is_met_first(asked: str, cause: str) -> None:
    """Requests are refused, as no paused program refuses them."""
    diagnosis = paused(asked, "127.0.0.1", 8000)
    assert roots(diagnosis) == [cause, "backend-hung"]
    found = finding_of(diagnosis, cause)
    assert found.confidence == "likely" and found.repairs[0].risk == "manual"
    assert found.repairs[0].manual.startswith("first unpause p-app-1 (backend-hung): when p-app-1 listens on ")


def test_a_paused_container_at_the_asked_address_is_all() -> None:
    assert causes_of(paused("127.0.0.1:8000", "127.0.0.1", 8000)) == ["backend-hung"]


@pytest.mark.parametrize(("host", "port", "unix", "part"), [
    ("127.0.0.1", 8000, None, ""), ("0.0.0.0", 8000, None, ""), ("127.0.0.2", 8000, None, "host"),
    ("10.0.0.7", 8000, None, ""),       # it may be another name of the address
    ("127.0.0.1", 8001, None, "port"), ("127.0.0.2", 8001, None, "port"), ("", 0, "/run/a.sock", "path"),
])
def test_what_keeps_a_connection_from_arriving(host: str, port: int, unix: str | None, part: str) -> None:
    asked: Endpoint = Scene("127.0.0.1:8000").snapshot().endpoints[0]
    assert differing_part(replace(binding(port), host=host, unix=unix), asked) == part
    assert differing_part(replace(binding(0), unix="/run/a.sock"), replace(asked, unix="/run/b.sock")) == "path"
