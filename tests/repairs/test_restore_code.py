"""Tests of fixer/repairs/restore_code.py."""

from __future__ import annotations

import pytest

from fixer.model.plan import UnitAction, WriteFile
from fixer.model.service import EnvAssignment
from tests.causes.crash_code_error.crash_code_error_builders import IMPORT, SYNTAX, crashed, found, repair_called
from tests.causes.snapshot_builders import NOW, file, stat

MAIN = "/srv/shop/app/main.py"


def test_a_backup_beside_the_file_is_offered_and_never_taken_unasked() -> None:
    scene = crashed(*SYNTAX)
    scene.files += [
        file(MAIN, "x = 1\ndef page(:\n"), file(MAIN + ".bak", "x = 1\n", stat=stat(mtime=NOW - 100)),
        file(MAIN + ".old", "x = 0\n", stat=stat(mtime=NOW - 900)), file(MAIN + ".orig", "def page(:\n"),
    ]
    repair = repair_called(scene, "restore-backup")
    assert repair.risk == "disruptive" and repair.steps == ()
    assert repair.needs[0].choices == (MAIN + ".bak", MAIN + ".old") and repair.needs[0].default is None
    steps = repair_called(scene, "restore-backup", **{"restore-from": MAIN + ".bak"}).steps
    assert isinstance(steps[0], WriteFile) and steps[0].after == b"x = 1\n"
    assert [s.verb for s in steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]


def test_a_backup_with_the_same_import_is_none() -> None:
    scene = crashed()
    scene.files += [file(MAIN, "\n\nimport orjson\n"), file(MAIN + "~", "import orjson\nx = 1\n")]
    assert [r.id for r in found(scene).repairs] == ["mend-code"]
    scene.files[-1] = file(MAIN + "~", "x = 1\n")
    assert [r.id for r in found(scene).repairs] == ["restore-backup", "mend-code"]


def test_a_module_of_a_package_that_is_there_is_put_back_and_not_installed() -> None:
    lines = (*IMPORT[:-3], "    import app.local", "ModuleNotFoundError: No module named 'app.local'")
    scene = crashed(*lines)
    scene.files += [file(MAIN, "import app.local\n"), file(MAIN + ".bak", "from starlette.applications import App\n"),
                    file(MAIN + ".old", "from .local import KEY\n")]
    restore, mend = found(scene).repairs
    assert restore.needs[0].choices == (MAIN + ".bak",)
    assert mend.manual.startswith("app exists, but it contains no local: restore that file or folder")


@pytest.mark.parametrize(("program", "path", "said"), [
    ("gunicorn", "/var/app/venv/bin:/usr/bin", "/var/app/venv/bin/python3 -m pip install"),
    ("gunicorn", "/usr/local/bin:/usr/bin", "the first line of gunicorn names it"), ("gunicorn", "", "the first line of gunicorn names it"),
    ("python", "/var/app/venv/bin", "/var/app/venv/bin/python3 -m pip install"), ("/srv/env/bin/gunicorn", "/var/app/venv/bin", "/srv/env/bin/python3"),
])
def test_a_program_without_a_folder_is_the_one_that_its_own_path_finds(program: str, path: str, said: str) -> None:
    scene = crashed(argv=(program, "app.main:app"), env=(EnvAssignment("PATH", "/etc/default/shop:2", False),) if path else ())
    scene.files += [file("/etc/default/shop", f"PORT=8000\nPATH={path}\n")]
    assert said in found(scene).repairs[-1].manual
