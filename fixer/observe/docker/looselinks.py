"""Links in a container that lead nowhere in there: how they look on the Docker host, where a mount has them from.

What leads nowhere inside may lead to a file of the host that is not mounted: then the link is no leftover.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Container
from fixer.observe.view.docker_inspect import host_path
from fixer.observe.view.node_view import View

MOST = 20     # links of one container that are looked at


def loose_link_queries(view: View, own: Container) -> Iterator[Query]:
    """Only what they are is asked, and of their folders: nothing is read through a link that a container may have
    made."""
    loose = [path for path, file in view.files.items()
             if file.stat is not None and file.stat.kind == "link" and file.stat.real_path is None]
    for path in sorted(loose)[:MOST]:
        mount = host_path(own, path)
        if mount is not None and not mount[1]:
            yield ReadFile(mount[0], 0)
            yield ReadFile(posixpath.dirname(mount[0]), 0)
