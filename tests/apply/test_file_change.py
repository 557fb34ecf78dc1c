"""Tests of fixer/apply/file_change.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixer.apply.repair_run import history, undo
from fixer.errors import Conflict, StepFailed
from fixer.model.plan import FileMeta
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.apply.repair_run_builders import open_run


@pytest.mark.parametrize(("prepare", "words"), [
    (lambda p: p.write_bytes(b"hand"), "has changed since"),
    (lambda p: p.unlink(), "does not exist any more"),
    (lambda p: (p.unlink(), p.symlink_to("x")), "not a regular file"),
    (lambda p: (p.unlink(), p.mkdir()), "not a regular file"),
    (lambda p: p.chmod(0o600), "another owner, mode"),
])
def test_the_present_state_must_be_the_expected_one(site: Path, target: FolderTarget, prepare, words: str) -> None:
    me = FileMeta(0o640, os.getuid(), os.getgid())
    prepare(site / "shop")
    before = read_tree(site)
    with open_run(target) as run, pytest.raises(Conflict, match=words):
        run.round(make_plan(write_step(site / "a", None, b"a"), write_step(site / "shop", OLD, NEW, expect_meta=me)))
    assert read_tree(site) == before
    assert history(target)[0].state == "rolled-back"


def test_creating_and_links_expect_nothing_there_and_the_right_target(site: Path, target: FolderTarget) -> None:
    (site / "on").symlink_to("shop")
    bad = [
        write_step(site / "shop", None, b"x"),
        write_step(site / "shop", None, b"", link_target="y"),
        write_step(site / "shop", None, None, link_target="y"),
        write_step(site / "on", None, None, link_target="elsewhere"),
        write_step(site / "none", None, None),
        write_step(site / "shop", OLD, None, in_place=True),
    ]
    for step in bad:
        with open_run(target) as run, pytest.raises((Conflict, StepFailed)):
            run.round(make_plan(step))
    assert (site / "shop").read_bytes() == OLD and os.readlink(site / "on") == "shop"


def test_links_folders_and_modes_come_and_go(site: Path, target: FolderTarget) -> None:
    (site / "on").symlink_to("../sites/shop")
    before = read_tree(site)
    mine = (os.getuid(), os.getgid())
    with open_run(target) as run:
        run.round(make_plan(
            write_step(site / "on", None, None, link_target="../sites/shop"),
            write_step(site / "on2", None, b"", link_target="shop"),
            write_step(site / "d" / "e" / "new", None, b"x", create_dirs=(str(site / "d"), str(site / "d" / "e"))),
            write_step(site / "shop", OLD, OLD, meta=FileMeta(0o600, *mine)),
            write_step(site / "gone", None, b"y", meta=FileMeta(0o604, *mine)),
        ))
        run.commit()
    assert not os.path.lexists(site / "on") and os.readlink(site / "on2") == "shop"
    assert (site / "d").stat().st_mode & 0o777 == 0o755
    assert (site / "shop").stat().st_mode & 0o777 == 0o600 and (site / "gone").stat().st_mode & 0o777 == 0o604
    (site / "d" / "mine").write_bytes(b"somebody's")
    result = undo(target, None)
    assert result.conflicts == ()
    (site / "d" / "mine").unlink()
    (site / "d").rmdir()
    assert read_tree(site) == before


def test_in_place_keeps_the_inode_and_leaves_no_image(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    inode = (site / "shop").stat().st_ino
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)))
        run.commit()
    assert (site / "shop").stat().st_ino == inode and (site / "shop").read_bytes() == NEW
    assert not list((tmp_path / "state").rglob("*.image"))
    (site / "shop").write_bytes(NEW[:9])      # looks like a torn write, but no write of ours was under way
    assert undo(target, None).conflicts
    assert (site / "shop").read_bytes() == NEW[:9]


def test_a_damaged_before_image_is_not_put_back(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    (blob,) = (tmp_path / "state").rglob("blobs/*")
    blob.write_bytes(b"rubbish")
    assert "damaged" in undo(target, None).conflicts[0]
    assert (site / "shop").read_bytes() == NEW
