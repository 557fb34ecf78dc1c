"""The failing addresses of a case where nginx does not run, so that no page can be asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    causes_of,
    container_service,
    healthy_scene,
    log_lines,
    roots,
    verdict_of,
)

RUN = ("Traceback (most recent call last):", '  File "/srv/app/settings.py", line 3, in <module>',
       '    SECRET = os.environ["SECRET_KEY"]', '  File "<frozen os>", line 679, in __getitem__', "KeyError: 'SECRET_KEY'")


def both_down(**box: object) -> Scene:
    """A stopped nginx, and an application in a container of its own that nobody can connect to now."""
    made = container_service(pid=None, log=log_lines(*RUN, ago=2.0), box={
        "exit_code": 1, "restart_policy": "always", "restart_count": 7, **box})
    scene = Scene("app:8000", node="web", back="app").with_service(made)
    scene.endpoint(configured_service=made.id, listening_service=None, listener=Unknown("it restarts"),
                   tcp=Unknown("it restarts"), http=Unknown("it restarts"))
    scene.probes[0] = Unknown("nginx does not run")
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "exit_code": 0})
    scene.nginx.update({"master_pid": None, "worker_pids": (), "loaded_at": Unknown("not running"), "service": web,
                        "test": Known((0, "ok"))})
    scene.listeners.clear()
    return scene


@pytest.mark.parametrize("box", [
    {"status": "restarting", "started_at": NOW - 30},
    {"status": "running", "started_at": NOW - 1},      # the moment between two ends
])
def test_a_container_that_ends_again_and_again_is_seen_at_every_moment(box: dict[str, object]) -> None:
    diagnosis = diagnose(both_down(**box).snapshot(), {})
    assert roots(diagnosis) == ["nginx-down", "crash-missing-env"]


def test_a_container_that_runs_since_long_is_not_said_to_fail() -> None:
    diagnosis = diagnose(both_down(status="running", started_at=NOW - 600).snapshot(), {})
    assert causes_of(diagnosis) == ["nginx-down"]


def test_a_failing_route_is_what_rules_out() -> None:
    verdict = verdict_of(diagnose(Scene().refused().snapshot()), "tls-verify-failed")
    assert isinstance(verdict, RuledOut)
    assert [e.text for e in verdict.evidence] and not [e for e in verdict.evidence if e.text == "answers 200"]


def test_where_none_fails_a_good_answer_does() -> None:
    verdict = verdict_of(diagnose(healthy_scene().snapshot()), "tls-verify-failed")
    assert isinstance(verdict, RuledOut) and [e.text for e in verdict.evidence] == ["answers 200"]


STOPPED = {"master_pid": None, "worker_pids": (), "loaded_at": Unknown("not running"), "test": Unknown("not asked")}


def without_probes(scene: Scene) -> Scene:
    """The same with a stopped nginx, so that no route could be asked."""
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update(STOPPED)
    return scene


def test_where_no_route_could_be_asked_what_listens_at_its_address_does() -> None:
    verdict = verdict_of(diagnose(without_probes(healthy_scene()).snapshot()), "tls-verify-failed")
    assert isinstance(verdict, RuledOut) and "uvicorn" in verdict.evidence[0].text


def test_where_nothing_is_known_of_the_addresses_what_nginx_said_does() -> None:
    scene = without_probes(Scene())
    scene.endpoint(listener=Unknown("outside"), tcp=Unknown("outside"), http=Unknown("outside"))
    scene.nginx["errors"] = Unknown("not readable")
    scene.nginx["test"] = Known((1, "nginx: [emerg] unknown directive\nnginx: configuration file test failed\n"))
    verdict = verdict_of(diagnose(scene.snapshot()), "cached-error")
    assert isinstance(verdict, RuledOut) and [e.text for e in verdict.evidence] == ["nginx: configuration file test failed"]


def test_what_nothing_rules_out_is_not_ruled_out() -> None:
    """Nobody could look: that is no proof of absence."""
    scene = without_probes(Scene())
    scene.endpoint(listener=Unknown("outside"), tcp=Unknown("outside"), http=Unknown("outside"))
    verdict = verdict_of(diagnose(scene.snapshot()), "cached-error")
    assert isinstance(verdict, RuledOut) and [e.text for e in verdict.evidence] == ["no error"]
    scene.nginx["errors"] = Unknown("not readable")
    checks = diagnose(scene.snapshot()).checks
    assert isinstance(verdict_of(diagnose(scene.snapshot()), "cached-error"), Undetermined)
    assert not [check.cause for check in checks if check.verdict == RuledOut(())]


def test_a_route_leads_to_the_addresses_that_are_there() -> None:
    snapshot = healthy_scene().snapshot()
    (facts,), case = snapshot.routes, open_case(snapshot, {})
    assert case.reached(facts) == snapshot.endpoints
    assert case.reached(replace(facts, endpoints=("e9", "e0", "e9"))) == snapshot.endpoints and not case.reached(replace(facts, endpoints=()))
