"""Files of this machine, changed durably: each call is on disk when it returns, or it raised and did nothing.

A folder is opened from the root by descriptors, without following links. Each call thus resolves a name once, even if
somebody renames folders meanwhile."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat as st
from collections.abc import Callable, Iterator

from fixer.errors import Locked
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.host import FOLDER_REDIRECTED, name_in_same_folder
from fixer.model.journal import FileState
from fixer.model.plan import FileMeta

with lazy_imports():
    import hashlib  # 5 ms for OpenSSL, and an observation only lists

_LABEL = "security.selinux"
_ACL = "system.posix_acl_access"
_KEPT_ATTRIBUTES = ("user.", "trusted.")  # others belong to the kernel: a signature fits the bytes that it signs
_NO_ATTRIBUTE = {errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES}


# O_PATH: works for folders that one may enter but not list
_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def _open_parent(path: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the path's folder, and the name in it; raise ELOOP if a link is on the way."""
    folder, _, name = path.rpartition("/")
    fd = os.open("/" if path.startswith("/") else ".", _FOLDER_FLAGS)
    try:
        for part in folder.split("/"):
            if part:
                fd = _open_subfolder(fd, part, path)
        yield fd, name
    finally:
        os.close(fd)


def _open_subfolder(fd: int, part: str, path: str) -> int:
    """Open one folder deeper, and close the descriptor of its parent."""
    try:
        following = os.open(part, _FOLDER_FLAGS, dir_fd=fd)
    except NotADirectoryError as error:
        if st.S_ISLNK(os.lstat(part, dir_fd=fd).st_mode):
            raise OSError(errno.ELOOP, f"{FOLDER_REDIRECTED}: {part} is a link", path) from error
        raise
    os.close(fd)
    return following


def _sync_folder(folder: int) -> None:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def _apply_meta(fd: int, meta: FileMeta) -> None:
    """Set owner first: chown clears set-id bits. Set mode before ACL: chmod rewrites the ACL's mask."""
    info = os.fstat(fd)
    if (info.st_uid, info.st_gid) != (meta.uid, meta.gid):
        _set_owner(fd, meta)
    os.fchmod(fd, meta.mode)
    if meta.acl:
        os.setxattr(fd, _ACL, meta.acl)
    elif _read_attribute(fd, _ACL):
        os.removexattr(fd, _ACL)
        os.fchmod(fd, meta.mode)
    if meta.label and _read_attribute(fd, _LABEL).rstrip(b"\0") != meta.label.encode():
        os.setxattr(fd, _LABEL, meta.label.encode() + b"\0")


def _set_owner(fd: int, meta: FileMeta) -> None:
    try:
        os.fchown(fd, meta.uid, meta.gid)
    except PermissionError as error:
        needed = f"its owner is {meta.uid}:{meta.gid}; only root, or that user in that group, can preserve it"
        raise PermissionError(error.errno, needed) from error


def _read_attribute(where: int | str, name: str) -> bytes:
    try:
        return os.getxattr(where, name, follow_symlinks=isinstance(where, int))
    except OSError as error:
        if error.errno in _NO_ATTRIBUTE:
            return b""
        raise


def _attribute_names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno in _NO_ATTRIBUTE:
            return []
        raise


def _copy_attributes(origin: int, names: list[str], folder: int, name: str) -> None:
    fd = os.open(name, os.O_RDWR | _FILE_FLAGS, dir_fd=folder)
    try:
        for attribute in names:
            os.setxattr(fd, attribute, os.getxattr(origin, attribute))
        os.fsync(fd)
    finally:
        os.close(fd)


def _require_regular(fd: int, path: str) -> os.stat_result:
    info = os.fstat(fd)
    if not st.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    return info


