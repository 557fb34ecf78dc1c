"""An nginx that hands nothing on: which files it reads, and what its container has mounted where they should lie."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model.facts import Known
from fixer.model.snapshot import Snapshot
from fixer.repairs.file_edits import container_of

_SHOWN = 5


def nothing_passed(snapshot: Snapshot) -> Iterator[str]:
    """One line an nginx: a mount that was misspelt is an empty folder, and its pages are those of the package."""
    for nginx in snapshot.nginxes:
        if not isinstance(nginx.config, Known) or nginx.config.value.routes:
            continue
        files = nginx.config.value.files
        folder = nginx.conf_path.rpartition("/")[0]
        box = container_of(snapshot, nginx.node)
        mounts = () if box is None or box.is_machine or not folder else tuple(
            f"{there} from {source}" for source, there in box.shares if f"{there}/".startswith(f"{folder}/"))
        mounted = f"; of its folders are mounted: {', '.join(mounts[:_SHOWN])}" if mounts else ""
        more = f", {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        yield (f"nginx on {nginx.node} hands nothing on: there is no proxy_pass or the like in what it reads "
               f"({', '.join(files[:_SHOWN])}{more}){mounted}")
