"""Files to check if systemd could not start a unit's program: the program, its interpreter, its folder."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.backup_names import backup_patterns
from fixer.formats.exec_status import OTHER_STEPS, has_failed_before_start, paths_of_step
from fixer.formats.launchers import START_ERROR_STATUSES, launched_index
from fixer.formats.start_files import (
    ACCOUNT_FILES,
    FSTAB,
    PROC_MOUNTS,
    STANDARD_FOLDERS,
    VENV_NAMES,
    app_file,
    folder_of_environments,
    interpreter_of,
    path_and_parents,
    release_path,
    resolve_link,
    similar_server,
    stem_of,
)
from fixer.formats.unit_file import (
    ADMIN_FOLDER,
    PACKAGE_FOLDERS,
    is_unit_backup,
    program_of,
    sandbox_paths,
    unit_lines,
    working_directory_of,
)
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Unit
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.kernel.security_modules import MODE
from fixer.observe.view.node_view import PEEK_BYTES, View, is_readable

FILE_LIMIT = 64 << 10
MOST_MATCHES = 40
MOST_PATHS = 12
APPLICATION_ROOTS = ("/srv/*", "/opt/*", "/var/www/*", "/home/*", "/home/*/*")


def failed_unit_queries(unit: Unit, told: ServiceCommand, view: View) -> Iterator[Query]:
    """Yield the next queries for one unit; none if it runs or its program ran and ended by itself."""
    if unit.result == "resources":
        yield from _env_file_copy_queries(unit, view)
    yield from unit_copy_queries(unit, view)
    if unit.main_pid or unit.result != "exit-code":
        return
    match unit.exec_main_status:
        case 203:
            for path in _program_paths(unit, told):
                yield from program_queries(path, told, view)
            yield from (*(ReadFile(path, FILE_LIMIT) for path in ACCOUNT_FILES), MODE)
        case 200:
            yield from (ReadFile(path, FILE_LIMIT) for path in (FSTAB, PROC_MOUNTS, *ACCOUNT_FILES))
            for path in _directory_paths(unit, told):
                yield from directory_queries(path, told, view)
        case 216 | 217:
            yield from (ReadFile(path, FILE_LIMIT) for path in ACCOUNT_FILES)
            yield from (ReadFile(path, 0) for path in _directory_paths(unit, told))
        case 226:
            yield from (ReadFile(path, 0) for path in sandbox_paths(told.lines, unit.name)[:MOST_PATHS])
            yield ReadFile(FSTAB, FILE_LIMIT)
        case status if status in OTHER_STEPS:
            for path in paths_of_step(status, told.lines)[:MOST_PATHS]:
                yield ReadFile(path, 0)
                yield from _parent_queries(path)
        case status if status in START_ERROR_STATUSES and (place := launched_index(told.argv)) is not None:
            if place or (told.style == "shell" and status in (126, 127)):
                yield from program_queries(told.argv[place], told, view)


def _env_file_copy_queries(unit: Unit, view: View) -> Iterator[Query]:
    """Yield queries for files named like a missing environment file: names and ages only, no content."""
    for path in (word.split(" ")[0] for word in unit.environment_files):
        seen = view.files.get(path)
        if path.startswith("/") and seen is not None and seen.status == "absent":
            yield ReadGlob(backup_patterns(path), 0, MOST_MATCHES)


def _program_paths(unit: Unit, told: ServiceCommand) -> tuple[str, ...]:
    """Return the program path from the unit files, and the one that systemd has loaded if it differs."""
    named = [told.entry.text if told.entry is not None else "", *(unit.exec_start[:1])]
    return tuple(dict.fromkeys(path.lstrip("@-:+!|") for path in named if path))


def program_queries(path: str, told: ServiceCommand, view: View) -> Iterator[Query]:
    """Yield the next queries for a program that could not be executed."""
    if not path.startswith("/"):
        yield ReadGlob(_program_patterns(posixpath.basename(path), "", told), PEEK_BYTES, MOST_MATCHES)
        return
    yield ReadFile(path, FILE_LIMIT)
    yield from _parent_queries(path)
    seen = view.files.get(path)
    if seen is None:
        return
    if seen.status == "absent":
        yield from _missing_program_queries(path, seen, told, view)
    elif (wanted := interpreter_of(seen.data)) is not None:
        yield from _interpreter_queries(path, wanted, told, view)


def _interpreter_queries(script: str, wanted: str, told: ServiceCommand, view: View) -> Iterator[Query]:
    """Yield queries for the interpreter of a script's first line, with and without its carriage return."""
    plain = wanted.rstrip("\r")
    yield from (ReadFile(name, PEEK_BYTES) for name in dict.fromkeys((wanted, plain)))
    seen = view.files.get(plain)
    if seen is not None and seen.status == "absent":
        yield ReadGlob((f"{posixpath.dirname(script)}/{stem_of(plain)}*",), PEEK_BYTES, MOST_MATCHES)
        yield from _missing_program_queries(plain, seen, told, view)


