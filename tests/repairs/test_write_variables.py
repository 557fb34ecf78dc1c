"""Tests of fixer/repairs/write_variables.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import EnvAssignment, EnvSlot
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.write_variables import quote_value, write_variables
from tests.causes.backend_down.manager_state_builders import supervisord_scene
from tests.causes.crash_missing_env.crash_missing_env_builders import composed, crashed, steps_of
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    file,
    finding_of,
    stat,
    supervised_service,
)

MANAGER_STATE_CONF = "/etc/supervisor/conf.d/shop.conf"


def test_two_variables_make_one_setting() -> None:
    made = supervised_service("FATAL", env_slots=(
        EnvSlot("local", MANAGER_STATE_CONF, len("[program:shop]"), "\nenvironment={name}={value}", "supervisor"),))
    written = write_variables(supervisord_scene(made).snapshot(), made, {"A": "1", "B": "it's"})
    step = written.steps[0]     # type: ignore[union-attr]
    assert isinstance(step, WriteFile) and step.after is not None
    assert step.after.startswith(b'[program:shop]\nenvironment=A="1",B="it\'s"\ncommand')


@pytest.mark.parametrize("value", ["both ' and \"", "a ;b", "'quoted", "a #b"])
def test_what_its_format_cannot_hold_is_a_persons_work(value: str) -> None:
    made = supervised_service("FATAL", env_slots=(EnvSlot("local", MANAGER_STATE_CONF, 0, ",{name}={value}", "supervisor"),))
    assert "escape" in write_variables(supervisord_scene(made).snapshot(), made, {"A": value}).reason    # type: ignore[union-attr]
    assert quote_value('say "x"', "supervisor") == "'say \"x\"'"


def test_a_file_in_the_layer_of_a_container_is_no_place() -> None:
    """A new container would not have the edit; what the container is created with reaches each of its programs."""
    made = supervised_service("FATAL", node="app", env_slots=(
        EnvSlot("app", MANAGER_STATE_CONF, 0, ",{name}={value}", "supervisor"),))
    scene = Scene().with_service(container_service()).refused()
    scene.files.append(file(MANAGER_STATE_CONF, "[program:shop]\n", node="app", stat=stat(mtime=NOW - 9000)))
    told = write_variables(scene.snapshot(), made, {"A": "1"})
    assert isinstance(told, NotEditable)
    assert "in the layer of container p-app-1" in told.reason and "environment of service app" in told.reason


CAUSE = "crash-missing-env"


def test_a_drop_in_where_there_is_no_environment_file() -> None:
    write, reload, reset, start, _ = steps_of(crashed(), SECRET_KEY='a"b%c')
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload)
    assert isinstance(reset, UnitAction) and isinstance(start, UnitAction)
    assert write.path == "/etc/systemd/system/backend.service.d/50-badgateway.conf" and write.before is None
    assert write.after == b'[Service]\nEnvironment="SECRET_KEY=a\\"b%%c"\n'
    assert write.meta is not None and write.meta.mode == 0o600
    assert write.create_dirs == ("/etc/systemd/system/backend.service.d",)
    assert b'a"b%c' in write.mask and (reset.verb, start.verb) == ("reset-failed", "start")


def test_added_to_a_drop_in_of_ours() -> None:
    scene = crashed()
    path = "/etc/systemd/system/backend.service.d/50-badgateway.conf"
    scene.files.append(file(path, "[Service]\nRestart=on-failure"))
    write = steps_of(scene, SECRET_KEY="x")[0]
    assert isinstance(write, WriteFile) and write.before is not None
    assert write.after == b'[Service]\nRestart=on-failure\n[Service]\nEnvironment="SECRET_KEY=x"\n'
    unread = crashed(unit_changes={"drop_in_paths": (path,)})
    assert finding_of(diagnose(unread.snapshot()), CAUSE).repairs[0].risk == "manual"


def slot(path: str, data: str, template: str, style: str, node: str = "local") -> EnvSlot:
    return EnvSlot(node, path, len(data), template, style)   # type: ignore[arg-type]


def test_into_the_environment_file_that_is_there() -> None:
    data = "PORT=8000"
    scene = crashed(env_slots=(slot("/etc/shop.env", data, "{name}={value}\n", "env-file"),))
    scene.files.append(file("/etc/shop.env", data, managed_by="Ansible"))
    write, reset, *_ = steps_of(scene, SECRET_KEY="it's $5")
    assert isinstance(write, WriteFile) and isinstance(reset, UnitAction)
    assert write.after == b"PORT=8000\nSECRET_KEY=\"it's \\$5\"\n"
    assert "Ansible manages" in finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].summary
    scene.files.pop()
    assert "could not be read" in finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].manual


def test_an_empty_value_is_replaced_where_it_stands() -> None:
    empty = EnvAssignment("SECRET_KEY", "/etc/shop.env:2", True)
    scene = crashed(env=(empty,))
    scene.files.append(file("/etc/shop.env", "PORT=1\nSECRET_KEY=\n"))
    write = steps_of(scene, SECRET_KEY="x")[0]
    assert isinstance(write, WriteFile) and write.after == b"PORT=1\nSECRET_KEY=x\n"


@pytest.mark.parametrize(("style", "value", "want"), [
    ("env-file", "plain-1", "plain-1"), ("env-file", "a b", "'a b'"), ("shell", "it's", "'it'\\''s'"),
    ("env-file", "it's $5 `x`", '"it\'s \\$5 \\`x\\`"'), ("dotenv", "it's $5 `x`", '"it\'s \\$5 `x`"'),
    ("yaml-list", 'a"b', '"a\\"b"'), ("unit", "a\\b", "a\\\\b"),
])
def test_quoting(style: str, value: str, want: str) -> None:
    assert quote_value(value, style) == want


def test_yaml_list_items_are_quoted_as_a_whole() -> None:
    scene = composed()
    data = "services:\n  app:\n    environment:\n      - PORT=1\n"
    made = replace(scene.services[0], env_slots=(slot("/c.yaml", data, "      - {name}={value}\n", "yaml-list", "engine"),))
    scene.services[0] = made
    scene.files.append(file("/c.yaml", data, node="engine"))
    write = steps_of(scene, SECRET_KEY="x y")[0]
    assert isinstance(write, WriteFile) and write.after is not None
    assert write.after.endswith(b'- "SECRET_KEY=x y"\n')
    made = replace(made, env=(EnvAssignment("SECRET_KEY", "/c.yaml:4", True),))
    scene.services[0] = made
    scene.files[-1] = file("/c.yaml", data.replace("PORT=1", "SECRET_KEY="), node="engine", stat=stat())
    write = steps_of(scene, SECRET_KEY="x")[0]
    assert isinstance(write, WriteFile) and write.after is not None and b'- "SECRET_KEY=x"\n' in write.after


def test_a_variable_goes_where_it_has_an_effect() -> None:
    scene = composed()
    dotenv = replace(slot("/home/lab/.env", "A=1\n", "{name}={value}\n", "env-file", "engine"), only_for=("OTHER",))
    scene.files.append(file("/home/lab/.env", "A=1\n", node="engine"))
    scene.services[0] = replace(scene.services[0], env_slots=(dotenv, *scene.services[0].env_slots))
    write = steps_of(scene, SECRET_KEY="x")[0]
    assert isinstance(write, WriteFile) and write.path == "/home/lab/compose.yaml"
    scene.services[0] = replace(scene.services[0], env_slots=(
        replace(dotenv, only_for=("SECRET_KEY",)), *scene.services[0].env_slots[1:]))
    write = steps_of(scene, SECRET_KEY="x")[0]
    assert isinstance(write, WriteFile) and write.path == "/home/lab/.env"


@pytest.mark.parametrize(("written", "template", "style", "want"), [
    ("{A: 1}", ", {name}: {value}", "yaml-map", '{A: 1, SECRET_KEY: "x"}'),
    ("[A=1]", ', "{name}={value}"', "yaml-list", '[A=1, "SECRET_KEY=x"]'),
])
def test_into_the_middle_of_a_line(written: str, template: str, style: str, want: str) -> None:
    scene = composed()
    data = f"services:\n  app:\n    environment: {written}\n    image: x\n"
    inside = replace(slot("/c.yaml", data, template, style, "engine"), offset=data.index(written) + len(written) - 1)
    scene.services[0] = replace(scene.services[0], env_slots=(inside,))
    scene.files.append(file("/c.yaml", data, node="engine"))
    write = steps_of(scene, SECRET_KEY="x")[0]
    assert isinstance(write, WriteFile) and write.after == data.replace(written, want).encode()


@pytest.mark.parametrize(("known", "style", "written"), [
    ("VIRTUAL_PORT", "yaml-map", False), ("OTHER", "yaml-map", True), ("VIRTUAL_PORT", "yaml-list", True),
])
def test_a_key_is_never_written_a_second_time(known: str, style: str, *, written: bool) -> None:
    """Compose refuses a key that stands twice; of a list it takes the last item."""
    scene = composed()
    data = 'services:\n  app:\n    environment: {VIRTUAL_PORT: "${APP:-1}"}\n'
    inside = replace(slot("/c.yaml", data, ', {name}: "{value}"', style, "engine"), offset=data.index("}\"}") + 2)
    box = scene.services[0].container
    assert box is not None
    scene.services[0] = replace(scene.services[0], env_slots=(inside,), container=replace(box, env_names=(known,)))
    scene.files.append(file("/c.yaml", data, node="engine"))
    snapshot = scene.snapshot()
    made = write_variables(snapshot, snapshot.services[0], {"VIRTUAL_PORT": "5000"}, replace=True)
    assert isinstance(made, NotEditable) is not written
