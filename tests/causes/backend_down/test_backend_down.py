"""backend-down: what is stopped without a failure, and what only looks so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Repair, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import (
    ABSENT,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from fixer.model.snapshot import (
    CommandArgument,
    Compose,
    HandStartedLog,
    LogLine,
    UncreatedService,
    UnitSetting,
    UnitValue,
)
from fixer.model.target import TargetRef
from fixer.redaction.masked_steps import step_from_json, step_to_json
from tests.causes import snapshot_builders
from tests.causes.snapshot_builders import (
    FAILED,
    NOW,
    REFUSED,
    SLOW,
    STOPPED,
    Scene,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    stat,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "backend-down"


def down(**changes: object) -> Scene:
    return Scene().with_service(stopped_service(**changes)).refused()   # type: ignore[arg-type]


def verbs(scene: Scene) -> list[str]:
    steps = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps
    return [s.verb for s in steps if isinstance(s, UnitAction | ContainerAction)]


def test_hit_a_stopped_unit_is_started() -> None:
    diagnosis = diagnose(down().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "broken"
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.service) == ("backend-not-running", "certain", "backend.service")
    assert {"unit", "nginx-config", "socket", "nginx-log"} <= {e.source for e in found.evidence}
    assert verbs(down()) == ["start"] and isinstance(found.repairs[0].steps[-1], WaitForListener)
    assert found.repairs[0].risk == "safe"


def test_hit_disabled_at_boot_is_enabled_too() -> None:
    scene = down(unit_changes={"unit_file_state": "disabled"})
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "unit-disabled-after-reboot" and verbs(scene) == ["enable", "start"]


@pytest.mark.parametrize(("state", "is_said"), [
    ({"inactive_enter": 0.0}, True), ({}, False), ({"inactive_enter": 0.0, "unit_file_state": "static"}, False),
])
def test_an_enabled_unit_that_the_boot_did_not_start_is_said_to_be(state: dict[str, object], *, is_said: bool) -> None:
    scene = down(unit_changes={"unit_file_state": "enabled", **state})
    told = finding_of(diagnose(scene.snapshot()), CAUSE).detail
    assert any("list-dependencies --reverse backend.service" in line for line in told) is is_said


def test_miss() -> None:
    for scene in (healthy_scene(), wrong_port_scene()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_a_failed_unit_is_another_cause() -> None:
    diagnosis = diagnose(Scene().with_service(failed_service()).refused().snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_unknown_state_or_socket() -> None:
    scene = down(unit_changes={"active_state": "maintenance"})
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
    blind = Scene().refused().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)


def test_an_old_error_in_the_log_of_a_stopped_unit_is_no_crash() -> None:
    scene = down(log=log_lines("Traceback (most recent call last):", "KeyError: 'SECRET_KEY'", ago=7200))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


PACKAGED = "/usr/lib/systemd/system/backend.service"
MASK = "/etc/systemd/system/backend.service"
SAID = Evidence("unit", f"{PACKAGED}:9", "WantedBy=multi-user.target")


def masked(*, hides: bool = True, wanted: bool | None = True, **mask: object) -> Scene:
    scene = down(
        unit_changes={"load_state": "masked", "unit_file_state": "masked"},
        command=(CommandArgument("uvicorn", PACKAGED if hides else None),),
        settings=(UnitSetting("WantedBy", "multi-user.target", SAID, wanted),),
    )
    link = stat(**{"kind": "link", "link_target": "/dev/null", **mask})
    scene.node_changes["local"] = {"files": ((MASK, link),)}
    return scene


def repair_of(scene: Scene, **inputs: str) -> Repair:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE).repairs[0]


def test_a_mask_is_taken_away_once_a_person_names_the_unit() -> None:
    found = finding_of(diagnose(masked().snapshot()), CAUSE)
    assert found.variant == "unit-masked" and any("/dev/null" in e.text for e in found.evidence)
    repair = found.repairs[0]
    assert (repair.risk, repair.needs[0].choices, repair.steps) == ("disruptive", ("backend.service",), ())
    lift, reload, start, wait = repair_of(masked(), unmask="backend.service").steps
    assert isinstance(lift, WriteFile) and (lift.path, lift.link_target, lift.after) == (MASK, "/dev/null", None)
    assert isinstance(reload, DaemonReload) and isinstance(wait, WaitForListener)
    assert isinstance(start, UnitAction) and start.verb == "start"


def test_what_nothing_would_start_at_boot_is_enabled_with_the_unmasking() -> None:
    steps = repair_of(masked(wanted=False), unmask="backend.service").steps
    assert [s.verb for s in steps if isinstance(s, UnitAction)] == ["enable", "start"]
    blind = repair_of(masked(wanted=None), unmask="backend.service").steps
    assert [s.verb for s in blind if isinstance(s, UnitAction)] == ["start"]


def test_an_empty_file_masks_too_and_other_masks_are_for_a_person() -> None:
    empty = repair_of(masked(kind="file", link_target=None, size=0), unmask="backend.service").steps[0]
    assert isinstance(empty, WriteFile) and (empty.before, empty.after) == (b"", None)
    for scene in (masked(hides=False), masked(kind="file", link_target=None, size=40)):
        assert repair_of(scene).risk == "manual"
    unseen = masked()
    unseen.node_changes.clear()
    assert repair_of(unseen).risk == "manual"


READY = UnitSetting("ConditionPathExists", "/etc/shop-ready", Evidence("unit", "u:3", "ConditionPathExists=…"), False)
HOME = UnitSetting("ConditionPathIsDirectory", "/srv/shop", Evidence("unit", "u:4", "ConditionPathIsDirectory=…"), True)
PASSED = "Backend skipped, unmet condition check ConditionPathExists=/etc/shop-ready"


def unmet(*settings: UnitSetting, said: str = PASSED, **changes: Any) -> Scene:
    return down(unit_changes={"condition_result": False, **changes}, settings=settings, log=log_lines("Stopped Backend.", said))


@pytest.mark.parametrize("said", [PASSED, "Backend was skipped because of an unmet condition check "
                                          "(ConditionPathExists=/etc/shop-ready).", "nothing"])
def test_an_unmet_condition_is_named_and_a_person_chooses(said: str) -> None:
    scene = unmet(HOME, READY, said=said)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "start-condition-unmet" and any(e.where == "u:3" for e in found.evidence)
    need = found.repairs[0].needs[0]
    assert (need.key, need.choices) == ("condition", ("create", "drop")) and found.repairs[0].steps == ()
    made = repair_of(scene, condition="create").steps[0]
    assert isinstance(made, WriteFile) and (made.path, made.before, made.after) == ("/etc/shop-ready", None, b"")
    dropped = repair_of(scene, condition="drop").steps[0]
    assert isinstance(dropped, WriteFile)
    assert dropped.after == b"[Unit]\nConditionPathExists=\nConditionPathIsDirectory=/srv/shop\n"


def test_a_file_that_must_not_be_there_may_be_taken_away() -> None:
    flag = UnitSetting("ConditionPathExists", "!/srv/shop/MAINTENANCE", Evidence("unit", "u:3", "x"), True)
    said = PASSED.replace(READY.value, flag.value)
    (need,) = repair_of(unmet(flag, said=said)).needs
    assert need.choices == ("drop",) and "take /srv/shop/MAINTENANCE away yourself" in need.why


def test_a_drop_in_is_read_after_those_that_are_there() -> None:
    paths = ("/etc/systemd/system/backend.service.d/override.conf",)
    dropped = repair_of(unmet(READY, drop_in_paths=paths), condition="drop").steps[0]
    assert isinstance(dropped, WriteFile)
    assert dropped.path == "/etc/systemd/system/backend.service.d/zz-50-badgateway-condition.conf"
    last = ("/etc/systemd/system/backend.service.d/zzzzzzzzzzzzz.conf",)
    hopeless = repair_of(unmet(READY, drop_in_paths=last), condition="drop")
    assert hopeless.steps == () and "drop" not in hopeless.needs[0].choices


def test_a_condition_that_is_met_by_now_needs_only_a_start() -> None:
    scene = unmet(replace(READY, present=True))
    repair = repair_of(scene)
    assert (repair.id, repair.risk) == ("start-service", "safe") and repair.steps
    gone = replace(READY, value="!/etc/off", present=False)
    by_then = PASSED.replace("/etc/shop-ready", "!/etc/off")
    assert repair_of(unmet(gone, said=by_then, unit_file_state="disabled")).risk == "safe"


def test_a_condition_that_nobody_could_look_at_or_make_is_for_a_person() -> None:
    unknown = down(unit_changes={"condition_result": False})
    assert repair_of(unknown).risk == "manual"
    other = "Backend skipped, unmet condition check ConditionHost=web1"
    assert repair_of(unmet(said=other)).risk == "manual"
    fleeting = replace(READY, value="/run/shop/ready")
    choices = repair_of(unmet(fleeting, said=PASSED.replace("/etc/shop-ready", "/run/shop/ready"))).needs[0].choices
    assert choices == ("drop",)
    started = unmet(said="Started Backend.")
    assert repair_of(started).risk == "manual"
    told = repair_of(unmet(said="Started Backend.", result="exec-condition"))
    assert told.risk == "manual" and "ExecCondition= said that it is not to run" in told.manual


def test_a_clean_exit_that_nobody_asked_for() -> None:
    scene = down(log=log_lines("Started backend.service.", "backend.service: Deactivated successfully."))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "clean-exit-not-restarted" and [r.risk for r in found.repairs] == ["safe", "disruptive"]
    assert any("Deactivated successfully" in e.text for e in found.evidence)
    written = found.repairs[1].steps[0]
    assert isinstance(written, WriteFile) and written.after == b"[Service]\nRestart=always\n"
    asked = down(log=log_lines("Started backend.service.", "Stopping backend.service...",
                         "backend.service: Deactivated successfully."))
    assert finding_of(diagnose(asked.snapshot()), CAUSE).variant == "backend-not-running"


def boxes(**box: object) -> Scene:
    made = container_service(box={"status": "exited", "pid": 0, "finished_at": NOW - 60, **box}, pid=None)
    return Scene("app:8000", node="web", back="app").with_service(made).refused(
        addresses=Known(()), configured_service=None, node=None)


@pytest.mark.parametrize("code", [0, 143])
def test_a_stopped_container_is_started_by_name(code: int) -> None:
    scene = boxes(exit_code=code)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("container-stopped", "certain") and verbs(scene) == ["start"]


def test_an_answer_by_the_old_name_of_a_stopped_container_is_somebody_elses() -> None:
    """nginx keeps the address it looked up, which another container has by now."""
    gone = boxes().endpoint(configured_service="app/p-app-1").answers(probe(404, body="not here"))
    diagnosis = diagnose(gone.snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    between = boxes(status="restarting").endpoint(
        configured_service="app/p-app-1", addresses=Known(("172.18.0.9",)), tcp=Known(REFUSED),
        listener=Unknown("no process of it"))
    assert diagnose(between.answers(probe(404)).snapshot()).verdict == "degraded", "it had an address a moment ago"
    runs = boxes(status="running", pid=7)
    runs.services[0] = container_service()
    assert diagnose(runs.endpoint(configured_service="app/p-app-1").answers(probe(404)).snapshot()).findings == ()


def test_a_container_that_is_started_is_waited_for_where_it_was_made_to_listen() -> None:
    """Its files may name another port since (a changed .env): that is what the next `up` makes of it, no start."""
    made = container_service(box={"status": "exited", "pid": 0, "finished_at": NOW - 60}, pid=None,
                 bindings=Known((snapshot_builders.binding(9000), snapshot_builders.binding(8000))))
    scene = boxes()
    scene.services[0] = made
    wait = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps[-1]
    assert isinstance(wait, WaitForListener) and wait.port == 8000
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert any("9000" in line and "up" in line for line in found.detail)
    scene.services[0] = replace(made, bindings=Known((snapshot_builders.binding(8000),)))
    assert not any("up" in line for line in finding_of(diagnose(scene.snapshot()), CAUSE).detail)


def test_a_container_that_was_slow_to_go_was_stopped_not_killed() -> None:
    scene = boxes(exit_code=137)
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene.services[0] = container_service(box={"status": "exited", "pid": 0, "exit_code": 137}, pid=None,
                              log=log_lines("INFO:     Shutting down", ago=30), )
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


ASKED = "[2027-01-15 08:00:00 +0000] [1] [INFO] Handling signal: term"
TRIPPED = "RuntimeError: reentrant call inside <_io.BufferedWriter name='<stderr>'>"
BOOTED = "[2027-01-15 08:00:00 +0000] [9] [INFO] Booting worker with pid: 9"


def test_gunicorn_that_trips_over_its_own_farewell_was_stopped_not_broken() -> None:
    def ended(*texts: str) -> list[str]:
        scene = boxes(exit_code=1)
        scene.services[0] = container_service(box={"status": "exited", "pid": 0, "exit_code": 1}, pid=None, log=log_lines(BOOTED, *texts))
        return roots(diagnose(scene.snapshot()))

    farewell = "[2027-01-15 08:00:00 +0000] [13] [INFO] Finished server process [13]"
    assert ended(ASKED, farewell, "--- Logging error ---", TRIPPED, *["  File \"x.py\", line 1, in f"] * 60, TRIPPED) == [CAUSE]
    assert CAUSE not in ended(TRIPPED)                                        # nobody asked
    assert CAUSE not in ended(ASKED, "RuntimeError: no session")              # it broke while it left
    assert CAUSE not in ended(ASKED, TRIPPED, BOOTED, "RuntimeError: x")      # it was begun anew


def test_a_stopped_container_is_gone_even_if_its_probe_was_slow() -> None:
    scene = boxes(exit_code=0).endpoint(tcp=Known(SLOW), listener=Unknown("container does not run"))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_no_application_server_at_all_is_for_a_person() -> None:
    diagnosis = diagnose(Scene().refused().snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert found.repairs[0].risk == "manual" and found.confidence == "likely"
    scene = Scene().refused()
    scene.node_changes["local"] = {"root": False}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_a_program_of_supervisord_says_how_to_start_it() -> None:
    gone = service("shop", 8000, None, unit=None, manager="supervisord")
    found = finding_of(diagnose(Scene().with_service(gone).refused().snapshot()), CAUSE)
    assert "supervisorctl start shop" in found.repairs[0].manual


def test_two_addresses_of_one_service_are_one_finding() -> None:
    scene = Scene("127.0.0.1:8000", "localhost:8000").with_service(stopped_service()).refused().refused(1)
    diagnosis = diagnose(scene.snapshot())
    assert len(diagnosis.findings) == 1 and diagnosis.findings[0].routes == ("r1", "r2")


UP = "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)"


@pytest.mark.parametrize(("left", "lines", "is_gone"), [
    ([("sleep", "infinity")], [UP], True), ([("/bin/sh", "/srv/start"), ("sleep", "1")], [UP], True),
    ([("/bin/sh", "/srv/start"), ("sleep", "1")], ["waiting for the database"], False),     # it never began
    ([("/bin/sh", "/srv/start"), ("/usr/bin/python3", "-m", "uvicorn")], [UP], False),
    ([("/srv/agent",)], [UP], False),
])
def test_a_unit_that_outlived_its_server(left: list[tuple[str, ...]], lines: list[str], *, is_gone: bool) -> None:
    pids = tuple(range(200, 200 + len(left) + 1))
    made = service(log=log_lines("Started backend.service.", *lines, ago=900), unit_changes={"active_enter": NOW - 900})
    scene = Scene().with_service(replace(made, pids=pids)).refused()
    scene.processes = [p for p in scene.processes if p.pid not in pids]
    scene.processes += [process(pid, *argv) for pid, argv in zip(pids, left, strict=False)]
    scene.processes.append(replace(process(pids[-1], ""), state="Z", argv=()))
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis) == [CAUSE]) is is_gone
    if is_gone:
        found = finding_of(diagnosis, CAUSE)
        assert found.confidence == "certain" and "without the server that it had started" in found.summary
        assert found.repairs[0].risk == "disruptive" and isinstance(found.repairs[0].steps[0], UnitAction)


def test_another_sites_stopped_service_is_not_this_routes_cause() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200))
    scene.with_service(stopped_service("admin.service", 9000)).refused(1)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" and diagnosis.findings[0].routes == ("r2",)


def test_a_stopped_service_that_no_route_needs_is_nobodys_business() -> None:
    scene = healthy_scene().with_service(stopped_service("old.service", 8100, unit_changes={**STOPPED, **FAILED}))
    assert diagnose(scene.snapshot()).verdict == "healthy"


@pytest.mark.parametrize(("state", "enabled", "verbs"), [
    ("inactive", "enabled", ["start"]), ("failed", "disabled", ["enable", "start"]), ("active", "enabled", ["start"]),
])
def test_a_service_that_a_socket_starts_is_started_by_it(state: str, enabled: str, verbs: list[str]) -> None:
    socket = snapshot_builders.unit("backend.socket", active_state=state, unit_file_state=enabled)
    made = stopped_service(socket=socket, unit_changes={"unit_file_state": "static"})
    repair = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs[0]
    actions = [s for s in repair.steps if isinstance(s, UnitAction)]
    assert [a.verb for a in actions] == verbs
    assert {a.unit for a in actions} == {"backend.service" if state == "active" else "backend.socket"}


@pytest.mark.parametrize(("said", "socket", "cause"), [
    ("OSError: [Errno 88] Socket operation on non-socket", "inactive", "backend-down"),
    ("OSError: [Errno 9] Bad file descriptor", "inactive", "backend-down"),
    ("OSError: [Errno 88] Socket operation on non-socket", "active", ""),
    ("ValueError: 88", "inactive", ""),
])
def test_a_service_that_was_started_without_its_socket_is_started_by_it(said: str, socket: str, cause: str) -> None:
    unit = snapshot_builders.unit("backend.socket", active_state=socket, unit_file_state="disabled")
    made = snapshot_builders.failed_service(socket=unit, log=snapshot_builders.log_lines("Started backend.service.", "Traceback (most recent call last):", said))
    diagnosis = diagnose(Scene().with_service(made).refused().snapshot())
    assert ("backend-down" in roots(diagnosis)) is bool(cause)
    if cause:
        assert roots(diagnosis) == [cause] and "without backend.socket" in diagnosis.findings[0].summary
        actions = [s for s in diagnosis.findings[0].repairs[0].steps if isinstance(s, UnitAction)]
        assert [(a.verb, a.unit) for a in actions] == [
            ("reset-failed", "backend.service"), ("enable", "backend.socket"), ("start", "backend.socket"),
            ("start", "backend.service")]


CYCLE = ("data.target: Found ordering cycle on backend.service/start",
         "data.target: Found dependency on data.target/start")


@pytest.mark.parametrize(("lines", "told"), [
    ((*CYCLE, "data.target: Unable to break cycle starting with data.target/start"), True),
    ((*CYCLE, "data.target: Job backend.service/start deleted to break ordering cycle starting with data.target/start"),
     True),
    ((*CYCLE, "data.target: Job other.service/stop deleted to break ordering cycle starting with x"), False),
    ((*CYCLE, "data.target: Unable to break cycle starting with data.target/start", "Started backend.service."), False),
])
def test_a_unit_in_a_cycle_of_order_is_not_started_in_vain(lines: tuple[str, ...], told: bool) -> None:
    diagnosis = diagnose(Scene().with_service(stopped_service(log=snapshot_builders.log_lines(*lines))).refused().snapshot())
    (finding,) = diagnosis.findings
    assert ("cycle in the order of backend.service and data.target" in finding.summary) is told
    assert finding.repairs[0].risk == ("manual" if told else "safe")


def test_what_a_unit_started_and_left_alone_is_gone() -> None:
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0}
    made = snapshot_builders.service("rc-local.service", pid=None, unit_changes=left)
    diagnosis = diagnose(Scene().with_service(made).refused().snapshot())
    found = diagnosis.findings[0]
    assert (found.cause, found.variant, found.repairs[0].risk) == ("backend-down", "backend-not-running", "manual")
    young = snapshot_builders.service("rc-local.service", pid=None, unit_changes={**left, "active_enter": snapshot_builders.NOW - 5})
    assert roots(diagnose(Scene().with_service(young).refused().snapshot())) == ["backend-down"]
    assert "rc-local.service started does not run" in found.summary
    assert "/etc/systemd/system/backend.service:6" in found.repairs[0].manual
    runs = snapshot_builders.service("rc-local.service", pid=200, unit_changes={**left, "sub_state": "running"})
    assert not any(f.cause == "backend-down" for f in diagnose(Scene().with_service(runs).refused().snapshot()).findings)


@pytest.mark.parametrize(("changes", "risk"), [
    ({}, "disruptive"), ({"unit_file_state": "disabled"}, "manual"), ({"type": "simple"}, "manual"),
    ({"unit_name": "rc-local.service"}, "manual"),
])
def test_a_unit_that_starts_one_program_at_boot_and_leaves_it_alone_starts_it_again(
    changes: dict[str, object], risk: str,
) -> None:
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0, "unit_file_state": "enabled",
            "type": "oneshot"}
    command = UnitValue("ExecStart", "/opt/shop/start.sh", "/etc/systemd/system/shop.service", 3, 0, 18)
    name = str(changes.pop("unit_name", "shop.service"))
    made = snapshot_builders.service(name, pid=None, unit_changes={**left, **changes}, unit_values=(command,))
    (repair,) = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs
    assert repair.risk == risk
    if repair.steps:
        assert isinstance(repair.steps[0], UnitAction) and repair.steps[0].verb == "restart"


def test_what_an_init_script_started_is_started_again_by_it() -> None:
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0, "unit_file_state": "generated"}
    made = snapshot_builders.service("shop.service", pid=None, unit_changes=left)
    (repair,) = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs
    action = repair.steps[0]
    assert isinstance(action, UnitAction) and repair.risk == "safe"
    assert (action.verb, action.was_active, action.describe) == ("restart", "exited", "")


def test_all_stopped_copies_of_a_service_are_started_at_once() -> None:
    box = {"status": "exited", "service": "app"}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box))
    scene.with_service(replace(container_service("app2", pid=None, box=box), name=container_service().name)).refused()
    assert verbs(scene) == ["start", "start"]


@pytest.mark.parametrize("code", [0, 137])
def test_a_task_of_a_swarm_is_started_by_nobody_but_the_swarm(code: int) -> None:
    """It makes another container in the place of one that ended; one that is started by hand gets no visitors."""
    box = {"status": "exited", "exit_code": code, "labels": (("com.docker.swarm.service.name", "shop_api"),)}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box)).refused()
    (repair,) = diagnose(scene.snapshot()).findings[0].repairs
    assert repair.risk == "manual" and "docker service update --force shop_api" in repair.manual


GONE = UncreatedService("app", ("app", "runner"), Evidence("file", "/srv/compose.yaml:7", "service app"))


def without_a_container(host: str = "app", **changes: Any) -> Scene:
    scene = Scene(f"{host}:8000", node="web", back="web").answers(SLOW)
    scene.endpoint(node=None, listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), configured_service=None,
                   listening_service=None, addresses=Known(()))
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (GONE,))
    scene.extra = {"compose": replace(compose, **changes), "target": TargetRef("compose", "p")}
    return scene


def test_what_a_profile_leaves_out_is_for_a_person_to_turn_on() -> None:
    scene = without_a_container(uncreated=(replace(GONE, profiles=("night",)),))
    (repair,) = finding_of(diagnose(scene.snapshot()), CAUSE).repairs
    assert repair.risk == "manual" and "docker compose --profile night up -d --no-deps app" in repair.manual


@pytest.mark.parametrize("host", ["app", "runner"])
def test_hit_a_service_of_the_project_that_has_no_container(host: str) -> None:
    diagnosis = diagnose(without_a_container(host).snapshot())
    assert roots(diagnosis) == [CAUSE]
    (repair,) = diagnosis.findings[0].repairs
    (step,) = repair.steps
    assert isinstance(step, ComposeUp) and (step.service, step.was, repair.risk) == ("app", ABSENT, "disruptive")
    assert step_from_json(step_to_json(step)) == step


def test_a_service_whose_files_are_gone_is_created_by_hand() -> None:
    scene = without_a_container(editable=Unknown("/srv/compose.yaml: absent"))
    (repair,) = diagnose(scene.snapshot()).findings[0].repairs
    assert repair.risk == "manual" and "docker compose up -d --no-deps app" in repair.manual


def test_files_that_compose_does_not_take_are_told_with_its_words() -> None:
    said = "docker compose does not take them: env file /srv/app.env not found"
    found = diagnose(without_a_container(editable=Unknown(said)).snapshot()).findings[0]
    assert said in found.detail and said in found.repairs[0].manual and not found.repairs[0].steps


def test_miss_another_name_has_nothing_to_do_with_a_service_without_a_container() -> None:
    assert CAUSE not in roots(diagnose(without_a_container("elsewhere").snapshot()))


def test_unknown_in_nginxs_own_container_no_application_is_expected() -> None:
    scene = Scene("127.0.0.1:8000", node="web", back="web").refused(configured_service=None)
    scene.with_service(container_service(pid=None, box={"status": "exited"}))
    scene.node_changes = {"web": {"kind": "container"}}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_a_program_that_tells_its_stop_by_its_status_was_stopped() -> None:
    """128 and the signal: systemd calls that a failure, and nothing failed."""
    for status, expected in ((143, ["backend-down"]), (1, [])):
        scene = Scene().with_service(failed_service(unit_changes={"exec_main_status": status})).refused()
        assert roots(diagnose(scene.snapshot())) == expected


@pytest.mark.parametrize(("end", "asks"), [
    ("ModuleNotFoundError: No module named 'orjson'", True), ("[2026-01-01 03:00:00 +0000] [88] [INFO] Shutting down: Master", False),
])
def test_what_ended_because_it_was_asked_to_is_nothing_to_mend(end: str, asks: bool) -> None:
    scene = Scene().refused(configured_service=None)
    lines = (LogLine(NOW - 90, "[88] [INFO] Starting gunicorn 23.0.0", "/tmp/a.log"), LogLine(NOW - 60, end, "/tmp/a.log"))
    scene.extra["hand_started_logs"] = (HandStartedLog("local", "/tmp/a.log", NOW - 60, lines),)
    (detail,) = finding_of(diagnose(scene.snapshot()), "backend-down").detail
    assert end in detail and ("mend that before it is started again" in detail) is asks


def test_what_systemd_would_start_along_is_a_step_of_its_own() -> None:
    """An undo stopped the service alone, and what it requires ran on."""
    made, tunnel = stopped_service(), stopped_service("tunnel.service", 0, is_app_server=False, bindings=Known(()))
    scene = Scene().with_service(made).with_service(tunnel).refused()
    assert made.unit is not None
    scene.files.append(snapshot_builders.file(made.unit.fragment_path, "[Unit]\nBindsTo=tunnel.service\nRequires=gone.service\n"))
    told = [(s.verb, s.unit) for s in diagnose(scene.snapshot()).findings[0].repairs[0].steps if isinstance(s, UnitAction)]
    assert told == [("start", "tunnel.service"), ("start", "backend.service")]


def test_an_assertion_of_its_unit_would_refuse_every_start() -> None:
    words = log_lines("Started backend.service.", "backend.service: Starting requested but asserts failed.")
    (repair,) = finding_of(diagnose(Scene().with_service(stopped_service(log=words)).refused().snapshot()), "backend-down").repairs
    assert repair.risk == "manual" and "Assert…= line of its unit is not met" in repair.manual
    over = log_lines("backend.service: Starting requested but asserts failed.", "Started backend.service.")
    again = finding_of(diagnose(Scene().with_service(stopped_service(log=over)).refused().snapshot()), "backend-down")
    assert again.repairs[0].risk == "safe"


@pytest.mark.parametrize(("command", "port", "dropped", "renamed"), [
    (("uvicorn", "a:b"), 8000, ("app",), True), (("python3", "job.py"), 8000, ("app",), False), (("uvicorn", "a:b"), 8009, ("app",), False),
    (("uvicorn", "a:b"), 8000, (), False),
])
def test_a_service_that_was_renamed_in_its_files(command: tuple[str, ...], port: int, dropped: tuple[str, ...], renamed: bool) -> None:
    """Its old container is left over, and stopped: the new one is what nginx is to ask for."""
    old = container_service(pid=None, box={"status": "exited", "argv": ("uvicorn", "a:b")})
    new = container_service("shop", port, box={"argv": command, "networks": (("p_default", "172.18.0.7", ("shop",)),)})
    web = container_service("web", 80, pid=100, is_app_server=False, box={"mounts": (("/srv/conf", "/etc/nginx", True),)})
    scene = Scene("app:8000", node="web", back="app").with_service(old).with_service(new, listener(port, 7, "0.0.0.0", "shop"))
    scene.with_service(web).refused(configured_service=old.id)
    scene.nginx["service"] = web
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (), dropped)
    scene.extra = {"compose": compose, "target": TargetRef("compose", "p")}
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert any("does not define app any more" in text for text in found.detail) is bool(dropped)
    assert ("shop is what its files make of it by now" in found.summary) is renamed
    assert [r.id for r in found.repairs] == (["name-address"] if renamed else ["start-service"])


@pytest.mark.parametrize("mode", ["host", "p_default"])
def test_of_the_docker_hosts_own_programs_nothing_is_said_from_within_a_container(mode: str) -> None:
    web = container_service("web", 80, pid=100, is_app_server=False, box={"network_mode": mode})
    scene = Scene("127.0.0.1:8000", node="web", back="web").with_service(web).refused()
    scene.endpoint(configured_service=None, listening_service=None)
    scene.nginx["service"] = web
    scene.node_changes["web"] = {"kind": "container", "root": True}
    found = [f for f in diagnose(scene.snapshot()).findings if f.cause == CAUSE]
    assert [("of the Docker host" in f.summary, "no application server runs" in f.summary) for f in found] == [
        (mode == "host", mode != "host")]


@pytest.mark.parametrize(("state", "way"), [("disabled", "and disabled at boot: where the backend is one of those, systemctl enable --now"),
                                            ("enabled", "is stopped: where the backend is one of those, systemctl start")])
def test_what_pm2_would_bring_back_is_named_where_nothing_else_is_known(state: str, way: str) -> None:
    """No file says which ports its programs have: it was said that nothing could be started."""
    argv = ("/usr/lib/node_modules/pm2/bin/pm2", "resurrect")
    unit_ = stopped_service("pm2-web.service", bindings=Known(()), is_app_server=False, argv=argv, runtime="node",
                    unit_changes={"exec_start": argv, "unit_file_state": state})
    scene = Scene().with_service(unit_).refused(configured_service=None)
    (repair,) = finding_of(diagnose(scene.snapshot()), "backend-down").repairs
    assert repair.risk == "manual" and way in repair.manual and "pm2-web.service" in repair.manual
    scene.processes.append(process(77, "PM2 v7.0.4: God Daemon (/root/.pm2)"))
    found = finding_of(diagnose(scene.snapshot()), "backend-down")
    assert "PM2 keeps programs on local" in found.summary and "pm2 list" in found.repairs[0].manual
