"""Tests of fixer/causes/crash_code_error/stale_module.py."""

from __future__ import annotations

import pytest

from fixer.lazy.dataclass import replace
from tests.causes.crash_code_error.crash_code_error_builders import HEAD, MAIN, STARTED, contained, crashed, found
from tests.causes.snapshot_builders import Scene, file, stat

GONE = "/srv/shop/app/extensions/rates.py"
LINES = (STARTED, *HEAD, f'  File "{MAIN}", line 7, in <module>', '    importlib.import_module("app.extensions." + name)',
         f'  File "{GONE}", line 3, in <module>', "AttributeError: module 'app.settings' has no attribute 'OLD_RATES'")


def left(*, missing: tuple[str, ...] = (GONE,), compiled: bool = True, lines: tuple[str, ...] = LINES) -> Scene:
    scene = crashed(*lines)
    scene.files.append(file(MAIN, "import importlib\ndef rates(name):\n    return rates[name]\n"))
    files = ((f"{GONE}c", stat(size=312)),) if compiled else ()
    scene.node_changes["local"] = {"missing_paths": missing, "files": files}
    return scene


@pytest.mark.parametrize("end", [
    "AttributeError: module 'app.settings' has no attribute 'OLD_RATES'", "ModuleNotFoundError: No module named 'pytz'",
    "ImportError: cannot import name 'rates' from 'app.settings' (/srv/shop/app/settings.py)",
])
def test_hit_a_compiled_file_whose_source_is_gone(end: str) -> None:
    one = found(left(lines=(*LINES[:-1], end)))
    assert (one.variant, one.role) == ("start-compiled-file-left", "root")
    assert one.summary.endswith(f"; {GONE} is gone, and Python runs {GONE}c, which is left of an older release")
    assert (f"{GONE}c", "compiled, 312 bytes") in [(e.where, e.text) for e in one.evidence]
    (repair,) = one.repairs
    assert repair.risk == "manual" and f"rm {GONE}c (find /srv/shop/app/extensions -name '*.pyc'" in repair.manual


def test_hit_a_frame_above_the_innermost_one() -> None:
    lines = (*LINES[:-1], f'  File "{MAIN}", line 40, in rates', "    return rates[name]", "NameError: name 'rates' is not defined")
    assert found(left(lines=lines)).variant == "start-compiled-file-left"


@pytest.mark.parametrize("scene", [left(missing=()), left(compiled=False), left(missing=(MAIN,))])
def test_miss_a_source_that_is_there_or_has_no_compiled_file(scene: Scene) -> None:
    assert found(scene).variant != "start-compiled-file-left"


def test_hit_in_the_mounted_folder_of_a_container() -> None:
    inside = tuple(line.replace("/srv/shop/app", "/srv/app") for line in LINES[1:])
    scene = contained(lines=inside)
    made = replace(scene.snapshot(), engine_files=(("/home/lab/app/extensions/rates.pyc", stat(size=9)),))
    scene.snapshot = lambda: made      # type: ignore[method-assign]
    one = found(scene)
    assert one.variant == "start-compiled-file-left" and "Python runs /home/lab/app/extensions/rates.pyc" in one.summary
