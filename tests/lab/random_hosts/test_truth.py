"""Tests of lab/random_hosts/truth.py with a host of made-up answers; test_judged_host.py has a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from lab.random_hosts import truth
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_spec import Fault, HostSpec
from lab.random_hosts.truth import rehearse, showing_or_all
from lab.random_hosts.visits import Signature
from tests.lab.random_hosts.builders import fault

WELL = Signature((200, 200, 401, 401, 200), frozenset())


@dataclass
class MadeUpHost:
    """A host whose first injected fault, in the order of `masks`, is what visitors see; `inert` ones never show."""

    spec: HostSpec
    masks: tuple[str, ...]
    inert: frozenset[str] = frozenset()
    sticky: frozenset[str] = frozenset()    # faults whose undoing does not help
    is_slow: bool = False       # what is undone takes effect only when the host has settled
    restarts: bool = False      # each fault restarts something, which fails until the host has settled
    is_restarting: bool = False
    present: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def inject(self, fault: Fault) -> None:
        self.present.append(fault.name)
        self.seen = list(self.present)
        self.is_restarting = self.restarts

    def undo(self, fault: Fault) -> None:
        if fault.name not in self.sticky:
            self.present.remove(fault.name)

    def reboot(self) -> None:
        pass

    def settle(self) -> bool:
        self.is_restarting = False
        self.seen = list(self.present)
        return True

    def logs(self) -> str:
        return f"faults: {', '.join(self.present)}"

    def signature(self) -> Signature | None:
        if self.is_restarting:
            return Signature((0,) * 5, frozenset())
        present = self.seen if self.is_slow else self.present
        first = next((name for name in self.masks if name in present and name not in self.inert), None)
        return Signature((502,) * 5, frozenset({first})) if first else None


class MadeUpVisitors:
    def __init__(self, host: MadeUpHost) -> None:
        self.host = host

    def record(self) -> None:
        pass

    def begins_to_fail(self) -> Signature | None:
        return self.host.signature()

    def becomes_well(self) -> tuple[str, ...]:
        self.host.settle()      # it waits
        return ("login page: HTTP 502",) if self.host.signature() else ()


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> object:
    def ask(names: tuple[str, ...], **kind: object) -> truth.Truth:
        spec = draw_host(1, [])
        spec = HostSpec(1, spec.parts, tuple(fault(name) for name in names), spec.values)
        host = MadeUpHost(spec, names, **kind)  # type: ignore[arg-type]

        @contextmanager
        def running(*_: object, **__: object) -> Iterator[MadeUpHost]:
            yield host

        monkeypatch.setattr(truth, "running_host", running)
        monkeypatch.setattr(truth, "Visitors", MadeUpVisitors)
        return rehearse(spec, "image")

    return ask


def test_one_fault_shows(rehearsed) -> None:  # type: ignore[no-untyped-def]
    found = rehearsed(("port",))
    assert (found.showing, found.problem) == (("port",), "")
    assert "502" in found.signatures["port"]


def test_a_fault_that_another_masks_does_not_show(rehearsed) -> None:  # type: ignore[no-untyped-def]
    assert rehearsed(("port", "down")).showing == ("port",)


def test_a_mended_server_that_still_starts_is_waited_for(rehearsed) -> None:  # type: ignore[no-untyped-def]
    """Undoing "port" lets "down" show, but only when the server has started; else nothing would seem to have changed."""
    assert rehearsed(("port", "down"), is_slow=True).showing == ("port",)


def test_a_host_without_faults_is_only_well(rehearsed) -> None:  # type: ignore[no-untyped-def]
    assert rehearsed(()) == truth.Truth()


def test_a_fault_that_breaks_nothing_is_a_failure_of_the_generator(rehearsed) -> None:  # type: ignore[no-untyped-def]
    assert rehearsed(("port",), inert=frozenset({"port"})).problem == "does not fail with port"


def test_what_fails_only_while_a_fault_restarts_something_proves_no_fault(rehearsed) -> None:  # type: ignore[no-untyped-def]
    found = rehearsed(("port",), inert=frozenset({"port"}), restarts=True)
    assert found.problem == "does not fail with port"
    assert "502" in rehearsed(("port",), restarts=True).signatures["port"]


def test_a_fault_that_cannot_be_undone_alone_is_one_too(rehearsed) -> None:  # type: ignore[no-untyped-def]
    found = rehearsed(("port",), sticky=frozenset({"port"}))
    assert found.problem.startswith("not well again when port is undone")
    assert found.logs == "faults: port"     # of the host before it is removed: a failure of the generator can be understood


def test_faults_that_explain_the_same_all_show() -> None:
    assert showing_or_all([], ["a", "b"]) == ("a", "b")
    assert showing_or_all(["b"], ["a", "b"]) == ("b",)
