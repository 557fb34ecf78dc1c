"""What supervisord and its programs write where it is the first process of a container: into the container's log."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from fixer.formats.ini_file import IniSection
from fixer.formats.server_names import is_nginx
from fixer.formats.service_log import parse_docker_logs
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Command
from fixer.model.snapshot import Container, LogLine
from fixer.observe.view.node_view import ENGINE, View, container_of

STREAM_LINES = "2000"     # nginx's access log is among them
_STREAMS = frozenset(f"{folder}{name}" for folder, names in (
    ("/dev/", ("stdout", "stderr", "fd/1", "fd/2")), ("/proc/self/fd/", ("1", "2"))) for name in names)
# After one of these a program was well or went in order: what stands before it belongs to a run that is over.
# gunicorn says that its master ends as an error where its workers do not come up, and begins anew at once.
_BEGUN, _UP, _FAREWELL = "Started server process", "Application startup complete", "Finished server process"
_OVER = regex(rf"{_UP}|{_FAREWELL}|\[INFO\] Shutting down: Master")
_REASON = regex(r"\] Reason: \S")      # gunicorn before 22 bids farewell alike when it failed, and then says why
_OF_OTHERS = regex(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ (?:spawned|success|exited|stopped|gave up|waiting|"
    r"supervisord|Set uid|RPC|Included|daemonizing|spawnerr|received|Unlinking|reaped)\b"
    r"|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: "
    r"|^\S+ - \S+ \[[^\]]+\] \""
)

Stream = tuple[LogLine, ...]


def stream_query(box: Container) -> Command:
    """The last lines of the container's log."""
    return Command("docker-logs", (box.name, STREAM_LINES))


def streaming(view: View, containers: tuple[Container, ...]) -> Container | None:
    """The container that a node is, where what its first process runs may write into the container's log."""
    return container_of(view.name, containers) if view.init != "systemd" else None


def stream_of(view: View, views: Mapping[str, View], containers: tuple[Container, ...]) -> Stream:
    """What was read of it; nothing on a machine."""
    box, engine = streaming(view, containers), views.get(ENGINE)
    read = parse_docker_logs(engine.node.answers.get(stream_query(box)), box.name) if box and engine else None
    return read.value if isinstance(read, Known) else ()


def as_log(stream: Stream) -> bytes:
    """The lines as a file of supervisord's would hold them."""
    return "\n".join(line.text for line in stream).encode()


def spoken(section: IniSection, programs: Sequence[IniSection], stream: Stream, since: float) -> Stream | None:
    """The program's own lines of the run that began then; None where others write there as well, nginx apart."""
    writers = [one for one in programs if _writes(one) and not _is_nginx(one)]
    if not stream or [(one.file, one.line) for one in writers] != [(section.file, section.line)]:
        return None
    return since_well(tuple(line for line in stream if (line.at is None or line.at >= since - 2.0)
                            and not _OF_OTHERS.search(line.text)))


def _writes(section: IniSection) -> bool:
    return any(section.text(f"{stream}_logfile") in _STREAMS for stream in ("stdout", "stderr"))


def _is_nginx(section: IniSection) -> bool:
    words = section.text("command").split()
    return bool(words) and is_nginx(posixpath.basename(words[0]))


def since_well(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """The lines since the program was last well."""
    for index in range(len(lines) - 1, -1, -1):
        after = lines[index + 1].text if index + 1 < len(lines) else ""
        if _OVER.search(lines[index].text) and not _REASON.search(after) and _came_up(lines, index):
            return lines[index + 1:]
    return lines


def _came_up(lines: tuple[LogLine, ...], end: int) -> bool:
    """Whether the run that says farewell had been well: uvicorn does so too where it is stopped in one more try."""
    if _FAREWELL not in lines[end].text:
        return True
    before = (line.text for line in reversed(lines[:end]) if _BEGUN in line.text or _UP in line.text)
    return _BEGUN not in next(before, "")
