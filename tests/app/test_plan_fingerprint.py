"""A plan's id: the same for the same host, another one once the host is another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fixer.app.plan_fingerprint import plan_report
from fixer.model.facts import Known
from fixer.model.plan import FileMeta, Plan, Step, UnitAction, WriteFile
from fixer.model.report import PlanReport
from fixer.model.snapshot import Snapshot
from fixer.verify import Observation
from tests.app.abandoned_repairs_builders import sites

EDIT = WriteFile("local", "/etc/systemd/system/a.service", b"[Service]\n", b"[Service]\nUser=app\n", "edit a.service")
RESTART = UnitAction("local", "a.service", "restart", "active", "enabled", main_pid=7)
START = UnitAction("local", "a.service", "start", "failed", "enabled")


def shown(*steps: Step, look: Observation | None = None) -> PlanReport:
    look = look or sites()
    finding = look.diagnosis.findings[0]
    chosen = replace(finding.repairs[0], steps=steps or finding.repairs[0].steps)
    return plan_report(Plan(finding.cause, chosen.id, chosen.risk, chosen.summary, chosen.steps), finding, chosen, look)


def changed(change: Callable[[Snapshot], Snapshot]) -> Observation:
    look = sites()
    return Observation(change(look.snapshot), look.diagnosis)


def test_the_same_host_has_the_same_plan_whenever_it_is_observed() -> None:
    later = changed(lambda seen: replace(seen, taken_at=seen.taken_at + 60))
    assert shown().id == shown().id == shown(look=later).id
    assert len(shown().id) == 32 and int(shown().id, 16)


def test_it_says_what_would_be_done() -> None:
    said = shown()
    assert (said.action, said.cause, said.service, said.risk, said.run) == ("repair", "backend-down", "a.service", "safe", None)
    assert any("start a.service" in step for step in said.steps) and said.warnings == ()
    assert any("stops what runs now" in warning for warning in shown(RESTART).warnings)


@pytest.mark.parametrize("change", [
    lambda seen: replace(seen, nginxes=tuple(replace(each, config_mtime=Known(99.0)) for each in seen.nginxes)),
    lambda seen: replace(seen, endpoints=tuple(replace(each, line=each.line + 1) for each in seen.endpoints)),
    lambda seen: replace(seen, endpoints=tuple(replace(each, addresses=Known(("10.9.9.9",))) for each in seen.endpoints)),
    lambda seen: replace(seen, nginxes=tuple(replace(each, conf_path="/opt/nginx.conf") for each in seen.nginxes)),
])
def test_another_configuration_is_another_plan(change: Callable[[Snapshot], Snapshot]) -> None:
    assert shown(look=changed(change)).id != shown().id


def test_an_edited_file_is_another_plan() -> None:
    with_file = sites(requires="c.service")
    (seen,) = (each for each in with_file.snapshot.files if each.path.endswith("b.service"))
    step = replace(EDIT, path=seen.path)
    touched = replace(seen, stat=replace(seen.stat, mtime=seen.stat.mtime + 1))
    other = Observation(replace(with_file.snapshot, files=(touched,)), with_file.diagnosis)
    assert shown(step, look=other).id != shown(step, look=with_file).id


def test_another_step_or_another_process_is_another_plan() -> None:
    ids = {shown(*steps).id for steps in ((), (EDIT,), (RESTART,), (EDIT, RESTART), (replace(RESTART, main_pid=8),),
                                          (replace(EDIT, meta=FileMeta(0o644, 0, 0)),))}
    assert len(ids) == 6


def test_a_service_that_crashes_each_second_keeps_its_plan() -> None:
    assert shown(START).id == shown(replace(START, main_pid=9, was_active="activating")).id


def test_nothing_is_computed_from_a_secret() -> None:
    secret = replace(EDIT, after=b"[Service]\nEnvironment=API_KEY=hunter2hunter2\n", mask=(b"hunter2hunter2",))
    other = replace(EDIT, after=b"[Service]\nEnvironment=API_KEY=correcthorsebat\n", mask=(b"correcthorsebat",))
    assert "hunter2" not in str(shown(secret))
    assert shown(secret).id == shown(other).id
