"""Applications that one uWSGI starts from files in a folder: an emperor's vassals, those of Debian's init script."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase

from fixer.formats.ini_file import ini_sections
from fixer.formats.server_bindings import option
from fixer.formats.server_names import runtime_of
from fixer.model.facts import Evidence
from fixer.model.query import Query, ReadGlob
from fixer.model.snapshot import Binding, Unit
from fixer.observe.commands.resolved_command import Told
from fixer.observe.view.node_view import View, is_readable

MOST = 40
_LIMIT = 64 << 10
_PACKAGED = ("/usr/lib/systemd/", "/lib/systemd/", "/run/systemd/generator/")
_DEBIANS, _DEBIANS_OWN = "/etc/uwsgi/apps-enabled/*.ini", "/usr/share/uwsgi/conf/default.ini"


def vassal_pattern(told: Told, ini: str | None, view: View) -> str | None:
    """Which files it takes for applications of its own, None where it takes none. `ini` is its own file."""
    if runtime_of(told.argv) != "uwsgi":
        return None
    if _is_debians(told):
        return _DEBIANS
    named = option(told.command, ("--emperor",))
    text = named.text if named is not None else _said(ini, view)
    if not text or set(text) & set("$%\n@"):
        return None
    path = posixpath.normpath(posixpath.join(told.directory or "/", text))
    return path if "*" in path else f"{path}/*.ini"


def is_packaged_alone(unit: Unit) -> bool:
    """A package's unit as it came, which serves nothing of an administrator's; one of uWSGI's does, by their files."""
    return unit.fragment_path.startswith(_PACKAGED) and not unit.drop_in_paths and not unit.name.startswith("uwsgi")


def vassal_queries(told: Told, ini: str | None, view: View) -> Iterator[Query]:
    """The files that it takes for its applications."""
    pattern = vassal_pattern(told, ini, view)
    if pattern is not None:
        yield ReadGlob((pattern,), _LIMIT, MOST)


def vassals(told: Told, ini: str | None, view: View) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each."""
    pattern = vassal_pattern(told, ini, view)
    for path, file in view.files.items() if pattern else ():
        if fnmatchcase(path, pattern or "") and path.count("/") == (pattern or "").count("/") and is_readable(file):
            yield path, file.data


def given_socket(told: Told, path: str) -> Binding | None:
    """Debian's script gives every application a socket of its own beside what its file says."""
    if not _is_debians(told):
        return None
    name = posixpath.basename(path).removesuffix(".ini")
    where = Evidence("file", f"{_DEBIANS_OWN}:1", f"socket = /run/uwsgi/app/{name}/socket")
    return Binding("", 0, f"/run/uwsgi/app/{name}/socket", where)


def _is_debians(told: Told) -> bool:
    return bool(told.argv) and told.argv[0] == "/etc/init.d/uwsgi"


def _said(ini: str | None, view: View) -> str:
    data = view.data(ini) if ini else None
    own = [s for s in ini_sections(ini, data) if s.name == "uwsgi"] if ini and data is not None else []
    return next((v.value.strip() for s in own for v in reversed(s.values) if v.key == "emperor"), "")
