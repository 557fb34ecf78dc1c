"""A crash at every IO step of a repair or an undo, and again at every step of the recovery: all old or all new."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fixer.apply.repair_run import history, undo, unfinished_run
from fixer.hosts.machine import local_files
from tests.apply.folder_target import FolderTarget, make_plan, read_tree, write_step
from tests.crash.crash_draw import SHARE, draw_share
from tests.crash.crash_site import NEW, OLD, CrashSite, Disk, digest_of, read_disk, recover, repair, write_disk
from tests.crash.crashing_files import CrashingFiles, SimulatedCrash


def crashes(ground: CrashSite, start: str, act: Callable[[FolderTarget], object]) -> Iterator[int]:
    """Go back to `start`, act, crash at the n-th point: for every n. Each yield stands in the rubble."""
    at = 0
    while True:
        ground.restore_copy(start)
        target = ground.target(at)
        try:
            act(target)
        except SimulatedCrash:
            yield at
            at += 1
            continue
        return


def rubble(ground: CrashSite, act: Callable[[FolderTarget], object]) -> list[Disk]:
    """Act once, and see what a kill at each of its points would have left: every state once."""
    states: dict[bytes, Disk] = {}

    def see() -> None:
        disk = read_disk(ground.root)
        states.setdefault(digest_of(disk), disk)

    act(FolderTarget(ground.state, CrashingFiles(watch=see)))
    return list(states.values())


def check_end(ground: CrashSite, good: list[dict[str, tuple[object, ...]]]) -> None:
    """One of the good ends, nothing left behind, nothing unfinished."""
    assert read_tree(ground.site) in good
    assert ground.is_clean()
    assert unfinished_run(ground.target()) is None


def every_pair(ground: CrashSite, act: Callable[[FolderTarget], object], good: list[dict[str, tuple[object, ...]]]) -> int:
    """Kill at every point of `act`, or at a drawn share, then at every point of the recovery, then recover: how many
    states that were.

    A state of the disk is tried once: what follows depends on nothing else.
    """
    tried: set[bytes] = set()
    for first in draw_share(rubble(ground, act), "pair"):
        write_disk(ground.root, first)
        seconds = rubble(ground, recover)
        check_end(ground, good)
        for second in seconds:
            if (number := digest_of(second)) not in tried:
                tried.add(number)
                write_disk(ground.root, second)
                recover(ground.target())
                check_end(ground, good)
    return len(tried)


def test_a_crash_anywhere_in_a_repair_leaves_all_old_or_all_new(ground: CrashSite) -> None:
    repair(ground.target(), ground.plan())
    new = read_tree(ground.site)
    assert new != ground.old and ground.is_clean()
    ground.restore_copy("start")
    ground.save_copy("begin")
    for _ in crashes(ground, "begin", lambda target: repair(target, ground.plan())):
        recover(ground.target())
        check_end(ground, [ground.old, new])
        before = ground.disk_digest()
        recover(ground.target())      # nothing is left to do
        assert ground.disk_digest() == before


@pytest.mark.slow
def test_a_second_crash_anywhere_in_the_recovery_too(ground: CrashSite) -> None:
    repair(ground.target(), ground.plan())
    new = read_tree(ground.site)
    ground.restore_copy("start")
    assert every_pair(ground, lambda target: repair(target, ground.plan()), [ground.old, new]) > 1000 // SHARE


@pytest.mark.slow
def test_an_undo_that_crashes_anywhere_ends_all_old_or_was_never_begun(ground: CrashSite) -> None:
    repair(ground.target(), ground.plan())
    new = read_tree(ground.site)
    assert every_pair(ground, lambda target: undo(target, None), [ground.old, new]) > 500 // SHARE


def test_every_length_of_an_in_place_write_is_ours_and_nothing_else_is(ground: CrashSite) -> None:
    ground.restore_copy("start")
    ground.save_copy("begin")
    step = write_step(ground.site / "mounted", OLD, NEW, in_place=True)
    seen = set()
    for _ in crashes(ground, "begin", lambda target: repair(target, make_plan(step))):
        torn = (ground.site / "mounted").read_bytes()
        seen.add(torn)
        recover(ground.target())
        assert (ground.site / "mounted").read_bytes() in (OLD, NEW)
    assert {NEW[:n] for n in range(len(NEW))} <= seen
    assert {NEW[:n] + OLD[n:] for n in range(len(NEW))} <= seen


def test_a_hand_edit_in_the_rubble_is_kept_and_reported(ground: CrashSite) -> None:
    ground.save_copy("begin")
    conflicts = 0
    for _ in crashes(ground, "begin", lambda target: repair(target, ground.plan())):
        if unfinished_run(ground.target()) is None:
            continue
        for name in ("edited", "mounted"):
            (ground.site / name).write_bytes(b"# somebody's own\n")
        recover(ground.target())
        left = read_tree(ground.site)
        assert left["edited"][3] == left["mounted"][3] == b"# somebody's own\n"
        assert {k: v for k, v in left.items() if k not in ("edited", "mounted")} == {
            k: v for k, v in ground.old.items() if k not in ("edited", "mounted")}
        assert ground.is_clean() and unfinished_run(ground.target()) is None
        conflicts = max(conflicts, len(history(ground.target())[-1].conflicts))
    assert conflicts == 2


def test_everything_is_on_disk_before_the_next_thing(ground: CrashSite, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(local_files.os, "fsync", synced.append)
    target = ground.target()
    repair(target, ground.plan())
    assert len(synced) >= 40     # each record, blob, temp file and folder of the six changes
