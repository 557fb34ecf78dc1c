"""Tests of fixer/causes/crash_code_error/start_folder.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Compose, ComposeSetting
from fixer.model.target import TargetRef
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
