"""Files of this machine, changed durably: every call is on disk when it returns, or it raised and did nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat as st
from collections.abc import Iterator

from fixer.errors import Locked
from fixer.model.journal import FileState
from fixer.model.plan import FileMeta

_LABEL = "security.selinux"
_ACL = "system.posix_acl_access"
_NONE = {errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES}


def _attribute(path: str, name: str) -> bytes:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NONE:
            return b""
        raise


def _sync_folder_of(path: str) -> None:
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def _apply_meta(fd: int, meta: FileMeta) -> None:
    """Owner first: chown clears set-id bits. Mode before ACL: chmod rewrites the ACL's mask."""
    info = os.fstat(fd)
    if (info.st_uid, info.st_gid) != (meta.uid, meta.gid):
        _give(fd, meta)
    os.fchmod(fd, meta.mode)
    if meta.acl:
        os.setxattr(fd, _ACL, meta.acl)
    elif _attribute_of(fd, _ACL):
        os.removexattr(fd, _ACL)
        os.fchmod(fd, meta.mode)
    if meta.label and _attribute_of(fd, _LABEL).rstrip(b"\0") != meta.label.encode():
        os.setxattr(fd, _LABEL, meta.label.encode() + b"\0")


def _give(fd: int, meta: FileMeta) -> None:
    try:
        os.fchown(fd, meta.uid, meta.gid)
    except PermissionError as error:
        needed = f"it belongs to {meta.uid}:{meta.gid}, which only root, or that user in that group, can keep"
        raise PermissionError(error.errno, needed) from error


def _attribute_of(fd: int, name: str) -> bytes:
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        if error.errno in _NONE:
            return b""
        raise


class LocalFiles:
    """The Files protocol on this machine."""

    def state(self, path: str) -> FileState:
        """What the path is now."""
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return FileState("absent")
        mode, kind = st.S_IMODE(info.st_mode), info.st_mode
        label = _attribute(path, _LABEL).rstrip(b"\0").decode(errors="replace")
        if st.S_ISLNK(kind):
            return FileState("link", "", info.st_size, mode, info.st_uid, info.st_gid, label, "", os.readlink(path))
        if not st.S_ISREG(kind):
            return FileState("other", "", info.st_size, mode, info.st_uid, info.st_gid, label)
        import hashlib  # 5 ms for OpenSSL, and a look only lists

        data = self.read(path)
        acl = _attribute(path, _ACL).hex()
        digest = hashlib.sha256(data).hexdigest()
        return FileState("file", digest, len(data), mode, info.st_uid, info.st_gid, label, acl)

    def read(self, path: str) -> bytes:
        """The bytes of a regular file."""
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not st.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            return file.read()

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        """A new file; FileExistsError where something is there."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                _write_all(fd, data)
                _apply_meta(fd, meta)
                os.fsync(fd)
            finally:
                os.close(fd)
            _sync_folder_of(path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise

    def append(self, path: str, data: bytes) -> None:
        """Append to the file, made 0600 where it is not there."""
        new = not os.path.lexists(path)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        if new:
            _sync_folder_of(path)

    def rename(self, source: str, destination: str) -> None:
        """Atomic rename over the destination."""
        os.rename(source, destination)
        _sync_folder_of(destination)

    def overwrite(self, path: str, data: bytes) -> None:
        """Write over the same inode, then cut to the new length."""
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not st.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            _write_all(fd, data)
            os.ftruncate(fd, len(data))
            os.fsync(fd)
        finally:
            os.close(fd)

    def set_meta(self, path: str, meta: FileMeta) -> None:
        """Owner, mode, ACL and label of a regular file."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _apply_meta(fd, meta)
            os.fsync(fd)
        finally:
            os.close(fd)

    def symlink(self, target: str, path: str) -> None:
        """A new link; FileExistsError where something is there."""
        os.symlink(target, path)
        _sync_folder_of(path)

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        os.unlink(path)
        _sync_folder_of(path)

    def mkdir(self, path: str, mode: int) -> None:
        """A new folder of exactly that mode."""
        os.mkdir(path, mode)
        os.chmod(path, mode)
        _sync_folder_of(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)
        _sync_folder_of(path)

    def listdir(self, path: str) -> tuple[str, ...]:
        """Sorted names; empty where there is no such folder."""
        try:
            return tuple(sorted(os.listdir(path)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    @contextlib.contextmanager
    def lock(self, path: str) -> Iterator[str]:
        """Hold flock(2) on the file, the same lock that util-linux flock takes; its folder must be there."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked("another repair or undo is at work on this target", "wait until it has ended") from None
            yield ""
        finally:
            os.close(fd)

    def let_go(self, holder: str) -> None:
        """A process of this machine lets go when it ends, whatever ends it."""
