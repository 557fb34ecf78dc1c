"""crash-loop-gave-up: a service that ends in the middle of requests, and is seen between two ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    Scene,
    container_service,
    finding_of,
    listener,
    log_lines,
    roots,
    service,
)

CAUSE = "crash-loop-gave-up"
CUT = ("upstream prematurely closed connection", None, "reading response header from upstream")


def between(*, restarts: int = 4, started: float = 5.0, lost: int = 3, path: str = "/login", log: tuple[str, ...] = (),
            boxed: bool = False) -> Scene:
    """`/` is well and redirects to /login, which ends the process that answers it; its manager starts it again."""
    made = (container_service("app", pid=200, box={"restart_count": restarts, "started_at": NOW - started}) if boxed
            else service(unit_changes={"n_restarts": restarts, "active_enter": NOW - started}))
    scene = Scene(*(("app:8000",) if boxed else ()), node="web" if boxed else "local", back="app" if boxed else "local")
    scene.with_service(replace(made, log=log_lines(*log, ago=7.0)), listener(8000, 200, node=made.node))
    scene.processes[-1] = replace(scene.processes[-1], started_at=NOW - started)
    scene.answers(GOOD, replace(BAD_GATEWAY, page="/login"))
    scene.logs(*CUT, ago=started + 1, count=lost, path=path)
    scene.events = [replace(event, request=f"GET {path} HTTP/1.1") for event in scene.events]
    return scene


def found_in(scene: Scene) -> Finding:
    return finding_of(diagnose(scene.snapshot()), CAUSE)


@pytest.mark.parametrize(("boxed", "variant"), [(False, "crash-loop-below-limit"), (True, "container-crash-loop")])
def test_hit_the_page_that_fails_is_one_of_those_that_were_lost(boxed: bool, variant: str) -> None:
    scene = between(boxed=boxed)
    found = found_in(scene)
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    assert (found.variant, found.confidence, found.repairs[0].risk) == (variant, "likely", "manual")
    assert "started again each time (4 times); nginx lost 3 requests" in found.summary
    assert "while it answers /login" in found.repairs[0].manual


def test_what_our_own_probes_lost_is_not_counted_beside_what_visitors_lost() -> None:
    scene = between(lost=5)
    mark = ', host: "shop.example", referrer: "http://shop.example/badgateway"'
    scene.events[:2] = [replace(event, raw=event.raw + mark) for event in scene.events[:2]]
    assert "nginx lost 3 requests within 3 minutes" in found_in(scene).summary
    scene.events = [replace(event, raw=event.raw.removesuffix(mark) + mark) for event in scene.events]
    assert "nginx lost 5 requests within 3 minutes" in found_in(scene).summary, "nobody else has come"


def test_what_our_own_probes_lost_still_proves_that_its_page_ends_the_service() -> None:
    """The one visitor lost another page, as the page that ends the service was asked by fixer alone."""
    scene = between(lost=3)
    mark = ', host: "shop.example", referrer: "http://shop.example/badgateway"'
    scene.events[:2] = [replace(event, raw=event.raw + mark) for event in scene.events[:2]]
    scene.events[2] = replace(scene.events[2], request="GET /other HTTP/1.1")
    assert found_in(scene).role == "root" and "nginx lost 1 request within" in found_in(scene).summary


@pytest.mark.parametrize(("code", "status", "is_fault"), [
    ("dumped", "6/ABRT", True), ("killed", "11/SEGV", True), ("killed", "15/TERM", False), ("exited", "6/NOTCONFIGURED", False),
])
def test_the_signal_that_ended_its_last_run_is_told_also_while_the_next_one_runs(code: str, status: str, is_fault: bool) -> None:
    said = f"backend.service: Main process exited, code={code}, status={status}"
    found = found_in(between(log=("Started backend.service.", said, "Started backend.service.")))
    assert ("a fault of the program itself" in found.summary) is is_fault
    assert (said in [evidence.text for evidence in found.evidence]) is is_fault


def test_hit_the_page_that_each_end_cost_is_named_first() -> None:
    """Other pages are lost as they come: more often in all, or first in the alphabet."""
    scene = between(lost=1)
    for ago in (20.0, 40.0, 60.0):
        scene.logs(*CUT, ago=ago, path="/login")
    scene.logs(*CUT, ago=20.0, count=5, path="/health").logs(*CUT, ago=40.0, path="/health").logs(*CUT, ago=60.0, path="/api")
    assert "while it answers /login and /health:" in found_in(scene).repairs[0].manual


def test_hit_another_page_contributes() -> None:
    assert found_in(between(path="/report")).role == "contributing"


@pytest.mark.parametrize(("ends", "confidence"), [(2, "likely"), (1, "possible")])
def test_hit_one_or_two_ends_are_as_many_as_the_first_look_sees(ends: int, confidence: str) -> None:
    diagnosis = diagnose(between(restarts=ends, lost=2).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), found.confidence) == ([CAUSE], confidence)
    assert found.summary.startswith("backend.service ends in the middle of requests and is started again each time (2 times)" if ends > 1
                                    else "backend.service ended in the middle of requests and was started again; nginx lost 2")


@pytest.mark.parametrize("restarts", [1, 4])
def test_hit_the_first_request_that_a_page_which_fails_now_lost(restarts: int) -> None:
    """What the other requests meet until it listens again is a refused connection."""
    diagnosis = diagnose(between(restarts=restarts, lost=1).snapshot())
    assert roots(diagnosis) == [CAUSE] and "nginx lost 1 request" in finding_of(diagnosis, CAUSE).summary


def test_hit_every_page_is_refused_until_it_listens_again() -> None:
    """The first look after the end: the service is just up, and the pages that failed are not those that end it."""
    scene = between(restarts=1, path="/report")
    scene.answers(BAD_GATEWAY, BAD_GATEWAY, GOOD)
    scene.logs("connect() failed", 111, "connecting to upstream", ago=1.0, count=2)
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis), finding_of(diagnosis, CAUSE).confidence) == ([CAUSE], "possible")


def test_miss_one_end_at_another_page() -> None:
    assert all(found.cause != CAUSE for found in diagnose(between(restarts=1, path="/report").snapshot()).findings)


@pytest.mark.parametrize("scene", [
    between(restarts=0), between(lost=1, path="/report"), between(started=900.0),
    between(log=("Maximum request limit of 20 exceeded. Terminating process.",)),       # it ends itself on purpose
])
def test_miss(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_miss_what_was_before_a_repair_that_started_it() -> None:
    snapshot = between(path="/report").snapshot()
    assert CAUSE not in {found.cause for found in diagnose(replace(snapshot, seconds_since_repair=3.0)).findings}
    assert CAUSE in {found.cause for found in diagnose(replace(snapshot, seconds_since_repair=8.0)).findings}


def test_miss_what_a_stranger_at_its_port_hung_up_on() -> None:
    """It ends since it cannot bind, and the requests were the stranger's."""
    assert CAUSE not in roots(diagnose(between().endpoint(listening_service="local/stranger").snapshot()))


