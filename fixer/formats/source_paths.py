"""Paths of a service's code and settings, from its unit, its command and the last lines of its log."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from fixer.formats.backup_names import is_unused_name
from fixer.formats.folders import is_below
from fixer.formats.run_output import last_own_lines
from fixer.lazy.regex import regex
from fixer.model.service import Service

_MOST_PATHS = 8  # limit of folders, and of named paths
_SYSTEM_FOLDERS = ("/usr/", "/bin/", "/sbin/", "/lib", "/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/tmp/",   # noqa: S108
           "/var/log/")
_SOURCE = regex(r"(?:^\s*File \"|^|\()(?P<file>/[^\":()]+\.(?:py|[cm]?js|ts))(?:\", line |:)\d+")
_QUOTED = regex(r"[\"'](?P<path>/[\w.@+-][\w./@+-]*)[\"']")
_LIBRARY = regex(r"/(?:site|dist)-packages/|^/usr/(?:local/)?lib/python|/lib/python\d|/node_modules/")
_MODULE = regex(r"(?:No module named |Cannot find (?:module|package) )'?(?P<name>@?[A-Za-z_][\w.-]*(?:/[\w.-]+)?)")
_PLAIN = regex(r"[\w.@+-]+")
_SOURCE_NAME = regex(
    r"\.(?:py|[cm]?js|ts|json|toml|ini|cfg|conf|ya?ml|env|cnf|properties|xml|pem|key|crt|cert)$|/\.env(?:\.[\w-]+)?$"
    r"|^/etc/(?:[\w.@+-]+/)*[\w@+-]+$"
)
_NOT_SOURCE = regex(r"\.lock$|/__pycache__/|/node_modules/|/\.git/")


def is_library_file(path: str) -> bool:
    """Return whether a source file is part of a library and not of the application."""
    return bool(_LIBRARY.search(path))


def source_folders(service: Service) -> tuple[str, ...]:
    """Return its working directory, and the folders of sources in its last log lines."""
    found = [service.start_folder]
    for line in reversed(last_own_lines(service)):
        match = _SOURCE.search(line.text)
        if match is not None and not is_library_file(match["file"]):
            found.append(posixpath.dirname(posixpath.normpath(match["file"])))
    return _own_paths(found)


def named_paths(service: Service) -> tuple[str, ...]:
    """Return the paths in its command and its last log lines."""
    found = [w.partition("=")[2] if w.startswith("--") else w for w in service.argv[1:]]
    found += [m["path"] for line in reversed(last_own_lines(service)) for m in _QUOTED.finditer(line.text)]
    return _own_paths(path for path in found if _PLAIN.fullmatch(path.replace("/", "")))


def settings_folders(service: Service) -> tuple[str, ...]:
    """Return the folders in /etc with its name."""
    name = service.name.removesuffix(".service").partition("@")[0]
    return (f"/etc/{name}", f"/etc/default/{name}") if _PLAIN.fullmatch(name) and name else ()


def drop_in_folders(service: Service) -> tuple[str, ...]:
    """Return the folders of an administrator's drop-ins: a removed drop-in leaves no other trace."""
    unit = service.unit
    if unit is None or not _PLAIN.fullmatch(unit.name):
        return ()
    template = f"{unit.name.partition('@')[0]}@.service" if "@" in unit.name else ""
    return tuple(f"/etc/systemd/system/{name}.d" for name in (unit.name, template) if name)


def missing_module(service: Service) -> str:
    """Return the module that is missing according to its last log lines; empty for none."""
    matches = (m for line in reversed(last_own_lines(service)) if (m := _MODULE.search(line.text)) is not None)
    match = next(matches, None)
    return match["name"] if match is not None and ".." not in match["name"] else ""


def module_folders(service: Service) -> tuple[str, ...]:
    """Return globs of the folders in which its interpreter looks for modules."""
    if service.runtime == "node":
        return tuple(f"{folder}/node_modules" for folder in source_folders(service))
    program = posixpath.normpath(service.argv[0]) if service.argv and service.argv[0].startswith("/") else ""
    home = posixpath.dirname(posixpath.dirname(program)) if "/bin/" in program else ""
    homes = dict.fromkeys(path for path in (home, "/usr", "/usr/local") if path not in ("", "/"))
    packages = (f"{path}/lib/python3*/{kind}-packages" for path in homes for kind in ("site", "dist"))
    return (*packages, *source_folders(service))


def is_code_or_setting(path: str) -> bool:
    """Return whether the name is that of code or a setting, and of no copy."""
    return _SOURCE_NAME.search(path) is not None and not _is_unused(path)


def _is_unused(path: str) -> bool:
    return _NOT_SOURCE.search(path) is not None or is_unused_name(posixpath.basename(path))


def is_own_source(service: Service, path: str) -> bool:
    """Return whether the path is code or a setting of this service; no log, no data, no copy."""
    if _is_unused(path) or not (is_code_or_setting(path) or path in named_paths(service)):
        return False
    inside = any(is_below(path, folder) for folder in source_folders(service))
    return inside or path in named_paths(service) or any(
        path == place or path.startswith((f"{place}/", f"{place}.")) for place in settings_folders(service))


def _own_paths(paths: Iterable[str]) -> tuple[str, ...]:
    kept = (posixpath.normpath(path) for path in paths if path.startswith("/"))
    return tuple(dict.fromkeys(path for path in kept if path != "/"
                               and not f"{path}/".startswith(_SYSTEM_FOLDERS)))[:_MOST_PATHS]
