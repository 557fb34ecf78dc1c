"""Locations of journals: the state root of this machine, and one folder per target below it."""

from __future__ import annotations

import errno
import os
import stat

from fixer.errors import NeedsPerson
from fixer.lazy.regex import regex
from fixer.model.target import TargetRef

ROOT_STATE = "/var/lib/badgateway"
POLICY = "/etc/badgateway/policy.toml"  # what may be repaired without an operator
IGNORE_LIST_FILE = "accepted.json"  # in a target's folder: findings that are ignored there
_MOST_BYTES = 1 << 20  # bytes of a policy or an ignore list
_UNSAFE = regex(r"[^A-Za-z0-9._-]")


def state_root() -> str:
    """Return BADGATEWAY_STATE, else /var/lib/badgateway for root, else badgateway in XDG_STATE_HOME."""
    if override := os.environ.get("BADGATEWAY_STATE"):
        return os.path.abspath(override)
    if os.geteuid() == 0:
        return ROOT_STATE
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{home}/badgateway"


def private_root() -> str:
    """Return the state root; raise NeedsPerson if others can write there, since fixer executes its journals.
    The error names that folder. Missing folders are created with mode 0700."""
    root = state_root()
    place = os.path.realpath(root)
    below = [f"{place}/targets"] if os.path.isdir(f"{place}/targets") else []
    parts = place.strip("/").split("/")
    above = ["/" + "/".join(parts[:count]) for count in range(len(parts))]
    for folder in (*above, place, *below):
        try:
            info = os.stat(folder)
        except OSError:
            break
        sticky = folder in above and info.st_mode & stat.S_ISVTX
        groups = info.st_mode & stat.S_IWGRP and info.st_gid not in (0, os.getegid())
        if info.st_uid not in (0, os.geteuid()) or ((info.st_mode & stat.S_IWOTH or groups) and not sticky):
            raise NeedsPerson(f"other users can change {folder}, and fixer executes the journals in it",
                              f"chown and chmod it, or name another folder in BADGATEWAY_STATE (now {root})")
    return root


def read_own_file(path: str) -> bytes:
    """Read a small file of ours; OSError if it is not regular (opening it does not block), or too big."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(errno.EFBIG, "too big", path)
    return data


def unseen_root_state() -> str | None:
    """Return the folder of root's runs if this user asks for their own: root may have repaired the target."""
    if os.environ.get("BADGATEWAY_STATE") or state_root() == ROOT_STATE or not os.path.isdir(ROOT_STATE):
        return None
    return ROOT_STATE


def target_folder(root: str, ref: TargetRef) -> str:
    """Return the folder of one target below the state root; escaped characters keep names distinct."""
    name = "local" if ref.kind == "local" else f"{ref.kind}-{ref.address}"
    safe = _UNSAFE.sub(lambda match: "".join(f"%{byte:02x}" for byte in match[0].encode()), name)
    return f"{root}/targets/{safe}"


def ignore_list_path(ref: TargetRef) -> str:
    """Return the path of a target's ignore list, on the machine where it was written."""
    return f"{target_folder(state_root(), ref)}/{IGNORE_LIST_FILE}"
