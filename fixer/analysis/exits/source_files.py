"""The application's source files on disk: the file that a service uses, and older copies of it without the fault."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.analysis.evidence import ENGINE
from fixer.analysis.exits.code_error import CodeFault
from fixer.formats.application_servers import interface_of
from fixer.formats.backup_names import LIKELY_SUFFIXES
from fixer.formats.folders import is_below, is_within
from fixer.formats.start_files import target_files, target_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.snapshot import FileContent, Service, Snapshot

MAX_APPLICATIONS = 8                 # applications that a server could use, to be named
_ONLY_AST = 0x400        # compile() to a syntax tree only: what was read never runs
_ASGI_CALLS = "FastAPI|Starlette|Quart|Litestar|Blacksheep|ProtocolTypeRouter|get_asgi_application"
_WSGI_CALLS = "Flask|Bottle|get_wsgi_application|make_wsgi_app"
_APPLICATIONS = (
    regex(r"(?m)^(?P<name>[A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:[A-Za-z_]\w*\s*=\s*)?(?:[A-Za-z_]\w*\.)*"
          rf"(?:(?P<asgi>{_ASGI_CALLS})|(?P<wsgi>{_WSGI_CALLS})|Sanic|Application|create_app|make_app|build_app)\("),
    regex(r"(?m)^(?:(?P<asgi>async def)|def) (?P<name>[A-Za-z_]\w*)\(\s*scope\b[^()]{0,200}\bsend\b"),
    regex(r"(?m)^(?P<wsgi>def) (?P<name>[A-Za-z_]\w*)\(\s*env(?:iron)?\b[^()]{0,200}\bstart_response\b"),
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
        found.update((f"{module}:{name}", None) for name in _applications_in(file, ""))
    return tuple(sorted(found))[:MAX_APPLICATIONS]


@dataclass(frozen=True, slots=True)
class NamedModule:
    """The module that the command of a service names, as it was read, and the `module:attribute` of each application in
    it that fits the server. It is `complete` if the file shows every name that the module has."""

    file: FileContent
    applications: tuple[str, ...]
    complete: bool


def find_named_module(snapshot: Snapshot, service: Service) -> NamedModule | None:
    """Return the module that the command names; None if it was not read."""
    box, module = service.container, target_of(service.argv).partition(":")[0]
    start = (box.working_dir or "/") if box is not None else service.start_folder
    read = (source_file_of(snapshot, service, path) for path in target_files(service.argv, start))
    file = next((file for file in read if file is not None), None)
    if file is None or not has_valid_syntax(file):
        return None
    names = _applications_in(file, interface_of(service.runtime, service.argv))
    return NamedModule(file, tuple(f"{module}:{name}" for name in names), not _NAMES_FROM_ELSEWHERE.search(file.data))


# Names that a module has and its own lines do not show; a name that is assigned in a block may be an application.
_NAMES_FROM_ELSEWHERE = regex(rb"(?m)^(?:from [\w.]+ import (?:[^\n]*\b(?:app|application)\b|\*)|globals\(\))"
                              rb"|^[ \t]+(?:app|application)\s*=")


def _applications_in(file: FileContent, interface: str) -> tuple[str, ...]:
    """Return the names of the applications at the top level of a module, in their order; of the other interface none,
    where the server's is known."""
    text = file.data.decode("utf-8", "replace")
    found = sorted((match.start(), match) for pattern in _APPLICATIONS for match in pattern.finditer(text))
    other = {"asgi": "wsgi", "wsgi": "asgi"}.get(interface, "")
    return tuple(dict.fromkeys(m["name"] for _, m in found if not m.groupdict().get(other)))


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
    box = service.container
    if box is None and service.start_folder.startswith("/") and service.start_folder != "/":
        yield service.start_folder, service.node, ""
    for source, destination, _ in box.mounts if box is not None else ():
        start = box.working_dir.rstrip("/") if box is not None else ""
        if is_within(destination, start):
            yield source, ENGINE, destination[len(start):]
