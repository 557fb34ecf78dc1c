"""A program of cron that does not run is started as its line does, by a unit that the next boot forgets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Repair
from fixer.model.plan import DaemonReload, UnitAction, WaitForListener, WriteFile
from tests.causes.snapshot_builders import Scene, file, service, stopped_service

LINE = BootEntry("local", "cron", "/etc/cron.d/shop", 2, "uvicorn web:app --port 8001", "shop", 8001, None,
                 program="/opt/shop/bin/serve-shop.sh")


def repairs(entry: BootEntry = LINE, *others: Any, init: str = "systemd", files: tuple[str, ...] = ()) -> tuple[Repair, ...]:
    scene = Scene("127.0.0.1:8001").refused(configured_service=None)
    scene.services += others
    scene.files += [file(path, "") for path in files]
    scene.node_changes["local"] = {"init": init}
    scene.extra["boot_entries"] = (entry,)
    found = diagnose(scene.snapshot()).findings[0]
    assert found.cause == "backend-down"
    return found.repairs


def test_it_runs_as_the_line_runs_it_and_no_boot_knows_of_it() -> None:
    repair, by_hand = repairs()
    assert (repair.id, repair.risk, by_hand.risk) == ("start-as-at-boot", "disruptive", "manual")
    write, reload, start, wait = repair.steps
    assert isinstance(write, WriteFile) and write.path == "/run/systemd/system/serve-shop.service" and write.before is None
    lines = (write.after or b"").decode().splitlines()
    assert {"User=shop", "ExecStart=/opt/shop/bin/serve-shop.sh", "WorkingDirectory=-~"} <= set(lines)
    assert "[Install]" not in lines and isinstance(reload, DaemonReload)
    assert isinstance(start, UnitAction) and (start.verb, start.unit, start.was_active) == ("start", "serve-shop.service", "inactive")
    assert isinstance(wait, WaitForListener) and (wait.port, wait.unit) == (8001, "serve-shop.service")
    assert "/etc/cron.d/shop:2" in repair.summary and "user shop" in repair.summary


@pytest.mark.parametrize("entry", [
    replace(LINE, program=""), replace(LINE, user="root"), replace(LINE, user=""), replace(LINE, kind="rc.local"),
    replace(LINE, not_run_reason="cron is not running"),
])
def test_what_is_more_than_a_program_of_a_user_stays_with_an_operator(entry: BootEntry) -> None:
    assert [repair.risk for repair in repairs(entry)] == ["manual"]


def test_without_systemd_nobody_can_start_it_so() -> None:
    assert [repair.risk for repair in repairs(init="")] == ["manual"]


@pytest.mark.parametrize(("others", "files"), [
    ((stopped_service("serve-shop.service", port=9000, is_app_server=False),), ()),
    ((), ("/run/systemd/system/serve-shop.service",)),
])
def test_the_name_of_another_unit_is_not_taken(others: tuple[Any, ...], files: tuple[str, ...]) -> None:
    write = repairs(LINE, *others, files=files)[0].steps[0]
    assert isinstance(write, WriteFile) and write.path.endswith("/serve-shop-2.service")


def test_a_line_whose_program_runs_starts_nothing() -> None:
    scene = Scene("127.0.0.1:8001").with_service(service(port=8001))
    scene.extra["boot_entries"] = (LINE,)
    assert not any(repair.id == "start-as-at-boot" for found in diagnose(scene.snapshot()).findings for repair in found.repairs)