def _missing_program_queries(path: str, seen: FileAnswer, told: ServiceCommand, view: View) -> Iterator[Query]:
    """Yield queries for the target of a dangling link, and for paths where the program may be."""
    yield ReadGlob(_program_patterns(posixpath.basename(path), posixpath.dirname(path), told), PEEK_BYTES, MOST_MATCHES)
    yield from _other_release_queries(path, view)
    target = None if seen.stat is None else seen.stat.link_target
    if target is None:
        return
    end = resolve_link(path, target)
    yield from _link_target_queries(end)
    further = view.files.get(end)
    if further is not None and further.status == "absent" and further.stat is not None and further.stat.link_target:
        yield from _link_target_queries(resolve_link(end, further.stat.link_target))


def _other_release_queries(path: str, view: View) -> Iterator[Query]:
    """Yield queries for the same program in sibling releases, if its path leads through a link (`current`)."""
    for folder in path_and_parents(path)[1:-1]:
        stat = view.files[folder].stat if folder in view.files else None
        place = None if stat is None else release_path(folder, stat, path)
        if place is not None:
            yield ReadGlob((f"{posixpath.dirname(place[0])}/*/{place[1]}",), PEEK_BYTES, MOST_MATCHES)


def _link_target_queries(path: str) -> Iterator[Query]:
    yield ReadFile(path, PEEK_BYTES)
    yield ReadGlob(tuple(f"{folder}/{posixpath.basename(path)}" for folder in STANDARD_FOLDERS), PEEK_BYTES,
                   MOST_MATCHES)


def _program_patterns(name: str, folder: str, told: ServiceCommand) -> tuple[str, ...]:
    """Return patterns in the unit's virtual environments, in the named folder, and in the system's folders."""
    home = told.directory.rstrip("/")
    own = [f"{home}/{name}", f"{home}/bin/{name}", f"{home}/*/bin/{name}", f"{home}/.*/bin/{name}"] if home else []
    above = posixpath.dirname(home)
    if above not in ("", "/"):
        own += [f"{above}/{venv}/bin/{name}" for venv in VENV_NAMES]
    near = [f"{folder}/{stem_of(name)}*"] if folder and folder not in STANDARD_FOLDERS else []
    near += [f"{folder}/{meant}"] if folder and (meant := similar_server(name)) else []
    near += [f"{place}/*/bin/{name}"] if (place := folder_of_environments(f"{folder}/{name}")) else []
    return (*own, *near, *(f"{place}/{name}" for place in STANDARD_FOLDERS))


def _directory_paths(unit: Unit, told: ServiceCommand) -> tuple[str, ...]:
    named = (told.directory, unit.working_directory)
    return tuple(dict.fromkeys(path for path in named if path.startswith("/") and path != "/"))


