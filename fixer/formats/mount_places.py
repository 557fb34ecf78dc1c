"""Where the mounts of a container would hold a file that is missing outside of all of them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.folders import is_within
from fixer.formats.start_files import STANDARD_FOLDERS, app_file, module_folders
from fixer.lazy.dataclass import dataclass

_MOST_PARTS = 4         # of the path that are looked for below the source of a mount
# Folders that images fill themselves: nothing is mounted over them.
_OF_IMAGES = frozenset({"/", "/etc", "/home", "/root", "/run", "/tmp", "/usr", "/usr/local", "/var", "/var/lib",  # noqa: S108  not ours
                        "/var/log", "/var/run", *STANDARD_FOLDERS})
_SYSTEM_FOLDERS = ("/boot", "/dev", "/lib", "/lib64", "/proc", "/sys", "/usr/lib", "/usr/local/lib", "/usr/share")


@dataclass(frozen=True, slots=True)
class MountPlace:
    """A path of the container engine's machine that may be the missing file. What has it is `source`, mounted at
    `folder`; it would be found if that was mounted at `wanted`."""

    host: str
    source: str
    folder: str
    wanted: str


def places_in_mounts(path: str, mounts: Sequence[tuple[str, str, bool]]) -> Iterator[MountPlace]:
    """Yield where each mount would hold the file; none if it is below a mount: then it is missing at the source."""
    if not path.startswith("/") or any(is_within(path, at) for _, at, _ in mounts):
        return
    parts = posixpath.normpath(path).strip("/").split("/")
    for source, at, _ in mounts:
        root, folder = source.rstrip("/"), at.rstrip("/")
        for count in range(1, min(_MOST_PARTS, len(parts) - 1) + 1):
            wanted = "/" + "/".join(parts[:-count])
            if wanted not in _OF_IMAGES and not any(is_within(wanted, system) for system in _SYSTEM_FOLDERS):
                yield MountPlace("/".join((root, *parts[-count:])), root, folder, wanted)
        if posixpath.basename(root) == parts[-1]:       # one file that is mounted under another name
            yield MountPlace(root, root, folder, "/" + "/".join(parts))


def files_at(path: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Return the file that is missing with a path: of a folder that the command names the application's, of a module of
    Node that is written without its ending the likely ones."""
    inside = app_file(argv)
    if inside is not None and path in module_folders(argv, "/"):
        return (posixpath.join(path, inside),)
    return (path,) if posixpath.splitext(path)[1] else (path, f"{path}.js", f"{path}/index.js")
