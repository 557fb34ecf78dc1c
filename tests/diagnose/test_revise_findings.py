"""One copy of a scaled service ends again and again: the others answer, and who is sent to it first waits or fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.diagnose.revise_findings import say_what_comes_first
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known, Unknown
from fixer.model.plan import UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import EnvSlot, ProbeResult, Service, Snapshot
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.causes.snapshot_builders import (
    FAILED,
    GOOD,
    NOW,
    SLOW,
    STOPPED,
    Scene,
    container_service,
    error_event,
    failed_service,
    file,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stopped_service,
)

SAID = log_lines('  File "/srv/app.py", line 2, in <module>', '    os.environ["SHOP_SALT"]', "KeyError: 'SHOP_SALT'", ago=8.5)


def copy(number: int, **box: Any) -> Service:
    """One container of service `app`; they all go by that name."""
    name = f"p-app-{number}"
    about = {"id": name, "service": "app", "networks": (("p_default", f"172.18.0.{number + 1}", ("app",)),), **box}
    made = container_service("app", pid=70 + number, box=about)
    assert made.container is not None
    return replace(made, id=f"{name}/app", name="app", node=name, container=replace(made.container, name=name))


def looping(number: int = 3, status: str = "restarting", **changes: Any) -> Service:
    made = copy(number, status=status, exit_code=1, restart_count=9, pid=0, started_at=NOW - 9, finished_at=NOW - 8,
                networks=(("p_default", "", ("app",)),))
    return replace(made, **{"pids": (), "log": SAID, **changes})


def scaled(*lost: Service, probes: ProbeResult = GOOD, one_try: str = "", heard: bool = True) -> Snapshot:
    """Two copies that answer, and others whose address is known to nobody but nginx."""
    scene = Scene(*["app:8000"] * (2 + len(lost)), node="web", back="p-app-1").answers(probes)
    for number in (1, 2):
        scene.with_service(copy(number), listener(8000, 70 + number, "0.0.0.0", f"p-app-{number}"))
        scene.endpoint(number - 1, single_address=f"172.18.0.{number + 1}", node=f"p-app-{number}", configured_service=f"p-app-{number}/app",
                       addresses=Known(("172.18.0.2", "172.18.0.3")), http=Known(GOOD if heard else SLOW))
    for index, made in enumerate(lost, 2):
        scene.services.append(made)
        scene.endpoint(index, addresses=Known(()), node=None, configured_service=made.id, listener=Unknown("nowhere"), tcp=Unknown("not asked"),
                       http=Unknown("not asked"), listening_service=None)
    _, start, end = scene.spots[0]
    for index in range(1, 2 + len(lost)):
        scene.endpoint(index, start=start, end=end)
    made = scene.snapshot()
    facts = made.routes[0]
    return replace(made, routes=(replace(facts, route=replace(facts.route, one_try=one_try),
                                         endpoints=tuple(e.id for e in made.endpoints)),))


@pytest.mark.parametrize("status", ["restarting", "exited"])
@pytest.mark.parametrize("probes", [GOOD, SLOW])
def test_hit_the_copy_is_named_with_why_and_what_visitors_see(status: str, probes: ProbeResult) -> None:
    diagnosis = diagnose(scaled(looping(status=status), probes=probes))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["crash-missing-env"])
    assert diagnosis.health[0].reason.endswith("but 1 of 3 addresses of the name app is down")
    found = finding_of(diagnosis, "crash-missing-env")
    assert found.summary.startswith("p-app-3 ") and "SHOP_SALT" in found.summary and found.confidence == "certain"
    assert found.detail[0] == ("p-app-3 is one of 3 replicas of app: nginx tries the next one if one does not answer, so a request "
                               "that it sends there waits first")


def test_hit_where_nginx_asks_no_other() -> None:
    found = finding_of(diagnose(scaled(looping(), one_try="proxy_next_upstream off")), "crash-missing-env")
    assert "nginx tries no other (proxy_next_upstream off), so a request that it sends there fails" in found.detail[0]


def test_two_copies_are_said_together() -> None:
    diagnosis = diagnose(scaled(looping(), looping(4)))
    assert roots(diagnosis) == ["crash-missing-env"]
    assert finding_of(diagnosis, "crash-missing-env").detail[0].startswith("p-app-3 (p-app-4 as well) is one of 4 replicas of app")
    assert diagnosis.health[0].reason.endswith("2 of 4 addresses of the name app are down")


def test_miss_one_that_was_stopped() -> None:
    """In order, and not to be started again by itself."""
    gone = looping(status="exited")
    assert gone.container is not None
    rest = replace(gone, log=Known(()), container=replace(gone.container, exit_code=0, restart_count=0))
    assert diagnose(scaled(rest)).verdict == "healthy"


def test_miss_one_that_was_made_after_nginx_had_looked_the_name_up() -> None:
    late = looping()
    assert late.container is not None
    diagnosis = diagnose(scaled(replace(late, container=replace(late.container, created_at=NOW - 2000))))
    assert (diagnosis.verdict, roots(diagnosis)) == ("healthy", [])
    known = diagnose(scaled(replace(late, container=replace(late.container, created_at=NOW - 9000))))
    assert known.verdict == "degraded"


def test_a_slow_page_is_none_of_its_doing_where_the_others_do_not_answer_either() -> None:
    assert "addresses of the name" not in diagnose(scaled(looping(), probes=SLOW, heard=False)).health[0].reason


def test_its_log_could_not_be_read() -> None:
    diagnosis = diagnose(scaled(looping(log=Unknown("docker logs failed"))))
    found = finding_of(diagnosis, "crash-loop-gave-up")
    assert diagnosis.verdict == "degraded" and "its log could not be read" in found.summary and found.summary.startswith("p-app-3 ")


# A unit that systemd starts only by stopping another one: nothing is started, a person is asked.


def down(*rivals: str) -> Scene:
    return Scene().with_service(stopped_service(unit_changes={"conflicts": rivals})).refused()


def test_what_runs_in_conflict_is_not_stopped_by_a_start() -> None:
    diagnosis = diagnose(down("canary.service").snapshot())
    first = diagnosis.findings[0]
    assert roots(diagnosis) == ["backend-down"] and "canary.service" in first.detail[-1]
    assert any(e.text == "Conflicts: canary.service, running now" for e in first.evidence)
    for repair in first.repairs:
        assert repair.risk == "manual" and not repair.steps and "canary.service" in repair.manual


def test_without_a_rival_it_is_started() -> None:
    (repair,) = diagnose(down().snapshot()).findings[0].repairs
    assert any(isinstance(step, UnitAction) and step.verb == "start" for step in repair.steps)


def test_a_service_that_runs_has_no_rival_left_to_stop() -> None:
    scene = Scene().with_service(service(log=log_lines("KeyError: 'X'")))
    made = scene.services[0]
    assert made.unit is not None
    scene.services[0] = replace(made, unit=replace(made.unit, conflicts=("canary.service",), state_change=NOW - 9))
    assert all("conflicts with" not in " ".join(f.detail) for f in diagnose(scene.refused().snapshot()).findings)


# One change that mends several instances: all that read the file start anew with it, and go back with it.
DATA = "WORKERS=1\n"


def instance(number: int, path: str) -> Service:
    name = f"app@{number}.service"
    slot = EnvSlot("local", path, len(DATA), "{name}={value}\n", "env-file")
    said = log_lines(f"Started {name}.", "RuntimeError: SHOP_TOKEN is not set")
    return failed_service(name, 8000 + number, log=said, env_slots=(slot,))


def repaired(*paths: str) -> list[object]:
    scene = Scene(*(f"127.0.0.1:{8000 + n}" for n, _ in enumerate(paths)))
    for number, path in enumerate(paths):
        scene.with_service(instance(number, path)).refused(number)
    scene.files += [file(path, DATA) for path in dict.fromkeys(paths)]
    return list(finding_of(diagnose(scene.snapshot(), {"SHOP_TOKEN": "x"}), "crash-missing-env").repairs[0].steps)


def test_all_that_read_the_file_are_restarted() -> None:
    write, _, start, other, wait = repaired("/etc/shop/app.env", "/etc/shop/app.env")
    assert isinstance(write, WriteFile) and isinstance(start, UnitAction) and isinstance(wait, WaitForListener)
    assert isinstance(other, UnitAction)
    assert (start.unit, start.along, other.unit, other.verb, other.along) == (
        "app@0.service", False, "app@1.service", "restart", True)
    assert other.was_active == "failed"      # so an undo stops it again
    assert describe_step(other) == "restart app@1.service (it reads the same file)"
    assert step_from_json(step_to_json(other)) == other


def test_who_has_a_file_of_its_own_is_left_alone() -> None:
    steps = repaired("/etc/shop/0.env", "/etc/shop/1.env")
    assert not any(isinstance(step, UnitAction) and step.along for step in steps)


# A unit that systemd-run made: no repair starts it, since it goes with its failure's mark, and with a boot.
MADE = {"fragment_path": "/run/systemd/transient/backend.service", "unit_file_state": "transient"}


@pytest.mark.parametrize(("state", "cause"), [
    ({**FAILED, "result": "signal", "exec_main_code": 2, "exec_main_status": 9}, "crash-killed"),
    ({**STOPPED, "inactive_enter": 0.0}, "backend-down"),
])
def test_one_that_does_not_run_is_for_a_person(state: dict[str, object], cause: str) -> None:
    words = log_lines("backend.service: Main process exited, code=killed, status=9/KILL")
    diagnosis = diagnose(Scene().with_service(service(pid=None, unit_changes={**state, **MADE}, log=words)).refused().snapshot())
    assert roots(diagnosis) == [cause] and diagnosis.findings[0].repairs
    for repair in diagnosis.findings[0].repairs:
        assert repair.risk == "manual" and not repair.steps and "systemd-run created backend.service" in repair.manual


def test_with_a_file_of_its_own_it_is_started() -> None:
    made = service(pid=None, unit_changes={**STOPPED})
    (repair,) = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs
    assert any(isinstance(step, UnitAction) and step.verb == "start" for step in repair.steps)


@pytest.mark.parametrize(("name", "risk"), [("rc-local.service", "disruptive"), ("backend.service", "safe")])
def test_a_start_of_the_boot_script_runs_all_that_it_says(name: str, risk: str) -> None:
    (repair, *_) = diagnose(Scene().with_service(stopped_service(name)).refused().snapshot()).findings[0].repairs
    assert any(isinstance(step, UnitAction) and step.unit == name for step in repair.steps)
    assert repair.risk == risk and ("runs all of rc.local again" in repair.summary) is (risk == "disruptive")


# A repair that waits for a service says how that one comes to run.
WAITING = Finding(cause="wrong-port", variant=None, role="root", confidence="likely", summary="x", detail=(), routes=(), service="app",
                  node="n", evidence=(), repairs=(Repair("point", "manual", "point /", (), manual="when app listens, …", after="app"),))


def blocking(*repairs: Repair, **changes: Any) -> Finding:
    return replace(WAITING, **{"cause": "crash-file-access", "repairs": repairs, **changes})


@pytest.mark.parametrize(("others", "first"), [
    ((blocking(Repair("let", "manual", "restore /a", ())),), "first mend crash-file-access (restore /a)"),
    ((blocking(),), "first mend crash-file-access"),
    ((blocking(Repair("go", "safe", "continue app", ())),), "first continue app (crash-file-access)"),
    ((blocking(role="consequence"),), "first start app"),
    ((blocking(role="consequence", routes=("r1",)), blocking(Repair("go", "safe", "start db, then start app", ()), service="db", routes=("r1",))),
     "first start db, then start app (crash-file-access)"),
    ((blocking(role="consequence", routes=("r1",)), blocking(service="db", routes=("r2",))), "first start app"),
    ((blocking(service="other"),), "first start app"),
    ((), "first start app"),
])
def test_what_comes_before_a_repair_that_waits_for_a_service(others: tuple[Finding, ...], first: str) -> None:
    case = open_case(Scene().snapshot(), {})
    assert say_what_comes_first(case, (WAITING, *others))[0].repairs[0].manual == f"{first}: when app listens, …"


@pytest.mark.parametrize(("status", "first"), [
    ("paused", "first unpause app"), ("exited", "first start app"), ("restarting", "first find what ends app"),
])
def test_without_a_finding_its_state_says_what_it_needs(status: str, first: str) -> None:
    case = open_case(Scene().with_service(copy(1, status=status)).snapshot(), {})
    assert say_what_comes_first(case, (WAITING,))[0].repairs[0].manual == f"{first}: when app listens, …"


def test_what_breaks_an_auth_request_breaks_the_page_that_asks_it() -> None:
    """Two pages ask a location first that is handed to a name without an address, as a third page is: one reason."""
    scene = Scene("127.0.0.1:8000", "gate:9000", "gate:9000").with_service(service(port=8000), listener(8000, 200))
    page = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx/1.26.3</center>")
    nowhere = Unknown("its name does not resolve")
    scene.answers(page).answers(route=1).answers(probe(502), route=2)
    for index in (1, 2):
        scene.endpoint(index, addresses=Known(()), listener=nowhere, tcp=nowhere, http=nowhere, node=None)
    text = "gate could not be resolved (3: Host not found)"
    scene.events.append(error_event(NOW - 2, "error", text, 3, "", "10.0.0.9", "", "GET /2 HTTP/1.1", "", "log:1", f"[error] {text}"))
    scene.route |= {0: {"auth": "/_gate"}, 1: {"location": "= /_gate", "path": None, "internal": True, "asked_first": True}}
    diagnosis = diagnose(scene.snapshot())
    assert set(finding_of(diagnosis, "dns-unresolved").routes) == {"r1", "r2", "r3"}
    assert not any("no cause" in note for note in diagnosis.notes)
