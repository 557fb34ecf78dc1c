"""A variable leads to one of several places: no other of them answers for one that is dead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import Span, UpstreamServer
from fixer.model.snapshot import ErrorEvent, Service, Snapshot
from tests.causes.snapshot_builders import (
    NOW,
    REFUSED,
    SITE,
    Scene,
    failed_service,
    finding_of,
    listener,
    log_lines,
    roots,
    service,
    stopped_service,
)

ADDRESSES = ("127.0.0.1:8000", "127.0.0.1:8001")


def refused(port: int) -> ErrorEvent:
    """A visitor was led to the place just now."""
    return ErrorEvent(
        at=NOW - 5, level="error", message="connect() failed (111: Connection refused)", errno=111,
        phase="connecting to upstream", client="10.0.0.9", server="", request="GET / HTTP/1.1",
        upstream=f"http://127.0.0.1:{port}/", where="/var/log/nginx/error.log:9", raw="",
    )


def mapped(second: Service | None, *events: ErrorEvent, groups: tuple[str, str] = ("", "")) -> Snapshot:
    """`proxy_pass http://$pool`, which is one of two addresses: the first answers, at the second nothing listens."""
    scene = Scene(*ADDRESSES).with_service(service("one.service", 8000), listener(8000, 200))
    if second is not None:
        scene.with_service(second)
    scene.events += events
    scene.endpoint(1, listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
    made = scene.snapshot()
    servers = tuple(
        UpstreamServer(text, text, 0, None, Span(SITE, *spot), group=group)
        for text, spot, group in zip(ADDRESSES, scene.spots, groups, strict=True)
    )
    route = replace(made.routes[0].route, pass_text="http://$pool", servers=servers)
    return replace(made, routes=(replace(made.routes[0], route=route, endpoints=("e0", "e1")),))


GROUPS = [("", ""), ("a_pool", "b_pool")]


@pytest.mark.parametrize("groups", GROUPS)
def test_visitors_who_were_refused_just_now_make_it_degraded(groups: tuple[str, str]) -> None:
    diagnosis = diagnose(mapped(stopped_service("two.service", 8001), refused(8001), groups=groups))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["backend-down"])
    assert diagnosis.health[0].reason == "answers 200, but 1 of 2 places that http://$pool may lead to is down"


def test_a_service_that_failed_makes_it_degraded() -> None:
    crashed = failed_service("two.service", 8001, log=log_lines("RuntimeError: SHOP_TOKEN is not set"))
    diagnosis = diagnose(mapped(crashed, groups=("a_pool", "b_pool")))
    assert diagnosis.verdict == "degraded" and roots(diagnosis)[0] == "crash-missing-env"


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("events", [(), (refused(8000),), (replace(refused(8001), at=NOW - 5000),)])
def test_one_that_nobody_was_led_to_is_advice(groups: tuple[str, str], events: tuple[ErrorEvent, ...]) -> None:
    diagnosis = diagnose(mapped(stopped_service("two.service", 8001), *events, groups=groups))
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)
    assert "requests for it fail" in finding_of(diagnosis, "backend-down").summary


def test_a_dead_server_of_a_group_that_answers_is_passed_over() -> None:
    diagnosis = diagnose(mapped(None, refused(8001), groups=("pool", "pool")))
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)
