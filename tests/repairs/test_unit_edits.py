"""Edits of unit files: in place below /etc, a drop-in elsewhere, and none where the file is not as it was read."""

from __future__ import annotations

import pytest

from fixer.model.plan import DaemonReload, WriteFile
from fixer.model.snapshot import Snapshot, UnitValue
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.unit_edits import ValueEdit, complete_value_edit, write_edit, write_edits
from fixer.repairs.write_variables import EditSteps
from tests.causes.snapshot_builders import Scene, file, stopped_service

PATH = "/etc/systemd/system/backend.service"
TEXT = "[Service]\nUser=shop\nWorkingDirectory=/srv/gone\nExecStart=/opt/venv/bin/uvicorn a:b\n"


def setting(key: str, path: str = PATH) -> UnitValue:
    line = next(n for n, text in enumerate(TEXT.split("\n"), 1) if text.startswith(f"{key}="))
    start = TEXT.index(f"{key}=") + len(key) + 1
    end = TEXT.index("\n", start)
    return UnitValue(key, TEXT[start:end], path, line, start, end)


def scene(path: str = PATH, text: str = TEXT, **about: object) -> Snapshot:
    made = Scene().with_service(stopped_service()).refused()
    made.files.append(file(path, text, **about))
    return made.snapshot()


def written(found: EditSteps | NotEditable) -> WriteFile:
    assert isinstance(found, EditSteps) and isinstance(found.steps[0], WriteFile)
    return found.steps[0]


def test_a_value_of_the_administrators_file_is_changed_in_place() -> None:
    found = write_edit(scene(), stopped_service(), complete_value_edit(setting("WorkingDirectory"), "/srv/shop"))
    step = written(found)
    assert step.after == TEXT.replace("/srv/gone", "/srv/shop").encode() and step.before == TEXT.encode()
    assert step.summary == "WorkingDirectory=/srv/shop"
    assert isinstance(found, EditSteps) and found.steps[1:] == (DaemonReload("local"),)


def test_a_part_of_a_value_is_changed() -> None:
    command = setting("ExecStart")
    edit = ValueEdit(command, command.start, command.start + len("/opt/venv"), "/srv/venv")
    step = written(write_edit(scene(), stopped_service(), edit))
    assert step.after == TEXT.replace("/opt/venv", "/srv/venv").encode()
    assert step.summary == "ExecStart=/srv/venv/bin/uvicorn a:b"


@pytest.mark.parametrize(("key", "reset"), [("WorkingDirectory", ""), ("ExecStart", "ExecStart=\n")])
def test_a_file_of_a_package_gets_a_drop_in_that_resets_a_list(key: str, reset: str) -> None:
    path = "/usr/lib/systemd/system/backend.service"
    step = written(write_edit(scene(path), stopped_service(), complete_value_edit(setting(key, path), "/srv/shop")))
    assert step.path == f"{PATH}.d/50-badgateway-unit.conf" and step.before is None
    assert (step.after or b"").decode().endswith(f"[Service]\n{reset}{key}=/srv/shop\n")


@pytest.mark.parametrize(("folder", "shared"), [("service.d", True), ("back-.service.d", True), ("backend.service.d", False)])
def test_a_drop_in_of_several_services_is_left_alone(folder: str, shared: bool) -> None:
    path = f"/etc/systemd/system/{folder}/a.conf"
    step = written(write_edit(scene(path), stopped_service(), complete_value_edit(setting("User", path), "www-data")))
    assert (step.path != path) is shared


@pytest.mark.parametrize(("seen", "reason"), [
    (scene("/etc/other"), "could not be read"), (scene(text=TEXT.replace("/srv/gone", "/srv/else")), "does not hold WorkingDirectory="),
])
def test_a_file_that_is_not_as_it_was_read_is_not_edited(seen: Snapshot, reason: str) -> None:
    found = write_edit(seen, stopped_service(), complete_value_edit(setting("WorkingDirectory"), "/srv/shop"))
    assert isinstance(found, NotEditable) and reason in found.reason


def test_several_values_of_a_file_are_one_step() -> None:
    edits = (complete_value_edit(setting("User"), "www-data"), complete_value_edit(setting("WorkingDirectory"), "/srv/a/longer/one"))
    found = write_edits(scene(), stopped_service(), edits)
    step = written(found)
    assert step.after == TEXT.replace("/srv/gone", "/srv/a/longer/one").replace("User=shop", "User=www-data").encode()
    assert step.summary == "User=www-data; WorkingDirectory=/srv/a/longer/one"
    assert isinstance(found, EditSteps) and len(found.steps) == 2


def test_a_file_that_a_tool_manages_is_told() -> None:
    found = write_edit(scene(managed_by="Ansible"), stopped_service(), complete_value_edit(setting("User"), "www-data"))
    assert isinstance(found, EditSteps) and (found.managed_by, found.where) == ("Ansible", PATH)
