"""Logs in files: those of programs without a service manager (`nohup … > /tmp/backend.log`), and those of units."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from fixer.formats.run_output import is_request_line, joins_exceptions
from fixer.formats.service_log import parse_log_file
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import HandStartedLog, LogLine
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.view.node_view import PEEK_BYTES, View

with lazy_imports():  # only where a log is read
    from fixer.observe.commands.server_logs import server_log_files

MOST_FILES = 100
LOG_LIMIT = 16 << 10
UNMANAGED_LOGS = ReadGlob((
    "/tmp/*.log", "/tmp/*.out", "/tmp/*/*.log", "/var/tmp/*.log", "/root/nohup.out", "/root/*.log",  # noqa: S108
    "/var/log/*/current", "/etc/service/*/log/main/current", "/etc/sv/*/log/main/current",
    "/home/*/nohup.out", "/home/*/*.log", "/srv/*/nohup.out", "/srv/*/*.log", "/opt/*/nohup.out", "/opt/*/*.log",
), PEEK_BYTES, MOST_FILES)


def unmanaged_log_queries(view: View) -> Iterator[Query]:
    """Yield the query for such logs, then for the end of the newest one."""
    yield UNMANAGED_LOGS
    newest = _newest_log(view)
    if newest is not None:
        yield ReadFile(newest.path, LOG_LIMIT, tail=True)


def unmanaged_log_of(view: View) -> HandStartedLog | None:
    """Return the end of the newest log; None if there is no log or it could not be read."""
    newest = _newest_log(view)
    if newest is None or newest.stat is None:
        return None
    lines = parse_log_file(view.node.answers.get(ReadFile(newest.path, LOG_LIMIT, tail=True)), newest.path,
                           view.node.utc_offset)
    return HandStartedLog(view.name, newest.path, newest.stat.mtime, lines.value, newest.stat.uid) if isinstance(
        lines, Known) else None


def _newest_log(view: View) -> FileAnswer | None:
    """Return the newest regular file. In a world-writable folder a link may lead to an unrelated file."""
    answer = view.node.answers.get(UNMANAGED_LOGS)
    logs = [f for f in answer.files if f.stat is not None and f.stat.kind == "file"] if answer is not None else []
    return max(logs, key=lambda f: f.stat.mtime if f.stat is not None else 0.0, default=None)


UNIT_LOG_LIMIT = 64 << 10
_MOST_UNIT_LOGS = 3
_LAST_LINES = 60           # lines of a run's end without a traceback
_TRACEBACK = regex(r"^Traceback \(most recent call last\)")


def log_file_paths(told: ServiceCommand, view: View | None) -> tuple[str, ...]:
    """Return the files that a unit, its command or its server logs to: `StandardOutput=append:FILE`, `>> FILE 2>&1`,
    `--error-logfile FILE`. The server's settings are read with a `view` only."""
    output = (posixpath.normpath(posixpath.join(told.directory or "/", path)) for path in told.output_files)
    found = dict.fromkeys((*output, *server_log_files(told, view)))
    kept = (path for path in found if not path.startswith(("/dev/", "/proc/")) and not set(path) & set("%$*?"))
    return tuple(kept)[:_MOST_UNIT_LOGS]


def log_file_query(path: str) -> ReadFile:
    """Return the query for the end of a log file."""
    return ReadFile(path, UNIT_LOG_LIMIT, tail=True)


def with_unit_logs(journal: Fact[tuple[LogLine, ...]], paths: Iterable[str], view: View) -> Fact[tuple[LogLine, ...]]:
    """Return the journal followed by the last lines of those files; an unreadable file adds nothing."""
    more = [line for path in paths for line in _last_run_lines(path, view)]
    if not more:
        return journal
    return Known((*journal.value, *more)) if isinstance(journal, Known) else Known(tuple(more))


def _last_run_lines(path: str, view: View) -> list[LogLine]:
    """Return the last run's lines without requests."""
    texts = [line for line in output_lines(path, view).or_else(()) if not is_request_line(line.text)]
    return texts[_last_run_start(texts):]


def output_lines(path: str, view: View) -> Fact[tuple[LogLine, ...]]:
    """Return the last lines of a file that a program's output goes to. They have no time: they get the file's mtime."""
    answer = view.node.answers.get(log_file_query(path))
    file = answer.files[0] if answer is not None and answer.files else None
    lines = parse_log_file(answer, path, view.node.utc_offset)
    if file is None or file.stat is None or not isinstance(lines, Known):
        return lines
    return Known(tuple(LogLine(file.stat.mtime, line.text, line.where) for line in lines.value))


def _last_run_start(lines: list[LogLine]) -> int:
    """Return the index of the last traceback's first line, including the exceptions it is chained to."""
    marks = [i for i, line in enumerate(lines) if _TRACEBACK.match(line.text)]
    if not marks:
        return max(0, len(lines) - _LAST_LINES)
    first = len(marks) - 1
    while first > 0 and marks[first] > 0 and joins_exceptions(lines[marks[first] - 1].text):
        first -= 1
    return marks[first]
