"""One server of an upstream is gone, the others answer: degraded where it is meant to run, else told as advice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose import diagnose
from fixer.model.facts import Known
from fixer.model.snapshot import Service, Snapshot
from tests.causes.building import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    Scene,
    boxed,
    failed,
    finding_of,
    listener,
    log,
    roots,
    service,
    stopped,
)

TWO = ("127.0.0.1:8000", "127.0.0.1:8001")


def group(second: Service | None, one_try: str = "", **changes: Any) -> Snapshot:
    """One route before an upstream of two servers: the first answers, at the second nothing listens."""
    scene = Scene(*TWO).with_service(service("app@0.service", 8000), listener(8000, 200))
    if second is not None:
        scene.with_service(second)
    gone = {"listener": Known(None), "tcp": Known(REFUSED), "http": Known(REFUSED), "holder": None}
    made = scene.endpoint(1, **gone, **changes).snapshot()
    facts = made.routes[0]
    grouped = replace(facts, route=replace(facts.route, upstream="shop", one_try=one_try), endpoints=("e0", "e1"))
    return replace(made, routes=(grouped,))


def test_a_stopped_server_that_starts_at_boot_is_missed() -> None:
    diagnosis = diagnose(group(stopped("app@1.service", 8001)))
    assert diagnosis.verdict == "degraded" and roots(diagnosis) == ["backend-down"]
    found = finding_of(diagnosis, "backend-down")
    assert found.service == "app@1.service" and found.repairs[0].risk == "safe"
    assert diagnosis.health[0].state == "degraded"
    assert diagnosis.health[0].reason == "answers 200, but 1 of 2 servers of upstream shop is down"


def test_a_server_that_crashed_is_told_by_its_own_cause() -> None:
    crashed = failed("app@1.service", 8001, log=log("RuntimeError: SHOP_TOKEN is not set"))
    diagnosis = diagnose(group(crashed))
    assert diagnosis.verdict == "degraded" and roots(diagnosis)[0] == "crash-missing-env"


@pytest.mark.parametrize("second", [
    stopped("app@1.service", 8001, unit_changes={"unit_file_state": "disabled", "active_state": "inactive"}), None,
])
def test_what_was_put_to_rest_or_has_no_owner_is_advice(second: Service | None) -> None:
    diagnosis = diagnose(group(second))
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)
    assert "nginx passes over it" in finding_of(diagnosis, "backend-down").summary


@pytest.mark.parametrize("word", ["backup", "down"])
def test_a_spare_is_no_matter(word: str) -> None:
    diagnosis = diagnose(group(stopped("app@1.service", 8001), **{word: True}))
    assert diagnosis.verdict == "healthy" and not diagnosis.findings


@pytest.mark.parametrize(("policy", "verdict"), [("always", "degraded"), ("unless-stopped", "healthy")])
def test_a_container_that_the_next_boot_starts_is_missed(policy: str, verdict: str) -> None:
    box = boxed("second", 8001)
    assert box.container is not None
    gone = replace(box, node="local", pids=(), container=replace(
        box.container, status="exited", exit_code=0, restart_policy=policy, pid=0))
    diagnosis = diagnose(group(gone, service=gone.id))
    assert diagnosis.verdict == verdict and finding_of(diagnosis, "backend-down").service == gone.name


def test_where_no_other_is_asked_a_dead_server_is_never_passed_over() -> None:
    """By luck every request that was made went well."""
    resting = stopped("app@1.service", 8001, unit_changes={"unit_file_state": "disabled"})
    diagnosis = diagnose(group(resting, "proxy_next_upstream off, /etc/nginx/nginx.conf:9"))
    assert diagnosis.verdict == "degraded" and roots(diagnosis) == ["backend-down"]
    assert diagnosis.health[0].reason.endswith("nginx asks no other (proxy_next_upstream off, /etc/nginx/nginx.conf:9)")


def test_why_some_requests_fail_is_said() -> None:
    snapshot = group(stopped("app@1.service", 8001), "proxy_next_upstream off, /etc/nginx/nginx.conf:9")
    facts = replace(snapshot.routes[0], probes=Known((GOOD, BAD_GATEWAY)))
    (health,) = diagnose(replace(snapshot, routes=(facts,))).health
    assert health.reason == ("answers 502 (1 of 2 requests); nginx asks no other "
                             "(proxy_next_upstream off, /etc/nginx/nginx.conf:9)")
