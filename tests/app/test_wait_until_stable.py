"""After a change: one good moment proves nothing, a streak does; what still starts is waited for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixer.app import repair_session as courses
from fixer.app import wait_until_stable
from fixer.app.repair import _Rounds
from fixer.app.repair_session import RepairSession
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.app.wait_until_stable import observe_until_stable, wait_until_healthy
from fixer.diagnose.run_causes import diagnose
from fixer.hosts.machine.prefetch import Prefetched, pending_answers
from fixer.model.diagnosis import Diagnosis, HealthVerdict, Repair
from fixer.model.facts import Known
from fixer.model.plan import Risk
from fixer.model.query import Answer, Command
from fixer.observe.build_snapshot import build_snapshot
from fixer.terminal import Terminal
from fixer.verify import Observation
from tests.apply.folder_target import FolderTarget
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    healthy_scene,
    listener,
    probe,
    service,
    supervised_service,
    wrong_port_scene,
)
from tests.observe.capture_builders import capture, node


def look(seen: object) -> Observation:
    snapshot = seen.snapshot()  # type: ignore[attr-defined]
    return Observation(snapshot, diagnose(snapshot))


BROKEN, WELL = look(wrong_port_scene()), look(healthy_scene())
FAULT = BROKEN.diagnosis.findings[0]
OTHER = Observation(BROKEN.snapshot, replace(BROKEN.diagnosis, findings=(replace(FAULT, cause="crash-killed"),), checks=()))
STARTING = Observation(BROKEN.snapshot, Diagnosis(
    "broken", (replace(FAULT, cause="slow-start", repairs=(Repair("wait", "safe", "wait", (), waits=True),)),), (), (),
))


def showing(*looks: Observation) -> Callable[[], Observation]:
    """Each look in turn, then the last one for ever."""
    rest = list(looks)
    return lambda: rest.pop(0) if len(rest) > 1 else rest[0]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_until_stable, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(wait_until_stable, "STABLE_SECONDS", 0.03)


@pytest.mark.parametrize(("looks", "better"), [
    ((WELL,), True), ((BROKEN,), False), ((BROKEN, BROKEN, WELL), True), ((WELL, BROKEN), False), ((OTHER,), True),
    ((STARTING, STARTING, WELL), True), ((STARTING, BROKEN), False), ((WELL, OTHER), True), ((WELL, WELL, STARTING, BROKEN), False),
])
def test_a_round_is_judged_by_what_holds(looks: tuple[Observation, ...], better: bool) -> None:
    settled = observe_until_stable(showing(*looks), BROKEN, FAULT, limit=0.4)
    assert settled.verification.is_better is better
    assert settled.observation is looks[-1]


UNSEEN = Observation(BROKEN.snapshot, replace(BROKEN.diagnosis, verdict="unknown", findings=(), checks=()))


@pytest.mark.parametrize(("moments", "better"), [
    ((OTHER, UNSEEN), True), ((OTHER, OTHER, UNSEEN, UNSEEN), True), ((UNSEEN,), False), ((BROKEN, OTHER, UNSEEN), False),
    ((WELL, UNSEEN), False),
])
def test_a_next_fault_that_shows_at_some_moments_has_come(moments: tuple[Observation, ...], better: bool) -> None:
    """It ends again and again: no two looks in a row see the same."""
    every = itertools.cycle(moments)
    settled = observe_until_stable(lambda: next(every), BROKEN, FAULT, limit=0.4)
    assert settled.verification.is_better is better
    if better:
        assert settled.observation is OTHER and not settled.verification.has_helped


def visited(limit: float, *ago: float, referrer: str = "") -> Observation:
    """A broken route with a time limit, and visitors whose failures were logged so long ago."""
    scene = wrong_port_scene()
    scene.events.clear()
    for seconds in ago:
        scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header", ago=seconds)
    seen = scene.snapshot()
    marked = tuple(replace(e, raw=e.raw + referrer) for e in seen.nginxes[0].errors.or_else(()))
    routes = tuple(replace(r, route=replace(r.route, read_timeout=limit)) for r in seen.routes)
    nginxes = tuple(replace(nginx, errors=Known(marked)) for nginx in seen.nginxes)
    return Observation(replace(seen, routes=routes, nginxes=nginxes), BROKEN.diagnosis)


@pytest.mark.parametrize(("before", "seconds"), [
    (visited(1.0, 9, 6, 3), 8.0), (visited(2.0, 50, 40, 8, 6, 5, 4), 7.0),   # the last pauses count
    (visited(60.0, 9, 6, 3), 0.03),     # nobody can wait for that limit
    (visited(1.0, 3), 0.03), (visited(1.0), 0.03), (visited(1.0, 300, 290), 0.03),      # how often anybody comes is unknown
    (visited(1.0, 9, 6, 3, referrer=', referrer: "http://a/badgateway"'), 0.03),    # fixer's own requests
])
def test_pages_with_a_short_limit_are_watched_until_visitors_come_again(before: Observation, seconds: float) -> None:
    assert wait_until_stable.watch_seconds(before, FAULT) == seconds
    assert wait_until_stable.watch_seconds(before, replace(FAULT, routes=("r99",))) == 0.03


def served(command: str, **changes: Any) -> Observation:
    """The same with visitors every 3 s, and a server of that command somewhere behind."""
    before = visited(60.0, 9, 6, 3)
    words = command.split()
    one = service(argv=tuple(words), runtime=words[0])
    snapshot = replace(before.snapshot, services=(one,), **changes)
    return replace(before, snapshot=snapshot)


@pytest.mark.parametrize(("command", "seconds"), [
    ("uwsgi --harakiri 1 --http :8000", 8.0), ("gunicorn --timeout=2 app:app", 9.0), ("gunicorn -t 2 app:app", 9.0),
    ("gunicorn app:app", 0.03), ("uwsgi --http :8000", 0.03), ("uvicorn --timeout 1 app:app", 0.03),
])
def test_a_short_limit_of_the_server_for_its_workers_is_watched_too(command: str, seconds: float) -> None:
    assert wait_until_stable.watch_seconds(served(command), FAULT) == seconds


def test_an_nginx_that_did_not_run_logged_no_visitor_who_may_come() -> None:
    before = served("uwsgi --harakiri 1 --http :8000")
    stopped = replace(before.snapshot.nginxes[0], master_pid=None, errors=Known(()))
    down = replace(before, snapshot=replace(before.snapshot, nginxes=(stopped,)))
    assert wait_until_stable.watch_seconds(down, FAULT) == 8.0


def test_of_an_nginx_that_was_just_started_one_visitor_tells_how_often_they_come() -> None:
    before = visited(1.0, 3)
    node = before.snapshot.nodes[0]
    young = tuple(replace(p, started_at=NOW - 5) for p in node.processes.or_else(()))
    snapshot = replace(before.snapshot, nodes=(replace(node, processes=Known(young)), *before.snapshot.nodes[1:]))
    assert wait_until_stable.watch_seconds(replace(before, snapshot=snapshot), FAULT) == 6.0


def test_a_limit_that_a_hidden_page_needs_shows_while_it_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Well at once, and somebody asks the slow page only later."""
    monkeypatch.setattr(wait_until_stable, "watch_seconds", lambda *_: 0.3)
    later = [WELL] * 12
    assert observe_until_stable(showing(*later, OTHER), BROKEN, FAULT, limit=5.0).observation is OTHER


