"""An error page that gives 502 a good status: the route is judged by what nginx's own log says of our request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import Span, StaticLocation
from fixer.model.snapshot import ErrorEvent
from tests.causes.snapshot_builders import GOOD, NOW, SITE, SLOW, Scene, healthy_scene, listener, probe, roots, service

PAGE = "error_page 502 504 =200 /sorry.html, /etc/nginx/sites-enabled/shop:9"
SORRY = probe(200, body="sorry")
CLOSED = probe(error="closed", phase="read")
READING = "reading response header from upstream"


def line(message: str = "connect() to unix:/run/a.sock failed (13: Permission denied)", errno: int | None = 13,
         phase: str = "connecting to upstream", *, at: float = NOW, client: str = "127.0.0.1", path: str = "/") -> ErrorEvent:
    return ErrorEvent(at, "crit", message, errno, phase, client, "", f"GET {path} HTTP/1.1", "http://127.0.0.1:8000/",
                      "/var/log/nginx/error.log:1", f"[crit] {message} while {phase}")


LATE = ("upstream timed out (110: Connection timed out)", 110, READING)
ENDED = ("upstream prematurely closed connection", None, READING)


def hidden(*lines: ErrorEvent, state: str = "S", masked_by: str = PAGE, **ends: Any) -> Scene:
    """The service runs and the page comes, with a status that says that all is well."""
    scene = Scene().with_service(service(), listener(8000, 200), state=state).answers(SORRY).endpoint(**ends)
    scene.route[0] = {"masked_by": masked_by}
    scene.events += lines
    return scene


@pytest.mark.parametrize("scene", [
    hidden(line()),                                                  # root may ask where nginx's account may not
    hidden(line(*LATE), http=Known(SLOW)), hidden(line(*ENDED), http=Known(CLOSED)), hidden(line(*ENDED)),
    hidden(line(*ENDED, at=NOW - 20, client="10.0.0.9"), http=Known(CLOSED)),
    hidden(line(*LATE, at=NOW - 20, client="10.0.0.9"), http=Known(SLOW)),
    hidden(line("no live upstreams", None), http=Known(GOOD)),
])
def test_a_page_in_place_of_a_failure_is_no_answer(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded"
    assert diagnosis.health[0].reason == f"answers 200 by an error page ({PAGE}): nginx gets no answer behind it"


def test_the_usual_cause_is_found_behind_it() -> None:
    diagnosis = diagnose(hidden(line(*LATE), state="T", http=Known(SLOW)).snapshot())
    assert roots(diagnosis) == ["backend-hung"] and diagnosis.findings[0].repairs[0].id == "continue-process"


@pytest.mark.parametrize("scene", [
    hidden(), hidden(http=Known(CLOSED)), hidden(http=Known(SLOW)),          # nginx logged no failure
    hidden(line(at=NOW - 30)), hidden(line(client="10.0.0.9")), hidden(line(path="/other")),     # not of our request
    hidden(line(*ENDED), http=Known(SORRY)),         # a kept connection had ended, and the next one answered
    hidden(line(*LATE, at=NOW - 20, client="10.0.0.9"), http=Known(SLOW), path="/health"),
    hidden(line(), masked_by=""), hidden(line(), down=True),
])
def test_a_page_that_may_well_be_the_applications_is_left_alone(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.health[0].state == "ok" and not roots(diagnosis)


def test_a_maintenance_that_answers_on_purpose_is_left_alone() -> None:
    scene = healthy_scene().answers(probe(502, body="<center>nginx</center>"))
    scene.route[0] = {"masked_by": PAGE}
    scene.statics = (StaticLocation(0, "/", 502, Span(SITE, 4, 0, 0)),)
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_one_of_two_servers_that_failed_is_none() -> None:
    """nginx asked the other one, and the page came from there."""
    made = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200)).answers(SORRY)
    made.route[0] = {"masked_by": PAGE, "upstream": "shop"}
    made.events.append(line())
    snapshot = made.snapshot()
    both = replace(snapshot, routes=(replace(snapshot.routes[0], endpoints=("e0", "e1")),))
    assert diagnose(both).health[0].state == "ok"
