"""The newest log that a program which nobody keeps has left behind: `nohup … > /tmp/backend.log`, as a deployment by
hand writes it. Where several lie there the newest counts."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.service_log import parse_log_file
from fixer.model.facts import Known
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import LastWords
from fixer.observe.view.node_view import LOOK, View

MOST_FILES = 100
LIMIT = 16 << 10
PLACES = ReadGlob((
    "/tmp/*.log", "/tmp/*.out", "/tmp/*/*.log", "/var/tmp/*.log", "/root/nohup.out", "/root/*.log",  # noqa: S108
    "/var/log/*/current", "/etc/service/*/log/main/current", "/etc/sv/*/log/main/current",
    "/home/*/nohup.out", "/home/*/*.log", "/srv/*/nohup.out", "/srv/*/*.log", "/opt/*/nohup.out", "/opt/*/*.log",
), LOOK, MOST_FILES)


def last_words_queries(view: View) -> Iterator[Query]:
    """First where such logs lie, then the end of the newest."""
    yield PLACES
    newest = _newest(view)
    if newest is not None:
        yield ReadFile(newest.path, LIMIT, tail=True)


def last_words_of(view: View) -> LastWords | None:
    """What the newest log ends with; None where there is none or it could not be read."""
    newest = _newest(view)
    if newest is None or newest.stat is None:
        return None
    lines = parse_log_file(view.node.answers.get(ReadFile(newest.path, LIMIT, tail=True)), newest.path)
    return LastWords(view.name, newest.path, newest.stat.mtime, lines.value) if isinstance(lines, Known) else None


def _newest(view: View) -> FileAnswer | None:
    """Plain files only: in a folder where everybody writes, a link may lead to what is nobody's business."""
    answer = view.node.answers.get(PLACES)
    logs = [f for f in answer.files if f.stat is not None and f.stat.kind == "file"] if answer is not None else []
    return max(logs, key=lambda f: f.stat.mtime if f.stat is not None else 0.0, default=None)