def test_good_and_bad_in_turn_is_not_better() -> None:
    turn = [WELL, BROKEN] * 500
    settled = observe_until_stable(turn.pop, BROKEN, FAULT, limit=0.3)
    assert not settled.verification.is_better


def test_what_only_starts_when_the_time_is_over_is_kept_as_better() -> None:
    assert observe_until_stable(showing(STARTING), BROKEN, FAULT, limit=0.2).verification.is_better


@pytest.mark.parametrize(("looks", "end"), [
    ((STARTING, STARTING, WELL), WELL), ((STARTING, OTHER), OTHER), ((STARTING,), STARTING),
])
def test_what_heals_by_itself_is_waited_for(looks: tuple[Observation, ...], end: Observation) -> None:
    assert wait_until_healthy(showing(*looks), looks[0], limit=0.4) is end


def held_off() -> Observation:
    """Two members of a group: one answers, one is empty, and nginx has counted both out."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200)).answers(BAD_GATEWAY)
    seen = scene.snapshot()
    route = replace(seen.routes[0], endpoints=tuple(e.id for e in seen.endpoints))
    return Observation(replace(seen, routes=(route,)), diagnose(seen, causes=()))


def held_off_name(*addresses: str) -> Observation:
    """A name of these addresses, of which one answers."""
    scene = Scene().with_service(service(), listener(8000, 200)).answers(BAD_GATEWAY)
    seen = scene.endpoint(addresses=Known(addresses)).snapshot()
    return Observation(seen, diagnose(seen, causes=()))


def test_what_nginx_leaves_out_is_asked_again_before_a_repair_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = held_off()
    looks = iter([first, first, WELL])
    monkeypatch.setattr(courses, "observe_and_diagnose", lambda *words, **more: next(looks))
    for dry_run, outcome in ((True, "needs-input"), (False, "nothing-to-do")):
        options = RepairRequest(DiagnoseRequest(), dry_run, True, None, None, {})
        with ExitStack() as stack:
            end = _Rounds(RepairSession(FolderTarget(tmp_path), options, Terminal(), first, first), stack).run()
        assert end.outcome == outcome
    monkeypatch.setattr(wait_until_stable, "SKIPPED_SECONDS", 0.0)
    assert wait_until_stable.wait_for_skipped_servers(showing(first, WELL), first) is first


def test_what_let_nginx_leave_them_out_may_show_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = held_off()
    guilty = Observation(first.snapshot, replace(first.diagnosis, findings=(replace(FAULT, routes=()),)))
    assert wait_until_stable.has_skipped_server(guilty)
    looks = iter([first, guilty, WELL])
    monkeypatch.setattr(courses, "observe_and_diagnose", lambda *words, **more: next(looks))
    with ExitStack() as stack:
        course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), first, first)
        assert _Rounds(course, stack)._asked_again()
    assert course.current is guilty


def partly(found: Observation) -> Observation:
    """With a page that answers now and then."""
    return replace(found, diagnosis=replace(found.diagnosis, health=tuple(replace(h, state="degraded") for h in found.diagnosis.health)))


def test_a_name_of_one_address_is_no_group() -> None:
    alone = [partly(held_off_name("127.0.0.1"))] * 20
    assert observe_until_stable(showing(*alone, WELL), BROKEN, FAULT, limit=2.0).observation is alone[0]


@pytest.mark.parametrize("look", [held_off(), held_off_name("127.0.0.1", "::1")])
def test_a_group_that_nginx_counts_out_is_waited_for(look: Observation, monkeypatch: pytest.MonkeyPatch) -> None:
    counted_out = [partly(look)] * 20
    assert observe_until_stable(showing(*counted_out, WELL), BROKEN, FAULT, limit=2.0).observation is WELL
    monkeypatch.setattr(wait_until_stable, "SKIPPED_SECONDS", 0.05)
    assert observe_until_stable(showing(*counted_out, WELL), BROKEN, FAULT, limit=2.0).observation is counted_out[0]


@pytest.mark.parametrize(("verdicts", "recovered", "looks"), [
    (["degraded", "broken", "healthy"], True, 3), (["degraded"] * 9, True, 4), (["degraded"] * 9, False, 1), (["healthy"], True, 1),
])
def test_what_was_just_taken_back_is_looked_at_until_it_can_be_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdicts: list[HealthVerdict], recovered: bool, looks: int,
) -> None:
    """A container between two starts has no word in its log yet."""
    seen: list[Observation] = []

    def look_at(*_: object, **__: object) -> Observation:
        seen.append(Observation(build_snapshot(capture(node())), Diagnosis(verdicts[len(seen)], (), (), ())))
        return seen[-1]

    monkeypatch.setattr(wait_until_stable, "observe_and_diagnose", look_at)
    monkeypatch.setattr(wait_until_stable, "RETRY_SECONDS", 0.0)
    options = RepairRequest(DiagnoseRequest(), dry_run=False, yes=True, max_risk=None, only=None, inputs={})
    early = Command("systemctl-show")
    monkeypatch.setitem(pending_answers, early, Prefetched(lambda: Answer("ok")))
    found = wait_until_stable.first_observation(FolderTarget(tmp_path), options, after_recovery=recovered)
    assert len(seen) == looks and found is seen[-1]
    assert (early in pending_answers) is not recovered, "what was fetched before a rollback is over"


@pytest.mark.parametrize(("ago", "restarts", "risk", "looks"), [
    (2.0, 16, "manual", 2), (60.0, 16, "manual", 1), (2.0, 0, "manual", 1), (2.0, 16, "safe", 1),
])
def test_a_service_that_has_just_been_started_again_is_looked_at_once_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ago: float, restarts: int, risk: Risk, looks: int,
) -> None:
    """Before a person is sent there: perhaps one was, and its socket opens a moment later."""
    made = supervised_service("RUNNING", program={"started_at": NOW - ago, "restarts": restarts})
    snapshot = Scene().with_service(replace(made, pids=(300,))).refused().snapshot()
    fault = replace(FAULT, service=made.name, node=made.node, repairs=(Repair("mend", risk, "mend it", ()),))
    seen: list[Observation] = []

    def look_at(*_: object, **__: object) -> Observation:
        seen.append(Observation(snapshot, Diagnosis("broken", (fault,), (), ())))
        return seen[-1]

    monkeypatch.setattr(wait_until_stable, "observe_and_diagnose", look_at)
    monkeypatch.setattr(wait_until_stable, "RETRY_SECONDS", 0.0)
    options = RepairRequest(DiagnoseRequest(), dry_run=False, yes=True, max_risk=None, only=None, inputs={})
    wait_until_stable.first_observation(FolderTarget(tmp_path), options, after_recovery=False)
    assert len(seen) == looks


@pytest.mark.parametrize(("moments", "looks"), [
    (["late", "well"], 2), (["late", "late", "broken"], 3), (["late"] * 9, 4), (["broken"], 1),
])
def test_a_moment_in_which_nobody_answered_in_time_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moments: list[str], looks: int,
) -> None:
    """A socket that systemd holds keeps its visitors while the service behind it is restarted."""
    verdicts: dict[str, HealthVerdict] = {"late": "unknown", "well": "healthy", "broken": "broken"}
    seen: list[Observation] = []

    def look_at(*_: object, **__: object) -> Observation:
        moment = moments[len(seen)]
        scene = Scene().answers(probe(None, error="slow") if moment == "late" else probe(200))
        seen.append(Observation(scene.snapshot(), Diagnosis(verdicts[moment], (), (), ())))
        return seen[-1]

    monkeypatch.setattr(wait_until_stable, "observe_and_diagnose", look_at)
    monkeypatch.setattr(wait_until_stable, "RETRY_SECONDS", 0.0)
    options = RepairRequest(DiagnoseRequest(), dry_run=False, yes=True, max_risk=None, only=None, inputs={})
    found = wait_until_stable.first_observation(FolderTarget(tmp_path), options, after_recovery=False)
    assert len(seen) == looks and found is seen[-1]
