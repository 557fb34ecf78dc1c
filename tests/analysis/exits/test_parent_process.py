"""A parent that holds the socket, and what it starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import FailingAddress, open_case
from fixer.analysis.exits.parent_process import parent_without_workers
from tests.causes.snapshot_builders import BAD_GATEWAY, NOW, Scene, listener, service

CIRCUS, RELOADER, GUNICORN = ("/usr/bin/circusd", "/etc/c.ini"), ("/usr/bin/uvicorn", "a:b", "--reload"), ("/usr/bin/gunicorn", "a:b")


@pytest.mark.parametrize(("argv", "state", "age", "parent"), [
    (CIRCUS, "Z", 1, "circusd"), (CIRCUS, "S", 1, "circusd"), (CIRCUS, "S", 99, ""),        # one that lasts
    (RELOADER, "Z", 1, "its code reloader"), (RELOADER, "S", 1, ""), (GUNICORN, "Z", 1, ""),
])
def test_a_parent_whose_programs_end_at_once(argv: tuple[str, ...], state: str, age: float, parent: str) -> None:
    made = service(argv=argv, pids=(200, 201))
    scene = Scene().with_service(made, listener(8000, 200)).answers(BAD_GATEWAY)
    scene.processes = [replace(p, state=state, started_at=NOW - age, argv=("python3", "a.py")) if p.pid == 201 else p for p in scene.processes]
    case = open_case(scene.snapshot(), {})
    trouble = FailingAddress(case.snapshot.nginxes[0], tuple(case.endpoints.values()), (), ())
    assert parent_without_workers(case, trouble, case.snapshot.services[0]) == parent
