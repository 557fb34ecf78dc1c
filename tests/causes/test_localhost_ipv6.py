"""localhost-ipv6: a name of this machine with two addresses, one of them without a listener."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SITE,
    Scene,
    error_event,
    finding_of,
    listener,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "localhost-ipv6"
BOTH = ("127.0.0.1", "::1")
STOPS = "proxy_next_upstream off, /etc/nginx/nginx.conf:9"
MESSAGE = "connect() failed (111: Connection refused)"


def half(*, at: str = "127.0.0.1", led: tuple[str, ...] = BOTH, refused: str = "[::1]", ago: float = 30.0, count: int = 3,
         written: str = "localhost:8000", **route: Any) -> Scene:
    """The service listens on one address of the name, and nginx was refused at another."""
    scene = Scene(written).with_service(service(), listener(8000, 200, at))
    where = Evidence("file", "/etc/hosts:1", " ".join(led))
    scene.endpoint(addresses=Known(led, (where,)), configured_service="local/backend.service")
    scene.route[0] = route
    for number in range(count if refused else 0):
        request = f"GET /{number} HTTP/1.1"
        scene.events.append(error_event(
            NOW - ago - 10 * number, "error", MESSAGE, 111, "connecting to upstream", client="203.0.113.9", server="",
            request=request, upstream=f"http://{refused}:8000/{number}", where=f"/var/log/nginx/error.log:{number + 1}",
            raw=f'[error] 101#101: *{number} {MESSAGE} while connecting to upstream, request: "{request}"'))
    return scene


def found(scene: Scene) -> Finding:
    return finding_of(diagnose(scene.snapshot()), CAUSE)


def test_hit_where_nginx_tries_no_second_address() -> None:
    diagnosis = diagnose(half(one_try=STOPS).snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.routes) == ("localhost-resolves-v6-first", "certain", ("r1",))
    assert "to ::1, where nothing listens on port 8000" in first.summary and STOPS in first.summary
    assert [e.source for e in first.evidence] == ["nginx-config", "file", "socket", "nginx-log", "probe"]
    (repair,) = first.repairs
    write, check, reload = repair.steps
    assert repair.id == "write-address" and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert isinstance(write, WriteFile) and b"proxy_pass http://127.0.0.1:8000;" in (write.after or b"")


def test_hit_where_some_requests_fail() -> None:
    first = found(half().answers(GOOD, BAD_GATEWAY))
    assert (first.role, first.confidence) == ("root", "certain") and "some requests are refused" in first.summary


def test_hit_where_the_backend_listens_on_ipv6_only() -> None:
    first = found(half(at="::1", refused="127.0.0.1", one_try=STOPS))
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"proxy_pass http://[::1]:8000;" in (write.after or b"")


def test_a_host_where_nginx_asks_the_other_address_stays_healthy() -> None:
    diagnosis = diagnose(half().snapshot())
    first = finding_of(diagnosis, CAUSE)
    assert diagnosis.verdict == "healthy" and (first.role, first.repairs) == ("advice", ())
    assert "127.0.0.1:8000" in first.detail[0]


def test_every_place_that_names_it_is_edited() -> None:
    scene = Scene("localhost:8000", "localhost:8000").with_service(service(), listener(8000, 200))
    scene.events = half().events
    scene.route = {0: {"one_try": STOPS}, 1: {"one_try": STOPS}}
    for index in (0, 1):
        scene.endpoint(index, addresses=Known(BOTH))
    write = found(scene).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.path.endswith("/shop") and (write.after or b"").count(b"127.0.0.1:8000") == 2
    assert b"localhost" not in (write.after or b"") and SITE.endswith("/shop")


@pytest.mark.parametrize("scene", [
    half(refused=""),                                            # nginx leaves ::1 out on this machine, or never met it
    half(at="::", one_try=STOPS),                                # it listens on both
    half(led=("127.0.0.1",), one_try=STOPS),
    half(led=("::1",), one_try=STOPS),                           # wrong-bind-address: it listens on none of them
    half(refused="[::1]", ago=1200.0, one_try=STOPS),            # older than 15 minutes
    half(written="127.0.0.1:8000", led=("127.0.0.1",), one_try=STOPS),
    half(led=("192.0.2.7", "2001:db8::7"), one_try=STOPS),       # another machine's addresses
    half(refused="127.0.0.1", one_try=STOPS),                    # refused at the address where it listens now
    wrong_port_scene(),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_where_the_service_is_down() -> None:
    scene = half(one_try=STOPS)
    scene.listeners.pop()
    assert CAUSE not in roots(diagnose(scene.refused(addresses=Known(BOTH)).snapshot()))


def test_lines_from_before_the_service_started_or_nginx_reloaded_are_past() -> None:
    scene = half(one_try=STOPS)
    scene.processes[-1] = replace(scene.processes[-1], started_at=NOW - 20)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
    loaded = half(one_try=STOPS)
    loaded.nginx["loaded_at"] = Known(NOW - 20)
    assert isinstance(verdict_of(diagnose(loaded.snapshot()), CAUSE), RuledOut)


def test_unknown_without_the_log() -> None:
    scene = half(refused="", one_try=STOPS)
    scene.nginx["errors"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
