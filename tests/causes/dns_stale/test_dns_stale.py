"""dns-stale: nginx asks an address that the name no longer has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import AddressCandidate, ErrorEvent, ProbeResult
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SLOW,
    Scene,
    binding,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    probe,
    roots,
    verdict_of,
    wrong_port_scene,
)

STALE = "dns-stale"


def event(upstream: str, errno: int = 111) -> ErrorEvent:
    return ErrorEvent(NOW - 3, "error", f"connect() failed ({errno}: x)", errno, "connecting to upstream", "10.0.0.9", "",
                      "GET / HTTP/1.1", upstream, "log:1", f'[error] connect() failed, upstream: "{upstream}"')


def renamed(*upstreams: str, **changes: Any) -> Scene:
    """The name answers when asked directly, and nginx fails at these addresses."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"started_at": NOW - 60, **changes}), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(addresses=Known(("172.18.0.5",))).answers(BAD_GATEWAY)
    scene.events += [event(text) for text in upstreams or ("http://172.18.0.2:8000/",)]
    return scene


def test_hit() -> None:
    for scene in (renamed(), renamed("http://172.18.0.2:8000/login", "http://172.18.0.2:8000/"), renamed("172.18.0.2:8000"),
                  renamed(started_at=NOW - 9000)):
        diagnosis = diagnose(scene.snapshot())
        assert roots(diagnosis) == [STALE]
        found = diagnosis.findings[0]
        assert (found.variant, found.repairs[0].risk) == ("stale-dns", "safe")
        assert "172.18.0.2" in found.summary and "172.18.0.5" in found.summary


@pytest.mark.parametrize(("request_line", "found"), [
    ("GET /1/page HTTP/1.1", []), ("GET /other HTTP/1.1", [STALE]), ("", [STALE]),
])
def test_a_line_about_a_longer_location_shows_nothing_of_a_shorter_one(request_line: str, found: list[str]) -> None:
    scene = Scene("app:8000", "adm:8000", node="web", back="app").with_service(
        container_service(box={"started_at": NOW - 60}), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(addresses=Known(("172.18.0.5",))).answers(BAD_GATEWAY).answers(GOOD, route=1)
    scene.events.append(replace(event("http://172.18.0.2:8000/"), request=request_line))
    assert [cause for cause in roots(diagnose(scene.snapshot())) if cause == STALE] == found


def test_hit_of_a_v6_address() -> None:
    assert roots(diagnose(renamed("http://[fd00::2]:8000/").snapshot())) == [STALE]


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), renamed("http://172.18.0.5:8000/"), renamed("http://172.18.0.2:8000/", "http://172.18.0.5:8000/"),
    renamed("http://app/"), renamed("odd"), renamed().endpoint(host="172.18.0.9"), renamed().endpoint(addresses=Known(())),
    renamed().endpoint(tcp=Known(SLOW), http=Known(SLOW)), renamed().endpoint(tcp=Known(probe(error="refused")),
                                                                           http=Known(probe(error="refused"))),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), STALE), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(renamed().endpoint(addresses=Unknown("no getent")).snapshot()), STALE), Undetermined)


NETWORK = "p_default"
ABSENT = probe(404, body="no such page")


