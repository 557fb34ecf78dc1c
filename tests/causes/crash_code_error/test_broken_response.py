"""Tests of fixer/causes/crash_code_error/broken_response.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Undetermined
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "crash-code-error"
MAIN = "/srv/shop/app/main.py"

RAISED = ("ERROR:    Exception in ASGI application", "Traceback (most recent call last):",
          "ValueError: could not convert string to float: 'n/a'")


def cut(count: int, *lines: str, back: float = 5.0, **changes: object) -> Scene:
    made = service(**{"log": log_lines(*lines, ago=5.0), **changes})   # type: ignore[arg-type]
    scene = Scene().with_service(made, listener(8000, 200))
    return scene.logs("upstream prematurely closed connection", None, "reading upstream", ago=back, count=count)


def test_hit_answers_that_the_code_breaks_off() -> None:
    diagnosis = diagnose(cut(3, *RAISED).snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "degraded"
    one = diagnosis.findings[0]
    assert one.variant == "app-exception-mid-stream" and "ValueError" in one.summary and "n/a" not in one.summary
    assert [e.source for e in one.evidence[:3]] == ["nginx-log", "service-log", "service-log"]
    assert one.repairs[0].risk == "manual"


def test_the_line_that_raised_is_named() -> None:
    trace = ("ERROR:    Exception in ASGI application", "  + Exception Group Traceback (most recent call last):",
             f'  |   File "{MAIN}", line 57, in sheets', "  |     yield str(float(cell))",
             '  |   File "/usr/lib/python3/dist-packages/starlette/x.py", line 9, in y', "  |     z()", "  | ValueError: x")
    one = finding_of(diagnose(cut(3, *trace).snapshot()), CAUSE)
    assert f"correct {MAIN}:57" in (one.repairs[0].manual or "")
    assert (f"{MAIN}:57", "yield str(float(cell))") in {(e.where, e.text) for e in one.evidence}


def test_hit_the_first_of_them_in_the_second_in_which_it_was_started() -> None:
    """nginx's log has whole seconds: an error half a second after a start seems to be older than it."""
    young = cut(3, log=log_lines(*RAISED, ago=4.4), unit_changes={"active_enter": NOW - 4.5})
    assert roots(diagnose(young.snapshot())) == [CAUSE]


def test_hit_a_single_one_where_our_own_ends_early_too() -> None:
    assert roots(diagnose(cut(1, *RAISED).answers(probe(200, whole=False)).snapshot())) == [CAUSE]


@pytest.mark.parametrize("scene", [
    cut(2, *RAISED),                                                        # one visitor's bad luck
    cut(3, "INFO:     10.0.0.9 - GET /list 200 OK"),                        # nothing was raised
    cut(3, *RAISED, back=30.0),                                             # not at that moment
    cut(3, *RAISED, "INFO:     Child process [17] died"),                   # a worker died
    cut(3, *RAISED, unit_changes={"active_enter": NOW - 4}),                # of the run before
])
def test_miss_answers_that_end_early_for_another_reason(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def closed(count: int, error: str, *, path: str = "/x") -> Scene:
    """A plain program that prints what it raised, and closes the connection without an answer."""
    lines = ("Exception occurred during processing of request from ('127.0.0.1', 4242)", "Traceback (most recent call last):",
             '  File "/srv/shop/serve.py", line 9, in do_GET', error)
    scene = Scene().with_service(service(log=log_lines(*lines, ago=5.0)), listener(8000, 200))
    return scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", count=count, path=path)


def test_hit_connections_that_are_closed_with_an_error_in_the_log() -> None:
    """The traceback stood in the journal, and no cause was named."""
    one = finding_of(diagnose(closed(3, "KeyError: 'AUTH_TOKEN'").snapshot()), CAUSE)
    assert (one.variant, one.confidence) == (None, "likely")
    assert one.summary == ("backend.service runs but closes connections without an answer: 3 within a minute, with an error in its log "
                           "(KeyError: 'AUTH_TOKEN')")
    assert "correct /srv/shop/serve.py:9" in one.repairs[0].manual
    assert CAUSE not in roots(diagnose(closed(2, "KeyError: 'AUTH_TOKEN'").snapshot())), "too few to be no chance"
    assert CAUSE in roots(diagnose(closed(1, "KeyError: 'AUTH_TOKEN'", path="/").answers(BAD_GATEWAY).snapshot()))


@pytest.mark.parametrize("error", ["PermissionError: [Errno 13] Permission denied: '/srv/feed.json'", "redis.exceptions.ConnectionError: x"])
def test_miss_what_the_disk_or_a_dependency_raises(error: str) -> None:
    assert CAUSE not in roots(diagnose(closed(3, error).snapshot()))


def test_what_a_check_before_a_page_raises_is_why_the_page_fails() -> None:
    scene = closed(1, "KeyError: 'AUTH_TOKEN'")
    seen = scene.answers(BAD_GATEWAY).snapshot()
    guard = replace(seen.routes[0], route=replace(seen.routes[0].route, id="r9", location="/x", path="/x", asked_first=True), probes=Known(()))
    one = finding_of(diagnose(replace(seen, routes=(guard, *seen.routes))), CAUSE)
    assert one.routes == ("r9", "r1")


def test_unknown_what_the_service_said() -> None:
    assert isinstance(verdict_of(diagnose(cut(3, log=Unknown("not root")).snapshot()), CAUSE), Undetermined)
