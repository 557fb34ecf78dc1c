"""Tests of fixer/apply/file_change.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.apply.file_state import identity_notes
from fixer.apply.repair_run import history, undo
from fixer.errors import Conflict, StepFailed
from fixer.hosts.machine.local_files import LocalFiles
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


# What a rename would lose: other names of the file, and its extended attributes.


def test_all_names_of_a_file_keep_the_change_and_come_back(site: Path, target: FolderTarget) -> None:
    os.link(site / "shop", site / "other name")
    before, inode = read_tree(site), (site / "shop").stat().st_ino
    plan = make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "shop", NEW, NEW + b"# more\n"))
    assert identity_notes(plan, target) == (
        f"{site}/shop has another name (hard link): all names change with it, and an undo restores all",)
    with open_run(target) as run:
        run.round(plan)
        run.commit()
    assert (site / "other name").read_bytes() == NEW + b"# more\n"
    assert undo(target, None).conflicts == () and read_tree(site) == before
    assert {path.stat().st_ino for path in site.iterdir()} == {inode}


def test_a_file_that_is_removed_is_a_file_of_its_own_after_the_undo(site: Path, target: FolderTarget) -> None:
    os.link(site / "shop", site / "other name")
    before, plan = read_tree(site), make_plan(write_step(site / "shop", OLD, None))
    assert "an undo makes a file of its own" in identity_notes(plan, target)[0]
    with open_run(target) as run:
        run.round(plan)
        run.commit()
    assert undo(target, None).conflicts == () and read_tree(site) == before
    assert (site / "shop").stat().st_nlink == 1


def test_extended_attributes_stay_through_repair_and_undo(site: Path, target: FolderTarget) -> None:
    os.setxattr(site / "shop", "user.note", b"mine\0")
    plan = make_plan(write_step(site / "shop", OLD, NEW))
    assert identity_notes(plan, target) == ()
    with open_run(target) as run:
        run.round(plan)
        run.commit()
    assert os.getxattr(site / "shop", "user.note") == b"mine\0"
    os.setxattr(site / "shop", "user.later", b"")
    assert undo(target, None).conflicts == ()
    assert {name for name in os.listxattr(site / "shop") if name.startswith("user.")} == {"user.note", "user.later"}
    assert os.getxattr(site / "shop", "user.note") == b"mine\0"


class Signed(LocalFiles):
    """This machine's files; each has an attribute that fits its own bytes only."""

    def lost_attributes(self, path: str) -> str:
        return "security.ima"


def test_an_attribute_that_gets_lost_is_named_before(site: Path, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "state", Signed())
    assert identity_notes(make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "new", None, b"x")), target) == (
        f"{site}/shop: a changed file does not keep these extended attributes: security.ima",)
    assert identity_notes(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)), target) == ()