def shared(*, name: str = "feed", argv: tuple[str, ...] = ("python3", "/srv/feed.py"), held: bool = True) -> Scene:
    """nginx's container, the application, and another container with the application's name on the same network."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service("app"), listener(8000, 7, "0.0.0.0", "app"))
    other = container_service(name, pid=9, argv=argv, box={"networks": ((NETWORK, "172.18.0.3", (name, "app")),), "argv": argv})
    scene.with_service(other, *([listener(8000, 9, "0.0.0.0", name)] if held else []))
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, runtime="", argv=("nginx",), bindings=Known(()),
                             box={"networks": ((NETWORK, "172.18.0.5", ("web",)),)}))
    return scene.endpoint(addresses=Known(("172.18.0.2", "172.18.0.3")), configured_service="app/p-app-1")


def test_a_name_that_another_program_has_too() -> None:
    for held in (True, False):
        diagnosis = diagnose(shared(held=held).snapshot())
        found = finding_of(diagnosis, STALE)
        assert (roots(diagnosis), found.variant, diagnosis.verdict) == ([STALE], "docker-alias-collision", "degraded")
        assert found.repairs[0].risk == "manual" and "take the alias app off service feed" in found.repairs[0].manual


def test_one_program_on_two_ports_is_no_copy() -> None:
    """Whatever lies behind both names is the same server of the same image; the port tells them apart."""
    scene = shared(argv=("uvicorn", "app.main:app"), held=False)
    scene.services[1] = replace(scene.services[1], bindings=Known((binding(9000),)))
    scene.listeners.append(listener(9000, 9, "0.0.0.0", "feed"))
    found = finding_of(diagnose(scene.snapshot()), STALE)
    assert found.variant == "docker-alias-collision" and "which does not listen there" in found.summary


def test_a_service_of_that_name_in_another_project_is_told() -> None:
    """On a network that two projects share. The same program there may be meant, so a healthy page stays healthy."""
    def with_other(**changes: Any) -> Scene:
        scene = shared(argv=("uvicorn", "app.main:app"))
        other = scene.services[1]
        assert other.container is not None
        box = replace(other.container, project="q", service="app", name="q-app-1")
        scene.services[1] = replace(other, container=replace(box, **changes))
        return scene

    diagnosis = diagnose(with_other().snapshot())
    (found,) = diagnosis.findings
    assert (diagnosis.verdict, found.role, found.variant) == ("healthy", "advice", "docker-alias-collision")
    assert "runs the same program for another project" in found.summary
    diagnosis = diagnose(with_other(argv=("python3", "/srv/feed.py")).snapshot())
    assert roots(diagnosis) == [STALE] and "give service app another name" in diagnosis.findings[0].repairs[0].manual


def test_copies_of_one_program_share_a_name_on_purpose() -> None:
    assert isinstance(verdict_of(diagnose(shared(argv=("uvicorn", "app.main:app")).snapshot()), STALE), RuledOut)
    assert isinstance(verdict_of(diagnose(shared(name="app").snapshot()), STALE), RuledOut)     # scaled
    alone = shared().endpoint(addresses=Known(("172.18.0.2",)))
    assert isinstance(verdict_of(diagnose(alone.snapshot()), STALE), RuledOut)


def mistaken(theirs: ProbeResult = ABSENT, passed: ProbeResult = ABSENT) -> Scene:
    """The application moved to another address, and its old one answers too."""
    scene = shared().endpoint(addresses=Known(("172.18.0.2",))).answers(passed)
    scene.extra["address_candidates"] = (AddressCandidate("e0", "feed", "172.18.0.3", Known(theirs)),)
    return scene


def test_another_containers_answer_is_told_word_for_word() -> None:
    diagnosis = diagnose(mistaken().snapshot())
    found = finding_of(diagnosis, STALE)
    assert (roots(diagnosis), found.variant) == ([STALE], "stale-dns-wrong-container")
    assert found.repairs[0].risk == "safe" and "172.18.0.3" in found.summary


@pytest.mark.parametrize("scene", [
    mistaken(passed=GOOD), mistaken(theirs=GOOD, passed=GOOD), mistaken(theirs=SLOW), mistaken(passed=probe(404, body="else")),
    mistaken().endpoint(path="/health"), mistaken().endpoint(addresses=Known(("172.18.0.3",))),
])
def test_answers_that_prove_nothing(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), STALE), RuledOut)


def test_unknown_where_nobody_asked_the_name_directly() -> None:
    scene = renamed("http://172.18.0.9:8000/").endpoint(tcp=Unknown("asked only once"), http=Unknown("asked only once"))
    verdict = verdict_of(diagnose(scene.snapshot()), STALE)
    assert isinstance(verdict, Undetermined) and "asked only once" in verdict.missing[0]


def scaled(*upstreams: str, **second: Any) -> Scene:
    """Two copies of one service; the second one ended after nginx had looked their name up, and the first answers."""
    scene = Scene("app:8000", node="web", back="app").with_service(container_service("app"), listener(8000, 7, "0.0.0.0", "app"))
    box = {"status": "exited", "pid": 0, "started_at": NOW - 5000,
           "finished_at": NOW - 300, "networks": ((NETWORK, "", ("app",)),), **second}
    gone = container_service("app", pid=None, pids=())
    assert gone.container is not None
    ended = replace(gone.container, id="second", name="p-app-2", **box)
    scene.with_service(replace(gone, id="engine/p-app-2", node="p-app-2", container=ended))
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, runtime="", argv=("nginx",), bindings=Known(()),
                             box={"networks": ((NETWORK, "172.18.0.5", ("web",)),)}))
    scene.events += [event(text, 113) for text in upstreams]
    return scene.endpoint(addresses=Known(("172.18.0.2",)), configured_service="app/p-app-1")


def test_a_copy_that_ended_and_is_still_asked() -> None:
    diagnosis = diagnose(scaled().snapshot())
    found = finding_of(diagnosis, STALE)
    assert (diagnosis.verdict, roots(diagnosis), found.confidence) == ("degraded", [STALE], "certain")
    assert [r.id for r in found.repairs] == ["reload-nginx", "start-service"] and "p-app-2" in found.summary
    assert all(r.risk == "safe" for r in found.repairs)


def test_a_copy_that_the_next_boot_starts_is_started() -> None:
    found = finding_of(diagnose(scaled(restart_policy="always").snapshot()), STALE)
    assert [r.id for r in found.repairs] == ["start-service", "reload-nginx"]


def test_a_copy_that_was_taken_away_is_told_by_the_log_alone() -> None:
    """Two lines of an address that the name has no more: once could be the moment in which it was taken away."""
    scene = scaled("http://172.18.0.3:8000/", "http://172.18.0.3:8000/login")
    del scene.services[1]
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, STALE)
    assert (diagnosis.verdict, found.confidence) == ("degraded", "likely") and "172.18.0.3" in found.summary
    assert [r.id for r in found.repairs] == ["reload-nginx"]


@pytest.mark.parametrize("scene", [
    scaled(finished_at=NOW - 4000), scaled(started_at=NOW - 2000), scaled(service="other"), scaled(status="created"),
    scaled(networks=(("elsewhere", "", ("app",)),)),
])
def test_a_copy_that_nginx_never_heard_of_is_no_matter(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy" and isinstance(verdict_of(diagnosis, STALE), RuledOut)


def test_a_name_that_is_looked_up_for_each_request_holds_no_dead_address() -> None:
    scene = scaled()
    scene.route[0] = {"pass_text": "http://$backend:8000"}
    assert diagnose(scene.snapshot()).verdict == "healthy"


@pytest.mark.parametrize("lines", [
    ("http://172.18.0.3:8000/",), ("http://172.18.0.2:8000/", "http://172.18.0.2:8000/"), ("odd", "odd"),
])
def test_lines_that_prove_no_copy(lines: tuple[str, ...]) -> None:
    scene = scaled(*lines)
    del scene.services[1]
    assert diagnose(scene.snapshot()).verdict == "healthy"
