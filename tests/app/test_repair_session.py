"""A group whose members are all down: the first start makes the page well, and the others are started all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app.repair_session import RepairSession, plan_identity
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Check, Finding, Repair, Undetermined
from fixer.model.plan import ReloadNginx, UnitAction
from fixer.terminal import Terminal
from fixer.verify import Observation
from lab.pytest_plugin import StartLab
from tests.app.abandoned_repairs_builders import sites
from tests.apply.folder_target import FolderTarget
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    FAILED,
    Scene,
    failed_service,
    healthy_scene,
    listener,
    roots,
    service,
    stopped_service,
)
from tests.verify_builders import two_routes

KILLED = {**FAILED, "result": "signal", "exec_main_code": 2, "exec_main_status": 9}


def group(*members: object, status: bool = True) -> Observation:
    """Two addresses behind one route."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001")
    for number, member in enumerate(members):
        scene.with_service(member)     # type: ignore[arg-type]
        if member.running:             # type: ignore[attr-defined]
            scene.listeners.append(listener(8000 + number, 200 + number))
        else:
            scene.refused(number)
    if status:
        scene.answers(BAD_GATEWAY)
    seen = scene.snapshot()
    route = replace(seen.routes[0], endpoints=tuple(e.id for e in seen.endpoints))
    seen = replace(seen, routes=(route,))
    return Observation(seen, diagnose(seen))


def test_a_logged_failure_without_a_cause_is_no_fault_that_a_repair_can_remove(tmp_path: Path) -> None:
    seen = healthy_scene().logs("upstream prematurely closed connection", None, "reading response header from upstream",
                                path="/report").snapshot()
    look = Observation(seen, diagnose(seen))
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), look, look)
    assert (look.diagnosis.verdict, course.has_fault(), course.plan().steps) == ("degraded", False, ())


def test_a_missing_fact_is_told_once_with_the_causes_that_wait_for_it(tmp_path: Path) -> None:
    look = group(stopped_service("a.service", 8000))
    checks = tuple(Check(name, Undetermined(facts)) for name, facts in (
        ("wrong-port", ("owner of x",)), ("backend-down", ("owner of x", "rules")), ("crash-oom", ())))
    look = replace(look, diagnosis=replace(look.diagnosis, checks=checks))
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), look, look)
    assert course.missing_facts() == ("owner of x (wrong-port, backend-down)", "rules (backend-down)", "no fact is named (crash-oom)")


def test_what_else_was_down_is_started_when_the_page_is_well(tmp_path: Path) -> None:
    dead = group(failed_service("a.service", 8000, unit_changes=KILLED), stopped_service("b.service", 8001))
    assert sorted(roots(dead.diagnosis)) == ["backend-down", "crash-killed"]
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), dead, dead)
    first = course.plan()
    finding, repair = course.finding_of(first)
    course.attempted.add(plan_identity(course.current, finding, repair))
    other = {"a.service": "b.service", "b.service": "a.service"}[finding.service or ""]
    course.current = group(service("a.service", 8000, 200), service("b.service", 8001, 201), status=False)
    assert course.pending_start_plan() is None
    half = {"a.service": failed_service("a.service", 8000, unit_changes=KILLED), "b.service": stopped_service("b.service", 8001)}
    half[finding.service or ""] = service(finding.service or "", 8000, 200)
    course.current = group(*half.values(), status=False)
    rest = course.pending_start_plan()
    assert rest is not None and course.finding_of(rest)[0].service == other
    started = [step.unit for step in rest.steps if isinstance(step, UnitAction) and step.verb == "start"]
    assert started == [other]
    course.attempted.add(plan_identity(course.current, *course.finding_of(rest)))
    assert course.pending_start_plan() is None      # it is tried once


def test_a_fault_that_shows_no_more_and_was_not_repaired_is_said_at_the_end(tmp_path: Path) -> None:
    dead = group(failed_service("a.service", 8000, unit_changes=KILLED), stopped_service("b.service", 8001))
    well = group(service("a.service", 8000, 200), service("b.service", 8001, 201), status=False)
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), dead, dead)
    finding, repair = course.finding_of(course.plan())
    course.attempted.add(plan_identity(course.current, finding, repair))
    course.current = well
    (other,) = [f for f in dead.diagnosis.findings if f.role == "root" and f.service != finding.service]
    assert course.unrepaired() == (
        f"Seen in the first observation only; not repaired: {other.summary} ({other.cause})",)
    course.attempted.add(plan_identity(dead, other, other.repairs[0]))
    assert course.unrepaired() == ()