@pytest.mark.parametrize("folder_too", [False, True])
def test_an_access_control_list_stays(site: Path, target: FolderTarget, folder_too: bool) -> None:
    """A default list of the folder, which a new file inherits, is not the file's."""
    name = "system.posix_acl_access"
    acl = bytes.fromhex("02000000" "01000600ffffffff" "02000600e8030000" "04000400ffffffff" "10000600ffffffff" "20000000ffffffff")
    try:
        if folder_too:
            os.setxattr(site, "system.posix_acl_default", acl)
        else:
            os.setxattr(site / "shop", name, acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    before = {"shop": os.getxattr(site / "shop", name)} if not folder_too else {}
    mode = (site / "shop").stat().st_mode
    for work in ("repair", "undo"):
        if work == "repair":
            with open_run(target) as run:
                run.round(make_plan(write_step(site / "shop", OLD, NEW)))
                run.commit()
        else:
            assert undo(target, None).conflicts == ()
        assert ({"shop": os.getxattr(site / "shop", name)} if name in os.listxattr(site / "shop") else {}) == before, work
        assert (site / "shop").stat().st_mode == mode


# A hand edit between the check and the change: the digest is compared again immediately before the rename.
HAND = b"by hand\n"


class Pausing(LocalFiles):
    """This machine's files; somebody edits the site while fixer prepares the named operation."""

    def __init__(self, pause: str, edit: Callable[[], object]) -> None:
        self._pause, self._edit = pause, edit

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        super().create(path, data, meta)
        if self._pause == "create" and "/etc/.badgateway-" in path:
            self._edit()

    def append(self, path: str, data: bytes) -> None:
        super().append(path, data)
        if self._pause == "intent" and b'"phase":"intent"' in data and b"/shop" in data:
            self._edit()


@pytest.mark.parametrize("pause", ["create", "intent"])
@pytest.mark.parametrize(("edit", "words"), [
    (lambda path: path.write_bytes(HAND), "was changed by somebody else"),
    (lambda path: (path.with_name("x").write_bytes(HAND), path.with_name("x").replace(path)), "was changed by"),
    (lambda path: path.unlink(), "was removed by somebody else"),
    (lambda path: path.chmod(0o604), "was changed by somebody else"),
    (lambda path: (path.unlink(), path.symlink_to("x")), "is a symbolic link now"),
])
def test_an_edit_between_check_and_change_is_kept(site: Path, tmp_path: Path, pause: str, edit, words: str) -> None:
    after: list[object] = []
    target = FolderTarget(tmp_path / "state", Pausing(pause, lambda: (edit(site / "shop"), after.append(read_tree(site)["shop"]
                                                      if os.path.lexists(site / "shop") else None))))
    with open_run(target) as run, pytest.raises(Conflict, match=words) as raised:
        run.round(make_plan(write_step(site / "d" / "new", None, b"x", create_dirs=(str(site / "d"),)),
                            write_step(site / "shop", OLD, NEW)))
    assert raised.value.hint == "nothing was written to it; diagnose again"
    assert (read_tree(site).get("shop")) == after[0] and not (site / "d").exists()
    assert not [name for name in read_tree(site) if ".badgateway" in name]
    (listed,) = history(target)
    assert (listed.state, listed.conflicts) == ("rolled-back", ())
    assert "nothing to undo" in undo(target, None).notes[0]


@pytest.mark.parametrize("step", [{"in_place": True}, {"remove": True}])
def test_so_is_one_before_a_write_in_place_or_a_removal(site: Path, tmp_path: Path, step: dict[str, bool]) -> None:
    target = FolderTarget(tmp_path / "state", Pausing("intent", lambda: (site / "shop").write_bytes(HAND)))
    with open_run(target) as run, pytest.raises(Conflict, match="was changed by somebody else"):
        made = write_step(site / "shop", OLD, None if "remove" in step else NEW, in_place="in_place" in step)
        run.round(make_plan(made))
    assert (site / "shop").read_bytes() == HAND and not list((tmp_path / "state").rglob("*.image"))
    assert history(target)[0].conflicts == ()


def test_an_undo_keeps_an_edit_that_comes_while_it_writes(site: Path, tmp_path: Path) -> None:
    with open_run(FolderTarget(tmp_path / "state")) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    target = FolderTarget(tmp_path / "state", Pausing("create", lambda: (site / "shop").write_bytes(HAND)))
    assert "was changed by somebody else" in undo(target, None).conflicts[0]
    assert (site / "shop").read_bytes() == HAND and [path.name for path in site.iterdir()] == ["shop"]


# A package manager replaces files by others of that name: another inode with other bytes.


@pytest.mark.parametrize("changed", [True, False])
def test_a_package_upgrade_between_repair_and_undo(site: Path, target: FolderTarget, changed: bool) -> None:
    """The new file stays and is named. If the package manager left the file as it was, the new one lies beside it."""
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    new = site / ("shop.dpkg-new" if changed else "shop.dpkg-dist")
    new.write_bytes(b"# of version 2\n")
    if changed:
        new.replace(site / "shop")
    result = undo(target, None)
    if changed:
        assert result.conflicts == (f"{site}/shop was changed by somebody else; it was left unchanged",)
        assert (site / "shop").read_bytes() == b"# of version 2\n"
    else:
        assert result.conflicts == () and (site / "shop").read_bytes() == OLD and new.exists()
