"""The application's source files on disk: the file that a service uses, and older copies of it without the fault."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.analysis.evidence import ENGINE
from fixer.analysis.exits.code_error import CodeFault
from fixer.formats.backup_names import LIKELY_SUFFIXES
from fixer.formats.folders import is_below, is_within
from fixer.lazy.regex import regex
from fixer.model.snapshot import FileContent, Service, Snapshot

MAX_APPLICATIONS = 8                 # applications that a server could use, to be named
_ONLY_AST = 0x400        # compile() to a syntax tree only: what was read never runs
_APPLICATION = regex(
    r"(?m)^(?P<name>[A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:[A-Za-z_]\w*\s*=\s*)?(?:[A-Za-z_]\w*\.)*"
    r"(?:FastAPI|Starlette|Quart|Litestar|Sanic|Flask|Bottle|Application|Blacksheep|ProtocolTypeRouter|"
    r"get_asgi_application|get_wsgi_application|create_app|make_app|build_app)\("
)


def source_file_of(snapshot: Snapshot, service: Service, path: str) -> FileContent | None:
    """Return the file that a service has at that path, where a change lasts; None if it was not read."""
    if not path:
        return None
    box = service.container
    if box is None:
        return snapshot.file(service.node, path)
    mount = max((m for m in box.mounts if is_within(path, m[1])), key=lambda m: len(m[1]), default=None)
    if mount is None:
        return None
    return snapshot.file(ENGINE, posixpath.normpath(mount[0] + path[len(mount[1].rstrip("/")):]))


def line_of(file: FileContent, number: int) -> str:
    """Return one line, stripped."""
    lines = file.data.split(b"\n")
    return lines[number - 1].decode("utf-8", "replace").strip() if 0 < number <= len(lines) else ""


def has_valid_syntax(file: FileContent) -> bool:
    """Return whether the file is a complete program by its grammar; nothing of it runs."""
    if not file.path.rstrip("~").partition(".py")[1]:
        return False
    try:
        compile(file.data, "source", "exec", _ONLY_AST, True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def sound_backup_copies(snapshot: Snapshot, file: FileContent, fault: CodeFault) -> tuple[FileContent, ...]:
    """Return the backup copies of the file that do not have the fault; the newest first."""
    beside = (snapshot.file(file.node, base + end) for base in dict.fromkeys((file.path, file.real_path))
              for end in LIKELY_SUFFIXES)
    good = {f.path: f for f in beside if f is not None and f.data != file.data and is_without_fault(f, fault)}
    return tuple(sorted(good.values(), key=lambda f: (-f.stat.mtime, f.path)))


def is_without_fault(file: FileContent, fault: CodeFault) -> bool:
    """Return whether it is a complete program that does not have the fault."""
    return has_valid_syntax(file) and not _has_fault(file, fault)


def _has_fault(file: FileContent, fault: CodeFault) -> bool:
    text = file.data.decode("utf-8", "replace")
    if fault.kind == "import":
        # For a.b Python reports this only if a exists: then b is missing, even if imported as `.b`.
        named = regex(rf"\b{re.escape(fault.name.split('.')[-1])}\b")
        return any(line.lstrip().startswith(("import ", "from ")) and named.search(line) for line in text.splitlines())
    return fault.kind == "own" and bool(fault.code) and fault.code in text


def find_applications(snapshot: Snapshot, service: Service) -> tuple[str, ...]:
    """Return `module:attribute` of every application at the top level of a module of the service."""
    found: dict[str, None] = {}
    for module, file in _python_modules(snapshot, service):
        for match in _APPLICATION.finditer(file.data.decode("utf-8", "replace")):
            found.setdefault(f"{module}:{match['name']}")
    return tuple(sorted(found))[:MAX_APPLICATIONS]


def _python_modules(snapshot: Snapshot, service: Service) -> Iterator[tuple[str, FileContent]]:
    """Yield (dotted name, file) of every Python file that was read below the service's working directory."""
    for folder, node, shown in _source_roots(service):
        for file in snapshot.files:
            inside = file.node == node and is_below(file.path, folder)
            if not inside or not file.path.endswith(".py"):
                continue
            name = (shown + file.path[len(folder.rstrip("/")):]).strip("/").removesuffix(".py")
            parts = [part for part in name.split("/") if part]
            parts = parts[:-1] if parts[-1:] == ["__init__"] else parts
            if parts and all(part.isidentifier() for part in parts):
                yield ".".join(parts), file


def _source_roots(service: Service) -> Iterator[tuple[str, str, str]]:
    """Yield (folder on disk, its node, its path below the service's working directory)."""
    box, unit = service.container, service.unit
    if unit is not None and unit.working_directory.startswith("/") and unit.working_directory != "/":
        yield unit.working_directory, service.node, ""
    for source, destination, _ in box.mounts if box is not None else ():
        start = box.working_dir.rstrip("/") if box is not None else ""
        if is_within(destination, start):
            yield source, ENGINE, destination[len(start):]
