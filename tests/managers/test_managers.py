"""The manager of a service, and that every module of the folder is one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import fixer.managers
from fixer.managers import ServiceManager, manager_of
from fixer.model.service import Service
from tests.causes.snapshot_builders import container_service, service, supervised_service

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
