"""Links that lead nowhere in nginx's container: removed on the Docker host where a mounted folder has them from."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from fixer.analysis.evidence import ENGINE
from fixer.model.plan import WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import Container, Snapshot
from fixer.repairs.file_edits import NoPlace

Loose = tuple[str, FileStat]


def removals_outside(snapshot: Snapshot, box: Container, links: Sequence[Loose]) -> tuple[WriteFile, ...] | NoPlace:
    """One step a link; NoPlace where one of them lies in no such folder, could not be seen there, or leads to a file
    of the host: that one is meant, and only not mounted."""
    stats = dict(snapshot.engine_files)
    steps = []
    for path, stat in links:
        outside = _outside(box, path)
        there = stats.get(outside) if outside is not None else None
        if outside == "":
            return NoPlace(f"{path} lies in the image of container {box.name}: remove it there, and create that anew")
        if outside is None or there is None or (there.kind, there.link_target) != ("link", stat.link_target):
            return NoPlace(f"remove {path} where the files of container {box.name} come from, then start it again")
        if there.real_path is not None:
            return NoPlace(
                f"{outside} leads to {there.real_path} on the Docker host, which container {box.name} does not see: "
                f"mount that folder too, or put a copy in the place of the link; then start {box.name} again")
        steps.append(WriteFile(ENGINE, _real(outside, stats), None, None, "a link that leads nowhere",
                               link_target=stat.link_target))
    return tuple(steps)


def _outside(box: Container, path: str) -> str | None:
    """The link on the Docker host: in a folder that is mounted, the innermost that holds it; empty where it lies in the
    image, None where a volume or its own mount has it."""
    mounts = [*((source, at) for source, at, _ in box.mounts), *(("", at) for _, at in box.shares)]
    holding = [m for m in mounts if path == m[1] or path.startswith(f"{m[1].rstrip('/')}/")]
    source, at = max(holding, key=lambda m: len(m[1]), default=("", path))
    if source and path != at:
        return posixpath.normpath(source + path[len(at.rstrip("/")):])
    return None if holding else ""


def _real(path: str, stats: Mapping[str, FileStat]) -> str:
    """Its folder behind links: a step follows none."""
    folder = stats.get(posixpath.dirname(path))
    return posixpath.join(folder.real_path, posixpath.basename(path)) if folder and folder.real_path else path
