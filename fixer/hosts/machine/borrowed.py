"""Links of /proc that root may not read without SYS_PTRACE, read under the file-system ids of the process's owner.

Docker's default capabilities lack SYS_PTRACE, so even root in a container cannot readlink /proc/PID/fd/N of another
user. The kernel compares file-system ids for this (ptrace(2), PTRACE_MODE_READ_FSCREDS): with the owner's ids the
read is allowed for every dumpable process. Only the calling thread changes, only while it reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence


def read_links(paths_by_pid: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """path -> target of every link that could be read as the owner of its process; nothing unless we are root."""
    if os.geteuid() != 0:
        return {}
    owners: dict[tuple[int, int], list[str]] = {}
    for pid, paths in paths_by_pid.items():
        try:
            info = os.stat(f"/proc/{pid}")
        except OSError:
            continue
        if info.st_uid != 0:
            owners.setdefault((info.st_uid, info.st_gid), []).extend(paths)
    found: dict[str, str] = {}
    for (uid, gid), paths in owners.items():
        found.update(_as_owner(uid, gid, paths))
    return found


def _as_owner(uid: int, gid: int, paths: Sequence[str]) -> dict[str, str]:
    import ctypes  # costs 6 ms, and only containers need it

    libc = ctypes.CDLL(None)
    found: dict[str, str] = {}
    libc.setfsgid(gid)
    libc.setfsuid(uid)
    try:
        for path in paths:
            try:
                found[path] = os.readlink(path)
            except OSError:
                continue
    finally:
        libc.setfsuid(os.geteuid())
        libc.setfsgid(os.getegid())
    return found
