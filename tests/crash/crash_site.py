"""The ground on which crashes are tried: a small site, the repair of it, and copies of the disk to go back to."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeAlias

from fixer.apply.repair_run import RepairRun
from fixer.model.plan import FileMeta, Plan
from tests.apply.folder_target import NOW, FolderTarget, make_plan, read_tree, write_step
from tests.crash.crashing_files import CrashingFiles

OLD, NEW = b"801\n", b"80\nx\n"

Disk: TypeAlias = dict[str, tuple[int, int, int, bytes | str | None]]


class CrashSite:
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
        (self.site / "mounted").write_bytes(OLD)
        (self.site / "mounted").chmod(0o600)
        if os.geteuid() == 0:
            os.chown(self.site / "edited", 33, 7)
        self.old = read_tree(self.site)
        self.save_copy("start")

    def plan(self) -> Plan:
        site = self.site
        me = FileMeta(0o644, os.getuid(), os.getgid())
        return make_plan(
            write_step(site / "edited", b"proxy_pass http://a:8001;\n", b"proxy_pass http://a:8000;\n"),
            write_step(site / "d" / "created", None, b"new\n", meta=me, create_dirs=(str(site / "d"),)),
            write_step(site / "deleted", b"stale\n", None),
            write_step(site / "link", None, None, link_target="../sites/edited"),
            write_step(site / "linked", None, b"", link_target="edited"),
            write_step(site / "mounted", OLD, NEW, in_place=True, meta=me),
        )

    def save_copy(self, name: str) -> None:
        """Remember how everything is now."""
        self.copies[name] = read_disk(self.root)

    def restore_copy(self, name: str) -> None:
        """Make everything as it was then."""
        write_disk(self.root, self.copies[name])

    def disk_digest(self) -> bytes:
        """One number for everything that is on the disk."""
        return digest_of(read_disk(self.root))

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


def digest_of(disk: Disk) -> bytes:
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


def repair(target: FolderTarget, work: Plan) -> None:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(work)
        run.commit()


def recover(target: FolderTarget) -> None:
    with RepairRun.open(target, cause="again", now=NOW):
        pass
