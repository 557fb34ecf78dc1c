"""Files that a program needs to start: application, interpreter, modules, virtual environment. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.folders import is_below
from fixer.formats.server_names import SERVERS
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.query import FileStat
from fixer.model.service import Service

with lazy_imports():
    from difflib import get_close_matches  # only for a program that is missing

_MIN_SIMILARITY = 0.8       # of two names' letters in the same order: a typing error
STANDARD_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin")
VENV_NAMES = ("venv", ".venv", "env", ".env", "virtualenv")
ACCOUNT_FILES = ("/etc/passwd", "/etc/group")
FSTAB = "/etc/fstab"  # mounts at boot
PROC_MOUNTS = "/proc/mounts"  # present mounts

_APP = regex(r"^([A-Za-z_][\w.]*):[A-Za-z_][\w.]*(?:\(\))?$")
_SHEBANG = regex(rb"^#![ \t]*([^ \t\n]+)")


def app_file(argv: Sequence[str]) -> str | None:
    """Return the application's file in a command, relative to its working directory: `app/main.py`."""
    for word in argv[1:]:
        match = _APP.match(word)
        if match:
            return match[1].replace(".", "/") + ".py"
        if word.endswith(".py") and not word.startswith(("/", "-")):
            return posixpath.normpath(word)
    return None


def interpreter_of(data: bytes) -> str | None:
    """Return the program that `#!` names, with a carriage return if the line ends in one."""
    match = _SHEBANG.match(data)
    return match[1].decode("utf-8", "surrogateescape") if match else None


def stem_of(name: str) -> str:
    """Return `python3.11` or `serve.sh` without version and extension."""
    stem = name.split(".", 1)[0].rstrip("0123456789")
    return stem or name


def similar_server(name: str) -> str:
    """Return the application server whose program has nearly that name: a typing error; empty if none has."""
    found = get_close_matches(name, sorted(SERVERS - {name}), 1, _MIN_SIMILARITY)
    return found[0] if found and name not in SERVERS else ""


def folder_of_environments(program: str) -> str:
    """Return the folder that holds the virtual environment of a program, where it may have another name by now; empty
    for a program of the system."""
    folder = posixpath.dirname(program)
    if posixpath.basename(folder) != "bin" or folder in STANDARD_FOLDERS:
        return ""
    return posixpath.dirname(posixpath.dirname(folder)).rstrip("/")


