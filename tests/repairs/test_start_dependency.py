"""Tests of fixer/repairs/start_dependency.py."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.plan import UnitAction, WaitForListener
from tests.causes.crash_dependency_down.crash_dependency_down_builders import crashed, database, found, umbrella, verbs
from tests.causes.snapshot_builders import FAILED, STOPPED, log_lines, process, roots

CAUSE = "crash-dependency-down"


def test_one_that_is_off_at_boot_is_enabled_by_the_unit_that_stands_for_it() -> None:
    off = {**STOPPED, "unit_file_state": "disabled", "sub_state": "dead"}
    scene = crashed().with_service(database()).with_service(umbrella(**off))
    assert verbs(scene)[:3] == [("enable", "postgresql.service"), ("start", "postgresql.service"),
                                ("start", "postgresql@17-main.service")]
    assert "enable it at boot" in found(scene).repairs[0].summary
    alone = crashed().with_service(umbrella(**off))
    assert verbs(alone)[:2] == [("enable", "postgresql.service"), ("start", "postgresql.service")]


def test_one_that_was_killed_is_started_and_one_that_failed_is_for_a_person() -> None:
    killed = {**FAILED, "result": "signal", "exec_main_status": 9}
    assert verbs(crashed().with_service(database(**killed)))[0] == ("reset-failed", "postgresql@17-main.service")
    broken = replace(database(**FAILED), log=log_lines("FATAL:  could not map shared memory"))
    repair = found(crashed().with_service(broken)).repairs[0]
    assert repair.risk == "manual" and "could not map shared memory" in repair.manual
    masked = database(load_state="masked")
    assert "masked" in found(crashed().with_service(masked)).repairs[0].manual


def test_a_bare_program_cannot_be_started_by_fixer() -> None:
    scene = crashed()
    scene.processes.append(process(400, "/usr/lib/postgresql/17/bin/postgres"))
    bare = replace(scene.services[0], unit=None, manager="none", pids=())
    scene.services[0] = bare
    assert CAUSE not in roots(diagnose(scene.snapshot()))


LINE = BootEntry("local", "cron", "/etc/cron.d/shop", 2, "/usr/local/bin/start-shop", "shop", None, None, program="/usr/local/bin/start-shop")


def of_cron(entry: BootEntry) -> Repair:
    """The repair of a server that only a line of cron starts, and whose log says that the database refuses."""
    scene = crashed().with_service(database(**STOPPED))
    scene.node_changes["local"] = {"init": "systemd"}
    scene.services[0] = replace(scene.services[0], unit=None, manager="none", pids=(), boot_entry=entry, log=Known(tuple(
        replace(line, at=None, where="/var/log/shop/output.log") for line in scene.services[0].log.or_else(()))))
    return found(scene).repairs[0]


def test_a_backend_that_only_a_line_of_cron_starts_is_started_as_that_line_does() -> None:
    """The database alone brings no page back before the next boot: that round was abandoned as no better."""
    repair = of_cron(LINE)
    assert (repair.id, repair.risk) == ("start-dependency", "disruptive")
    assert "then start /usr/local/bin/start-shop as user shop, as /etc/cron.d/shop:2 does at boot" in repair.summary
    assert [step.verb for step in repair.steps if isinstance(step, UnitAction)] == ["start", "start"]
    assert isinstance(repair.steps[-1], WaitForListener) and repair.steps[-1].port == 8000


def test_a_line_that_fixer_cannot_do_again_is_named() -> None:
    repair = of_cron(replace(LINE, user="root"))
    assert repair.risk == "manual" and repair.steps == ()
    assert repair.manual == "start postgresql@17-main.service, then start it as /etc/cron.d/shop:2 does"
