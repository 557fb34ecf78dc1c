"""Run folders of runit, s6 and daemontools: one folder with a `run` script for each service.
Also which units only host processes of other services."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.server_names import runtime_of
from fixer.formats.wrapper_scripts import read_script
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.deployment import StarterKind
from fixer.model.facts import Evidence
from fixer.model.query import FileAnswer
from fixer.model.snapshot import Service
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.view.node_view import View

# Folders that are watched come before folders that only hold services.
_FOLDERS = ("/etc/service", "/service", "/var/service", "/run/service", "/etc/services.d", "/etc/s6-overlay/s6-rc.d",
            "/etc/sv")
_FILES = ("run", "supervise/status")
_MOST_SCANNED = 4
RUN_FOLDERS = tuple(f"{folder}/*/{file}" for folder in _FOLDERS for file in _FILES)

_RUN_SCRIPT = regex(r"^(?P<folder>/.+/(?P<name>[^/]+))/run$")      # matches paths of RUN_FOLDERS
_WATCHERS: Mapping[str, tuple[StarterKind, str]] = {
    "runsv": ("runit", "sv up {name}"), "s6-supervise": ("s6", "s6-svc -u {folder}"),
    "supervise": ("daemontools", "svc -u {folder}"),
}
_STATUS_SIZES = (18, 20)       # daemontools, runit; byte 17 is the wanted state: u(p), d(own)
_SCANNERS: Mapping[str, StarterKind] = {"runsvdir": "runit", "s6-svscan": "s6", "svscan": "daemontools"}
_FOLDER_PATH = regex(r"^(?:/[\w.@-]+)+$")
_PARENT_DAEMONS = frozenset({*_SCANNERS, "runsvdir-start", "svscanboot", "cron", "crond", "atd", "sshd", "monit"})


def scanned_patterns(view: View) -> tuple[str, ...]:
    """Return patterns of files in the folders that a scanner of root has as arguments."""
    words = [
        word.rstrip("/") for process in view.by_pid.values() for word in process.argv[1:]
        if process.uid <= 0 and posixpath.basename(process.argv[0]) in _SCANNERS
    ]
    own = [word for word in dict.fromkeys(words) if _FOLDER_PATH.match(word) and word not in _FOLDERS]
    return tuple(f"{folder}/*/{file}" for folder in own[:_MOST_SCANNED] for file in _FILES)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run folder: the command of its `run` script, its supervisor, its start command, and why it may not run."""

    kind: StarterKind
    name: str
    service_command: ServiceCommand
    idle_reason: str
    command: str


def run_folders(view: View, files: Mapping[str, FileAnswer]) -> Iterator[RunFolder]:
    """Yield each run folder once, even if several folders lead to it; `files` maps the path as found."""
    seen: set[str] = set()
    watched = _watchers_by_name(view)
    found = [(match, file) for path, file in files.items() if (match := _RUN_SCRIPT.match(path)) is not None]
    for match, file in sorted(found, key=lambda entry: _scan_order(entry[0]["folder"])):
        if match["name"] in seen:
            continue
        path = match[0]
        folder, name = match["folder"], match["name"]
        seen.add(name)
        run = read_script(file.data.decode("latin-1"), path, {}, view.contents(), directory=folder)
        words = run.command or (run.other[-1] if run.other else None)
        if words is None:
            continue
        words = words[1:] if words[0].text == "exec" else words
        line = next((p.line for w in words for p in w.pieces if p.file == path), 1)
        said = Evidence("file", f"{path}:{line}", " ".join(w.text for w in words))
        told = ServiceCommand(tuple(words), run.env, said, "shell", run.directory, tuple(run.sourced))
        by = watched.get(name)
        kind, start = _WATCHERS.get(by or "", (_scanner_kind(view), ""))
        yield RunFolder(kind, name, told, _idle_reason(folder, name, by, files), start.format(name=name, folder=folder))


def _scan_order(folder: str) -> int:
    """Return the sort key of a folder: scanned folders come first."""
    above = posixpath.dirname(folder)
    return _FOLDERS.index(above) if above in _FOLDERS else -1


def _watchers_by_name(view: View) -> dict[str, str]:
    """Return service name -> program of its supervisor process."""
    found: dict[str, str] = {}
    for process in view.by_pid.values():
        words = [posixpath.basename(word) for word in process.argv[:2]]
        if len(words) == 2 and words[0] in _WATCHERS and process.uid <= 0:
            found.setdefault(words[1], words[0])
    return found


def _scanner_kind(view: View) -> StarterKind:
    programs = [posixpath.basename(process.argv[0]) for process in view.by_pid.values() if process.argv]
    return next((_SCANNERS[name] for name in programs if name in _SCANNERS), "runit")


def _idle_reason(folder: str, name: str, watcher: str | None, files: Mapping[str, FileAnswer]) -> str:
    """Return why the service may not run, from its supervisor and its status file; empty if neither shows a reason."""
    if watcher is None:
        return f"no runsv, s6-supervise or supervise runs for {name}"
    status = files.get(f"{folder}/supervise/status")
    wanted = status.data[17:18] if status is not None and len(status.data) in _STATUS_SIZES else b""
    return f"its wanted state in {watcher} is down" if wanted == b"d" else ""


def hosted_server_pids(service: Service, view: View) -> set[int]:
    """Return the pids of servers in the unit of a scanner, cron or sshd: they do not belong to the unit."""
    command = service.unit.exec_start if service.unit is not None else ()
    if posixpath.basename(command[0] if command else "") not in _PARENT_DAEMONS:
        return set()
    held = [view.by_pid[pid] for pid in service.pids if pid in view.by_pid]
    serving = {process.pid for process in held if runtime_of(process.argv)}
    grown = True
    while grown:        # workers of a server may have another name
        more = {process.pid for process in held if process.ppid in serving} - serving
        serving |= more
        grown = bool(more)
    return serving
