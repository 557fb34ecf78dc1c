"""Repairs that let a program use its path: a folder that it may write to, one for temporary files, or its socket's."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import bindings_of, find_node
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.folder_maker import FolderMaker
from fixer.analysis.exits.path_access import PathState, account_of_run
from fixer.formats.file_errors import MISSING_CODES, NO_TEMP, READ_ONLY_CODES
from fixer.formats.folders import is_below
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Repair
from fixer.model.service import configured_sockets
from fixer.model.snapshot import CommandArgument, LogLine, Service, Snapshot, UnitValue
from fixer.repairs.command_options import edit_argument
from fixer.repairs.container_settings import temporary_folder_repair
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.listen_address import LISTEN_ID
from fixer.repairs.start_service import start_or_restart_steps
from fixer.repairs.unit_edits import RepairWording, manual_repairs, written_and_start_repair
from fixer.repairs.write_variables import write_drop_in

NO_NAME = "its account"      # of a program of which nothing but its log is known
PATHS_DROP_IN = "50-badgateway-paths.conf"
_SYSTEM_PATHS = ("/usr/", "/boot/", "/efi/")
_PROTECTED_BY_VALUE = {"full": (*_SYSTEM_PATHS, "/etc/"), **dict.fromkeys(("yes", "true", "on", "1"), _SYSTEM_PATHS)}
# only folders below these, never these themselves
_DATA_FOLDERS = ("/var/lib/", "/var/log/", "/var/cache/", "/srv/", "/opt/")
_RUN_FOLDER = regex(r"/run/([A-Za-z0-9][\w.-]*)/[^/]+")
_PLAIN_PATH = regex(r"/[\w./@-]+")


@dataclass(frozen=True, slots=True)
class UnusablePath:
    """The path that ended a run, the reason, and the log line. `others` are further candidates for the path; it is not
    `named` if the line names none, and only one candidate is as the line says."""

    path: str
    reason: str
    line: LogLine
    others: tuple[str, ...] = ()
    named: bool = True


# folders that systemd creates at each start, by their place
_FOLDER_SETTINGS = (("/var/log/", "LogsDirectory"), ("/var/lib/", "StateDirectory"), ("/var/cache/", "CacheDirectory"),
                    ("/run/", "RuntimeDirectory"))


def is_folder_missing(snapshot: Snapshot, service: Service, path: str) -> bool | None:
    """Return whether the folder of the path is missing on its machine; None if that is unknown."""
    node, folder = find_node(snapshot, service.node), posixpath.dirname(posixpath.normpath(path))
    if node is None or service.container is not None:
        return None
    return True if folder in node.missing_paths else False if folder in dict(node.files) else None


def folder_setting_text(service: Service, path: str, missing: bool | None) -> str:
    """Return the setting of the unit that creates the folder of the path, if it may be missing; no setting creates a
    file."""
    folder = posixpath.dirname(posixpath.normpath(path)).replace("/var/run/", "/run/")
    place = next((pair for pair in _FOLDER_SETTINGS if folder.startswith(pair[0])), None)
    if missing is False or place is None or service.unit is None or not _PLAIN_PATH.fullmatch(folder):
        return ""
    when = "" if missing else "if the folder is gone, "
    return f"{when}set {place[1]}={folder.removeprefix(place[0])} in the unit to create it at each start"


def own_runtime_folder_text(service: Service, path: str, maker: FolderMaker) -> str:
    """Return what gives the program a folder that systemd makes for its account. The folder of a socket unit stays as
    it is: systemd would remove it, with the socket, when the service stops."""
    base = posixpath.dirname(posixpath.normpath(path)).removeprefix("/run/")
    if maker.socket_unit:
        return (f"set RuntimeDirectory={base}-own in the unit of {service.name} and let it write to /run/{base}-own: "
                f"{maker.unit} makes /run/{base} as root at each boot, so a chown does not last")
    return (f"set RuntimeDirectory={base} in the unit of {service.name} in the place of that step: systemd then makes "
            f"the folder for its account at each start")


def protecting_setting(crash: FailedRun, path: str) -> UnitValue | None:
    """Return the ProtectSystem= setting that makes the path read-only for the service."""
    for setting in crash.service.unit_values:
        value = setting.value.strip().lower()
        if setting.key == "ProtectSystem" and (value == "strict"
                                               or path.startswith(_PROTECTED_BY_VALUE.get(value, ("\0",)))):
            return setting
    return None


def _runtime_folder(case: Case, crash: FailedRun, denied: UnusablePath) -> str:
    """Return the name of a missing folder below /run that only this unit uses and that was created by hand, or ""."""
    service = crash.service
    path = posixpath.normpath(denied.path).removeprefix("/var")
    match, node = _RUN_FOLDER.fullmatch(path), find_node(case.snapshot, service.node)
    if denied.reason not in MISSING_CODES or match is None or node is None or service.unit is None:
        return ""
    folder = f"/run/{match[1]}"
    if not {folder, f"/var{folder}"}.intersection(node.missing_paths) or any(
            s.key == "RuntimeDirectory" and s.value for s in service.settings):
        return ""
    shared = any(is_below(path, folder) for other in case.snapshot.services
                 if other.id != service.id and other.node == service.node for path in configured_sockets(other))
    return "" if shared else match[1]


def open_path_repairs(
    case: Case, crash: FailedRun, denied: UnusablePath, setting: UnitValue | None, todo: str,
) -> tuple[Repair, ...]:
    """Return an edit that allows writes to the data folder, or lets systemd create the folder below /run. Else return
    a manual repair."""
    if (denied.reason in READ_ONLY_CODES or denied.reason == NO_TEMP) and crash.service.container is not None:
        given = temporary_folder_repair(case, crash, denied.path)
        return (*((given,) if given is not None else ()), *manual_repairs("open-path", todo))
    if denied.reason == NO_TEMP:
        return temporary_folder_repairs(case, crash, setting, todo)
    if denied.reason in MISSING_CODES and denied.path in configured_sockets(crash.service):

        moved = listen_where_asked_repair(case, crash, denied.path)
        if moved is not None:
            return (moved, *manual_repairs("open-path", todo))
    runtime = _runtime_folder(case, crash, denied)
    if runtime:
        made = write_drop_in(case.snapshot, crash.service, f"RuntimeDirectory={runtime}\n", PATHS_DROP_IN)
        if not isinstance(made, NotEditable):
            does = (f"let systemd create /run/{runtime} at each start of {crash.service.name} "
                    f"(RuntimeDirectory={runtime})")
            return (written_and_start_repair(case, crash, RepairWording("make-folder", does, todo), made),)
    folder = posixpath.dirname(posixpath.normpath(denied.path))
    own = folder.startswith(_DATA_FOLDERS) and _PLAIN_PATH.fullmatch(folder)
    written = write_drop_in(case.snapshot, crash.service, f"ReadWritePaths={folder}\n",
                            PATHS_DROP_IN) if setting and own else None
    if written is None or isinstance(written, NotEditable):
        return manual_repairs("open-path", todo)
    doing = RepairWording("open-folder", f"let {crash.service.name} write to {folder}", todo)
    return (written_and_start_repair(case, crash, doing, written),)


def listen_where_asked_repair(case: Case, crash: FailedRun, path: str) -> Repair | None:
    """Return a repair that moves the socket from a missing folder to the path that nginx uses, if its folder exists.
    A restored folder would let the service listen where nginx does not connect."""
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    told = next((b for b in bindings_of(service) if b.unix == path), None)
    node = find_node(case.snapshot, service.node)
    asked = endpoint.unix or ""
    stat = dict(node.files).get(posixpath.dirname(asked)) if node is not None else None
    is_there = stat is not None and stat.kind == "dir"
    if told is None or not asked or asked == path or endpoint.node != service.node or not is_there:
        return None
    word = CommandArgument(path, told.file, 0, told.start, told.end)
    edit = edit_argument(case.snapshot, service, word, asked, f"listen on {asked}")
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    does = f"let {service.name} listen on {asked}, where nginx connects, instead of {path}"
    if isinstance(edit, NotEditable) or isinstance(begin, NotEditable) or not begin:
        return Repair(LISTEN_ID, "manual", does, (), manual=f"{does} ({told.source.where}), then start it")
    return Repair(LISTEN_ID, "disruptive", f"{does}, in {edit.where}, then start it", (*edit.steps, *begin))


# No folder for temporary files: /tmp has the wrong mode, the unit protects it, or the disk is full.
TMP_DROP_IN = "50-badgateway-tmp.conf"


def temporary_folder_texts(service: Service, path: str, state: PathState, setting: UnitValue | None) -> tuple[str, str]:
    """Return what is wrong, and what to do about it."""
    folder = posixpath.dirname(path)
    said = "it has no writable folder for temporary files"
    box = service.container
    if box is not None and box.read_only:
        return f"{said}: the file system of {box.name} is read-only", f"mount a tmpfs at {folder} of {box.name}"
    if setting is not None:
        return (f"{said} ({setting.key}={setting.value} makes {folder} read-only for it)",
                f"set PrivateTmp=yes next to {setting.key}= at {setting.file}:{setting.line}")
    if state.state == "holds":
        return (f"{said}: {state.text}",
                f"chown root:root {folder}; chmod 1777 {folder}, the default on every system ({state.text})")
    return said, (f"find out why {service.name} cannot write to {folder}: df -h {folder}; df -i {folder} (full?), "
                  "mount (read-only?), and the protection settings of its unit")


def temporary_folder_repairs(case: Case, crash: FailedRun, setting: UnitValue | None, todo: str) -> tuple[Repair, ...]:
    """Give the unit its own /tmp if only its protection settings forbid writes; else return a manual repair."""
    service = crash.service
    own = any(s.key == "PrivateTmp" for s in service.unit_values)
    written = write_drop_in(case.snapshot, service, "PrivateTmp=yes\n",
                            TMP_DROP_IN) if setting is not None and not own else None
    if written is None or isinstance(written, NotEditable):
        return manual_repairs("open-path", todo)
    doing = RepairWording("open-folder", f"give {service.name} its own /tmp (PrivateTmp=yes)", todo)
    return (written_and_start_repair(case, crash, doing, written),)


def account_text(case: Case, crash: FailedRun) -> str:
    """Return the name of the account that the run had."""
    account = account_of_run(case.snapshot, crash) if crash.is_hearsay or crash.has_running_parent else None
    if account is not None or crash.is_hearsay:
        return account.name if account is not None else NO_NAME
    return crash.service.runs_as or manager_of(crash.service).account_name()
