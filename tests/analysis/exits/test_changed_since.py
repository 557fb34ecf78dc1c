"""Tests of fixer/analysis/exits/changed_since.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import DaemonReload
from tests.causes.crash_code_error.crash_code_error_builders import (
    IMPORT,
    SYNTAX,
    TARGET,
    TLS,
    contained,
    crashed,
    found,
)
from tests.causes.snapshot_builders import NOW, Scene, file, stat

MAIN = "/srv/shop/app/main.py"
STARTED = "Started backend.service - Office."


def looked(scene: Scene, **at: float) -> Scene:
    """Ages of what lies beside: seconds before now, by path with `_` for `/`."""
    stats = tuple((path, stat(kind="dir" if "." not in path.rsplit("/", 1)[-1] else "file", mtime=NOW - ago))
                  for path, ago in at.items())
    scene.node_changes["local"] = {"files": stats}
    return scene


PACKAGES = "/usr/lib/python3.11/site-packages"


@pytest.mark.parametrize(("at", "mended"), [
    ({PACKAGES: 5.0, f"{PACKAGES}/orjson": 900.0}, True),          # put back: its folder has changed
    ({PACKAGES: 5.0, f"{PACKAGES}/orjson.cpython-311-x86_64-linux-gnu.so": 5.0}, True),
    ({PACKAGES: 900.0, f"{PACKAGES}/orjson": 900.0}, False),       # it was there before: that is not it
    ({PACKAGES: 5.0, f"{PACKAGES}/orjsonl": 5.0}, False),
])
def test_a_module_that_came_after_the_end_needs_a_start(at: dict[str, float], mended: bool) -> None:
    first = found(looked(crashed(*IMPORT), **at))
    assert ("orjson is there now, but the service was not started again" in first.summary) is mended
    assert (first.confidence, first.repairs[0].id) == (("likely", "start-service") if mended else ("certain", "mend-code"))


OWN = (STARTED, "Traceback (most recent call last):", f'  File "{MAIN}", line 3, in <module>', "    rate.go()",
       "AttributeError: module 'rate' has no attribute 'go'")


@pytest.mark.parametrize(("path", "mended"), [
    ("/srv/shop/app/rate.py", True), ("/etc/backend/rate.ini", True), ("/srv/shop/app/app.log", False),
    ("/srv/shop/app/rate.py.bak", False), ("/srv/other/rate.py", False), ("/var/lib/shop/rate.ini", False),
])
def test_code_and_settings_that_were_changed_after_the_end_are_named(path: str, mended: bool) -> None:
    first = found(looked(crashed(*OWN), **{path: 5.0}))
    assert (f"{path} was changed after that" in first.summary) is mended
    assert (first.repairs[0].id == "start-service") is mended
    assert first.confidence == "likely"
    before = found(looked(crashed(*OWN), **{path: 500.0}))
    assert before.repairs[0].id == "mend-code" and "changed" not in before.summary


def test_a_program_that_still_is_none_stays_so_whatever_else_changed() -> None:
    scene = looked(crashed(*SYNTAX), **{"/srv/shop/app/rate.py": 5.0})
    scene.files.append(file(MAIN, "def page(:\n"))
    assert [r.id for r in found(scene).repairs] == ["mend-code"]


def test_what_systemd_has_not_read_yet_is_not_started_in_hope() -> None:
    scene = looked(crashed(*OWN, unit_changes={"need_daemon_reload": True}), **{"/srv/shop/app/rate.py": 5.0})
    assert found(scene).repairs[0].id == "mend-code"


@pytest.mark.parametrize("lines", [TLS, (STARTED, "/usr/bin/python3: No module named uvicorn"), OWN])
def test_a_unit_that_was_edited_since_is_read_and_started(lines: tuple[str, ...]) -> None:
    """The old reason is no proof against what the unit says now."""
    drop_in = "/etc/systemd/system/backend.service.d/own.conf"
    edited = crashed(*lines, unit_changes={"need_daemon_reload": True, "drop_in_paths": (drop_in,)})
    edited.files.append(file(drop_in, "[Service]\n", stat=stat(mtime=NOW - 5)))
    first = found(edited)
    assert first.confidence == "likely" and f"{drop_in} was changed after that, and systemd has not reloaded it" in first.summary
    assert (first.repairs[0].id, isinstance(first.repairs[0].steps[0], DaemonReload)) == ("reload-units", True)
    edited.files[-1] = file(drop_in, "[Service]\n", stat=stat(mtime=NOW - 5000))
    assert found(edited).repairs[0].id == "mend-code"


def test_a_command_that_names_another_target_by_now() -> None:
    scene = crashed(*TARGET, argv=("/usr/bin/uvicorn", "app.main:app"))
    unit = "/etc/systemd/system/backend.service"
    scene.files.append(file(unit, "[Service]\n", stat=stat(mtime=NOW - 5)))
    first = found(scene)
    assert "its command contains app.main:app now, but the service was not started again" in first.summary
    assert first.repairs[0].id == "start-service" and first.evidence[1].where == unit


@pytest.mark.parametrize(("path", "mended"), [
    ("/srv/shop/application.py", True), ("/srv/shop/application/__init__.py", True), ("/srv/shop/backup.py", False),
])
def test_a_target_that_does_not_exist_is_mended_by_its_command_or_its_module_alone(path: str, mended: bool) -> None:
    said = (STARTED, "Traceback (most recent call last):", "ModuleNotFoundError: No module named 'application'")
    first = found(looked(crashed(*said, argv=("/usr/bin/gunicorn", "application:app"), runtime="gunicorn"), **{path: 5.0}))
    assert (first.repairs[0].id == "start-service") is mended
    assert "application:app now" not in first.summary


@pytest.mark.parametrize(("path", "ago", "mended"), [
    ("/home/lab/app/rate.py", 5.0, True), ("/home/lab/app/rate.py", 500.0, False), ("/home/lab/app/rate.py.bak", 5.0, False),
    ("/home/lab/other/rate.py", 5.0, False), ("/home/lab/app/app.log", 5.0, False),
])
def test_what_is_mounted_into_a_container_and_was_changed_after_its_end(path: str, ago: float, mended: bool) -> None:
    scene = contained(lines=OWN[1:])
    scene.extra["engine_files"] = ((path, stat(mtime=NOW - ago)),)
    first = found(scene)
    assert (first.repairs[0].id == "start-service") is mended
    assert ("was changed after that" in first.summary) is mended


@pytest.mark.parametrize(("began", "mended"), [(32.0, True), (50.0, False)])
def test_what_was_changed_while_a_short_run_failed_may_have_come_too_late_for_it(began: float, mended: bool) -> None:
    """It ended 30 s ago: a run that fails at its start has read its files before. A longer one proves nothing."""
    scene = contained(lines=OWN[1:])
    box = scene.services[0].container
    assert box is not None
    scene.services[0] = replace(scene.services[0], container=replace(box, started_at=NOW - began))
    scene.extra["engine_files"] = (("/home/lab/app/rate.py", stat(mtime=NOW - 31.0)),)
    assert (found(scene).repairs[0].id == "start-service") is mended


@pytest.mark.parametrize(("path", "there"), [
    ("/srv/shop/app/nowhere.py", True), ("/srv/shop/app/nowhere/__init__.py", True), ("/srv/other/app/nowhere.py", False),
    ("/srv/shop/app/nowhere.py.part", False), ("/srv/shop/app/nowhere", False),
])
def test_a_module_that_was_moved_away_and_back_keeps_its_age_and_needs_a_start(path: str, there: bool) -> None:
    lines = (STARTED, 'ERROR:    Error loading ASGI app. Could not import module "app.nowhere".')
    about = {"working_directory": "/srv/shop"}
    scene = crashed(*lines, argv=("/usr/bin/uvicorn", "app.nowhere:app"), unit_changes=about)
    first = found(looked(scene, **{path: 9000.0}))
    assert (f"{path} is there now, but the service was not started again" in first.summary) is there
    assert (first.confidence, first.repairs[0].id == "start-service") == (("likely", True) if there else ("certain", False))


def test_a_script_searches_its_own_folder_and_not_where_it_starts() -> None:
    lines = (STARTED, "Traceback (most recent call last):", "ModuleNotFoundError: No module named 'nowhere'")
    about = {"working_directory": "/srv/shop"}
    scene = crashed(*lines, argv=("/usr/bin/python3", "/opt/run.py"), runtime="python", unit_changes=about)
    assert "is there now" not in found(looked(scene, **{"/srv/shop/nowhere.py": 9000.0})).summary


@pytest.mark.parametrize(("path", "there"), [("/srv/shop/office.js", True), ("/srv/shop/office.mjs", False)])
def test_a_file_of_node_that_was_moved_away_and_back_needs_a_start(path: str, there: bool) -> None:
    lines = (STARTED, "Error: Cannot find module '/srv/shop/office.js'", "    at node:internal/modules/cjs/loader:1143:15")
    scene = crashed(*lines, argv=("/usr/bin/node", "/srv/shop/office.js"), runtime="node",
                    unit_changes={"working_directory": "/srv/shop"})
    first = found(looked(scene, **{path: 9000.0}))
    assert (f"{path} is there now, but the service was not started again" in first.summary) is there
    assert (first.confidence, first.repairs[0].id == "start-service") == (("likely", True) if there else ("certain", False))


LIMIT = ("backend.service: Start request repeated too quickly.", "backend.service: Failed with result 'start-limit-hit'.")
LOST = 'ERROR:    Error loading ASGI app. Could not import module "app.nowhere".'


@pytest.mark.parametrize(("there", "limit", "root"), [
    (True, LIMIT, "crash-loop-gave-up"), (False, LIMIT, "crash-code-error"), (True, (), "crash-code-error"),
])
def test_what_is_over_is_no_root_where_systemd_tries_no_more(there: bool, limit: tuple[str, ...], root: str) -> None:
    argv = ("/usr/bin/uvicorn", "app.nowhere:app")
    scene = crashed(STARTED, LOST, *limit, argv=argv, unit_changes={"working_directory": "/srv/shop"})
    looked(scene, **({"/srv/shop/app/nowhere.py": 9000.0} if there else {}))
    (first, *others) = diagnose(scene.snapshot()).findings
    assert (first.cause, first.role) == (root, "root") and all(other.role == "consequence" for other in others)
    assert (first.repairs[0].id == "start-service") is there
    assert not there or len(first.repairs) == 1, "its reason is over: no edit is left to be made"
    if there and limit:
        assert "the reason no longer holds" in first.summary and "nowhere.py is there now" in first.detail[0]
