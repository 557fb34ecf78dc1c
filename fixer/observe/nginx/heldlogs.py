"""A log that was deleted while nginx runs: it is written to all the same, and read by way of the process."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.model.query import FileAnswer, Query, ReadFile
from fixer.observe.nginx.nginx_place import NginxPlace
from fixer.observe.view.node_view import View

_FDS = (2, 3, 4)      # the log is among the first that it opens, and its own stderr where it runs in the background
_DELETED = " (deleted)"


def held_log_queries(place: NginxPlace, paths: Sequence[str], view: View, tail: int) -> Iterator[Query]:
    """Where a log is not there though nginx runs: its folder, and what the master holds."""
    for path in paths:
        if place.master is not None and path.startswith("/") and _is_absent(path, view, tail):
            yield ReadFile(posixpath.dirname(path), 0)
            yield from (ReadFile(f"/proc/{place.master.pid}/fd/{fd}", tail, tail=True) for fd in _FDS)


def _is_absent(path: str, view: View, tail: int) -> bool:
    answer = view.node.answers.get(ReadFile(path, tail, tail=True))
    return answer is not None and (answer.status == "absent" or any(f.status == "absent" for f in answer.files))


def held_log(place: NginxPlace, path: str, view: View, tail: int) -> FileAnswer | None:
    """The deleted file itself, None where nobody holds it or could look."""
    if place.master is None:
        return None
    for fd in _FDS:
        answer = view.node.answers.get(ReadFile(f"/proc/{place.master.pid}/fd/{fd}", tail, tail=True))
        for file in answer.files if answer is not None else ():
            if file.stat is not None and file.stat.link_target == path + _DELETED and file.status == "ok":
                return file
    return None


def folder_gone(paths: Sequence[str], view: View) -> bool:
    """The folder of a log is not there: nginx could not start again, and no reload would be accepted."""
    folders = [view.files.get(posixpath.dirname(path)) for path in paths if path.startswith("/")]
    return any(folder is not None and folder.status == "absent" for folder in folders)