def directory_queries(path: str, told: ServiceCommand, view: View) -> Iterator[Query]:
    """Yield the next queries for a working directory that could not be entered."""
    yield ReadFile(path, 0)
    yield from _parent_queries(path)
    seen = view.files.get(path)
    if seen is not None and seen.status == "absent":
        patterns = _application_patterns(path, None if seen.stat is None else seen.stat.link_target, told)
        if patterns:
            yield ReadGlob(patterns, PEEK_BYTES, MOST_MATCHES)


def _application_patterns(missing: str, target: str | None, told: ServiceCommand) -> tuple[str, ...]:
    """Return the possible paths of the application's own file."""
    inside = app_file(told.argv)
    if inside is None:
        return ()
    program = told.entry.text if told.entry is not None else ""
    near = [posixpath.dirname(missing) + "/*", posixpath.dirname(missing) + "/*/*"]      # releases/85
    if target is not None:      # siblings of the link's target, as in releases/…
        near.insert(0, posixpath.dirname(resolve_link(missing, target)) + "/*")
    if "/bin/" in program and not program.startswith(("/usr/", "/bin/")):
        home = posixpath.dirname(program.rsplit("/bin/", 1)[0])
        near += [home, f"{home}/*"]
    roots = dict.fromkeys(root for root in (*near, *APPLICATION_ROOTS) if root not in ("", "/", "/*"))
    return tuple(f"{root}/{inside}" for root in roots)


def _parent_queries(path: str) -> Iterator[Query]:
    """Yield queries for the parent folders, whose modes decide who may pass."""
    folder = posixpath.dirname(path)
    for _ in range(8):
        if folder in ("", "/"):
            return
        yield ReadFile(folder, 0)
        folder = posixpath.dirname(folder)


COPY_LIMIT = 64 << 10
MOST_NAMES = 40             # names in the folder of one file
MOST_COPIES = 6       # copies that are read


def unit_copy_queries(unit: Unit, view: View) -> Iterator[Query]:
    """Yield queries for the names of copies of unit files, the package's file included; then for their full content.
    Last, yield queries for the paths that the copies name."""
    if not has_failed_before_start(unit):
        return
    for path in _administrator_files(unit):
        yield ReadGlob(backup_patterns(path), 0, MOST_NAMES)
        if posixpath.dirname(path) == ADMIN_FOLDER:
            yield from (ReadFile(f"{folder}/{posixpath.basename(path)}", COPY_LIMIT) for folder in PACKAGE_FOLDERS)
    copies = unit_copies(unit, view)
    if copies:
        yield from (ReadFile(path, COPY_LIMIT) for path in (*copies, *ACCOUNT_FILES))
    for path in copies:
        lines = unit_lines(path, view.data(path) or b"")
        named = ((program_of(lines), PEEK_BYTES), (working_directory_of(lines), 0),
                 *((p, 0) for p in sandbox_paths(lines, unit.name)[:MOST_COPIES]))
        yield from (ReadFile(place, limit) for place, limit in named if place.startswith("/") and "%" not in place)


def unit_copies(unit: Unit, view: View) -> tuple[str, ...]:
    """Return regular files named like a copy of one of the unit's own files, the newest first."""
    if not has_failed_before_start(unit):
        return ()
    own = _administrator_files(unit)
    found = {path: file.stat for path, file in view.files.items()
             if file.stat is not None and file.stat.kind == "file" and (file.stat.real_path or path) == path
             and path not in own and any(is_unit_backup(path, of) for of in own)}
    return tuple(sorted(found, key=lambda path: (-found[path].mtime, path)))[:MOST_COPIES]


def complete_unit_copies(unit: Unit, view: View) -> Iterator[str]:
    """Yield the copies that were read completely."""
    for path in unit_copies(unit, view):
        if is_readable(view.files[path]) and not view.files[path].truncated:
            yield path


def _administrator_files(unit: Unit) -> tuple[str, ...]:
    """Return the unit files that the administrator wrote. The package itself restores its own files."""
    return tuple(p for p in (unit.fragment_path, *unit.drop_in_paths) if p.startswith("/etc/") and backup_patterns(p))
