"""The manager of a service, and that every module of the folder is one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import fixer.managers
from fixer.managers import ServiceManager, ServiceStarter, manager_of, starter_of
from fixer.model.service import Service
from tests.causes.snapshot_builders import Scene, container_service, service, supervised_service

STATES = [name for _, name, _ in pkgutil.iter_modules(fixer.managers.__path__) if name.endswith("_state")]


@pytest.mark.parametrize(("made", "name"), [
    (service(), "Systemd"), (container_service(), "Docker"), (supervised_service(), "Supervisord"),
    (service(unit=None, manager="none"), "BareProcess"), (service(unit=None, manager="supervisord"), "BareProcess"),
])
def test_who_manages_a_service(made: Service, name: str) -> None:
    manager = manager_of(made)
    assert type(manager).__name__ == name and manager.service is made


@pytest.mark.parametrize("name", STATES)
def test_every_manager_says_the_state_and_adds_no_word_of_its_own(name: str) -> None:
    found = importlib.import_module(f"fixer.managers.{name}").MANAGER
    assert issubclass(found, ServiceManager) and {"run_state", "evidence"} <= set(vars(found))
    public = {word for word, made in vars(found).items() if not word.startswith("_") and inspect.isfunction(made)}
    assert public <= set(vars(ServiceManager))


@pytest.mark.parametrize("name", STATES)
def test_every_manager_names_the_module_of_its_steps(name: str) -> None:
    steps = importlib.import_module(f"fixer.managers.{importlib.import_module(f'fixer.managers.{name}').MANAGER.steps}")
    assert issubclass(steps.STARTER, ServiceStarter)


def test_what_no_manager_starts_is_started_by_hand() -> None:
    bare = service("uvicorn", unit=None, manager="none")
    starter = starter_of(Scene().snapshot(), bare)
    assert starter.start_steps() == () == starter.restart_steps() and isinstance(starter.apply_steps(), str)
    assert "found no service manager" in starter.by_hand()
    assert starter_of(Scene().snapshot(), service("uvicorn", unit=None, manager="supervisord")).by_hand() == "supervisorctl start uvicorn"


@pytest.mark.parametrize(("made", "limits"), [
    (service(unit_changes={"memory_max": 9, "cpu_limit": 0.5, "nofile_limit": 7, "tasks_max": 3}), (9, 0.5, 7, 3)),
    (container_service(box={"memory_max": 9, "cpu_limit": 0.5, "nofile_limit": 7, "pids_max": 3}), (9, 0.5, 7, 3)),
    (supervised_service(), (0, 0.0, 0, 0)), (service(unit=None, manager="none"), (0, 0.0, 0, 0)),
])
def test_the_limits_that_a_manager_sets(made: Service, limits: tuple[float, ...]) -> None:
    found = manager_of(made).limits()
    assert (found.memory, found.cpus, found.open_files, found.tasks) == limits


@pytest.mark.parametrize(("made", "troubled", "expected"), [
    (service(), False, True), (service(unit_changes={"n_restarts": 2, "unit_file_state": "static"}), True, False),
    (service(unit_changes={"active_state": "failed", "unit_file_state": "disabled"}), True, True),
    (container_service(box={"health": "unhealthy", "restart_policy": "no"}), True, False),
    (container_service(box={"restart_policy": "unless-stopped"}), False, True),
    (supervised_service(program={"restarts": 1}), True, False), (service(unit=None, manager="none"), False, False),
])
def test_what_is_in_trouble_and_what_is_expected_to_run(made: Service, troubled: bool, expected: bool) -> None:
    manager = manager_of(made)
    assert (manager.has_trouble(), manager.is_expected()) == (troubled, expected)


@pytest.mark.parametrize(("made", "command", "log"), [
    (service(), "systemctl restart backend.service", "journalctl -u backend.service"), (container_service(), "docker restart p-app-1", "docker start -a p-app-1"),
    (supervised_service(), "supervisorctl restart shop", "as root"), (service("uvicorn", unit=None, manager="none"), "restart uvicorn", "as root"),
])
def test_what_an_operator_runs(made: Service, command: str, log: str) -> None:
    assert manager_of(made).command_text("restart") == command and log in manager_of(made).unread_log_text("not asked")


@pytest.mark.parametrize(("made", "files"), [
    (service(unit_changes={"drop_in_paths": ("/d.conf",), "environment_files": ("-/etc/a.env (ignore_errors=yes)",)}),
     (("/etc/systemd/system/backend.service", "/d.conf"), ("/etc/a.env",))),
    (supervised_service(program={"file": "/etc/supervisor/conf.d/shop.conf"}), (("/etc/supervisor/conf.d/shop.conf",), ())),
    (container_service(), ((), ())), (service(unit=None, manager="none"), ((), ())),
])
def test_the_files_that_define_a_service(made: Service, files: tuple[tuple[str, ...], ...]) -> None:
    manager = manager_of(made)
    assert (manager.definition_files(), manager.environment_files()) == files


@pytest.mark.parametrize(("made", "flagged", "possible"), [
    (service(unit_changes={"result": "oom-kill"}), True, True), (service(unit_changes={"exec_main_status": 137}), False, True),
    (service(), False, False), (container_service(box={"oom_killed": True, "exit_code": 137}), True, True),
    (container_service(box={"oom_killed": True}), False, True), (container_service(box={"exit_code": 137}), False, True),
    (supervised_service(), False, False),
])
def test_what_a_manager_says_of_memory(made: Service, flagged: bool, possible: bool) -> None:
    manager = manager_of(made)
    assert (manager.oom_evidence() is not None, manager.may_be_killed_for_memory()) == (flagged, possible)


def test_only_a_container_is_paused() -> None:
    assert manager_of(container_service(box={"status": "paused"})).is_paused()
    assert not any(manager_of(made).is_paused() for made in (container_service(), service(), supervised_service()))
