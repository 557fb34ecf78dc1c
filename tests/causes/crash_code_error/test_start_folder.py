"""Tests of fixer/causes/crash_code_error/start_folder.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.formats.yaml_spans import parse_yaml
from fixer.model.facts import Known
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Compose, ComposeSetting
from fixer.model.target import TargetRef
from fixer.observe.docker.compose_settings import volumes_in
from tests.causes.crash_code_error.crash_code_error_builders import found, project
from tests.causes.snapshot_builders import NOW, Scene, container_service, file, log_lines, stat


@pytest.mark.parametrize(("start", "there", "told", "option"), [
    ("/srv/shop", "/opt/api/main.py", True, ()), ("/code", "/opt/api/main.py", False, ()), ("/srv/shop", "/opt/api/other.py", False, ()),
    ("/srv/shop", "/opt/api/main.py", True, ("--app-dir", "/srv/shop")),      # another working directory would change nothing
])
def test_an_application_that_is_mounted_elsewhere_than_its_server_starts(
        start: str, there: str, told: bool, option: tuple[str, ...]) -> None:
    text = f"services:\n  app:\n    working_dir: {start}\n    image: x\n"
    at = text.index(start)
    box = {"status": "restarting", "exit_code": 1, "restart_count": 3, "started_at": NOW - 40, "working_dir": start, "user": "0",
           "mounts": (("/opt/api", "/code", False),)}
    made = container_service(box=box, pid=None, log=log_lines('ERROR:    Error loading ASGI app. Could not import module "main".'),
                 argv=("uvicorn", "main:app", *option), compose_settings=(ComposeSetting("working_dir", start, "/p/compose.yaml", 3, at, at + len(start)),))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.files.append(file("/p/compose.yaml", text, "engine"))
    scene.extra = {"target": TargetRef("compose", "p"), "engine_files": ((there, stat()),),
                   "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    found = diagnose(scene.snapshot()).findings[0]
    assert (found.cause == "crash-code-error" and "/code has it" in found.summary) is told
    assert ("start-in-folder" in [r.id for r in found.repairs]) is (told and not option)
    if told and not option:
        write = found.repairs[0].steps[0]
        assert isinstance(write, WriteFile) and b"working_dir: /code\n" in (write.after or b"")


MOUNT = "services:\n  app:\n    volumes:\n      - ./code:/srv/unused:ro\n"


@pytest.mark.parametrize(("text", "more", "risk"), [
    (MOUNT, (), "disruptive"),
    (MOUNT, (("/var/lib/shop", "/opt/shop/current", True),), "manual"),         # its folder holds another mount
    (MOUNT.replace("unused", "$PLACE"), (), "manual"),
])
def test_code_that_is_mounted_where_its_command_does_not_look_is_mounted_there(
        text: str, more: tuple[tuple[str, str, bool], ...], risk: str) -> None:
    """The command names its folder: no other working directory would help."""
    app: Any = parse_yaml(text.encode())
    for key in ("services", "app"):
        app = app.get(key)
    settings = tuple(volumes_in(app, "/p/compose.yaml", text.encode()))
    box = {"status": "restarting", "exit_code": 1, "restart_count": 3, "started_at": NOW - 40, "user": "0",
           "mounts": (("/p/code", "/srv/unused", False), *more)}
    made = container_service(box=box, pid=None, log=log_lines("ModuleNotFoundError: No module named 'office'"), compose_settings=settings,
                             argv=("uwsgi", "--http-socket", ":8000", "--chdir", "/opt/shop/current", "--module", "office:application"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.files.append(file("/p/compose.yaml", text, "engine"))
    scene.extra = {"target": TargetRef("compose", "p"), "engine_files": (("/p/code/office.py", stat()),),
                   "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    shown = diagnose(scene.snapshot()).findings[0]
    repair = shown.repairs[0]
    assert (repair.id, repair.risk) == ("mount-at-folder", risk) and "/opt/shop/current instead of /srv/unused" in repair.summary
    assert ("/p/compose.yaml:4" in {one.where for one in shown.evidence}) is (text == MOUNT)
    if risk == "manual":
        assert "works in /opt/shop/current, and its code is mounted at /srv/unused" in repair.manual and not repair.steps
    else:
        write = repair.steps[0]
        assert isinstance(write, WriteFile) and write.after == text.replace("/srv/unused", "/opt/shop/current").encode()


def test_a_unit_that_starts_inside_the_package_starts_in_the_folder_above() -> None:
    scene = project("shop.wsgi:application", "/srv/office/shop", "/srv/office/shop/wsgi.py", "/srv/office/shop/asgi.py")
    made = found(scene)
    assert made.summary.endswith("from /srv/office/shop, its working directory, but from /srv/office")
    assert made.repairs[0].id == "correct-directory" and made.repairs[0].risk == "disruptive"
    write = made.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"\nWorkingDirectory=/srv/office\n" in (write.after or b"")


@pytest.mark.parametrize(("folder", "path"), [
    ("/srv/office/shop", "/srv/office/shop/asgi.py"), ("/srv/office/other", "/srv/office/other/wsgi.py"),
])
def test_a_unit_that_starts_elsewhere_is_not_moved(folder: str, path: str) -> None:
    assert "correct-directory" not in [r.id for r in found(project("shop.wsgi:application", folder, path)).repairs]
