"""Tests of fixer/analysis/exits/kills.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known
from fixer.model.snapshot import LogLine
from tests.causes.crash_killed_builders import killed
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    verdict_of,
)

CAUSE = "crash-killed"


def test_a_shell_between_says_137() -> None:
    values = {"result": "exit-code", "exec_main_status": 137}
    assert roots(diagnose(killed(unit_changes=values).snapshot())) == [CAUSE]


def lost(phase: str, scene: Scene, ago: float = 60.0) -> Scene:
    return scene.logs("upstream prematurely closed connection", None, phase, ago=ago)


def worker(*lines: str, ago: float = 20.0, **changes: object) -> Scene:
    scene = healthy_scene()
    scene.services[0] = replace(scene.services[0], log=log_lines(*lines, ago=ago), **changes)  # type: ignore[arg-type]
    return lost("reading response header from upstream", scene, ago=ago)


@pytest.mark.parametrize("said", ["INFO:     Child process [812] died",
                                  "[WARNING] Worker with pid 812 was terminated due to signal 6",
                                  "[ERROR] Worker (pid:812) exited with code 1",
                                  "[ERROR] Worker (pid:812) was sent SIGKILL! Perhaps out of memory?"])
def test_a_worker_that_died_behind_its_parent_is_told_and_left_alone(said: str) -> None:
    diagnosis = diagnose(worker(said).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, found.repairs) == ("uvicorn-worker-died", "advice", ())
    assert diagnosis.verdict == "healthy" and {"service-log", "unit", "nginx-log"} == {e.source for e in found.evidence}


def test_a_worker_that_died_in_the_second_of_its_start_is_told() -> None:
    """nginx writes whole seconds: what was lost after the start may stand a moment before it."""
    scene = healthy_scene()
    begun = replace(scene.services[0].unit, active_enter=NOW - 20.3)   # type: ignore[type-var]
    scene.services[0] = replace(scene.services[0], log=log_lines("INFO:     Child process [812] died", ago=19.6), unit=begun)
    young = lost("reading response header from upstream", scene, ago=21.0)
    assert finding_of(diagnose(young.snapshot()), CAUSE).variant == "uvicorn-worker-died"


def test_workers_that_die_again_and_again_are_for_a_person() -> None:
    diagnosis = diagnose(worker(*["INFO:     Child process [812] died"] * 3).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.role, found.repairs[0].risk, diagnosis.verdict) == ("contributing", "manual", "degraded")


@pytest.mark.parametrize(("said", "fault"), [
    ("[WARNING] Worker with pid 812 was terminated due to signal 6", "SIGABRT"), ("[ERROR] Worker (pid:812) was sent SIGSEGV!", "SIGSEGV"),
    ("DAMN ! worker 1 (pid: 812) died, killed by signal 11 :( trying respawn ...", "SIGSEGV"),
    ("[WARNING] Worker with pid 812 was terminated due to signal 9", ""), ("INFO:     Child process [812] died", ""),
])
def test_a_fault_of_the_program_itself_is_told_by_the_name_or_the_number_of_its_signal(said: str, fault: str) -> None:
    manual = finding_of(diagnose(worker(*[said] * 3).snapshot()), CAUSE).repairs[0].manual
    assert (f"end with {fault}, a fault of the program itself" in manual) if fault else ("a fault of the program itself" not in manual)


@pytest.mark.parametrize(("before", "after", "found"), [
    (61.0, 59.0, True),         # the requests before and after it have times
    (400.0, 1.0, False),        # far apart: it may be an old death
    (300.0, 290.0, False),      # an old one
])
def test_a_death_without_a_time_was_between_the_lines_that_have_one(before: float, after: float, found: bool) -> None:
    """uWSGI dates each request, and no death of a worker."""
    scene = healthy_scene()
    lines = [LogLine(None if ago is None else NOW - ago, text, "/var/log/shop.log") for ago, text in (
        (before, "[pid: 7] GET /"), (None, "DAMN ! worker 1 (pid: 7) died, killed by signal 6 :( trying respawn ..."),
        (None, "Respawned uWSGI worker 1 (new pid: 8)"), (after, "[pid: 8] GET /"))]
    scene.services[0] = replace(scene.services[0], log=Known(tuple(lines)))
    diagnosis = diagnose(lost("reading response header from upstream", scene).snapshot())
    assert (CAUSE in [one.cause for one in diagnosis.findings]) is found


def test_a_few_deaths_are_the_root_where_the_page_that_fails_is_one_of_those_lost() -> None:
    scene = worker(*["INFO:     Child process [812] died"] * 2).answers(GOOD, replace(BAD_GATEWAY, page="/login"))
    scene.events = [replace(event, request="GET /login HTTP/1.1") for event in scene.events]
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.role, found.confidence, found.repairs[0].risk) == ("root", "possible", "manual")


def in_two_places(said: str, path: str) -> Scene:
    """Two locations, each of which writes the address of the only server; requests for one page are lost."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200)).answers(GOOD).answers(GOOD, route=1)
    scene.services[0] = replace(scene.services[0], log=log_lines(said, said, said, ago=20))
    return scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=20, path=path)


