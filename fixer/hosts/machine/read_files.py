"""Reading of this machine's files in-process: stat, links, bytes, globs and trees; never blocks on special files."""

from __future__ import annotations

import errno
import os
import stat as st
from collections.abc import Callable, Iterable, Iterator

from fixer.hosts.machine.look_budget import LOOK_BYTES, bytes_within
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.query import Answer, AnswerStatus, FileAnswer, FileKind, FileStat, ReadFile, ReadGlob, ReadTree

with lazy_imports():
    import glob  # costs 3 ms, only patterns with wildcards need it

_KINDS: tuple[tuple[Callable[[int], bool], FileKind], ...] = (
    (st.S_ISREG, "file"), (st.S_ISDIR, "dir"), (st.S_ISLNK, "link"), (st.S_ISSOCK, "socket"), (st.S_ISFIFO, "fifo"),
    (st.S_ISCHR, "device"), (st.S_ISBLK, "device"),
)
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
_MAGIC = frozenset("*?[")
MOST_BYTES = LOOK_BYTES // 2  # bytes of all files of one answer: what a visitor or a wildcard adds costs no more memory


def status_of(error: OSError) -> AnswerStatus:
    """Return the answer status for a file system error."""
    if error.errno in _ABSENT:
        return "absent"
    return "denied" if error.errno in (errno.EACCES, errno.EPERM) else "failed"


def kind_of(mode: int) -> FileKind:
    """Return the file kind of a full st_mode."""
    return next((kind for test, kind in _KINDS if test(mode)), "other")


def stat_from(info: os.stat_result) -> FileStat:
    """Convert an lstat, without link targets."""
    return FileStat(
        kind_of(info.st_mode), st.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_size, info.st_mtime,
        info.st_ino, info.st_nlink,
    )


def read_path(path: str, limit: int, *, tail: bool = False, real_dir: str | None = None) -> FileAnswer:
    """Read one path: its lstat and, if it is (or leads to) a regular file, its bytes."""
    try:
        info = os.lstat(path)
    except OSError as error:
        return FileAnswer(path, status_of(error))
    except ValueError:
        return FileAnswer(path, "failed")
    mode = info.st_mode
    if st.S_ISLNK(mode):
        stat, mode = _follow(path, info)
        if not mode:
            return FileAnswer(path, "absent", stat)
    else:
        real = os.path.realpath(path) if real_dir is None else f"{real_dir}/{path.rpartition('/')[2]}"
        stat = FileStat(
            kind_of(mode), st.S_IMODE(mode), info.st_uid, info.st_gid, info.st_size, info.st_mtime, info.st_ino,
            info.st_nlink, None, real,
        )
    if not st.S_ISREG(mode):
        return FileAnswer(path, "ok", stat)
    try:
        data, truncated = read_bytes(path, limit, tail=tail)
    except OSError as error:
        return FileAnswer(path, status_of(error), stat)
    return FileAnswer(path, "ok", stat, data, truncated)


def _follow(path: str, info: os.stat_result) -> tuple[FileStat, int]:
    """Return a link's stat with its targets, and the full mode of its end (0 if it is dangling)."""
    try:
        link = os.readlink(path)
    except OSError:
        link = None
    try:
        end: os.stat_result | None = os.stat(path)
    except OSError:
        end = None
    stat = FileStat(
        "link", st.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_size, info.st_mtime, info.st_ino,
        info.st_nlink, link, os.path.realpath(path) if end else None, stat_from(end) if end else None,
    )
    return stat, end.st_mode if end else 0


def read_bytes(path: str, limit: int, *, tail: bool = False) -> tuple[bytes, bool]:
    """Return at most `limit` bytes, and whether there were more. The open never blocks, whatever the file is now."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if not st.S_ISREG(info.st_mode):
            return b"", False
        if tail and info.st_size > limit:
            os.lseek(fd, info.st_size - limit, os.SEEK_SET)
            data = _read_up_to(fd, limit)
            return data[len(data) - bytes_within(len(data)):], True
        data = _read_up_to(fd, limit + 1)
        kept = bytes_within(min(len(data), limit))
        return data if kept == len(data) else data[:kept], len(data) > kept
    finally:
        os.close(fd)


def _read_up_to(fd: int, limit: int) -> bytes:
    parts, left = [], limit
    while left > 0:
        part = os.read(fd, min(left, 1 << 20))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def answer_file(query: ReadFile) -> Answer:
    """Answer ReadFile: one entry, whose status is the answer's."""
    file = read_path(query.path, query.limit, tail=query.tail)
    return Answer(file.status, files=(file,))


def answer_glob(query: ReadGlob) -> Answer:
    """Answer ReadGlob: every match once, sorted."""
    found = sorted({path for pattern in query.patterns for path in expand_glob(pattern)})
    return _answer_paths(found, query.limit, query.max_files)


def answer_tree(query: ReadTree) -> Answer:
    """Answer ReadTree: everything except folders below the root."""
    if not os.path.isdir(query.root):
        return Answer("absent")
    found = sorted(_walk(query.root, query.depth, query.max_files))
    return _answer_paths(found, query.limit, query.max_files)


def _answer_paths(paths: list[str], limit: int, max_files: int) -> Answer:
    message = f"more than {max_files} files" if len(paths) > max_files else ""
    real_dirs: dict[str, str] = {}
    files, left = [], MOST_BYTES
    for path in paths[:max_files]:
        folder = path.rpartition("/")[0]
        if folder not in real_dirs:  # one realpath per folder: it costs an lstat per component
            real_dirs[folder] = os.path.realpath(folder or "/").rstrip("/")
        files.append(read_path(path, min(limit, left), real_dir=real_dirs[folder]))
        left -= len(files[-1].data)
    return Answer("ok", files=tuple(files), message=message)


def _walk(root: str, depth: int, max_files: int) -> Iterator[str]:
    level, count = [root.rstrip("/")], 0
    for _ in range(depth):
        deeper: list[str] = []
        for folder in level:
            for entry in _scan(folder):
                if entry.is_dir(follow_symlinks=False):
                    deeper.append(entry.path)
                    continue
                yield entry.path
                count += 1
                if count > max_files:
                    return
        level = deeper


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or "/") as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def expand_glob(pattern: str) -> Iterable[str]:
    """Return the matches of an sh glob: `*` and `?` skip leading dots, a literal pattern matches itself."""
    if not _MAGIC.intersection(pattern):
        return [pattern] if os.path.lexists(pattern) else []
    return glob.iglob(pattern)
