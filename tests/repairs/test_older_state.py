"""Tests of fixer/repairs/older_state.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.plan import UnitAction, WriteFile
from tests.causes.crash_code_error.crash_code_error_builders import HEAD, crashed, found, repair_called
from tests.causes.snapshot_builders import NOW, Scene, file, stat

STARTED = "Started backend.service - Office."

RELEASES = "/srv/shop/releases"
OF_RELEASE = (STARTED, *HEAD, f'  File "{RELEASES}/20261102/app/main.py", line 3, in <module>', "    import orjson",
              "ModuleNotFoundError: No module named 'orjson'")


def released(*names: str, link: str = "releases/20261102", **changes: object) -> Scene:
    """The service starts behind a link to its newest release; `names` are others that lie beside it."""
    scene = crashed(*OF_RELEASE, unit_changes={"working_directory": "/srv/shop/current"}, **changes)
    kept = stat(kind="link", link_target=link, real_path=f"{RELEASES}/20261102", target=stat(kind="dir"))
    scene.node_changes["local"] = {"files": (("/srv/shop/current", kept),)}
    scene.files.append(file(f"{RELEASES}/20261102/app/main.py", "\n\nimport orjson\n"))
    scene.files += [file(f"{RELEASES}/{name}/app/main.py", "x = 1\n") for name in names]
    return scene


def test_an_older_release_is_offered_and_never_taken_unasked() -> None:
    scene = released("20260901", "20261005", "20261201", "tmp")
    repair = repair_called(scene, "previous-release")
    assert (repair.risk, repair.steps) == ("disruptive", ())
    assert repair.needs[0].choices == (f"{RELEASES}/20261005", f"{RELEASES}/20260901")    # the newest of the older first
    away, new, *again = repair_called(scene, "previous-release", release=f"{RELEASES}/20261005").steps
    assert isinstance(away, WriteFile) and isinstance(new, WriteFile)
    assert (away.path, away.after, away.link_target) == ("/srv/shop/current", None, "releases/20261102")
    assert (new.path, new.before, new.link_target) == ("/srv/shop/current", None, "releases/20261005")
    assert [s.verb for s in again if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    assert repair_called(scene, "previous-release", release="/etc").steps == ()


@pytest.mark.parametrize(("now", "others", "offered"), [
    ("0f00ba5", {"9fceb02": 30.0, "a1b2c3d": 90.0, "beef001": -5.0}, ["9fceb02", "a1b2c3d"]),      # hashes: by age
    ("20261102-1740", {"85": 90.0, "84": 95.0}, ["85", "84"]), ("85", {"20261102-1740": 90.0, "84": 80.0}, ["84", "20261102-1740"]),
    ("v1.10", {"v1.9": 1.0, "v1.11": 50.0}, ["v1.9"]),
])
def test_what_names_do_not_tell_the_ages_do(now: str, others: dict[str, float], offered: list[str]) -> None:
    scene = crashed(*(line.replace("20261102", now) for line in OF_RELEASE),
                    unit_changes={"working_directory": "/srv/shop/current"})
    kept = stat(kind="link", link_target=f"releases/{now}", real_path=f"{RELEASES}/{now}", target=stat(kind="dir"))
    scene.node_changes["local"] = {"files": (("/srv/shop/current", kept),)}
    scene.files.append(file(f"{RELEASES}/{now}/app/main.py", "\n\nimport orjson\n", stat=stat(mtime=NOW - 10)))
    scene.files += [file(f"{RELEASES}/{name}/app/main.py", "x = 1\n", stat=stat(mtime=NOW - 10 - age))
                    for name, age in others.items()]
    repair = repair_called(scene, "previous-release")
    assert [path.rpartition("/")[2] for path in repair.needs[0].choices] == offered


def test_a_release_whose_own_script_is_started() -> None:
    """Nothing else of the unit names the link: the script goes to its folder itself."""
    scene = released("20261005")
    unit_of = scene.services[0].unit
    assert unit_of is not None
    scene.services[0] = replace(scene.services[0], unit=replace(
        unit_of, working_directory="/", exec_start=("/srv/shop/current/bin/serve",)))
    assert repair_called(scene, "previous-release").needs[0].choices == (f"{RELEASES}/20261005",)


def test_a_release_is_written_as_the_link_was() -> None:
    scene = released("20261005", link=f"{RELEASES}/20261102")
    _, new, *_ = repair_called(scene, "previous-release", release=f"{RELEASES}/20261005").steps
    assert isinstance(new, WriteFile) and new.link_target == f"{RELEASES}/20261005"


def test_no_release_is_offered_that_has_the_fault_or_is_none() -> None:
    for scene in (released(), released("20261201"), crashed(*OF_RELEASE)):
        assert [r.id for r in found(scene).repairs] == ["mend-code"]
    scene = released()
    scene.files += [file(f"{RELEASES}/20260901/app/main.py", "import orjson\n"),
                    file(f"{RELEASES}/20260801/app/main.py", "def page(:\n")]
    assert [r.id for r in found(scene).repairs] == ["mend-code"]
    elsewhere = released("20260901")
    elsewhere.services = [replace(s, unit=replace(s.unit, working_directory="/srv/other")) for s in elsewhere.services
                          if s.unit is not None]
    assert [r.id for r in found(elsewhere).repairs] == ["mend-code"]