@pytest.mark.parametrize("path", ["/login", "/1/report"])
@pytest.mark.parametrize(("said", "cause"), [
    ("INFO:     Child process [812] died", CAUSE), ("[CRITICAL] WORKER TIMEOUT (pid:812)", "worker-recycled"),
])
def test_a_death_counts_whichever_place_of_the_files_leads_to_the_server(said: str, cause: str, path: str) -> None:
    """Only the first location was asked what it lost."""
    found = finding_of(diagnose(in_two_places(said, path).snapshot()), cause)
    assert found.routes == ("r1", "r2")


@pytest.mark.parametrize("scene", [
    worker("WARNING:  Maximum request limit of 5 exceeded. Terminating process.", "INFO:     Child process [812] died"),
    worker("INFO:     Child process [812] died", ago=1000), healthy_scene(), worker("INFO:     all is well"),
    worker("[WARNING] Worker with pid 812 was terminated due to signal 15"),
    worker("INFO:     Child process [812] died", is_app_server=False),
])
def test_a_death_that_cost_nothing_or_has_another_reason_is_none(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize(("said", "words"), [
    ("[ERROR] Worker (pid:%d) was sent SIGSEGV!", "end with SIGSEGV"),
    ("[ERROR] Worker (pid:%d) was sent SIGABRT!", "end with SIGABRT"), ("INFO:     Child process [%d] died", "Candidates: a person"),
])
def test_workers_that_end_at_the_page_that_fails_are_the_root(said: str, words: str) -> None:
    """`/` is well and redirects to /login, which ends the worker that answers it."""
    scene = worker(*(said % pid for pid in range(812, 822))).answers(GOOD, replace(BAD_GATEWAY, page="/login"))
    assert finding_of(diagnose(scene.snapshot()), CAUSE).role == "contributing", "other requests were lost"
    scene.events = [replace(event, request="GET /login HTTP/1.1") for event in scene.events]
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.role, found.variant) == ("root", "uvicorn-worker-died") and words in found.repairs[0].manual


def test_the_page_that_each_death_cost_is_named_first() -> None:
    """Another page, first in the alphabet, was lost more often, and at one death only."""
    scene = healthy_scene()
    for ago in (60.0, 40.0, 20.0):
        lost("reading response header from upstream", scene, ago=ago)
    scene.events = [replace(event, request="GET /report HTTP/1.1") for event in scene.events]
    scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=40.0, count=4, path="/health")
    lines = [LogLine(event.at, "[ERROR] Worker (pid:812) was sent SIGSEGV!", "/var/log/shop.log") for event in scene.events[:3]]
    scene.services[0] = replace(scene.services[0], log=Known(tuple(lines)))
    assert "while they answer /report and /health." in finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].manual


def test_the_abort_by_which_gunicorn_ends_a_silent_worker_is_another_cause() -> None:
    scene = worker("[CRITICAL] WORKER TIMEOUT (pid:812)", "[ERROR] Worker (pid:812) was sent SIGABRT!")
    assert CAUSE not in [found.cause for found in diagnose(scene.snapshot()).findings]
