"""Where the code and the settings of a service lie, as far as its unit, its command and its last words name them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from fixer.formats.backup_names import is_unused_name
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.service import LogLine, Service

LAST_LINES = 80          # of a log: a traceback at its end is what counts
_MOST_PATHS = 8                # folders, and paths that are named
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


def source_folders(service: Service) -> tuple[str, ...]:
    """Where it starts, and where the sources that its last words name lie."""
    found = [service.unit.working_directory] if service.unit is not None else []
    for line in reversed(_last_lines(service)):
        match = _SOURCE.search(line.text)
        if match is not None and not _LIBRARY.search(match["file"]):
            found.append(posixpath.dirname(posixpath.normpath(match["file"])))
    return _own_paths(found)


def named_paths(service: Service) -> tuple[str, ...]:
    """Paths that its command and its last words name."""
    found = [w.partition("=")[2] if w.startswith("--") else w for w in service.argv[1:]]
    found += [m["path"] for line in reversed(_last_lines(service)) for m in _QUOTED.finditer(line.text)]
    return _own_paths(path for path in found if _PLAIN.fullmatch(path.replace("/", "")))


def settings_folders(service: Service) -> tuple[str, ...]:
    """What /etc may hold under its name."""
    name = service.name.removesuffix(".service").partition("@")[0]
    return (f"/etc/{name}", f"/etc/default/{name}") if _PLAIN.fullmatch(name) and name else ()


def drop_in_folders(service: Service) -> tuple[str, ...]:
    """Where an administrator's drop-ins of its unit lie: one that was taken away leaves no other trace."""
    unit = service.unit
    if unit is None or not _PLAIN.fullmatch(unit.name):
        return ()
    template = f"{unit.name.partition('@')[0]}@.service" if "@" in unit.name else ""
    return tuple(f"/etc/systemd/system/{name}.d" for name in (unit.name, template) if name)


def missing_module(service: Service) -> str:
    """The module that its last words lack, empty where they lack none."""
    matches = (m for line in reversed(_last_lines(service)) if (m := _MODULE.search(line.text)) is not None)
    match = next(matches, None)
    return match["name"] if match is not None and ".." not in match["name"] else ""


def module_folders(service: Service) -> tuple[str, ...]:
    """Patterns of the folders in which its interpreter looks for modules."""
    if service.runtime == "node":
        return tuple(f"{folder}/node_modules" for folder in source_folders(service))
    program = posixpath.normpath(service.argv[0]) if service.argv and service.argv[0].startswith("/") else ""
    home = posixpath.dirname(posixpath.dirname(program)) if "/bin/" in program else ""
    homes = dict.fromkeys(path for path in (home, "/usr", "/usr/local") if path not in ("", "/"))
    packages = (f"{path}/lib/python3*/{kind}-packages" for path in homes for kind in ("site", "dist"))
    return (*packages, *source_folders(service))


def is_code_or_setting(path: str) -> bool:
    """By its name; no copy that somebody kept."""
    return _SOURCE_NAME.search(path) is not None and not _is_unused(path)


def _is_unused(path: str) -> bool:
    return _NOT_SOURCE.search(path) is not None or is_unused_name(posixpath.basename(path))


def is_own_source(service: Service, path: str) -> bool:
    """Code or a setting, in one of these places; no log, no data, no copy that somebody kept."""
    if _is_unused(path) or not (is_code_or_setting(path) or path in named_paths(service)):
        return False
    inside = any(path.startswith(folder.rstrip("/") + "/") for folder in source_folders(service))
    return inside or path in named_paths(service) or any(
        path == place or path.startswith((f"{place}/", f"{place}.")) for place in settings_folders(service))


def _last_lines(service: Service) -> tuple[LogLine, ...]:
    return service.log.value[-LAST_LINES:] if isinstance(service.log, Known) else ()


def _own_paths(paths: Iterable[str]) -> tuple[str, ...]:
    kept = (posixpath.normpath(path) for path in paths if path.startswith("/"))
    return tuple(dict.fromkeys(path for path in kept if path != "/"
                               and not f"{path}/".startswith(_SYSTEM_FOLDERS)))[:_MOST_PATHS]
