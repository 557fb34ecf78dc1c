"""Locations that no visitor asks himself: what `auth_request` asks first (dead, it makes the page answer 500, whatever is
behind the page itself), and where answers send him (`X-Accel-Redirect`)."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from tests.causes.snapshot_builders import Scene, healthy_scene, listener, probe, roots, service, stopped_service

PAGE = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx/1.26.3</center>")


def guarded(scene: Scene) -> Diagnosis:
    """Route 0 is the page, route 1 what is asked first: nobody can ask that from outside."""
    scene.route[0] = {"auth": "/_gate"}
    scene.route[1] = {"location": "= /_gate", "path": None, "internal": True, "asked_first": True}
    return diagnose(scene.snapshot())


def scene() -> Scene:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8600").with_service(service(port=8000), listener(8000, 200))
    made.refused(1).answers(route=1)
    return made.answers(PAGE)


def test_what_does_not_run_there_is_named_for_both_and_started() -> None:
    found = guarded(scene().with_service(stopped_service("gate.service", 8600))).findings[0]
    assert (found.cause, found.service, found.repairs[0].risk) == ("backend-down", "gate.service", "safe")
    assert len(found.routes) == 2 and "/_gate" in found.detail[0]


def test_the_pages_own_address_is_not_blamed_nor_a_reload_offered() -> None:
    made = scene()
    made.nginx = {"loaded_at": Known(made.snapshot().taken_at - 8.0), "config_mtime": Known(made.snapshot().taken_at - 8.1)}
    made.events = [replace(event, upstream="http://127.0.0.1:8600/check") for event in made.events]
    diagnosis = guarded(made)
    assert "nginx-not-reloaded" not in roots(diagnosis) and diagnosis.verdict == "broken"


def test_a_login_that_answers_blames_nobody() -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8600").with_service(service(port=8000), listener(8000, 200))
    made.with_service(service("gate.service", 8600, 300), listener(8600, 300)).answers(route=1)
    assert guarded(made).verdict == "healthy"
    assert healthy_scene().snapshot().routes[0].route.asked_first is False


def redirected(upstream: str, more: str = "", *, included: bool = False) -> Diagnosis:
    """Route 0 answers; route 1 is where its answers send visitors to (`X-Accel-Redirect`), and nobody is there."""
    made = scene().answers(probe(200)).with_service(stopped_service("store.service", 8600))
    made.events = [replace(event, upstream=upstream, raw=event.raw + more) for event in made.events]
    made.route[1] = {"location": "/kept/", "path": None, "internal": True, "included": included}
    return diagnose(made.snapshot())


def test_an_internal_location_that_visitors_were_sent_to_just_now_is_missed() -> None:
    assert redirected("http://127.0.0.1:8600/x").findings[0].service == "store.service"
    assert redirected("http://127.0.0.1:8999/x").findings == ()
    assert redirected("http://127.0.0.1:8600/x", ', subrequest: "/kept/"').findings == ()      # a mirror


def test_a_part_of_a_page_that_is_put_together_is_missed() -> None:
    more = ', subrequest: "/kept/"'
    assert redirected("http://127.0.0.1:8600/x", more, included=True).findings[0].service == "store.service"
