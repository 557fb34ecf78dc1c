"""The limits of nginx's workers in its main file: open files, and connections in `events`."""

from __future__ import annotations

from fixer.errors import StepFailed
from fixer.lazy.lazy_imports import lazy_imports
from fixer.nginx.effective_config import word_span
from fixer.nginx.tree import Directive, parse
from fixer.repairs.file_edits import EditableFile, NotEditable, insert_block

with lazy_imports():  # not needed in most looks
    from fixer.nginx.span_edit import insert_after, replace_span

DEFAULT_CONNECTIONS = 512      # nginx's own, without a `worker_connections`
_MOST_DIGITS = 9
_TOP_LINES = (b"worker_processes", b"user", b"pid")


def open_files_limit(data: bytes) -> int:
    """Return `worker_rlimit_nofile` of a main file; 0 without one."""
    return _number(_find(parse(data).directives, b"worker_rlimit_nofile"))


def connections_limit(data: bytes) -> tuple[int, int] | None:
    """Return (the connections of each worker, the 1-based line that says so); None if the file has no `events`. Without
    a number there it is nginx's default, and the line is that of `events`."""
    tree = parse(data)
    events = _find(tree.directives, b"events")
    if events is None or events.block is None:
        return None
    own = _find(events.block, b"worker_connections")
    return (_number(own), tree.line(own.start)) if own is not None and _number(own) else (
        DEFAULT_CONNECTIONS, tree.line(events.start))


def set_open_files(data: bytes, value: str) -> bytes | NotEditable:
    """Return the main file with that `worker_rlimit_nofile`: in its line, else after the first suitable directive."""
    top = parse(data).directives
    old = _find(top, b"worker_rlimit_nofile")
    first = next((d for d in top if d.name in _TOP_LINES), None)
    try:
        if old is not None and len(old.args) == 1:
            span = word_span(old, 1)
            return replace_span(data, span.start, span.end, value.encode())
        if first is not None:
            return insert_after(data, first.stop + 1, f"worker_rlimit_nofile {value};".encode())
    except StepFailed as error:
        return NotEditable(error.message)
    return NotEditable("it has no worker_processes, user or pid line after which the limit could be inserted")


def set_connections(place: EditableFile, value: str) -> bytes | NotEditable:
    """Return the file with that `worker_connections`: in its line, else as the first one of `events`."""
    events = _find(parse(place.data).directives, b"events")
    if events is None or events.block is None:
        return NotEditable("it has no `events` block")
    old = _find(events.block, b"worker_connections")
    try:
        if old is not None and len(old.args) == 1:
            span = word_span(old, 1)
            return replace_span(place.data, span.start, span.end, value.encode())
        line = f"\n    worker_connections {value};".encode()
        return insert_block(place, events.stop + 1, line, "").after or NotEditable("the file would be empty")
    except StepFailed as error:
        return NotEditable(error.message)


def _find(block: list[Directive], name: bytes) -> Directive | None:
    return next((directive for directive in block if directive.name == name), None)


def _number(directive: Directive | None) -> int:
    """Return the only argument as a number; 0 if there is none."""
    words = directive.args if directive is not None else []
    return int(words[0]) if len(words) == 1 and words[0].isdigit() and len(words[0]) <= _MOST_DIGITS else 0