@pytest.fixture
def machine(badgateway_lab: StartLab) -> str:
    """A healthy machine with a second site, a group of three units of which none runs any more."""
    container = badgateway_lab("healthy", stack="host", seed=4).container
    subprocess.run(["docker", "exec", "-i", container, "sh", "-es"], input=POOL, text=True, check=True, capture_output=True)
    return container


POOL = """
mkdir -p /srv/pool
cat > /srv/pool/pool.py <<X
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
app = Starlette(routes=[Route("/{p:path}", lambda r: PlainTextResponse("ok"))])
X
for i in 1 2 3; do
  printf '[Service]\\nWorkingDirectory=/srv/pool\\nExecStart=/usr/bin/python3 -m uvicorn pool:app --port 710%s\\n' $i \
    > /etc/systemd/system/pool$i.service
  printf '[Install]\\nWantedBy=multi-user.target\\n' >> /etc/systemd/system/pool$i.service
done
cat > /etc/nginx/conf.d/zpool.conf <<X
upstream pool { server 127.0.0.1:7101; server 127.0.0.1:7102; server 127.0.0.1:7103; }
server { listen 8090; server_name pool.test; location / { proxy_pass http://pool; } }
X
systemctl daemon-reload; systemctl enable -q --now pool1 pool2 pool3; nginx -t; systemctl reload nginx
n=0; until curl -fsS -o /dev/null http://127.0.0.1:7103/; do n=$((n+1)); test $n -lt 100; sleep 0.3; done
systemctl stop pool1 pool3; systemctl kill -s KILL pool2
n=0; until systemctl is-failed -q pool2; do n=$((n+1)); test $n -lt 100; sleep 0.1; done
curl -s -o /dev/null http://127.0.0.1:8090/
"""


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_all_members_of_a_group_are_started(machine: str, tmp_path: Path) -> None:
    def fixer(*words: str) -> dict[str, object]:
        done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, text=True,
                              check=False, env={**os.environ, "BADGATEWAY_STATE": str(tmp_path / "state")})
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)     # type: ignore[no-any-return]

    def states() -> list[str]:
        shown = subprocess.run(["docker", "exec", machine, "systemctl", "is-active", "pool1", "pool2", "pool3"],
                               capture_output=True, text=True, check=False)
        return shown.stdout.split()

    assert states() == ["inactive", "failed", "inactive"]
    assert fixer("repair", f"docker://{machine}", "--yes")["outcome"] == "repaired"
    assert states() == ["active", "active", "active"]
    restored = fixer("undo", f"docker://{machine}")["restored"]
    assert states() == ["inactive", "inactive", "inactive"]
    assert "stopped pool2.service; it was failed before, systemd shows it as inactive now" in restored   # type: ignore[operator]


def found(look: Observation, name: str) -> Finding:
    return next(f for f in look.diagnosis.findings if f.service == name)


def test_the_same_fault_of_two_sites_is_two() -> None:
    look = sites()
    mine, other = found(look, "a.service"), found(look, "b.service")
    assert plan_identity(look, mine, mine.repairs[0]) != plan_identity(look, other, mine.repairs[0])
    edit = replace(mine.repairs[0], steps=())
    assert plan_identity(look, mine, edit) != plan_identity(look, replace(mine, routes=other.routes), edit)


def test_a_fault_of_another_route_without_a_service_is_said_too(tmp_path: Path) -> None:
    seen = two_routes()
    first = next(f for f in seen.diagnosis.findings if f.role == "root")
    one, two = (replace(first, service=None, routes=(route,)) for route in ("r1", "r2"))
    before = replace(seen, diagnosis=replace(seen.diagnosis, findings=(one, two)))
    course = RepairSession(FolderTarget(tmp_path), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), before, before)
    reload = Repair("r", "safe", "reload", (ReloadNginx("local", 100, "nginx", "c", "p", "e"),))
    course.attempted.add(plan_identity(before, one, reload))
    course.current = replace(before, diagnosis=replace(before.diagnosis, findings=()))
    assert course.unrepaired() == (f"Seen in the first observation only; not repaired: {two.summary} ({two.cause})",)
    course.attempted.add(plan_identity(before, two, reload))
    assert course.unrepaired() == ()
