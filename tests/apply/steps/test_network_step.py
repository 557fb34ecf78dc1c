"""A route taken away and brought back in a network namespace of its own, with the real tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from fixer.apply.steps.network_step import remove_route, undo_route
from fixer.errors import Conflict, StepFailed
from fixer.model.host import CommandResult
from fixer.model.plan import RemoveRoute
from tests.apply.network_namespace import NetworkNamespace


@pytest.fixture
def inside() -> Iterator[NetworkNamespace]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("needs root and ip")
    held = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert held.stdout is not None
    if not held.stdout.readline():
        pytest.skip("no network namespace of its own")
    yield NetworkNamespace(held.pid)
    held.kill()
    held.wait()
    held.stdout.close()


@pytest.mark.parametrize("prefix", ["203.0.113.9/32", "2001:db8::/64"])
def test_there_and_back(inside: NetworkNamespace, prefix: str) -> None:
    step = RemoveRoute("local", "unreachable", prefix)
    with pytest.raises(StepFailed):
        remove_route(step, inside)
    assert "again" in undo_route(step, inside)
    assert undo_route(step, inside) == ""
    remove_route(step, inside)
    family = "-6" if ":" in prefix else "-4"
    assert b"unreachable" not in inside.run(["ip", family, "route", "show"]).stdout
    assert "again" in undo_route(step, inside)


def test_the_network_of_another_container_of_that_name_gets_no_route() -> None:
    asked: list[str] = []

    class Engine:
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
            asked.append(argv[0])
            return CommandResult(tuple(argv), 0, b"b" * 64, b"")

    with pytest.raises(Conflict, match="Container p-web-1 was replaced by another one with the same name"):
        undo_route(RemoveRoute("web", "blackhole", "203.0.113.9/32", "p-web-1", "a" * 64), Engine())
    assert asked == ["docker"]
