"""An nginx whose container may not write to its own file system: which folders it needs, and where that is set."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.snapshot import LogLine, Nginx
from fixer.repairs.container_settings import add_tmpfs
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import waiting

ID = "give-nginx-folders"
_SAID = regex(r"\[emerg\] .*\b(?:mkdir|open|creat)\(\) \"(?P<path>/[^\"]+)\" failed \(30: ")
# Folders that the builds of nginx write to; a tmpfs over anything else could hide what the image brings.
_TEMPS = ("/var/lib/nginx", "/var/cache/nginx", "/var/tmp/nginx", "/usr/local/nginx", "/tmp")   # noqa: S108  not ours
_RUN = ("/run", "/var/run")
_TEMPORARY = ("/tmp", "/var/tmp")   # noqa: S108  not ours


def read_only_words(nginx: Nginx) -> LogLine | None:
    """The line with which it ended, where its container's file system is read-only and it says so."""
    if nginx.service is None or nginx.service.container is None or not nginx.service.container.read_only:
        return None
    return next((line for line in reversed(lines_of(nginx.service)[-10:]) if _SAID.search(message(line))), None)


def give_folders(case: Case, nginx: Nginx, said: LogLine) -> Repair:
    """A tmpfs for the folder that it named and for its pid file, in the compose file."""
    service = nginx.service
    assert service is not None
    match = _SAID.search(message(said))
    named = match["path"] if match is not None else ""
    folders = _folders(nginx, named)
    summary = f"give {service.name} folders to write to ({', '.join(folders) or named}), as tmpfs"
    written = NoPlace(f"{named} is no folder that nginx alone writes to") if not folders else add_tmpfs(
        case.snapshot, service, folders, summary)
    if isinstance(written, NoPlace):
        places = ", ".join(folders) or named
        manual = f"{service.name} is read-only: mount a tmpfs or a volume at {places}; {written.why}"
        return Repair(ID, "manual", summary, (), manual=manual)
    return Repair(ID, "disruptive", f"{summary}, in {written.where}; {service.name} is made anew", written.steps)


def temporary_folder(case: Case, crash: Crash, path: str) -> Repair | None:
    """A tmpfs for the system's own folder of temporary files, over which nothing of the image is lost."""
    service = crash.service
    folder = next((f for f in _TEMPORARY if path.startswith(f + "/")), None)
    box = service.container
    over = [at for _, at in (*box.shares, *((s, at) for s, at, _ in box.mounts))] if box is not None else []
    if folder is None or box is None or not box.read_only or any(f"{path}/".startswith(f"{at}/") for at in over):
        return None
    summary = f"give {service.name} {folder} to write to, as tmpfs"
    written = add_tmpfs(case.snapshot, service, (folder,), summary)
    if isinstance(written, NoPlace):
        return None
    steps = (*written.steps, *waiting(case.snapshot, service, crash.troubles[0].endpoint))
    return Repair("give-folder", "disruptive", f"{summary}, in {written.where}; {service.name} is made anew", steps)


def _folders(nginx: Nginx, named: str) -> tuple[str, ...]:
    """The known folder that holds the path; the pid file's too, which fails next."""
    holds = next((f for f in (*_TEMPS, *_RUN) if named == f or named.startswith(f + "/")), None)
    if holds is None:
        return ()
    pid = nginx.config.value.pid_path if isinstance(nginx.config, Known) else ""
    beside = posixpath.dirname(posixpath.normpath(pid or "/run/nginx.pid"))
    beside = {"/var/run": "/run"}.get(beside, beside)
    return tuple(dict.fromkeys(f for f in (holds, beside) if f in (*_TEMPS, *_RUN) or f == holds))
