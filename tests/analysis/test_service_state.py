"""The state of a service in one word, whoever manages it, and the units that it requires."""

from __future__ import annotations

import pytest

from fixer.analysis.service_state import (
    is_idle_container,
    is_socket_activated,
    is_start_queued,
    requirements_of,
    restart_count_of,
    start_time_of,
    state_evidence,
)
from fixer.model.facts import Known
from fixer.model.service import BlockingUnit
from tests.causes.snapshot_builders import NOW, Scene, container_service, file, service, supervised_service, unit


def test_when_it_started_and_how_often_again() -> None:
    for made in (service(unit_changes={"n_restarts": 3}), container_service(box={"restart_count": 3}),
                 supervised_service(program={"restarts": 3, "started_at": NOW - 3600})):
        assert (start_time_of(made), restart_count_of(made)) == (NOW - 3600, 3)
    nobody = service(unit=None, manager="none")
    assert (start_time_of(nobody), restart_count_of(nobody)) == (0.0, 0)


@pytest.mark.parametrize(("wanted", "names"), [
    (False, ["db.service", "redis.service", "cache.socket", "queue.service"]),
    (True, ["db.service", "redis.service", "cache.socket", "queue.service", "extra.service"]),
])
def test_what_a_unit_requires_with_its_line(wanted: bool, names: list[str]) -> None:
    path, more = "/etc/systemd/system/backend.service", "/etc/systemd/system/backend.service.d/a.conf"
    own = service(unit_changes={"drop_in_paths": (more,)})
    scene = Scene().with_service(own)
    scene.files += [file(path, "[Unit]\nRequires=db redis.service\n# Requires=old\nBindsTo = cache.socket\nAfter=late.service\n"),
                    file(more, "[Unit]\nRequisite=queue db\nWants=extra\n")]
    found = requirements_of(scene.snapshot(), own, wanted=wanted)
    assert sorted(found) == sorted(names)
    assert (found["db.service"].text, found["db.service"].where) == ("Requires=db redis.service", f"{path}:2")


def test_a_service_that_is_no_unit_requires_nothing() -> None:
    assert requirements_of(Scene().snapshot(), container_service()) == {}


@pytest.mark.parametrize(("made", "text"), [
    (service(unit_changes={"is_from_journal": True}),
     "active (running), Result=success, status=0, NRestarts=0, enabled, from the journal: systemd has since reset it"),
    (service(unit_changes={"n_restarts": 21}), "restarted 21 times, now active (running), Result=success, status=0, enabled"),
    (service(unit_changes={"n_restarts": 21, "active_state": "activating", "sub_state": "auto-restart", "result": "exit-code"}),
     "activating (auto-restart), Result=exit-code, status=0, NRestarts=21, enabled"),
    (container_service(box={"status": "exited", "exit_code": 1, "error": "no such file"}),
     "exited, exit code 1, restarted 0 times, no such file"),
    (supervised_service("FATAL", program={"ended": "exit status 1", "restarts": 3, "autostart": False}),
     "FATAL, exit status 1, ended 3 times recently, no autostart"),
    (supervised_service("DOWN"), "supervisord does not run, ended 0 times recently, autostart"),
    (service(unit=None, manager="none", pid=7), "pid 7"), (service(unit=None, manager="none", pid=None), "no process"),
])
def test_the_state_in_the_words_of_its_manager(made, text: str) -> None:
    assert state_evidence(made).text == text


def test_a_start_that_waits_and_a_socket_that_starts_it() -> None:
    assert is_start_queued(service(unit_changes={"blocked_by": (BlockingUnit("db.service", 0.0),)}))
    assert not is_start_queued(service()) and not is_start_queued(None) and not is_start_queued(container_service())
    assert is_socket_activated(service(socket=unit("backend.socket")))
    assert not is_socket_activated(service(socket=unit("backend.socket", active_state="inactive"))) and not is_socket_activated(service())


@pytest.mark.parametrize(("argv", "bindings", "idle"), [
    (("/bin/sleep", "infinity"), (), True), (("tail", "-f", "/dev/null"), (), True), (("uvicorn", "a:b"), (), False), ((), (), False),
])
def test_a_container_that_only_sleeps(argv: tuple[str, ...], bindings: tuple[()], idle: bool) -> None:
    assert is_idle_container(container_service(argv=argv, bindings=Known(bindings))) is idle
    assert not is_idle_container(container_service(argv=argv)), "it is told to listen"
