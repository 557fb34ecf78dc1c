"""crash-killed: a signal from outside, told apart from a stop, a crash loop and a lack of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ContainerAction, DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, UnitSetting
from tests.causes.backend_down.manager_state_builders import supervisord_scene, verbs
from tests.causes.crash_killed_builders import killed
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    log_lines,
    roots,
    service,
    stopped_service,
    supervised_service,
    verdict_of,
)

CAUSE = "crash-killed"


def test_hit() -> None:
    scene = killed(log=log_lines("Started backend.service.", "backend.service: Main process exited, code=killed, status=9/KILL"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert found.variant == "killed-mid-request" and "KILL" in found.summary
    start, keep = found.repairs
    assert (start.id, start.risk, keep.id, keep.risk) == ("start-service", "safe", "restart-on-failure", "disruptive")
    assert [s.verb for s in start.steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    write = keep.steps[0]
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nRestart=on-failure\n"
    assert isinstance(keep.steps[1], DaemonReload)


def test_miss() -> None:
    for scene in (healthy_scene(), Scene().with_service(stopped_service()).refused(), Scene().with_service(failed_service()).refused(),
                  killed(unit_changes={"result": "oom-kill"})):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_which_service_is_meant() -> None:
    scene = Scene().refused().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_a_log_that_cannot_be_read_hides_no_signal() -> None:
    assert roots(diagnose(killed(log=Unknown("not root")).snapshot())) == [CAUSE]


def test_a_fault_of_its_own() -> None:
    found = finding_of(diagnose(killed(unit_changes={"result": "core-dump", "exec_main_status": 11}).snapshot()), CAUSE)
    assert found.variant == "segfault-mid-request"


def test_a_policy_that_is_there_is_not_offered_again() -> None:
    assert len(finding_of(diagnose(killed(unit_changes={"restart": "always"}).snapshot()), CAUSE).repairs) == 1
    path = "/etc/systemd/system/backend.service.d/50-badgateway-restart.conf"
    assert len(finding_of(diagnose(killed(unit_changes={"drop_in_paths": (path,)}).snapshot()), CAUSE).repairs) == 1


def test_a_named_reason_is_the_root_instead() -> None:
    lines = ("Started backend.service.", "RuntimeError: SECRET_KEY is not set")
    assert roots(diagnose(killed(log=log_lines(*lines)).snapshot())) == ["crash-missing-env"]


def test_the_words_of_a_start_are_not_those_of_a_stop() -> None:
    lines = ("INFO:     Started server process [1]", "INFO:     Waiting for application startup.",
             "INFO:     Application startup complete.")
    made = container_service(box={"status": "exited", "exit_code": 137, "pid": 0}, pid=None, log=log_lines(*lines))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


@pytest.mark.parametrize(("code", "variant"), [(137, "killed-mid-request"), (139, "segfault-mid-request")])
def test_containers(code: int, variant: str) -> None:
    made = container_service(box={"status": "exited", "exit_code": code, "pid": 0}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(addresses=Known(()), node=None)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == variant and isinstance(found.repairs[0].steps[0], ContainerAction)


@pytest.mark.parametrize(("policy", "changes", "by_person"), [
    ("always", {}, True), ("unless-stopped", {}, True), ("on-failure", {}, True), ("on-failure", {"restart_count": 3}, False),
    ("no", {}, False), ("", {}, False), ("always", {"error": "port is already allocated"}, False),
    ("always", {"exit_code": 139}, False), ("always", {"finished_at": NOW - 900}, False),
])
def test_a_killed_container_that_its_policy_would_have_brought_back_was_ended_by_somebody(policy: str, changes: dict[str, object], by_person: bool) -> None:
    box = {"status": "exited", "exit_code": 137, "pid": 0, "restart_policy": policy, "finished_at": NOW - 20, **changes}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(box=box, pid=None)).refused()
    scene.services.append(service("docker.service", 1, None, node="engine"))      # its machine is observed
    scene.node_changes["engine"] = {"boot_at": Known(NOW - 600)}
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, "backend-down" if by_person else CAUSE)
    assert not by_person or CAUSE not in {one.cause for one in diagnosis.findings}
    variant = "container-stopped" if by_person else "segfault-mid-request" if "exit_code" in changes else "killed-mid-request"
    assert (found.variant, found.confidence) == (variant, "certain")
    assert ("was stopped or killed by somebody" in found.summary) is by_person is (f"its restart policy ({policy})" in " ".join(found.detail))
    assert ("was killed by signal" in found.summary) is not by_person


@pytest.mark.parametrize("before", [0.5, 0.1])
def test_a_container_whose_run_before_was_stopped_a_moment_earlier(before: float) -> None:
    box = {"status": "exited", "exit_code": 137, "pid": 0, "started_at": NOW - 30 + before}
    made = container_service(box=box, pid=None, log=log_lines("INFO:     Shutting down", "INFO:     Finished server process [1]"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_container_that_ran_out_of_memory_is_another_cause() -> None:
    made = container_service(box={"status": "exited", "exit_code": 137, "oom_killed": True}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    assert file("/x", "").data == b""


DEAD = NOW - 60


def lost(phase: str, scene: Scene, ago: float = 60.0) -> Scene:
    return scene.logs("upstream prematurely closed connection", None, phase, ago=ago)


def test_what_nginx_lost_in_that_moment_tells_how_far_the_answers_were() -> None:
    body = finding_of(diagnose(lost("reading upstream", killed()).snapshot()), CAUSE)
    assert body.variant == "killed-mid-body"
    assert any("reading upstream" in e.text for e in body.evidence if e.source == "nginx-log")
    both = lost("reading response header from upstream", lost("reading upstream", killed()))
    assert finding_of(diagnose(both.snapshot()), CAUSE).variant == "killed-mid-request"
    earlier = lost("reading upstream", killed(), ago=400)
    assert finding_of(diagnose(earlier.snapshot()), CAUSE).variant == "killed-mid-request"
    fault = lost("reading upstream", killed(unit_changes={"exec_main_status": 11}))
    assert finding_of(diagnose(fault.snapshot()), CAUSE).variant == "segfault-mid-request"


TASKS = UnitSetting("TasksMax", "1", Evidence("unit", "/etc/systemd/system/backend.service.d/x.conf:2", "TasksMax=1"))
SPACE = UnitSetting("LimitAS", "60M", Evidence("unit", "/etc/systemd/system/backend.service:8", "LimitAS=60M"))

SHELL = UnitSetting("ulimit -v", "60000", Evidence("file", "/srv/run:2", "ulimit -v 60000"), None,
                    CommandArgument("60000", "/srv/run", 2, 20, 25))


def test_a_limit_of_its_start_script_is_taken_away_where_it_stands() -> None:
    scene = aborted(11, SHELL)
    scene.files.append(file("/srv/run", "#!/bin/sh\nulimit -v 60000\nexec uvicorn a:b\n"))
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    step = repair.steps[0]
    assert isinstance(step, WriteFile) and step.after == b"#!/bin/sh\nulimit -v unlimited\nexec uvicorn a:b\n"
    assert repair.risk == "disruptive" and repair.needs[0].default == "unlimited"


def aborted(number: int = 6, *settings: UnitSetting, tasks: int = 0, lines: tuple[str, ...] = ()) -> Scene:
    return killed(unit_changes={"exec_main_status": number, "tasks_max": tasks}, settings=settings,
                  log=log_lines("Started backend.service.", *lines))


def test_a_limit_that_no_server_can_do_with() -> None:
    found = finding_of(diagnose(aborted(6, TASKS, tasks=1).snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("tasks-or-address-space-limit", "likely")
    assert TASKS.source in found.evidence
    repair = found.repairs[0]
    assert (repair.id, repair.risk, repair.needs[0].key) == ("raise-limit", "disruptive", "tasks")
    step = repair.steps[0]
    assert isinstance(step, WriteFile) and step.after == b"[Service]\nTasksMax=512\n"
    given = finding_of(diagnose(aborted(6, TASKS, tasks=1).snapshot(), {"tasks": "64"}), CAUSE).repairs[0].steps[0]
    assert isinstance(given, WriteFile) and given.after == b"[Service]\nTasksMax=64\n"


def test_a_limit_that_its_own_log_complains_of() -> None:
    said = finding_of(diagnose(aborted(6, tasks=40, lines=("RuntimeError: can't start new thread",)).snapshot()), CAUSE)
    assert (said.variant, said.confidence) == ("tasks-or-address-space-limit", "certain")
    assert any("start new thread" in e.text for e in said.evidence)
    space = finding_of(diagnose(aborted(11, SPACE).snapshot()), CAUSE)
    step = space.repairs[0].steps[0]
    assert isinstance(step, WriteFile) and step.after == b"[Service]\nLimitAS=infinity\n"


@pytest.mark.parametrize("scene", [aborted(6, tasks=4915), aborted(11), aborted(9, TASKS, tasks=1), aborted(6, tasks=40),
                                   aborted(6, replace(SPACE, value="infinity"))])
def test_a_fault_under_an_ordinary_limit_is_a_fault(scene: Scene) -> None:
    assert finding_of(diagnose(scene.snapshot()), CAUSE).variant in ("segfault-mid-request", "killed-mid-request")


def test_a_container_with_too_few_tasks_and_no_place_for_another_limit() -> None:
    box = {"status": "exited", "exit_code": 139, "pid": 0, "pids_max": 1, "finished_at": DEAD}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(box=box, pid=None)).refused(
        addresses=Known(()), configured_service=None, node=None)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "tasks-or-address-space-limit" and found.repairs[0].risk == "manual"


FORK = ("Traceback (most recent call last):", '  File "/usr/lib/python3/dist-packages/gunicorn/arbiter.py", line 603',
        "    pid = os.fork()", "BlockingIOError: [Errno 11] Resource temporarily unavailable")


@pytest.mark.parametrize(("lines", "tasks", "hit"), [
    (FORK, 4, True), (("RuntimeError: can't start new thread",), 4, True), (FORK, 0, False), (FORK, 4000, False),
    ((*FORK[:2], "    s.recv(1)", FORK[3]), 4, False), ((*FORK, "LedgerError: no year"), 4, False),
])
def test_a_limit_of_tasks_that_the_program_itself_ends_over(lines: tuple[str, ...], tasks: int, hit: bool) -> None:
    changes = {"tasks_max": tasks}
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", *lines, "backend.service: Start request "
                                        "repeated too quickly."), settings=(TASKS,), unit_changes=changes)).refused()
    found = [f for f in diagnose(scene.snapshot()).findings if f.role == "root"]
    assert (found[0].variant == "tasks-or-address-space-limit") is hit
    if hit:
        assert "needs more than TasksMax=" in found[0].summary and found[0].repairs[0].id == "raise-limit"


@pytest.mark.parametrize(("lines", "changes", "settings", "hit"), [
    (FORK, {"tasks_max": 4915}, (), True), (FORK, {}, (), True), (FORK, {"need_daemon_reload": True}, (), False),
    (FORK, {"tasks_max": 600}, (replace(TASKS, value="600"),), False), ((*FORK, "LedgerError: no year"), {}, (), False),
    (FORK, {"user": "root"}, (replace(TASKS, key="LimitNPROC", value="9"),), False),
])
def test_a_limit_of_tasks_that_was_lifted_since_leaves_the_start(
    lines: tuple[str, ...], changes: dict[str, object], settings: tuple[UnitSetting, ...], hit: bool,
) -> None:
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", *lines, "backend.service: Start request "
                                        "repeated too quickly."), settings=settings, unit_changes=changes)).refused()
    found = [f for f in diagnose(scene.snapshot()).findings if f.role == "root"]
    assert (found[0].variant == "tasks-or-address-space-limit") is hit
    if hit:
        assert found[0].confidence == "likely" and "the service was not started again" in found[0].summary
        assert [r.id for r in found[0].repairs] == ["start-service"]


@pytest.mark.parametrize("changes", [
    {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 3, "main_pid": 0},
    {"result": "signal", "exec_main_status": 6},
])
def test_a_limit_that_it_aborts_under_again_and_again(changes: dict[str, object]) -> None:
    lines = ("Started backend.service.", "backend.service: Main process exited, code=dumped, status=6/ABRT",
             "backend.service: Start request repeated too quickly.")
    scene = Scene().with_service(failed_service(log=log_lines(*lines), settings=(TASKS,), unit_changes={"tasks_max": 1, **changes}))
    found = [f for f in diagnose(scene.refused().snapshot()).findings if f.role == "root"]
    assert [f.variant for f in found] == ["tasks-or-address-space-limit"] and found[0].repairs[0].id == "raise-limit"


SPAWN = (
    "Traceback (most recent call last):", '  File "/usr/lib/python3.13/multiprocessing/util.py", line 445, in spawnv_passfds',
    "    return _posixsubprocess.fork_exec(", "           ~~~~~~~~~~~~~~~~~~~~~~~~~~^", "        args, [path], True, passfds,",
    "        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^", "        -1, -1, -1, errpipe_read,", "        ^^^^^^^^^^^^^^^^^^^^^^^^^",
    "        False, False, -1, None,", "        ^^^^^^^^^^^^^^^^^^^^^^^", "        subprocess._USE_VFORK)",
    "        ^^^^^^^^^^^^^^^^^^^^^^", "BlockingIOError: [Errno 11] Resource temporarily unavailable",
)
AROUND = ('  File "/srv/app/feed.py", line 9, in pull', "    os.fork()", '  File "/srv/app/feed.py", line 12, in read')


@pytest.mark.parametrize(("lines", "settings", "changes", "said"), [
    (SPAWN, (TASKS,), {"tasks_max": 1}, "TasksMax=1"), (("MemoryError",), (SPACE,), {}, "LimitAS=60M"),
    (("RuntimeError: can't start new thread",), (SPACE,), {}, "LimitAS=60M"),
    (("x.so: failed to map segment from shared object",), (SPACE,), {}, "LimitAS=60M"),
    (("object type name: MemoryError", "object repr     : MemoryError()", "lost sys.stderr"), (SPACE,), {}, "LimitAS=60M"),
    (("MemoryError",), (replace(SPACE, key="LimitDATA", value="60M:80M"),), {}, "LimitDATA=60M:80M"),
    (("MemoryError",), (SHELL,), {}, "ulimit -v 60000 (KiB)"),
    (SPAWN, (replace(TASKS, key="LimitNPROC", value="9"),), {}, "LimitNPROC=9"),
    (("MemoryError",), (TASKS, SPACE), {"tasks_max": 200}, "LimitAS=60M"),
    (("MemoryError",), (replace(SPACE, value="2G"),), {}, ""), (("MemoryError", "LedgerError: no year"), (SPACE,), {}, ""),
    ((*SPAWN[:1], *AROUND, "    s.recv(", "        1)", SPAWN[-1]), (TASKS,), {"tasks_max": 1}, ""),
    (("MemoryError",), (TASKS,), {"tasks_max": 1}, ""),
])
def test_the_limit_that_a_crash_loop_ends_over_is_its_root(
    lines: tuple[str, ...], settings: tuple[UnitSetting, ...], changes: dict[str, object], said: str,
) -> None:
    """Restart=always tries until systemd gives up, each time with the same last words."""
    again = ("Started backend.service.", *lines, "backend.service: Scheduled restart job, restart counter is at 5.",
             "backend.service: Start request repeated too quickly.")
    scene = Scene().with_service(failed_service(log=log_lines(*again), settings=settings, unit_changes={
        "user": "svc", "restart": "always", "n_restarts": 5, **changes})).refused()
    diagnosis = diagnose(scene.snapshot())
    if not said:
        assert all(f.variant != "tasks-or-address-space-limit" for f in diagnosis.findings)
        return
    assert roots(diagnosis) == [CAUSE] and f"needs more than {said}" in finding_of(diagnosis, CAUSE).summary
    assert finding_of(diagnosis, CAUSE).repairs[0].id == "raise-limit"


@pytest.mark.parametrize(("there", "name"), [
    ("10-a.conf", "50-badgateway-limits.conf"), ("override.conf", "zz-50-badgateway-limits.conf"),
    ("zz.conf", "zzz-50-badgateway-limits.conf"), ("zzz.conf", "zzzz-50-badgateway-limits.conf"), ("~last.conf", ""),
])
def test_a_limit_is_written_where_it_is_read_last(there: str, name: str) -> None:
    """A drop-in that is read before the one which sets the limit changes nothing."""
    folder = "/etc/systemd/system/backend.service.d"
    made = failed_service(log=log_lines("Started backend.service.", "MemoryError"), settings=(SPACE,),
                  unit_changes={"drop_in_paths": (f"{folder}/{there}",)})
    (repair,) = finding_of(diagnose(Scene().with_service(made).refused().snapshot()), CAUSE).repairs
    if not name:
        assert repair.risk == "manual" and "is read after any" in repair.manual
        return
    assert isinstance(repair.steps[0], WriteFile) and repair.steps[0].path == f"{folder}/{name}"


@pytest.mark.parametrize(("code", "starts"), [(137, 2), (0, 1)])
def test_all_copies_that_were_killed_are_started_at_once(code: int, starts: int) -> None:
    """nginx asks them all by one name: with one of them alone the page comes and goes, and the start was taken back."""
    box = {"status": "exited", "service": "app", "exit_code": 137}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box))
    other = replace(container_service("app2", pid=None, box={**box, "exit_code": code}), name=container_service().name)
    steps = finding_of(diagnose(scene.with_service(other).refused().snapshot()), CAUSE).repairs[0].steps
    assert len([step for step in steps if isinstance(step, ContainerAction)]) == starts


def test_one_that_was_killed() -> None:
    gone = {"signal": 9, "expected": False, "ended": "terminated by SIGKILL", "autorestart": "false"}
    found = diagnose(supervisord_scene(supervised_service("EXITED", program=gone)).snapshot()).findings[0]
    assert (found.cause, found.variant) == ("crash-killed", "killed-mid-request")
    assert [verbs(r) for r in found.repairs] == [["start"]]
