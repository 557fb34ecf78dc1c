"""Tests of fixer/apply/incomplete_undo.py."""

from __future__ import annotations

from pathlib import Path

from fixer.apply.incomplete_undo import Leftovers, leftovers_of
from fixer.apply.journal_folder import open_run as open_journal
from fixer.apply.repair_run import undo
from fixer.apply.steps.node_access import Nodes
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.journal import FileState
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, write_step
from tests.apply.repair_run_builders import open_run

LAST = NEW + b"# and more\n"


def _leftovers(target: FolderTarget, run_id: str | None) -> Leftovers:
    assert run_id is not None
    writer, folder = target.journal_location()
    journal = open_journal(writer.files, folder, run_id)
    return leftovers_of(journal, Nodes(target, writer, "local"))


def _hand_edited(site: Path, target: FolderTarget) -> str | None:
    """Return a run with two edits of one file, undone after somebody's own edit."""
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "shop", NEW, LAST)))
        run.commit()
    (site / "shop").write_bytes(b"mine\n")
    assert undo(target, None).conflicts
    return run.id


def test_a_file_as_any_of_its_edits_left_it_is_in_force(site: Path, target: FolderTarget) -> None:
    run_id = _hand_edited(site, target)
    assert _leftovers(target, run_id).in_force == () and len(_leftovers(target, run_id).open) == 1
    for data, in_force in ((LAST, True), (NEW, True), (OLD, False)):
        (site / "shop").write_bytes(data)
        found = _leftovers(target, run_id)
        assert found == Leftovers((f"{site}/shop",) if in_force else ())


def test_another_mode_is_a_conflict_that_holds(site: Path, target: FolderTarget) -> None:
    run_id = _hand_edited(site, target)
    (site / "shop").write_bytes(LAST)
    (site / "shop").chmod(0o604)
    assert _leftovers(target, run_id).open


def test_a_removal_is_in_force_while_the_file_is_missing(site: Path, target: FolderTarget) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, None)))
        run.commit()
    (site / "shop").write_bytes(b"mine\n")
    assert undo(target, None).conflicts
    assert _leftovers(target, run.id).open
    (site / "shop").unlink()
    assert _leftovers(target, run.id) == Leftovers((f"{site}/shop",))


class Unreadable(LocalFiles):
    """This machine's files; the site's cannot be read."""

    def state(self, path: str) -> FileState:
        if "/etc/" in path:
            raise PermissionError(13, "Permission denied", path)
        return super().state(path)


def test_what_nobody_can_check_stays_a_conflict(site: Path, tmp_path: Path) -> None:
    run_id = _hand_edited(site, FolderTarget(tmp_path / "state"))
    (site / "shop").write_bytes(LAST)
    found = _leftovers(FolderTarget(tmp_path / "state", Unreadable()), run_id)
    assert (found.in_force, len(found.open)) == ((), 1)
