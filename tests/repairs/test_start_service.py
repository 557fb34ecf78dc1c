"""Tests of fixer/repairs/start_service.py."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ContainerAction, UnitAction, WaitForListener
from fixer.model.snapshot import Binding
from fixer.repairs.start_service import (
    restart_steps,
    start_or_restart_steps,
    start_steps,
    wait_for_listener_step,
)
from tests.causes.snapshot_builders import (
    container_service,
    healthy_scene,
    service,
)


def test_waiting_goes_by_what_is_known() -> None:
    snapshot = healthy_scene().snapshot()
    endpoint = snapshot.endpoints[0]
    def where(made: object) -> list[tuple[str, int]]:
        steps = wait_for_listener_step(snapshot, made, endpoint)   # type: ignore[arg-type]
        return [(s.host, s.port) for s in steps if isinstance(s, WaitForListener)]
    wild = Binding("::", 8000, None, Evidence("unit", "/x:1", ""))
    assert where(service(bindings=Known((wild,)))) == [("::1", 8000)]
    assert where(service(bindings=Unknown("-"))) == [("127.0.0.1", 8000)]
    far = replace(endpoint, node="other")
    (step,) = wait_for_listener_step(snapshot, service(), endpoint)
    assert isinstance(step, WaitForListener) and (step.unit, step.container, step.seconds) == ("backend.service", "", 60)
    (step,) = wait_for_listener_step(snapshot, container_service(), endpoint)
    assert isinstance(step, WaitForListener) and (step.unit, step.container) == ("", "p-app-1")
    steps = wait_for_listener_step(snapshot, service(bindings=Unknown("-")), far)
    assert [(s.host, s.port) for s in steps if isinstance(s, WaitForListener)] == [("127.0.0.1", 8000)]


def test_steps_by_manager() -> None:
    snapshot, endpoint = healthy_scene().snapshot(), healthy_scene().snapshot().endpoints[0]
    bare = service("uvicorn", unit=None, manager="none")
    assert start_steps(snapshot, bare, endpoint) == () == restart_steps(snapshot, bare, endpoint)
    assert isinstance(restart_steps(snapshot, container_service(), endpoint)[0], ContainerAction)
    begun = start_or_restart_steps(snapshot, service(), endpoint)
    assert isinstance(begun, tuple) and isinstance(begun[0], UnitAction) and begun[0].verb == "restart"
