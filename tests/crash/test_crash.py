"""A crash at every IO step of a repair or an undo, and again at every step of the recovery: all old or all new."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from fixer.apply.engine import RepairRun, history, undo, unfinished
from fixer.hosts import files_local
from fixer.model.plan import FileMeta, Plan
from tests.apply.places import NOW, FolderTarget, plan, tree, write
from tests.crash.crashing import CrashingFiles, SimulatedCrash

_MEMORY = Path("/dev/shm")
_OLD, _NEW = b"801\n", b"80\nx\n"

Disk: TypeAlias = dict[str, tuple[int, int, int, bytes | str | None]]


class Ground:
    """A small site, the repair of it, and copies of both to go back to."""

    def __init__(self, root: Path) -> None:
        self.root, self.site, self.state = root, root / "etc", root / "state"
        self.copies: dict[str, Disk] = {}
        self.site.mkdir()
        (self.site / "edited").write_bytes(b"proxy_pass http://a:8001;\n")
        (self.site / "edited").chmod(0o640)
        (self.site / "deleted").write_bytes(b"stale\n")
        (self.site / "deleted").chmod(0o604)
        (self.site / "link").symlink_to("../sites/edited")
        (self.site / "mounted").write_bytes(_OLD)
        (self.site / "mounted").chmod(0o600)
        if os.geteuid() == 0:
            os.chown(self.site / "edited", 33, 7)
        self.old = tree(self.site)
        self.keep("start")

    def plan(self) -> Plan:
        site = self.site
        me = FileMeta(0o644, os.getuid(), os.getgid())
        return plan(
            write(site / "edited", b"proxy_pass http://a:8001;\n", b"proxy_pass http://a:8000;\n"),
            write(site / "d" / "created", None, b"new\n", meta=me, create_dirs=(str(site / "d"),)),
            write(site / "deleted", b"stale\n", None),
            write(site / "link", None, None, link_target="../sites/edited"),
            write(site / "linked", None, b"", link_target="edited"),
            write(site / "mounted", _OLD, _NEW, in_place=True, meta=me),
        )

    def keep(self, name: str) -> None:
        """Remember how everything is now."""
        self.copies[name] = read_disk(self.root)

    def go_back(self, name: str) -> None:
        """Make everything as it was then."""
        write_disk(self.root, self.copies[name])

    def seen(self) -> bytes:
        """One number for everything that is on the disk."""
        return number_of(read_disk(self.root))

    def target(self, crash_at: int | None = None) -> FolderTarget:
        return FolderTarget(self.state, CrashingFiles(crash_at))

    def is_clean(self) -> bool:
        """No temp file beside a file, no image of an in-place write."""
        return not [path for path in read_disk(self.root) if ".badgateway" in path or path.endswith(".image")]


def read_disk(root: Path) -> Disk:
    """Every path below the folder, in order, with all that a repair may change of it."""
    found: Disk = {}
    pending = [str(root)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                info = entry.stat(follow_symlinks=False)
                content: bytes | str | None = None
                if entry.is_symlink():
                    content = os.readlink(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    with open(entry.path, "rb") as file:
                        content = file.read()
                found[entry.path] = (info.st_mode, info.st_uid, info.st_gid, content)
    return found


def number_of(disk: Disk) -> bytes:
    """The same number for the same disk."""
    return hashlib.sha256(repr(list(disk.items())).encode()).digest()


def write_disk(root: Path, wanted: Disk) -> None:
    """Make the folder so; only what differs is touched."""
    present = read_disk(root)
    for path in sorted(present, reverse=True):
        if path not in wanted or (present[path] != wanted[path] and present[path][3] is not None):
            if present[path][3] is None:
                os.rmdir(path)
            else:
                os.unlink(path)
            del present[path]
    for path in sorted(wanted):
        if present.get(path) == wanted[path]:
            continue
        mode, uid, gid, content = wanted[path]
        if isinstance(content, str):
            os.symlink(content, path)
            continue
        if content is None and path not in present:
            os.mkdir(path)
        elif content is not None:
            with open(path, "wb") as file:
                file.write(content)
        os.chown(path, uid, gid)
        os.chmod(path, mode & 0o7777)


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(files_local.os, "fsync", lambda fd: None)
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr(os, "urandom", lambda size: b"\xab" * size)
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Ground(Path(folder))


def repair(target: FolderTarget, work: Plan) -> None:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(work)
        run.commit()


def recover(target: FolderTarget) -> None:
    with RepairRun.open(target, cause="again", now=NOW):
        pass


def crashes(ground: Ground, start: str, act: Callable[[FolderTarget], object]) -> Iterator[int]:
    """Go back to `start`, act, crash at the n-th point: for every n. Each yield stands in the rubble."""
    at = 0
    while True:
        ground.go_back(start)
        target = ground.target(at)
        try:
            act(target)
        except SimulatedCrash:
            yield at
            at += 1
            continue
        return


def rubble(ground: Ground, act: Callable[[FolderTarget], object]) -> list[Disk]:
    """Act once, and see what a kill at each of its points would have left: every state once."""
    states: dict[bytes, Disk] = {}

    def see() -> None:
        disk = read_disk(ground.root)
        states.setdefault(number_of(disk), disk)

    act(FolderTarget(ground.state, CrashingFiles(watch=see)))
    return list(states.values())


def check_end(ground: Ground, good: list[dict[str, tuple[object, ...]]]) -> None:
    """One of the good ends, nothing left behind, nothing unfinished."""
    assert tree(ground.site) in good
    assert ground.is_clean()
    assert unfinished(ground.target()) is None


def every_pair(ground: Ground, act: Callable[[FolderTarget], object], good: list[dict[str, tuple[object, ...]]]) -> int:
    """Kill at every point of `act`, then at every point of the recovery, then recover: how many states that were.

    A state of the disk is tried once: what follows depends on nothing else.
    """
    tried: set[bytes] = set()
    for first in rubble(ground, act):
        write_disk(ground.root, first)
        seconds = rubble(ground, recover)
        check_end(ground, good)
        for second in seconds:
            if (number := number_of(second)) not in tried:
                tried.add(number)
                write_disk(ground.root, second)
                recover(ground.target())
                check_end(ground, good)
    return len(tried)


def test_a_crash_anywhere_in_a_repair_leaves_all_old_or_all_new(ground: Ground) -> None:
    repair(ground.target(), ground.plan())
    new = tree(ground.site)
    assert new != ground.old and ground.is_clean()
    ground.go_back("start")
    ground.keep("begin")
    for _ in crashes(ground, "begin", lambda target: repair(target, ground.plan())):
        recover(ground.target())
        check_end(ground, [ground.old, new])
        before = ground.seen()
        recover(ground.target())      # nothing is left to do
        assert ground.seen() == before


@pytest.mark.slow
def test_a_second_crash_anywhere_in_the_recovery_too(ground: Ground) -> None:
    repair(ground.target(), ground.plan())
    new = tree(ground.site)
    ground.go_back("start")
    assert every_pair(ground, lambda target: repair(target, ground.plan()), [ground.old, new]) > 1000


@pytest.mark.slow
def test_an_undo_that_crashes_anywhere_ends_all_old_or_was_never_begun(ground: Ground) -> None:
    repair(ground.target(), ground.plan())
    new = tree(ground.site)
    assert every_pair(ground, lambda target: undo(target, None), [ground.old, new]) > 500


def test_every_length_of_an_in_place_write_is_ours_and_nothing_else_is(ground: Ground) -> None:
    ground.go_back("start")
    ground.keep("begin")
    step = write(ground.site / "mounted", _OLD, _NEW, in_place=True)
    seen = set()
    for _ in crashes(ground, "begin", lambda target: repair(target, plan(step))):
        torn = (ground.site / "mounted").read_bytes()
        seen.add(torn)
        recover(ground.target())
        assert (ground.site / "mounted").read_bytes() in (_OLD, _NEW)
    assert {_NEW[:n] for n in range(len(_NEW))} <= seen
    assert {_NEW[:n] + _OLD[n:] for n in range(len(_NEW))} <= seen


def test_a_hand_edit_in_the_rubble_is_kept_and_reported(ground: Ground) -> None:
    ground.keep("begin")
    conflicts = 0
    for _ in crashes(ground, "begin", lambda target: repair(target, ground.plan())):
        if unfinished(ground.target()) is None:
            continue
        for name in ("edited", "mounted"):
            (ground.site / name).write_bytes(b"# somebody's own\n")
        recover(ground.target())
        left = tree(ground.site)
        assert left["edited"][3] == left["mounted"][3] == b"# somebody's own\n"
        assert {k: v for k, v in left.items() if k not in ("edited", "mounted")} == {
            k: v for k, v in ground.old.items() if k not in ("edited", "mounted")}
        assert ground.is_clean() and unfinished(ground.target()) is None
        conflicts = max(conflicts, len(history(ground.target())[-1].conflicts))
    assert conflicts == 2


def test_everything_is_on_disk_before_the_next_thing(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(files_local.os, "fsync", synced.append)
    target = ground.target()
    repair(target, ground.plan())
    assert len(synced) >= 40     # each record, blob, temp file and folder of the six changes
