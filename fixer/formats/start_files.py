"""What the start of a program needs on disk, as its command and its first line name it. Pure words, no files."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.lazy.regex import regex
from fixer.model.query import FileStat
from fixer.model.service import Service

STANDARD = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin")
VENVS = ("venv", ".venv", "env", ".env", "virtualenv")
ACCOUNTS = ("/etc/passwd", "/etc/group")
MOUNTS = "/etc/fstab"       # what is mounted at boot
MOUNTED = "/proc/mounts"    # what is mounted now

_APP = regex(r"^([A-Za-z_][\w.]*):[A-Za-z_][\w.]*(?:\(\))?$")
_SHEBANG = regex(rb"^#![ \t]*([^ \t\n]+)")


def app_file(argv: Sequence[str]) -> str | None:
    """The file of the application, relative to its working directory, that a command names: `app/main.py`."""
    for word in argv[1:]:
        match = _APP.match(word)
        if match:
            return match[1].replace(".", "/") + ".py"
        if word.endswith(".py") and not word.startswith(("/", "-")):
            return posixpath.normpath(word)
    return None


def interpreter_of(data: bytes) -> str | None:
    """The program that `#!` names, with a carriage return where the line ends in one."""
    match = _SHEBANG.match(data)
    return match[1].decode("utf-8", "surrogateescape") if match else None


def stem_of(name: str) -> str:
    """`python3.11` and `serve.sh` without what comes after the name proper."""
    stem = name.split(".", 1)[0].rstrip("0123456789")
    return stem or name


def leads_to(link: str, target: str) -> str:
    """Where a link leads, as a path of its own."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), target))


def way_to(path: str) -> tuple[str, ...]:
    """The folders above a path, the root first, and the path."""
    found = [posixpath.normpath(path)]
    while found[-1] not in ("/", ""):
        found.append(posixpath.dirname(found[-1]))
    return tuple(reversed(found))


def within_release(link: str, stat: FileStat, source: str) -> tuple[str, str] | None:
    """(folder of the release, the file's path in it) of a source file that lies behind a link to a folder."""
    if stat.kind != "link" or not stat.real_path or posixpath.dirname(stat.real_path) in ("", "/"):
        return None
    for root in (stat.real_path, link):
        if source.startswith(root + "/"):
            return stat.real_path, source[len(root) + 1:]
    return None


def start_words(service: Service) -> tuple[str, ...]:
    """The folder that it starts in, and the words of what its manager starts and of what serves in the end: a script
    that the manager starts may lie where nothing else of it is named."""
    unit = service.unit
    own = () if unit is None else (unit.working_directory, *unit.exec_start)
    return tuple(dict.fromkeys(word.partition("=")[2] or word for word in (*own, *service.argv)))
