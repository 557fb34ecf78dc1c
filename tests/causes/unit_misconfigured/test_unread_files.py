"""Unit files that systemd refused to load, or has not read since they were edited."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, ProgramAction, UnitAction
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    binding,
    file,
    listener,
    log_lines,
    process,
    roots,
    service,
    stat,
    supervised_service,
)
from tests.causes.unit_misconfigured.stopped_by_systemd_builders import found as stopped_by_systemd_found
from tests.causes.unit_misconfigured.stopped_by_systemd_builders import unit_with

CAUSE = "unit-misconfigured"
PLACE = "/etc/systemd/system/backend.service"
REFUSED = {"load_state": "bad-setting", "load_error": 'org.freedesktop.systemd1.BadUnitSetting "bad"', "active_state": "inactive",
           "sub_state": "dead", "main_pid": 0, "need_daemon_reload": False}


def test_an_edit_that_systemd_never_read() -> None:
    told = binding(8001)
    running = replace(binding(8000), source=Evidence("process", "pid 200", "uvicorn --port 8000"))
    made = service(bindings=Known((told, running)), unit_changes={"need_daemon_reload": True})
    scene = Scene("127.0.0.1:8001").with_service(made, listener(8000, 200)).refused()
    finding = stopped_by_systemd_found(scene)
    assert finding.variant == "unit-edited-no-daemon-reload"
    reload, restart, *_ = finding.repairs[0].steps
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and restart.verb == "restart"
    read = service(bindings=Known((told, running)))
    other = Scene("127.0.0.1:8001").with_service(read, listener(8000, 200)).refused()
    assert CAUSE not in roots(diagnose(other.snapshot()))


@pytest.mark.parametrize(("path", "ago", "stale"), [
    ("/etc/default/shop", 60.0, True), (PLACE, 60.0, True),
    ("/etc/default/shop", 7200.0, False),       # it was started with that: why it listens elsewhere is not told
    ("/etc/default/other", 60.0, False),
])
def test_a_file_that_was_edited_after_the_start_wants_a_restart(path: str, ago: float, stale: bool) -> None:
    told = replace(binding(8001), source=Evidence("unit", f"{'/etc/default/shop' if 'default' in path else PLACE}:2", "PORT=8001"))
    running = replace(binding(8000), source=Evidence("process", "pid 200", "uvicorn --port 8000"))
    scene = Scene("127.0.0.1:8001").with_service(service(bindings=Known((told, running))), listener(8000, 200)).refused()
    scene.files.append(file(path, "PORT=8001\n", stat=stat(mtime=NOW - ago)))
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis) == [CAUSE]) is stale
    if stale:
        first = diagnosis.findings[0]
        assert first.confidence == "likely" and f"{path} was edited and says port 8001" in first.summary
        restart = next(s for s in first.repairs[0].steps if isinstance(s, UnitAction))
        assert (first.repairs[0].risk, restart.verb) == ("disruptive", "restart")


def test_a_program_of_supervisord_that_was_edited_after_its_start_is_updated() -> None:
    conf = "/etc/supervisor/conf.d/shop.conf"
    told = replace(binding(8001), source=Evidence("file", f"{conf}:2", "--port 8001"), file=conf)
    running = replace(binding(8000), source=Evidence("process", "pid 300", "uvicorn --port 8000"))
    made = supervised_service(bindings=Known((told, running)), program={"started_at": NOW - 3600})
    scene = Scene("127.0.0.1:8001").with_service(made, listener(8000, 300)).refused()
    for ago in (60.0, 3599.0, 3601.0):      # also in the moment of the start: with the edit it would listen elsewhere
        scene.files.append(file(conf, "[program:shop]\n", stat=stat(mtime=NOW - ago)))
        (repair,) = stopped_by_systemd_found(scene).repairs
        assert [s.verb for s in repair.steps if isinstance(s, ProgramAction)] == ["update"]
        scene.files.pop()


@pytest.mark.parametrize(("names", "holder", "ago", "stale"), [
    ("--port 8000", 300, 600.0, True),       # the command that runs is not that of the file
    ("app:main", 50, 600.0, True),           # socket=: supervisord opened it when it started
    ("app:main", 300, 600.0, False),         # the code may choose the port: no restart would move it
    ("--port 8000", 300, 9000.0, False),     # supervisord has started since
])
def test_a_program_that_was_restarted_without_an_update_runs_as_before(
        names: str, holder: int, ago: float, *, stale: bool) -> None:
    conf = "/etc/supervisor/conf.d/shop.conf"
    told = replace(binding(8001), source=Evidence("file", f"{conf}:2", "--port 8001"), file=conf)
    running = replace(binding(8000), source=Evidence("process", "pid 300", f"uvicorn {names}"))
    seen = (told, running) if "port" in names else (told,)
    made = supervised_service(bindings=Known(seen), program={"started_at": NOW - 60})
    scene = Scene("127.0.0.1:8001").with_service(made, listener(8000, 300, pids=Known((holder, 300)))).refused()
    scene.processes = [replace(p, ppid=50) if p.pid == 300 else p for p in scene.processes]
    scene.processes.append(process(50, "/usr/bin/python3", "/usr/bin/supervisord", "-n", comm="supervisord", started_at=NOW - 7200))
    scene.files.append(file(conf, "[program:shop]\n", stat=stat(mtime=NOW - ago)))
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis) == [CAUSE]) is stale
    if stale:
        first = diagnosis.findings[0]
        assert "supervisord runs it with what it read before" in first.summary
        assert any("a restart of a program does not read it again" in e.text for e in first.evidence)


def test_what_answers_and_was_never_restarted_is_left_alone() -> None:
    scene = unit_with("Type=notify", "backend.service: start operation timed out. Terminating.", now_well=True)
    assert diagnose(scene.snapshot()).verdict == "healthy" and NOW


@pytest.mark.parametrize(("line", "words"), [
    (f"{PLACE}:3: Neither a valid executable name nor an absolute path: ./venv/bin/uvicorn",
     f"Neither a valid executable name nor an absolute path: ./venv/bin/uvicorn ({PLACE}:3)"),
    ("backend.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.", f"Refusing. ({PLACE})"),
    ("something else", "systemd cannot load backend.service"),
])
def test_a_unit_that_systemd_could_not_load(line: str, words: str) -> None:
    finding = stopped_by_systemd_found(Scene().with_service(service(pid=None, log=log_lines(line), unit_changes=REFUSED)).refused())
    assert (finding.variant, finding.confidence) == ("unit-not-loaded", "certain") and words in finding.summary
    assert finding.repairs[0].risk == "manual" and "daemon-reload" in finding.repairs[0].manual


def test_a_unit_that_was_corrected_and_not_read_yet_is_another_matter() -> None:
    scene = Scene().with_service(service(pid=None, unit_changes={**REFUSED, "need_daemon_reload": True})).refused()
    assert all(f.variant != "unit-not-loaded" for f in diagnose(scene.snapshot()).findings)


def test_a_program_of_several_processes_that_was_edited_after_its_start_is_updated() -> None:
    conf = "/etc/supervisor/conf.d/shop.conf"
    told = tuple(binding(port, f"{conf}:3") for port in (9001, 9002))
    made = supervised_service(bindings=Known(told), program={"started_at": NOW - 3600, "name": "shop:*"}, pids=(200, 201))
    scene = Scene("127.0.0.1:9001", "127.0.0.1:9002").with_service(made, listener(8001, 200), listener(8002, 201))
    scene.files.append(file(conf, "[program:shop]\n", stat=stat(mtime=NOW - 60)))
    for index in (0, 1):
        scene.refused(index, configured_service=made.id)
    diagnosis = diagnose(scene.snapshot())
    assert set(roots(diagnosis)) == {CAUSE}
    assert {f.variant for f in diagnosis.findings if f.cause == CAUSE} == {"unit-edited-no-daemon-reload"}
