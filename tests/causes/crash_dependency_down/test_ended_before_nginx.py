"""Tests of fixer/causes/crash_dependency_down/ended_before_nginx.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Service
from tests.causes.crash_dependency_down.waiting_script_builders import database_box, told
from tests.causes.snapshot_builders import NOW, Scene, container_service, finding_of, log_lines, roots

CAUSE = "crash-dependency-down"


def ended(*lines: str, routes: bool = False, others: tuple[Service, ...] = (), **box: Any) -> Diagnosis:
    """The script of nginx's own container gave up waiting; it writes nginx's site only after that."""
    made = container_service("web", 80, pid=None, is_app_server=False, runtime="", bindings=Unknown("in the image"), log=log_lines(*lines),
                             box={"status": "exited", "exit_code": 1, "argv": ("/entrypoint.sh",), "finished_at": NOW - 30, **box})
    scene = Scene("127.0.0.1:8000", node=made.node, back=made.node)
    scene.services += [made, *others]
    scene.listeners.clear()
    scene.processes.clear()
    scene.refused().events.clear()
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx |= {"master_pid": None, "worker_pids": (), "loaded_at": Unknown("not running"), "service": made, "test": Unknown("not asked")}
    if not routes:
        scene.extra = {"routes": (), "endpoints": ()}
    return told(scene)


@pytest.mark.parametrize("line", [
    "wait-for-it.sh: timeout occurred after waiting 30 seconds for db:5432", "nc: getaddrinfo for host \"db\" port 5432: Name or service not known",
    "db:5432 - no response, still waiting",
])
@pytest.mark.parametrize("routes", [True, False])
def test_a_container_that_gave_up_before_it_started_its_nginx(line: str, routes: bool) -> None:
    diagnosis = ended("Starting", line, routes=routes, others=(database_box(),))
    found = finding_of(diagnosis, CAUSE)
    assert roots(diagnosis) == [CAUSE] and found.service == "p-db-1" and finding_of(diagnosis, "nginx-down").role == "consequence"
    assert found.repairs[0].id == "start-dependency" and found.repairs[0].risk == "safe"
    assert any(line in e.text for e in found.evidence) and set(found.routes) == ({"r1"} if routes else set())


def test_a_name_that_no_container_has() -> None:
    diagnosis = ended("nc: getaddrinfo for host \"dbx\" port 5432: Name or service not known")
    assert roots(diagnosis) == [CAUSE] and finding_of(diagnosis, CAUSE).variant == "start-db-dns-failure"


@pytest.mark.parametrize(("lines", "box"), [
    (("/entrypoint.sh: line 4: foo: not found",), {}),      # its own fault
    (("db:5432 - no response, still waiting", "nginx: [emerg] unknown directive \"foo\" in /etc/nginx/nginx.conf:3"), {}),
    (("Waiting for incoming connections",), {}), (("db:5432 - no response, still waiting",), {"exit_code": 0}),
])
def test_another_end_is_nginx_down(lines: tuple[str, ...], box: dict[str, Any]) -> None:
    diagnosis = ended(*lines, others=(database_box(),), **box)
    assert CAUSE not in [f.cause for f in diagnosis.findings] and finding_of(diagnosis, "nginx-down")


def test_a_database_that_runs_now_needs_only_another_start() -> None:
    well = container_service("db", 5432, pid=90, is_app_server=False, runtime="", bindings=Known(()), box={"argv": ("postgres",), "image": "postgres:16"})
    diagnosis = ended("wait-for-it.sh: timeout occurred after waiting 30 seconds for db:5432", others=(well,))
    assert "nginx-down" in [f.cause for f in diagnosis.findings]
