"""Walk of folders, printed as JSON; needs only Python, so it also runs inside a machine."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

# Files that Docker rewrites at every start, and files of systemd and Python.
IGNORED_PATHS = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/etc/.updated", "/etc/machine-id"}
IGNORED_NAMES = {"__pycache__"}

Entry = tuple[int, int, int, str]  # kind and permission bits, uid, gid, digest of the bytes or target of a link


def read_entry(path: Path) -> Entry:
    """Return one path's entry."""
    seen = path.lstat()
    content = ""
    if stat.S_ISLNK(seen.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(seen.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return seen.st_mode, seen.st_uid, seen.st_gid, content


def walk_roots(roots: Iterable[str]) -> dict[str, Entry]:
    """Return all entries under the existing roots, including the roots."""
    found: dict[str, Entry] = {}
    for root in roots:
        if not Path(root).exists():
            continue
        found[root] = read_entry(Path(root))
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in IGNORED_NAMES]
            paths = [str(Path(folder) / name) for name in [*folders, *files]]
            found |= {path: read_entry(Path(path)) for path in paths if path not in IGNORED_PATHS}
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(walk_roots(sys.argv[1:])))
