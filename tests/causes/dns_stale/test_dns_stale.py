"""dns-stale: nginx asks an address that the name no longer has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import AddressCandidate, ProbeResult
from tests.causes.dns_stale.dns_stale_builders import event, scaled, shared
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SLOW,
    Scene,
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
    renamed("http://172.18.0.5:8000/").endpoint(tcp=Known(REFUSED), http=Known(REFUSED)),
    renamed().endpoint(tcp=Known(SLOW), http=Known(SLOW)), renamed().endpoint(tcp=Known(REFUSED), http=Known(REFUSED)),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), STALE), RuledOut)


def test_miss_once_nginx_has_met_the_new_address() -> None:
    """After a reload the last lines of the older workers are as young as what the new address answers wrongly."""
    scene = renamed()
    assert STALE in roots(diagnose(scene.snapshot()))
    scene.logs("upstream sent invalid header: \"Page\\x20...\"", None, "reading response header from upstream")
    scene.events[-1] = replace(scene.events[-1], upstream="http://172.18.0.5:8000/login")
    assert STALE not in roots(diagnose(scene.snapshot()))


def silent(**changes: Any) -> Scene:
    """The same while nginx still waits for the silent address: it has logged nothing."""
    scene = renamed(**changes).answers(SLOW)
    scene.events.clear()
    return scene


def test_hit_before_nginx_has_logged_the_silent_address() -> None:
    found = finding_of(diagnose(silent().snapshot()), STALE)
    assert (found.variant, found.role, found.confidence, found.repairs[0].id) == ("stale-dns", "root", "likely", "reload-nginx")
    assert "started after nginx had looked up app" in found.summary


@pytest.mark.parametrize("scene", [
    silent(started_at=NOW - 9000),                                  # it ran when nginx looked the name up
    silent().endpoint(http=Known(probe(200, ms=1800.0))),           # the page itself is slow
    silent().endpoint(http=Known(SLOW)),
    silent().answers(GOOD),
])
def test_miss_a_page_that_is_only_slow(scene: Scene) -> None:
    assert STALE not in roots(diagnose(scene.snapshot()))


def test_a_name_that_is_looked_up_for_each_request_is_not_old() -> None:
    scene = silent()
    scene.route[0] = {"pass_text": "http://$where"}
    assert STALE not in roots(diagnose(scene.snapshot()))


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(renamed().endpoint(addresses=Unknown("no getent")).snapshot()), STALE), Undetermined)


ABSENT = probe(404, body="no such page")


def mistaken(theirs: ProbeResult = ABSENT, passed: ProbeResult = ABSENT) -> Scene:
    """The application moved to another address, and its old one answers too."""
    scene = shared().endpoint(addresses=Known(("172.18.0.2",))).answers(passed)
    scene.extra["address_candidates"] = (AddressCandidate("e0", "feed", "172.18.0.3", Known(theirs)),)
    return scene


def test_another_containers_answer_is_told_word_for_word() -> None:
    diagnosis = diagnose(mistaken().snapshot())
    found = finding_of(diagnosis, STALE)
    assert (roots(diagnosis), found.variant) == ([STALE], "stale-dns-wrong-container")
    assert found.repairs[0].risk == "disruptive" and "172.18.0.3" in found.summary      # every page answers


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


def test_a_name_that_is_looked_up_for_each_request_holds_no_dead_address() -> None:
    scene = scaled()
    scene.route[0] = {"pass_text": "http://$backend:8000"}
    assert diagnose(scene.snapshot()).verdict == "healthy"
