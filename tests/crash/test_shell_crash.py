"""The same through a real shell, as containers and remote hosts are written: killed before every command of every IO
step of a repair, an undo and a recovery, or cut off in the middle of what it was told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from fixer.apply.repair_run import undo, unfinished_run
from fixer.errors import FixerError
from fixer.hosts.sh.sh_files import _PRELUDE, ShFiles
from fixer.model.plan import FileMeta, Plan
from tests.apply.folder_target import FolderTarget, make_plan, read_tree, write_step
from tests.crash.crash_draw import SHARE, draw_by_day, draw_share
from tests.crash.crash_site import NEW, OLD, CrashSite, Disk, digest_of, read_disk, recover, repair, write_disk
from tests.crash.stopping_shells import count_points, killed_files, watched_files

Act: TypeAlias = Callable[[FolderTarget], object]
Tree: TypeAlias = dict[str, tuple[object, ...]]


class Shop:
    """The small site once more, and a folder beside it for pipes and counters."""

    def __init__(self, ground: CrashSite, aside: Path) -> None:
        self.ground, self.aside = ground, aside

    def work(self) -> Plan:
        """A file edited, one made in a new folder, a link moved away, a mounted file written in place."""
        site = self.ground.site
        me = FileMeta(0o644, os.getuid(), os.getgid())
        return make_plan(
            write_step(site / "edited", b"proxy_pass http://a:8001;\n", b"proxy_pass http://a:8000;\n"),
            write_step(site / "d" / "created", None, b"new\n", meta=me, create_dirs=(str(site / "d"),)),
            write_step(site / "link", None, None, link_target="../sites/edited"),
            write_step(site / "mounted", OLD, NEW, in_place=True, meta=me),
        )

    def through_sh(self, act: Act) -> list[Disk]:
        """Act through a shell, and see what a kill before each of its commands would leave: every state once."""
        states: dict[bytes, Disk] = {}

        def see() -> None:
            disk = read_disk(self.ground.root)
            states.setdefault(digest_of(disk), disk)

        with watched_files(self.aside, see) as files:
            act(FolderTarget(self.ground.state, files))
        return list(states.values())

    def plainly(self, act: Act) -> None:
        """Act through a shell that nothing happens to."""
        files = ShFiles(tuple)
        try:
            act(FolderTarget(self.ground.state, files))
        finally:
            files.close()

    def check_end(self, good: list[Tree]) -> None:
        """One of the good ends, nothing left behind, nothing unfinished."""
        assert read_tree(self.ground.site) in good
        assert self.ground.is_clean()
        assert unfinished_run(self.ground.target()) is None


@pytest.fixture
def shop(ground: CrashSite, tmp_path: Path) -> Shop:
    return Shop(ground, tmp_path)


def new_state(shop: Shop) -> Tree:
    shop.plainly(lambda target: repair(target, shop.work()))
    return read_tree(shop.ground.site)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", draw_by_day(["repair", "undo"], "shell", 1))
def test_a_kill_before_any_command_of_a_shell_and_again_in_the_recovery(shop: Shop, act: str) -> None:
    """By day one of the two, drawn from the commit."""
    new = new_state(shop)
    assert new != shop.ground.old
    good = [shop.ground.old, new]
    if act == "repair":
        shop.ground.restore_copy("start")
        first = shop.through_sh(lambda target: repair(target, shop.work()))
        assert read_tree(shop.ground.site) == new
    else:
        first = shop.through_sh(lambda target: undo(target, None))
        assert read_tree(shop.ground.site) == shop.ground.old
    assert len(first) > 60
    tried: dict[bytes, Disk] = {}
    for state in draw_share(first, f"shell {act}"):
        write_disk(shop.ground.root, state)
        for second in shop.through_sh(recover):
            tried.setdefault(digest_of(second), second)
        shop.check_end(good)
    assert len(tried) > 500 // SHARE
    for second in tried.values():
        write_disk(shop.ground.root, second)
        recover(shop.ground.target())      # by the files of this machine, which do the same and are faster
        shop.check_end(good)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_shell_that_is_killed_while_fixer_lives_is_replaced_and_all_goes_back(shop: Shop) -> None:
    new = new_state(shop)
    lost = 0
    for at in draw_share(range(10_000), "killed shell"):
        shop.ground.restore_copy("start")
        with killed_files(shop.aside, at) as files:
            target = FolderTarget(shop.ground.state, files)
            try:
                repair(target, shop.work())
            except FixerError:
                lost += 1
            if unfinished_run(target) is not None:
                recover(target)
        shop.check_end([shop.ground.old, new])
        if count_points(shop.aside) <= at:
            break
    assert lost > 60 // SHARE


def prefixes(text: bytes) -> Iterator[bytes]:
    """What arrives of a script whose sender is cut off: every length near a line's end, and some between."""
    for end in range(len(text)):
        if b"\n" in text[max(0, end - 3) : end + 3] or end % 7 == 0:
            yield text[:end]


def test_half_a_script_does_nothing(tmp_path: Path) -> None:
    """A connection that breaks while a step is being sent: sh has read no whole command yet, so it runs none."""
    place, made = tmp_path / "f", tmp_path / "made"
    old, longer = b"old\n", b"new\nlines that are longer than before\n" * 3
    place.write_bytes(old)
    sent: list[bytes] = []

    class Listening(ShFiles):
        def _exchange(self, text: bytes, mark: bytes) -> bytes:
            sent.append(text)
            return super()._exchange(text, mark)

    files = Listening(tuple)
    files.overwrite(str(place), longer)
    files.create(str(made), b"x\n", FileMeta(0o600, os.getuid(), os.getgid()))
    files.close()
    after = {"f": longer}, {"f": old, "made": b"x\n"}
    done = 0
    for script, whole in zip(sent, after, strict=True):
        for part in prefixes(script):
            place.write_bytes(old)
            made.unlink(missing_ok=True)
            subprocess.run(["sh"], input=_PRELUDE.encode() + part, capture_output=True, check=False, timeout=30)
            found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
            assert found in ({"f": old}, whole), part
            done += found == whole
            assert found == {"f": old} or b" 2>&1 >&4 )" in part, part      # all of it came but the wish for a report
    assert done > 0
