"""Tests of fixer/causes/crash_dependency_down/proxied_dependency.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.deployment import ProxyVariable
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.snapshot import EnvAssignment
from tests.causes.crash_dependency_down.crash_dependency_down_builders import CAUSE, TRACE, composed, crashed, found
from tests.causes.snapshot_builders import Scene, file, listener

WHERE = "/etc/default/shop"
REFUSED_AT_PROXY = (
    "requests.exceptions.ProxyError: HTTPConnectionPool(host='127.0.0.1', port=3128): Max retries exceeded with url: "
    "http://127.0.0.1:8127/health (Caused by ProxyError('Unable to connect to proxy', NewConnectionError('<urllib3.connection."
    "HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')))")
URLLIB = ('    urllib.request.urlopen("http://127.0.0.1:8127/health", timeout=5)', '  File "/usr/lib/python3.13/urllib/request.py", line 1322',
          "    raise URLError(err)", "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>")


def proxy(name: str = "http_proxy", value: str = "127.0.0.1:3128", line: int = 2) -> ProxyVariable:
    return ProxyVariable(name, value, Evidence("file", f"{WHERE}:{line}", f"{name}… names {value}"))


def asking(*end: str, proxies: tuple[ProxyVariable, ...] | None = None, text: str = "PORT=1\nhttp_proxy=http://127.0.0.1:3128\n",
           open_ports: tuple[int, ...] = (8127,)) -> Scene:
    names = tuple(EnvAssignment(v.name, v.source.where, not v.value) for v in proxies or ())
    scene = crashed(*TRACE, *end, proxies=(proxy(),) if proxies is None else proxies, env=names)
    scene.files.append(file(WHERE, text))
    scene.listeners += [listener(port, 400) for port in open_ports]
    return scene


def written(scene: Scene) -> str:
    return next(s.after.decode() for s in found(scene).repairs[0].steps if isinstance(s, WriteFile))


@pytest.mark.parametrize("end", [(REFUSED_AT_PROXY,), URLLIB])
def test_a_call_to_this_host_goes_to_the_proxy(end: tuple[str, ...]) -> None:
    scene = asking(*end)
    one = found(scene)
    assert (one.variant, one.role, one.confidence) == ("start-through-proxy", "root", "certain")
    assert one.summary == (f"backend.service ends at once: it asks 127.0.0.1:8127 through the proxy of its variable http_proxy ({WHERE}:2), "
                           "which does not lead there")
    assert one.detail == ("no NO_PROXY is set, which names the hosts to ask without a proxy",)
    assert (one.repairs[0].id, one.repairs[0].risk) == ("set-no-proxy", "disruptive")
    assert 'no_proxy=localhost,127.0.0.1' in written(scene)


def test_an_exception_is_added_to_those_that_exist() -> None:
    old = proxy("no_proxy", "intern.example", 3)
    scene = asking(REFUSED_AT_PROXY, proxies=(proxy(), old), text="PORT=1\nhttp_proxy=http://127.0.0.1:3128\nno_proxy=intern.example\n")
    assert found(scene).detail == (f"no_proxy ({WHERE}:3) does not name 127.0.0.1:8127",)
    assert "no_proxy=intern.example,localhost,127.0.0.1\n" in written(scene)
    unread = asking(REFUSED_AT_PROXY, proxies=(proxy(), proxy("no_proxy", "", 3)))      # a bundle masks its value
    assert [r.risk for r in found(unread).repairs] == ["manual"]


@pytest.mark.parametrize("end", [
    "requests.exceptions.ProxyError: HTTPSConnectionPool(host='api.example.net', port=443): Max retries exceeded with url: / (Caused by "
    "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 403 Forbidden')))",
    "curl: (56) CONNECT tunnel failed, response 403", "httpx.ProxyError: 403 Forbidden",
])
def test_an_address_elsewhere_is_for_a_person(end: str) -> None:
    one = found(asking(end, proxies=(proxy("HTTPS_PROXY", "proxy.corp.example:3128"),)))
    assert one.confidence == "likely" and [r.risk for r in one.repairs] == ["manual"] and "403" in one.summary
    assert "HTTPS_PROXY" in one.summary


def test_a_client_that_fails_at_the_address_of_the_proxy() -> None:
    one = found(asking("Error: connect ECONNREFUSED 127.0.0.1:3128"))
    assert one.variant == "start-through-proxy" and "it asks its dependency through the proxy of its variable http_proxy" in one.summary
    plain = found(asking("Error: connect ECONNREFUSED 127.0.0.1:3129"))
    assert plain.variant == "start-db-refused"


@pytest.mark.parametrize(("changes", "why"), [
    ({"proxies": ()}, "no variable leads to a proxy"), ({"open_ports": ()}, "what it asks for does not listen"),
    ({"proxies": (proxy(), proxy("no_proxy", "127.0.0.1"))}, "it is excepted"),
    ({"proxies": (proxy("https_proxy"),)}, "the variable is for another scheme"),
])
def test_variables_alone_prove_no_proxy(changes: dict[str, object], why: str) -> None:
    verdicts = diagnose(asking(*URLLIB, **changes).snapshot())      # type: ignore[arg-type]
    assert all(one.variant != "start-through-proxy" for one in verdicts.findings), why


def test_an_exception_that_was_written_since_leaves_a_start() -> None:
    one = found(asking(REFUSED_AT_PROXY, proxies=(proxy(), proxy("NO_PROXY", "localhost,127.0.0.1", 3))))
    assert one.repairs[0].id == "start-service" and one.confidence == "likely"
    assert "NO_PROXY names it now" in one.summary


def test_a_container_gets_the_variable_from_the_client_of_docker() -> None:
    end = (*TRACE, REFUSED_AT_PROXY.replace("http://127.0.0.1:8127/health", "http://db:8127/"))
    scene = composed(end)
    by_engine = ProxyVariable("HTTP_PROXY", "10.0.0.9:3128", Evidence("container", "p-app-1", "HTTP_PROXY… names 10.0.0.9:3128"))
    scene.services[0] = replace(scene.services[0], proxies=(by_engine,))
    one = found(scene)
    assert "it asks db:8127 through the proxy of its variable HTTP_PROXY (p-app-1)" in one.summary and one.confidence == "certain"
    assert "config.json of the Docker client" in one.detail[-1] and one.cause == CAUSE
