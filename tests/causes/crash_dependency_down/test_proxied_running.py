"""Tests of fixer/causes/crash_dependency_down/proxied_running.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import ProxyVariable
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from tests.causes.snapshot_builders import Scene, container_service, finding_of, listener, log_lines, service

CAUSE = "crash-dependency-down"
UP = "INFO:     Application startup complete."
TOLD = ("requests.exceptions.ProxyError: HTTPConnectionPool(host='proxy.example', port=3128): Max retries exceeded with url: "
        "http://{}/v1 (Caused by ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden')))")


def variable(name: str = "HTTP_PROXY", value: str = "proxy.example:3128", line: int = 2) -> ProxyVariable:
    return ProxyVariable(name, value, Evidence("file", f"/etc/default/shop:{line}", f"{name}… names {value}"))


def runs(*lines: str, proxies: tuple[ProxyVariable, ...] = (variable(),), ago: float = 30.0, **changes: Any) -> Diagnosis:
    """An application that is up, and whose page calls another service of the machine."""
    made = service(log=log_lines(UP, *lines, ago=ago), proxies=proxies, **changes)
    scene = Scene().with_service(made, listener(8000, 200), listener(9200, 400))
    return diagnose(scene.snapshot())


@pytest.mark.parametrize("proxies", [(variable(),), (variable("http_proxy"), variable("no_proxy", "intern.example", 3))])
def test_a_call_of_a_running_program_to_its_own_machine_is_advice(proxies: tuple[ProxyVariable, ...]) -> None:
    diagnosis = runs(TOLD.format("127.0.0.1:9200"), proxies=proxies)
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, diagnosis.verdict, found.routes) == ("call-through-proxy", "advice", "healthy", ("r1",))
    assert "asks 127.0.0.1:9200, which is here, through the proxy of its variable" in found.summary and "403 Forbidden" in found.summary
    last = "no_proxy (/etc/default/shop:3)" if len(proxies) > 1 else "NO_PROXY (/etc/default/shop:2)"
    assert found.detail[0].startswith(f"name 127.0.0.1 in {last}") and found.evidence[0].text == TOLD.format("127.0.0.1:9200")


def test_a_call_to_another_container() -> None:
    made = container_service(log=log_lines(UP, TOLD.format("search:9200")), proxies=(variable(),))
    scene = Scene("app:8000", node="web", back="app").with_service(made, listener(8000, 7, "0.0.0.0", "app"))
    other = container_service("search", 9200, pid=90, is_app_server=False, runtime="", bindings=Known(()),
                              box={"networks": (("p_default", "172.18.0.9", ("search",)),)})
    scene.services.append(other)
    assert finding_of(diagnose(scene.snapshot()), CAUSE).variant == "call-through-proxy"


@pytest.mark.parametrize(("lines", "changes"), [
    ((TOLD.format("api.example.com:443"),), {}),                                              # elsewhere
    ((TOLD.format("127.0.0.1:9200"),), {"proxies": (variable(), variable("NO_PROXY", "127.0.0.1", 3))}),
    ((TOLD.format("127.0.0.1:9200"),), {"proxies": ()}), ((TOLD.format("127.0.0.1:9200"),), {"is_app_server": False}),
    (("the proxy is well",), {}), ((f'10.0.0.9 - "GET /?q={TOLD.format("127.0.0.1:9200").replace(" ", "+")} HTTP/1.1" 200',), {}),
])
def test_what_shows_no_such_call(lines: tuple[str, ...], changes: dict[str, Any]) -> None:
    assert not runs(*lines, **changes).findings


def test_an_old_line_says_nothing_of_now() -> None:
    assert runs(TOLD.format("127.0.0.1:9200"), ago=600.0).findings and not runs(TOLD.format("127.0.0.1:9200"), ago=1000.0).findings