def test_miss_what_was_lost_after_the_start_ended_nothing() -> None:
    scene = between()
    scene.events = [replace(event, at=NOW - 2) for event in scene.events]
    assert CAUSE not in roots(diagnose(scene.snapshot()))


REFUSED = ("connect() failed", 111, "connecting to upstream")
WELL, RAISED = "backend.service: Deactivated successfully.", "backend.service: Main process exited, code=exited, status=1/FAILURE"


def refused(*log: str, restarts: int = 4, count: int = 3) -> Scene:
    """The page is well now; it was refused while the service was started again."""
    scene = between(restarts=restarts, log=log, lost=0)
    return scene.answers(GOOD).logs(*REFUSED, ago=6.0, count=count)


@pytest.mark.parametrize("said", [WELL, "INFO:     Application startup complete."])
def test_hit_a_service_that_ends_again_and_again_is_seen_between_two_ends(said: str) -> None:
    diagnosis = diagnose(refused(said, "Started backend.service.").snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (diagnosis.verdict, found.role, found.confidence) == ("degraded", "contributing", "likely")
    assert "ends again and again and is started again each time (4 times)" in found.summary and "refused, 3 times" in found.summary
    assert ("must keep running" in found.repairs[0].manual) is (said == WELL)


@pytest.mark.parametrize("scene", [
    refused(RAISED, "Started backend.service."),                # its start failed until something else was there
    refused(WELL, "Started backend.service.", restarts=1), refused(WELL, "Started backend.service.", count=1),
])
def test_miss_a_service_that_has_come_up(scene: Scene) -> None:
    assert CAUSE not in {found.cause for found in diagnose(scene.snapshot()).findings}