class LocalFiles:
    """The Files protocol on this machine."""

    def real(self, path: str) -> str:
        """Return the path with all links resolved, as far as it exists."""
        return os.path.realpath(path)

    def state(self, path: str) -> FileState:
        """Return the path's present state."""
        try:
            with _open_parent(path) as (folder, name):
                return _state(folder, name, path)
        except (FileNotFoundError, NotADirectoryError):
            return FileState("absent")

    def read(self, path: str) -> bytes:
        """Return the bytes of a regular file."""
        with _open_parent(path) as (folder, name):
            fd = os.open(name, os.O_RDONLY | _FILE_FLAGS, dir_fd=folder)
        with os.fdopen(fd, "rb") as file:
            _require_regular(fd, path)
            return file.read()

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        """Create a file; raise FileExistsError if the path exists."""
        with _open_parent(path) as (folder, name):
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE_FLAGS, 0o600, dir_fd=folder)
            try:
                try:
                    _write_all(fd, data)
                    _apply_meta(fd, meta)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                _sync_folder(folder)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                raise

    def append(self, path: str, data: bytes) -> None:
        """Append to the file; create it with mode 0600 if missing."""
        with _open_parent(path) as (folder, name):
            new = not _exists(folder, name)
            fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FILE_FLAGS, 0o600, dir_fd=folder)
            try:
                _write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            if new:
                _sync_folder(folder)

    def rename(self, source: str, destination: str) -> None:
        """Rename atomically over the destination, in one folder."""
        beside = name_in_same_folder(source, destination)
        with _open_parent(destination) as (folder, name):
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            _sync_folder(folder)

    def overwrite(self, path: str, data: bytes) -> None:
        """Overwrite the same inode, then truncate to the new length."""
        with _open_parent(path) as (folder, name):
            fd = os.open(name, os.O_WRONLY | _FILE_FLAGS, dir_fd=folder)
        try:
            _require_regular(fd, path)
            _write_all(fd, data)
            os.ftruncate(fd, len(data))
            os.fsync(fd)
        finally:
            os.close(fd)

    def set_meta(self, path: str, meta: FileMeta) -> None:
        """Set owner, mode, ACL and label of a regular file."""
        with _open_parent(path) as (folder, name):
            fd = os.open(name, os.O_RDONLY | _FILE_FLAGS, dir_fd=folder)
        try:
            _require_regular(fd, path)
            _apply_meta(fd, meta)
            os.fsync(fd)
        finally:
            os.close(fd)

    def copy_attributes(self, source: str, destination: str) -> None:
        """Give a file of the same folder the extended attributes of another one."""
        beside = name_in_same_folder(source, destination)
        with _open_parent(destination) as (folder, name):
            origin = os.open(beside, os.O_RDONLY | _FILE_FLAGS, dir_fd=folder)
            try:
                names = [found for found in _attribute_names(origin) if found.startswith(_KEPT_ATTRIBUTES)]
                if names:
                    _copy_attributes(origin, names, folder, name)
            finally:
                os.close(origin)

    def lost_attributes(self, path: str) -> str:
        """Return the extended attributes of the file that `copy_attributes` leaves out."""
        with _open_parent(path) as (folder, name):
            fd = os.open(name, os.O_RDONLY | _FILE_FLAGS, dir_fd=folder)
        try:
            found = _attribute_names(fd)
        finally:
            os.close(fd)
        return ", ".join(sorted(n for n in found if not n.startswith(_KEPT_ATTRIBUTES) and n not in (_LABEL, _ACL)))

    def symlink(self, target: str, path: str) -> None:
        """Create a link; raise FileExistsError if the path exists."""
        with _open_parent(path) as (folder, name):
            os.symlink(target, name, dir_fd=folder)
            _sync_folder(folder)

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        with _open_parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)
            _sync_folder(folder)

    def mkdir(self, path: str, mode: int) -> None:
        """Create a folder with exactly that mode."""
        with _open_parent(path) as (folder, name):
            os.mkdir(name, mode, dir_fd=folder)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                os.fchmod(fd, mode)
            finally:
                os.close(fd)
            _sync_folder(folder)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        with _open_parent(path) as (folder, name):
            os.rmdir(name, dir_fd=folder)
            _sync_folder(folder)

    def listdir(self, path: str) -> tuple[str, ...]:
        """Return the sorted names; empty if there is no such folder."""
        try:
            return tuple(sorted(os.listdir(path)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    @contextlib.contextmanager
    def lock(self, path: str, record: Callable[[str], bytes] | None = None) -> Iterator[None]:
        """Hold flock(2) on the file, the lock that util-linux flock uses; its folder must exist."""
        with _open_parent(path) as (folder, name):
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked("another repair or undo is running on this target", "wait until it ends") from None
            if record is not None:
                os.ftruncate(fd, 0)
                _write_all(fd, record(""))
            yield
        finally:
            os.close(fd)

    def release_lock(self, holder: str) -> None:
        """Do nothing: the kernel releases a lock of this machine when its process ends."""


def _exists(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _state(folder: int, name: str, path: str) -> FileState:
    info = os.lstat(name or ".", dir_fd=folder)
    kind = info.st_mode
    if st.S_ISREG(kind):
        return _file_state(folder, name, path)
    label = _read_label(f"/proc/self/fd/{folder}/{name}")
    what = (info.st_size, st.S_IMODE(kind), info.st_uid, info.st_gid, label)
    if st.S_ISLNK(kind):
        return FileState("link", "", *what, "", os.readlink(name, dir_fd=folder))
    return FileState("other", "", *what)


def _read_label(where: int | str) -> str:
    return _read_attribute(where, _LABEL).rstrip(b"\0").decode(errors="replace")


def _file_state(folder: int, name: str, path: str) -> FileState:
    """Read all from one descriptor: digest, mode and owner belong to the same file."""
    fd = os.open(name, os.O_RDONLY | _FILE_FLAGS, dir_fd=folder)
    with os.fdopen(fd, "rb") as file:
        info, data = _require_regular(fd, path), file.read()
        acl, label = _read_attribute(fd, _ACL).hex(), _read_label(fd)
    digest = hashlib.sha256(data).hexdigest()
    return FileState("file", digest, len(data), st.S_IMODE(info.st_mode), info.st_uid, info.st_gid, label, acl,
                     links=info.st_nlink)