def resolve_link(link: str, target: str) -> str:
    """Return the absolute target of a link."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), target))


def path_and_parents(path: str) -> tuple[str, ...]:
    """Return the folders above a path, the root first, and the path."""
    found = [posixpath.normpath(path)]
    while found[-1] not in ("/", ""):
        found.append(posixpath.dirname(found[-1]))
    return tuple(reversed(found))


def release_path(link: str, stat: FileStat, source: str) -> tuple[str, str] | None:
    """Return (release folder, path in it) of a source file behind a link to a folder."""
    if stat.kind != "link" or not stat.real_path or posixpath.dirname(stat.real_path) in ("", "/"):
        return None
    for root in (stat.real_path, link):
        if is_below(source, root):
            return stat.real_path, source[len(root) + 1:]
    return None


def start_arguments(service: Service) -> tuple[str, ...]:
    """Return its working directory, and the arguments of its manager's command and of the final server.
    A script that the manager starts may be in another folder."""
    folder = (service.start_folder,) if service.start_folder else ()
    own = (*folder, *(service.unit.exec_start if service.unit is not None else ()))
    return tuple(dict.fromkeys(word.partition("=")[2] or word for word in (*own, *service.argv)))


# Missing modules: the name in the last log line, and the files that could define it. Pure.
_MODULE_NOT_FOUND = regex(r"Could not import module \"(?P<asgi>[\w.]+)\"|No module named '(?P<name>[\w.]+)'"
                 r"|Cannot load application from '(?P<target>[\w.]+):[^']{0,200}'(?!, application not found)"
                 r"|Cannot find module '(?P<file>/[^'\s]+)'")

_FOLDER_OPTIONS = ("--app-dir", "--chdir", "--pythonpath")  # of uvicorn, of gunicorn


def find_missing_module(text: str) -> str:
    """Return the dotted name of the module that a line reports as missing, or the path of Node; empty for none."""
    match = _MODULE_NOT_FOUND.search(text)
    return next((name for name in match.groups() if name), "") if match is not None else ""


def module_parent_folders(directory: str, module: str) -> tuple[str, ...]:
    """Return the folders searched for a module, from the working directory on."""
    parts = module.split(".")[:-1]
    return tuple(posixpath.join(directory, *parts[:n]) for n in range(len(parts) + 1))


def module_files(directory: str, module: str) -> tuple[str, ...]:
    """Return the possible files of a module: a file, or a package folder."""
    if module.startswith("/"):
        return (module,)
    place = posixpath.join(directory, *module.split("."))
    return f"{place}.py", f"{place}/__init__.py"


def module_folders(argv: Sequence[str], start: str) -> tuple[str, ...]:
    """Return the folders that a server searches for its application: those in its command, then its start folder."""
    told = (folder for value in _folder_values(argv) for folder in value.split(",") if folder)
    named = (posixpath.normpath(posixpath.join(start, folder)) for folder in told)
    return tuple(dict.fromkeys(folder for folder in (*named, start) if folder.startswith("/")))


_TARGET = regex(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(.*\))?$")
_MODULE_OPTIONS = ("--module", "-w", "--wsgi", "--app")     # of uWSGI and flask; uWSGI may name the application apart
_FILE_OPTIONS = ("--wsgi-file", "--file")
CALLABLE_OPTIONS = ("--callable",)


def target_of(argv: Sequence[str]) -> str:
    """Return the `module:attribute` that a command names, empty if it names none."""
    plain = next((word for word in argv[1:] if _TARGET.match(word)), "")
    module = option_text(argv, _MODULE_OPTIONS) if not plain else ""
    if plain or _TARGET.match(module) or not argv or posixpath.basename(argv[0]) != "uwsgi":
        return plain or (module if _TARGET.match(module) else "")
    module = module or posixpath.splitext(
        posixpath.basename(option_text(argv, _FILE_OPTIONS)))[0]
    return f"{module}:{option_text(argv, CALLABLE_OPTIONS) or 'application'}" if module.replace(".", "").isidentifier(
        ) else ""


def target_files(argv: Sequence[str], start: str) -> tuple[str, ...]:
    """Return the files that may be the module that a command names, in the order in which the server looks for it."""
    module, folders = target_of(argv).partition(":")[0], module_folders(argv, start)
    named = option_text(argv, _FILE_OPTIONS)
    if named:
        return tuple(posixpath.normpath(posixpath.join(folder, named)) for folder in folders[:1])
    return tuple(path for folder in folders for path in module_files(folder, module)) if module else ()


def option_text(argv: Sequence[str], names: Sequence[str]) -> str:
    """Return the value of the first of these options, as an argument of its own or after `=`; empty for none."""
    for word, following in zip(argv, (*argv, "")[1:], strict=True):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else following
    return ""


def names_start_folder(argv: Sequence[str]) -> bool:
    """Return whether the command itself says where its application is: another working directory changes nothing."""
    return any(_folder_values(argv))


def _folder_values(argv: Sequence[str]) -> Iterator[str]:
    for word, following in zip(argv, (*argv, "")[1:], strict=True):
        name, equals, value = word.partition("=")
        if name in _FOLDER_OPTIONS:
            yield value if equals else following


# Virtual environments made for another Python: the running one does not see their packages. Pure.
_VERSIONS = range(6, 16)  # of Python 3
_SYSTEM_PREFIXES = frozenset({"/", "/usr", "/usr/local"})


def virtualenv_of(argv: Sequence[str]) -> str:
    """Return the virtual environment of a command's program; empty if it is the system's or none."""
    folder, _, _ = argv[0].rpartition("/") if argv else ("", "", "")
    root, name = posixpath.split(folder)
    return root if name == "bin" and root.startswith("/") and root not in _SYSTEM_PREFIXES else ""


def installed_module_paths(argv: Sequence[str], module: str) -> tuple[str, ...]:
    """Return the paths of a package or module in an environment, for each version of Python."""
    root, top = virtualenv_of(argv), module.partition(".")[0]
    if not root or not top.isidentifier():
        return ()
    return tuple(f"{root}/lib/python3.{version}/site-packages/{top}{end}"
                 for version in _VERSIONS for end in ("/__init__.py", ".py"))
