"""crash-oom: what the kernel's log or an honest flag proves, and what only looks so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.kernel import KernelLog, OomKill
from fixer.model.plan import ComposeUp, ContainerAction, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, LogLine, UnitSetting
from tests.causes.snapshot_builders import (
    NOW,
    SLOW,
    Scene,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stat,
    verdict_of,
)

CAUSE = "crash-oom"
KILLED = {"result": "signal", "exec_main_code": 2, "exec_main_status": 9, "memory_max": 90 << 20}
OWN = "/system.slice/backend.service"
TEXT = "Memory cgroup out of memory: Killed process 812 (uvicorn) total-vm:209792kB, anon-rss:90448kB"


def kill(cgroup: str = OWN, limit: str | None = None, ago: float = 61.0, **changes: Any) -> OomKill:
    made = OomKill(NOW - ago, cgroup, cgroup if limit is None else limit, 812, "uvicorn", TEXT)
    return replace(made, **changes)


def with_kernel(scene: Scene, *kills: OomKill, node: str = "local") -> Scene:
    scene.extra["kernel_logs"] = (KernelLog(node, Known(kills)),)
    return scene


def killed(**changes: Any) -> Scene:
    return Scene().with_service(failed_service(unit_changes={**KILLED, **changes})).refused()


def test_hit_the_kernels_log_tells_it_from_any_other_kill() -> None:
    diagnosis = diagnose(with_kernel(killed(), kill()).snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence) == ("oom-killed-systemd", "certain") and "90 MiB" in found.summary
    assert found.evidence[0].source == "kernel" and OWN in found.evidence[0].text
    repair = found.repairs[0]
    assert (repair.id, repair.risk, repair.needs[0].default) == ("raise-memory-limit", "disruptive", "180M")
    written, _, *actions = repair.steps
    assert isinstance(written, WriteFile) and written.after == b"[Service]\nMemoryMax=180M\n"
    assert [a.verb for a in actions if isinstance(a, UnitAction)] == ["reset-failed", "start"]
    given = diagnose(with_kernel(killed(), kill()).snapshot(), {"memory": "1G"}).findings[0].repairs[0].steps[0]
    assert isinstance(given, WriteFile) and given.after == b"[Service]\nMemoryMax=1G\n"

    assert "not proven" in repair.doubt and "180M" in repair.doubt


@pytest.mark.parametrize("name", ["50-badgateway-memory.conf", "zz-50-badgateway-memory.conf"])
def test_a_limit_that_a_repair_had_raised_and_that_is_reached_again_is_not_doubled_once_more(name: str) -> None:
    where = f"/etc/systemd/system/backend.service.d/{name}:2"
    raised = UnitSetting("MemoryMax", "180M", Evidence("unit", where, "MemoryMax=180M"))
    scene = with_kernel(Scene().with_service(failed_service(
        settings=(raised,), unit_changes={**KILLED, "memory_max": 180 << 20})).refused(), kill())
    repair = diagnose(scene.snapshot()).findings[0].repairs[0]
    assert not repair.steps and repair.needs[0].default is None and "an earlier repair raised it" in repair.summary
    given = diagnose(scene.snapshot(), {"memory": "1G"}).findings[0].repairs[0]
    assert isinstance(given.steps[0], WriteFile) and b"MemoryMax=1G" in (given.steps[0].after or b"")


@pytest.mark.parametrize(("limit", "said", "asked"), [(64, "64 bytes", "128M"), (9 << 20, "9 MiB", "128M"),
                                                       (64 << 20, "64 MiB", "128M"), (65 << 20, "65 MiB", "130M")])
def test_a_limit_in_which_nothing_comes_up_is_not_just_doubled(limit: int, said: str, asked: str) -> None:
    found = diagnose(with_kernel(killed(memory_max=limit), kill()).snapshot()).findings[0]
    assert found.repairs[0].needs[0].default == asked and f"its memory limit of {said} was reached" in found.summary


@pytest.mark.parametrize(("workers", "asked"), [(Known(2), "256M"), (Known(0), "128M"), (Known(64), "2048M"), (Unknown("-"), "128M")])
def test_each_worker_needs_its_own_share(workers: Known[int] | Unknown, asked: str) -> None:
    scene = with_kernel(killed(memory_max=48 << 20), kill())
    scene.services[0] = replace(scene.services[0], workers=workers)
    assert diagnose(scene.snapshot()).findings[0].repairs[0].needs[0].default == asked


def test_a_legacy_limit_is_raised_under_both_names() -> None:
    said = Evidence("unit", "/etc/systemd/system/backend.service:7", "MemoryLimit=90M")
    scene = with_kernel(killed(), kill())
    scene.services[0] = replace(scene.services[0], settings=(UnitSetting("MemoryLimit", "90M", said),))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    step = found.repairs[0].steps[0]
    assert isinstance(step, WriteFile) and step.after == b"[Service]\nMemoryMax=180M\nMemoryLimit=180M\n"
    assert said in found.evidence


@pytest.mark.parametrize("other", [
    kill("/system.slice/other.service"), kill(ago=7200), kill("/docker/abc/system.slice/backend.service"), kill(""),
])
def test_another_units_an_old_or_another_machines_kill_is_not_it(other: OomKill) -> None:
    diagnosis = diagnose(with_kernel(killed(active_enter=NOW - 120), other).snapshot())
    assert roots(diagnosis) == ["crash-killed"] and isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_unknown_a_kill_without_a_kernel_log_is_undetermined_only_where_there_is_a_limit() -> None:
    blind = killed()
    blind.extra["kernel_logs"] = (KernelLog("local", Unknown("dmesg exited with code 1")),)
    for scene in (blind, killed()):
        verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
        assert isinstance(verdict, Undetermined) and "memory limit" in verdict.missing[0]
        assert roots(diagnose(scene.snapshot())) == ["crash-killed"]
    assert isinstance(verdict_of(diagnose(killed(memory_max=0).snapshot()), CAUSE), RuledOut)


def test_miss() -> None:
    for scene in (healthy_scene(), Scene().with_service(failed_service()).refused(), with_kernel(healthy_scene(), kill(ago=7200))):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_a_machine_of_its_own_in_a_container_is_told_by_the_groups_above() -> None:
    scene = with_kernel(killed(), kill(f"/docker/abc{OWN}"), node="engine")
    scene.services.append(service("nginx.service", 81, None, unit_changes={
        "control_group": "/docker/abc/system.slice/nginx.service"}, is_app_server=False))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_result_oom_kill_is_believed_without_a_kernel_log() -> None:
    scene = Scene().with_service(failed_service(
        unit_changes={**KILLED, "result": "oom-kill"},
        log=log_lines("Started backend.service.", "backend.service: A process of this unit has been killed by the OOM killer.",
                "backend.service: Failed with result 'oom-kill'."),
    )).refused()
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.findings[0].variant == "oom-kill-result-cgroup-v2"
    assert any("oom-kill" in e.text for e in diagnosis.findings[0].evidence if e.source == "service-log")
    assert isinstance(verdict_of(diagnosis, "crash-loop-gave-up"), RuledOut)      # why it ended is known


def test_a_limit_of_a_slice_or_of_the_machine_is_for_others() -> None:
    slice_ = finding_of(diagnose(with_kernel(killed(), kill(limit="/system.slice")).snapshot()), CAUSE)
    assert slice_.repairs[0].risk == "manual" and "/system.slice" in slice_.summary
    machine = finding_of(diagnose(with_kernel(killed(), kill(limit="")).snapshot()), CAUSE)
    assert machine.repairs[0].id == "start-service" and "the machine had no memory left" in machine.summary


BOX = {"status": "exited", "exit_code": 137, "pid": 0, "memory_max": 90 << 20, "started_at": NOW - 90}
YAML = "services:\n  app:\n    mem_limit: 90m\n    memswap_limit: 100m\n"


def setting(key: str, value: str, **changes: Any) -> UnitSetting:
    at = YAML.index(value)
    place = CommandArgument(value, "/srv/p/compose.yaml", YAML[:at].count("\n") + 1, at, at + len(value))
    return UnitSetting(key, value, Evidence("file", f"{place.file}:{place.line}", value), argument=replace(place, **changes))


def container(settings: tuple[UnitSetting, ...], *, box: dict[str, Any] | None = None, data: str = YAML) -> Scene:
    made = container_service(box={**BOX, **(box or {}), "labels": (("com.docker.compose.config-hash", "h"),)}, pid=None,
                 settings=settings)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(addresses=Known(()), node=None)
    scene.files.append(file("/srv/p/compose.yaml", data, "engine"))
    snapshot = scene.snapshot()
    scene.extra = {
        "target": replace(snapshot.target, kind="compose", address="p"),
        "compose": Compose("p", "/srv/p", ("/srv/p/compose.yaml",), (), (("app", True),), Known(True)),
        "kernel_logs": (KernelLog("engine", Known((kill(f"/docker/{made.container.id}"),))),),   # type: ignore[union-attr]
    }
    return scene


def test_a_limit_that_a_container_was_made_with_by_hand_is_for_whoever_makes_it() -> None:
    repair = finding_of(diagnose(container((), box={"project": None, "service": None}).snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and "docker update" in repair.manual and "compose" not in repair.manual


def test_a_containers_limit_is_raised_in_its_compose_file() -> None:
    settings = (setting("MemoryMax", "90m"), setting("MemorySwapMax", "100m"))
    found = finding_of(diagnose(container(settings).snapshot()), CAUSE)
    assert found.variant == "oom-killed-docker" and found.role == "root"
    written, up, *_ = found.repairs[0].steps
    assert isinstance(written, WriteFile) and isinstance(up, ComposeUp)
    assert written.after == YAML.replace("90m", "180M").replace("100m", "180M").encode()


@pytest.mark.parametrize("settings", [
    (), (setting("MemoryMax", "90m", start=None),), (setting("MemoryMax", "90m", text="91m"),),
    (setting("MemoryMax", "90m", file="/srv/p/other.yaml"),),
])
def test_a_limit_that_stands_nowhere_to_edit_is_for_a_person(settings: tuple[UnitSetting, ...]) -> None:
    repair = finding_of(diagnose(container(settings).snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and "180M" in repair.manual


def test_a_container_that_is_being_started_once_more_was_killed_in_its_runs_before() -> None:
    scene = container((), box={"status": "running", "exit_code": 0, "restart_count": 3, "started_at": NOW - 1})
    made = scene.services[0].container
    assert made is not None
    scene.extra["kernel_logs"] = (KernelLog("engine", Known((kill(f"/docker/{made.id}", ago=20.0),))),)
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    scene.extra["kernel_logs"] = (KernelLog("engine", Known((kill(f"/docker/{made.id}", ago=3600.0),))),)
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_docker_s_flag_is_believed_when_it_is_set() -> None:
    scene = container((setting("MemoryMax", "90m"),), box={"oom_killed": True})
    scene.extra["kernel_logs"] = ()
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert any("OOMKilled=true" in e.text for e in found.evidence)
    assert not any(isinstance(s, ContainerAction) for s in found.repairs[0].steps)


def running(*, cut: bool = True) -> Scene:
    scene = with_kernel(healthy_scene(), kill(ago=10.0), kill(ago=5.0, pid=813, text="another"))
    scene.services[0] = replace(scene.services[0], unit=replace(scene.services[0].unit, memory_max=90 << 20))  # type: ignore[type-var]
    if cut:
        scene.logs("upstream prematurely closed connection", None, "reading response header from upstream")
    return scene


def test_workers_that_the_kernel_kills_behind_a_parent_that_lives() -> None:
    diagnosis = diagnose(running().snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, diagnosis.verdict) == ("oom-killed-worker-child", "root", "degraded")
    assert "2 times" in found.summary and found.repairs[0].id == "raise-memory-limit"
    assert [s.verb for s in found.repairs[0].steps if isinstance(s, UnitAction)] == ["restart"]


def test_where_no_request_was_lost_it_is_advice() -> None:
    diagnosis = diagnose(running(cut=False).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.role, found.repairs, diagnosis.verdict) == ("advice", (), "healthy")


@pytest.mark.parametrize(("ago", "role"), [(5.0, "root"), (300.0, "advice")])
def test_workers_that_are_killed_again_and_again_answer_nothing(ago: float, role: str) -> None:
    """The parent listens, so that requests wait; that the backend hangs is what it looks like."""
    scene = with_kernel(healthy_scene(), kill(ago=ago + 5.0), kill(ago=ago, pid=813)).answers(SLOW)
    scene.endpoint(http=Known(SLOW))
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.role, found.variant) == (role, "oom-killed-worker-child")
    if role == "root":
        assert roots(diagnosis) == [CAUSE] and found.repairs[0].id == "raise-memory-limit"


def test_a_parent_that_began_to_listen_after_the_sockets_were_read_is_the_configured_one() -> None:
    """It shares nginx's network, and has just been started again: the connect that it accepts came a moment later."""
    made = container_service(box={"network_mode": "container:" + "web" * 4, "networks": (), "restart_count": 4, "started_at": NOW - 1})
    box = made.container
    assert box is not None
    scene = Scene(node="web", back="web").answers(SLOW)
    scene.services += [made, container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()))]
    scene.endpoint(listener=Known(None), tcp=Known(probe()), http=Known(SLOW), configured_service=None, listening_service=None)
    own = f"/docker/{box.id}"
    scene.extra["kernel_logs"] = (KernelLog("engine", Known((kill(own, ago=2.0),))),)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.role == "root" and "killed by the kernel once since its start" in found.summary
    scene.extra["kernel_logs"] = (KernelLog("engine", Known((kill(own, ago=20.0), kill(own, ago=2.0, pid=813)))),)
    assert "at least 2 times within 20 s" in finding_of(diagnose(scene.snapshot()), CAUSE).summary


