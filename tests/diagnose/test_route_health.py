"""Tests of fixer/diagnose/route_health.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import ProbeResult
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    SLOW,
    Scene,
    container_service,
    healthy_scene,
    listener,
    log_lines,
    probe,
    service,
)


def test_some_routes_or_some_requests_is_degraded() -> None:
    two = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200)).refused(1)
    assert diagnose(two.snapshot()).verdict == "degraded"
    assert diagnose(healthy_scene().answers(GOOD, BAD_GATEWAY).snapshot()).verdict == "degraded"


def test_nobody_could_be_asked() -> None:
    scene = healthy_scene()
    scene.probes[0] = Unknown("--no-probe")
    diagnosis = diagnose(scene.snapshot())
    assert (diagnosis.verdict, diagnosis.findings) == ("unknown", ())
    assert diagnose(healthy_scene().answers().snapshot()).verdict == "unknown"
    assert diagnose(healthy_scene().answers(probe(error="permission")).snapshot()).verdict == "unknown"


def test_a_page_that_gave_no_answer_beside_one_that_is_well_is_said() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("b.service", 8001, 300), listener(8001, 300)).endpoint(1, http=Known(SLOW))
    scene.probes[1] = Known((SLOW,))
    seen = diagnose(scene.snapshot())
    assert not seen.findings and any("/1 on 0.0.0.0:80: no answer in time" in note and "--wait" in note for note in seen.notes)
    assert not diagnose(healthy_scene().snapshot()).notes


def test_a_backend_that_nobody_saw_answer_is_not_called_healthy_because_another_one_is() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("b.service", 8001, 300), listener(8001, 300)).endpoint(1, http=Known(SLOW))
    scene.probes[1] = Known((SLOW,))
    seen = diagnose(scene.snapshot())
    assert (seen.verdict, [h.state for h in seen.health]) == ("unknown", ["ok", "unknown"])
    assert "no backend of it was seen to answer" in seen.notes[0]
    alive = diagnose(scene.endpoint(1, http=Known(GOOD)).snapshot())
    assert alive.verdict == "healthy" and "no backend of it" not in alive.notes[0]      # a slow page of an application that lives
    both = scene.endpoint(1, http=Known(SLOW)).snapshot()
    other = replace(both.routes[0], endpoints=("e1",))
    assert diagnose(replace(both, routes=(other, both.routes[1]))).verdict == "healthy"    # another page of its answers


@pytest.mark.parametrize("met", [SLOW, REFUSED])      # a container that waits to be started again, a unit's closed port
@pytest.mark.parametrize(("ends", "lost", "own", "ago", "served", "verdict"), [
    (3, 4, 1, 20, True, "degraded"), (3, 4, 4, 20, True, "broken"), (3, 0, 0, 20, True, "broken"), (0, 4, 1, 20, True, "broken"),
    (3, 4, 1, 30, True, "broken"),        # it ends without that page, too
    (3, 4, 1, 20, False, "broken"),       # it ends as it loads, and its socket accepts what it then loses
])
def test_a_backend_that_another_page_ends_is_met_down_by_chance(ends: int, lost: int, own: int, ago: float, served: bool,
                                                                verdict: str, met: ProbeResult) -> None:
    """A probe got no answer while its container restarts; its log says why it ends."""
    said = ('INFO:     10.0.0.9:41 - "GET / HTTP/1.1" 200 OK', "INFO:     Finished server process [7]") if served else ()
    lines = log_lines(*said, "Error: SIGNING_KEY is not set")
    back = replace(container_service("app", pid=None, box={"status": "restarting", "restart_count": ends}), log=lines)
    scene = Scene("app:8000", node="web", back="app").with_service(back)
    scene.endpoint(configured_service=back.id, tcp=Known(met), http=Known(met), listener=Known(None))
    scene.answers(SLOW if met is SLOW else BAD_GATEWAY)
    cut = ("upstream prematurely closed connection", None, "reading response header from upstream")
    scene.logs(*cut, ago=20, count=lost, path="/login").logs(*cut, ago=ago, count=own)
    seen = diagnose(scene.snapshot())
    assert any(found.is_proven_fault for found in seen.findings)
    assert seen.verdict == verdict


def test_a_parent_that_listens_before_its_application_loads_is_ended_by_no_page() -> None:
    """gunicorn says that it listens, loses what its socket accepted, and gives up: it never served."""
    said = ("[2026-01-01 03:00:00 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)",
            "ModuleNotFoundError: No module named 'pdfreports'",
            "[2026-01-01 03:00:00 +0000] [1] [INFO] Reason: Worker failed to boot.")
    box = {"status": "restarting", "restart_count": 7, "exit_code": 3}
    back = replace(container_service("app", pid=None, box=box), log=log_lines(*said, ago=15))
    scene = Scene("app:8000", node="web", back="app").with_service(back)
    scene.endpoint(configured_service=back.id, tcp=Known(SLOW), http=Known(SLOW), listener=Known(None)).answers(SLOW)
    cut = ("upstream prematurely closed connection", None, "reading response header from upstream")
    scene.logs(*cut, ago=20, count=4, path="/login").logs(*cut, ago=20)
    seen = diagnose(scene.snapshot())
    assert any(found.is_proven_fault for found in seen.findings) and seen.verdict == "broken"
