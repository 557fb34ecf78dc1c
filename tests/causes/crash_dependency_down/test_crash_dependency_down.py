"""crash-dependency-down: who is complained about, whether it is so, what starts it, and what is no proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, WaitForListener, WriteFile
from tests.causes.crash_dependency_down.crash_dependency_down_builders import (
    NO_NAME,
    REFUSED,
    TRACE,
    composed,
    crashed,
    database,
    env,
    found,
    umbrella,
    verbs,
)
from tests.causes.snapshot_builders import (
    FAILED,
    NOW,
    SLOW,
    Scene,
    container_service,
    failed_service,
    file,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stopped_service,
    verdict_of,
)

CAUSE = "crash-dependency-down"
STARTED = "Started backend.service - Office."


def test_hit() -> None:
    scene = crashed().with_service(database()).with_service(umbrella())
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence, one.service) == ("start-db-refused", "certain", "postgresql@17-main.service")
    texts = [e.text for e in one.evidence]
    assert "Connection refused" in texts[0] and any("no socket listens" in text for text in texts)
    repair = one.repairs[0]
    assert (repair.id, repair.risk) == ("start-dependency", "safe")
    assert verbs(scene) == [("start", "postgresql@17-main.service"), ("reset-failed", "backend.service"),
                            ("start", "backend.service")]
    waits = [(s.host, s.port) for s in repair.steps if isinstance(s, WaitForListener)]
    assert waits == [("127.0.0.1", 5432), ("127.0.0.1", 8000)]


def test_the_loop_is_the_consequence() -> None:
    end = ("backend.service: Start request repeated too quickly.",)
    diagnosis = diagnose(crashed(*REFUSED, *end).with_service(database()).snapshot())
    assert [(f.cause, f.role) for f in diagnosis.findings] == [(CAUSE, "root"), ("crash-loop-gave-up", "consequence")]


def test_a_unit_that_only_stands_for_others_proves_nothing_while_it_is_active() -> None:
    scene = crashed().with_service(umbrella())
    one = found(scene)
    assert "nothing accepts connections at 127.0.0.1:5432" in one.summary and one.service == "backend.service"
    scene.files.append(file("/etc/postgresql/17/main/postgresql.conf", "port = 5432\n"))
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "the state of postgresql@17-main.service" in verdict.missing
    scene.files[-1] = file("/etc/postgresql/17/main/postgresql.conf", "port = 5433\n")
    assert found(scene).service == "backend.service"


def test_one_that_runs_on_another_port() -> None:
    scene = crashed().with_service(database(pid=400), listener(5433, 400))
    one = found(scene)
    assert "listens on port 5433" in one.summary and one.repairs[0].risk == "manual"
    assert "port 5433" in one.repairs[0].manual


def test_nobody_provides_it() -> None:
    one = found(crashed())
    assert one.service == "backend.service" and "no known unit here is configured to" in one.repairs[0].manual
    container = container_service(box={"status": "exited", "exit_code": 1, "started_at": NOW - 50}, pid=None, log=log_lines(*REFUSED))
    scene = Scene("app:8000", node="web", back="app").with_service(container).refused(configured_service=container.id)
    assert "inside container" in found(scene).repairs[0].manual


def test_elsewhere_is_likely_at_most_and_for_a_person() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "db.corp.example" (10.1.2.3), port 5432 failed: timeout expired')
    one = found(crashed(*lines))
    assert (one.confidence, one.repairs[0].risk) == ("likely", "manual")
    assert "db.corp.example:5432" in one.repairs[0].manual


def test_it_answers_by_now() -> None:
    scene = crashed().with_service(database(pid=400), listener(5432, 400))
    repair = found(scene).repairs[0]
    assert (repair.id, repair.risk) == ("start-service", "safe")
    assert verbs(scene) == [("reset-failed", "backend.service"), ("start", "backend.service")]


def test_a_condition_that_was_not_met_since_comes_first() -> None:
    passed = stopped_service(log=log_lines(*REFUSED), unit_changes={"condition_result": False, "result": "exit-code"})
    for end in (passed, failed_service(log=log_lines(*REFUSED), unit_changes={**FAILED, "condition_result": False})):
        diagnosis = diagnose(Scene().with_service(end).refused().snapshot())
        assert roots(diagnosis) == ["backend-down"] and diagnosis.findings[0].variant == "start-condition-unmet"


def test_unknown_whether_anything_listens() -> None:
    scene = crashed()
    scene.node_changes["local"] = {"listeners": Unknown("no /proc/net/tcp")}
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "127.0.0.1:5432" in verdict.missing[0]
    blind = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)


@pytest.mark.parametrize("lines", [
    (*TRACE, "KeyError: 'SECRET_KEY'", "    os.environ['SECRET_KEY']"),
    (*REFUSED, "Traceback (most recent call last):", "ValueError: of its own"),
    (STARTED, "INFO:     Application startup complete.", *REFUSED[1:]),
    (*REFUSED, "INFO:     Application startup complete.", "Killed"),
    (STARTED, 'INFO: 1.2.3.4 - "GET /?q=connect ECONNREFUSED 127.0.0.1:5432 HTTP/1.1" 404'),
    (STARTED, "OSError: [Errno 98] address already in use"),
    (STARTED,),
])
def test_miss(lines: tuple[str, ...]) -> None:
    assert isinstance(verdict_of(diagnose(crashed(*lines).snapshot()), CAUSE), RuledOut)


def test_miss_on_a_healthy_host() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), CAUSE), RuledOut)


def test_a_stopped_container_has_lost_its_name() -> None:
    scene = composed(NO_NAME, status="exited", exit_code=0)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.repairs[0].risk, one.node) == ("start-db-refused", "safe", "db")
    first, wait, second, _ = one.repairs[0].steps
    assert isinstance(first, ContainerAction) and (first.verb, first.name) == ("start", "p-db-1")
    assert isinstance(wait, WaitForListener) and (wait.node, wait.port) == ("db", 5432)
    assert isinstance(second, ContainerAction) and (second.verb, second.name) == ("restart", "p-app-1")


NAMELESS = ("INFO: Started", "FATAL: cannot reach the database, giving up")


def waiting_for(
    *lines: str, label: str = "db:service_started:false", status: str = "exited", restart_policy: str = "always",
    exposes: tuple[int, ...] = (), image: str = "db:1",
) -> Scene:
    scene = composed((STARTED, *lines), status=status, restart_policy=restart_policy, exposes=exposes, image=image)
    box = replace(scene.services[0].container, labels=(("com.docker.compose.depends_on", label),))  # type: ignore[type-var]
    scene.services[0] = replace(scene.services[0], container=box)
    return scene


def test_a_system_that_the_log_does_not_name_is_the_stopped_one_that_it_is_started_after() -> None:
    diagnosis = diagnose(waiting_for(*NAMELESS).snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence, one.node) == ("start-db-refused", "likely", "db")
    assert (one.repairs[0].id, one.repairs[0].risk) == ("start-dependency", "safe")


def test_what_its_image_says_it_listens_on_is_waited_for() -> None:
    steps = found(waiting_for(*NAMELESS, restart_policy="no", exposes=(6379,))).repairs[0].steps
    assert next((s.node, s.port) for s in steps if isinstance(s, WaitForListener)) == ("db", 6379)
    of_the_application = waiting_for(*NAMELESS, restart_policy="no", exposes=(8000,), image="img:1")
    box = of_the_application.services[0].container
    assert box is not None
    of_the_application.services[0] = replace(of_the_application.services[0], container=replace(box, image="img:1"))
    assert CAUSE not in roots(diagnose(of_the_application.snapshot()))       # a job, of the same image


@pytest.mark.parametrize(("lines", "changes"), [
    (("ValueError: the answer is 42",), {}),                                            # about nothing of that kind
    (NAMELESS, {"label": "db:service_completed_successfully:false"}),                   # a job
    (NAMELESS, {"restart_policy": "no"}),                                               # perhaps one
    (NAMELESS, {"label": "other:service_started:false"}),
    (NAMELESS, {"status": "running"}),
    (("KeyError: 'DATABASE'",), {}),
])
def test_miss_of_a_system_without_a_name(lines: tuple[str, ...], changes: dict[str, str]) -> None:
    scene = waiting_for(*lines, **changes)
    assert CAUSE not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("started", "network", "later"), [
    (NOW - 5, "p_default", True), (NOW - 900, "p_default", False), (NOW - 5, "elsewhere", False),
])
def test_a_database_that_was_started_after_the_last_try_has_its_name_by_now(started: float, network: str, later: bool) -> None:
    scene = composed(NO_NAME, started_at=started, networks=((network, "172.18.0.9", ("db",)),))
    scene.services[-1] = replace(scene.services[-1], pids=(31,))
    scene.with_service(service("x"), listener(5432, 31, "0.0.0.0", node="db"))
    own = scene.services[0].container
    assert own is not None
    ended = replace(own, status="exited", exit_code=1, restart_policy="on-failure", finished_at=NOW - 40)
    scene.services[0] = replace(scene.services[0], container=ended, log=log_lines(*NO_NAME[1:], ago=40))
    one = found(scene)
    assert ("it runs now, but p-app-1 was not started again" in one.summary) is later
    assert (one.repairs[0].id == "start-service", one.repairs[0].risk == "safe") == (later, later)


def test_one_that_was_caught_between_two_of_its_runs() -> None:
    scene = composed(NO_NAME, status="exited", exit_code=0)
    box = replace(scene.services[0].container, status="running", started_at=NOW - 3)   # type: ignore[type-var]
    scene.services[0] = replace(scene.services[0], container=box)
    scene.endpoint(listener=Unknown("not read"), tcp=Known(SLOW), http=Known(SLOW))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    scene.endpoint(tcp=Known(probe()))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_a_paused_container_goes_on_and_one_that_failed_does_not() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "db" (172.18.0.9), port 5432 failed: timeout expired')
    step = found(composed(lines, status="paused")).repairs[0].steps[0]
    assert isinstance(step, ContainerAction) and step.verb == "unpause"
    assert found(composed(lines, status="exited", exit_code=1)).repairs[0].risk == "manual"
    assert found(composed(lines, status="exited", exit_code=137)).repairs[0].risk == "safe"



def test_a_name_that_nobody_knows_is_asked_for() -> None:
    scene = crashed(*NO_NAME, env=env("PORT", "DATABASE_URL"))
    scene.files.append(file("/etc/default/shop", "PORT=1\nDATABASE_URL=postgresql://u:p@db/x\n"))
    one = found(scene)
    assert one.variant == "start-db-dns-failure" and "db" in one.summary
    repair, manual = one.repairs
    assert (repair.risk, repair.steps, repair.needs[0].key) == ("disruptive", (), "DATABASE_URL")
    assert repair.needs[0].kind == "secret" and manual.risk == "manual" and "DATABASE_URL" in manual.manual
    write = found(scene, DATABASE_URL="postgresql://u:p@127.0.0.1/x").repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after == b"PORT=1\nDATABASE_URL=postgresql://u:p@127.0.0.1/x\n"
    assert any(b"p@127.0.0.1" in hidden for hidden in write.mask)