@pytest.mark.parametrize(("size", "now", "found"), [
    (48 << 20, 256 << 20, False), (48 << 20, 0, False),     # raised, or taken away, right after the kill
    (48 << 20, 48 << 20, True), (0, 256 << 20, True),       # the limit that it has; one that the kernel did not print
])
def test_a_kill_under_another_limit_is_over(size: int, now: int, found: bool) -> None:
    """The kernel's clock is seconds off: the last kills before a restart seem to be those of the new process."""
    scene = with_kernel(healthy_scene(), kill(ago=5.0, size=size), kill(ago=4.0, pid=813, size=size))
    unit = scene.services[0].unit
    assert unit is not None
    scene.services[0] = replace(scene.services[0], unit=replace(unit, memory_max=now))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Found) is found


def test_a_worker_of_a_service_nobody_asks_is_nobody_s_matter() -> None:
    scene = with_kernel(healthy_scene(), kill("/system.slice/other.service", ago=5.0))
    scene.with_service(service("other.service", 9000, 300, unit_changes={"main_pid": 300}), listener(9000, 300))
    assert not isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Found)


DROP_IN = "/etc/systemd/system/backend.service.d/memory.conf"


@pytest.mark.parametrize(("changed", "unit_changes", "first"), [
    (5.0, {"memory_max": 400 << 20}, "start-service"),
    (5.0, {"memory_max": 400 << 20, "need_daemon_reload": True}, "raise-memory-limit"),     # systemd has not read it
    (900.0, {}, "raise-memory-limit"),                                                      # changed before the kill
    (900.0, {"memory_max": 0}, "start-service"),                                            # taken away since
])
def test_a_limit_that_was_raised_after_the_kill_needs_a_start(
    changed: float, unit_changes: dict[str, Any], first: str,
) -> None:
    scene = with_kernel(killed(**unit_changes), kill())
    said = Evidence("unit", f"{DROP_IN}:2", "MemoryMax=400M")
    scene.services[0] = replace(scene.services[0], settings=(UnitSetting("MemoryMax", "400M", said),))
    scene.node_changes["local"] = {"files": ((DROP_IN, stat(mtime=NOW - changed)),)}
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.repairs[0].id == first
    assert ("the service was not started again" in found.summary) == (first == "start-service") == (found.confidence == "likely")


@pytest.mark.parametrize(("changed", "died", "raised"), [
    (60.0, 62.0, True), (60.0, None, False),      # two seconds after: only the manager's clock is as good as that
    (62.0, 61.8, False), (60.0, 300.0, False),    # changed before its end; of another end
])
def test_a_limit_raised_right_after_the_kill_is_told_by_the_managers_clock(
    changed: float, died: float | None, raised: bool,
) -> None:
    text = "backend.service: Main process exited, code=killed, status=9/KILL"
    lines = () if died is None else (LogLine(NOW - died, text, "journal backend.service"),)
    scene = with_kernel(killed(memory_max=400 << 20), kill())
    said = Evidence("unit", f"{DROP_IN}:2", "MemoryMax=400M")
    scene.services[0] = replace(scene.services[0], settings=(UnitSetting("MemoryMax", "400M", said),), log=Known(lines))
    scene.node_changes["local"] = {"files": ((DROP_IN, stat(mtime=NOW - changed)),)}
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.repairs[0].id == "start-service") is raised
