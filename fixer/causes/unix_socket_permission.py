"""nginx's account may not reach the backend's unix socket.
nginx logs `connect() to unix:… failed (13: Permission denied)` (502). Open the folder or the socket in the unit.

By hand
  ps -o user,args -C nginx                   # the account of the workers: www-data, nginx
  namei -l /run/app/app.sock; id www-data    # which folder or mode stops it?
  systemctl edit UNIT                        # [Service] Group=www-data, or RuntimeDirectoryMode=0711
  systemctl restart UNIT
  runuser -u www-data -- curl --unix-socket /run/app/app.sock http://localhost/    # does it get through now?

What it is
  To connect to a unix socket an account needs to pass every folder on the way (x) and to write to the socket (w).
  A unit gets another group, gunicorn a `--umask 077`, a RuntimeDirectory mode 0700, or the socket lies in a home
  folder that is closed to others.

Why nginx says 502
  `connect() to unix:/run/app/app.sock failed (13: Permission denied) while connecting to upstream`, at once.

How it is told apart
  Root may do everything: `curl --unix-socket` as root answers. fixer reads mode, owner and group of every folder on the
  way and of the socket, and the groups of nginx's workers, and names the first that stops them. Where none does,
  something else denies (an access list, SELinux): then this is not known. On a TCP address the same errno is
  mac-denied. Where nothing listens (any more), only a folder that no start makes anew counts: nginx would be denied
  there even with a backend that runs.

The repair and its safety
  chmod helps until the next start only: the socket is recreated then. What lasts stands in the unit.
  open-folder (disruptive): a drop-in lets others pass through the unit's own RuntimeDirectory (mode 0711), and the
  service is restarted; the socket's own mode still holds.
  share-group (disruptive): where the socket is open to its group, a drop-in gives the service nginx's group and keeps
  its old one as a further group; it is restarted. Undo takes both back.
  Anything else is for a person (a home folder, a umask in the command): the message names what stops whom.

Variants
  unix-socket-permission  the account of nginx may not use the socket or a folder above it
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, accepts_connections
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import config_evidence
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.selinux_denials import audit_evidence, recent_denials
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, Service, Unit
from fixer.nginx.error_kinds import CONNECT_FAILED
from fixer.repairs.command_options import edit_argument
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.folder_maker import root_folder_maker, runtime_folders
    from fixer.analysis.exits.path_access import Account, group_name, read_account_file
    from fixer.analysis.exits.socket_access import ClosedPath, nginx_profile, socket_access
    from fixer.repairs.start_service import restart_steps
    from fixer.repairs.write_variables import write_drop_in

SOCKET_DROP_IN = "50-badgateway-socket.conf"


_UMASK = regex(r"^[0-7]{2,4}$")


def judge(case: Case) -> Verdict:
    """Judge each socket that nginx was denied: which part of its path is closed?"""
    return conclude(*for_each_failing_address(case, _judge_address))


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    # systemd starts a socket-activated service at the first connection, which nginx's account never makes
    alive, beside = accepts_connections(endpoint), config_evidence(case.snapshot, trouble.nginx, endpoint)
    kinds = [event.kind for event in events_for(case, trouble, CONNECT_FAILED)]
    if endpoint.unix is None or "connect-denied" not in (kinds if alive else kinds[-1:]):
        return beside
    access = socket_access(case, trouble)
    if isinstance(access, str):
        return access if alive else beside
    account, shut, way = access
    if not alive and not (shut := _lasting_folders(case, endpoint, shut)):
        return beside
    if not shut and (refused := recent_denials(case, trouble)):       # mac-denied reports it
        return audit_evidence(refused[-1])
    if not shut and (profile := nginx_profile(case, trouble)):
        return Evidence("process", "nginx worker", f"AppArmor profile {profile}")
    if not shut:
        return (f"what denies {account.name} the socket {endpoint.unix}: modes and owners allow it (an ACL? Run "
                f"getfacl -p {' '.join(way)})")
    return _found(case, trouble, account, shut, alive=alive)


def _lasting_folders(case: Case, endpoint: Endpoint, shut: tuple[ClosedPath, ...]) -> tuple[ClosedPath, ...]:
    """Return the closed folders but for those that the unit makes anew at its start, as its program does the socket."""
    service = case.service(endpoint.configured_service)
    made = runtime_folders(service) if service is not None else frozenset()
    return tuple(one for one in shut if one.bit == 1 and one.path not in made)


def _found(case: Case, trouble: FailingAddress, account: Account, shut: tuple[ClosedPath, ...], *,
           alive: bool) -> Finding:
    endpoint, first = trouble.endpoint, shut[0]
    service = case.service(endpoint.listening_service) or case.service(endpoint.configured_service)
    what = "write to the socket" if first.bit == 2 else "enter the folder"
    made = root_folder_maker(case.snapshot, service, first.path) if service is not None and first.bit == 1 else None
    return Finding(
        cause=CAUSE.id, variant="unix-socket-permission", role="root", confidence="certain",
        summary=f"nginx's account {account.name} may not {what} {first.path} ({_mode_text(first)}); "
        f"affected: {routes_text(trouble)}",
        detail=(made.text,) if made is not None else (), routes=trouble.route_ids,
        service=service.name if service is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *(Evidence("file", s.path, _mode_text(s)) for s in shut), *((made.evidence,) if made is not None else ()),
            Evidence("process", "nginx worker", f"{account.name}, uid {account.uid}, groups "
                     + ", ".join(map(str, sorted(account.gids)))),
            *symptom_evidence(case, trouble, {"connect-denied"}),
        ))),
        repairs=(_repair(case, trouble, service, account, shut) if alive
                 else _by_hand(service, account, shut),),       # a restart would meet what ended it
    )


def _mode_text(shut: ClosedPath) -> str:
    return f"mode {shut.stat.mode & 0o7777:04o}, owner {shut.stat.uid}:{shut.stat.gid}"


def _repair(case: Case, trouble: FailingAddress, service: Service | None, account: Account,
            shut: tuple[ClosedPath, ...]) -> Repair:
    told, by_hand = _closed_text(account, shut), _by_hand(service, account, shut)
    if service is not None and service.socket is not None:
        unit = service.socket.name       # systemd creates the socket: the application has no influence
        return Repair("open-socket", "manual", f"let {account.name} reach the socket", (), manual=(
            f"{told}. Run systemctl edit {unit}, and set SocketMode=0660 and "
            f"SocketGroup={account.group or account.name} in [Socket] (DirectoryMode=0755 for a folder that it "
            f"creates). Then run systemctl stop {service.name} and systemctl restart {unit}"))
    if service is not None and service.container is not None and not service.container.is_machine:
        return Repair("open-socket", "manual", f"let {account.name} reach the socket", (), manual=(
            f"{told}. In the command of {service.name}, open the socket to others (gunicorn: --umask 0, uwsgi: "
            f"--chmod-socket=666), or set user: to the number of a group of {account.name} on {trouble.nginx.node}. "
            f"Then recreate {service.name}. chmod on the socket itself lasts only until its next start"))
    if service is None or service.unit is None:
        return by_hand
    wider = _umask_repair(case, trouble, service, account, shut) if service.runtime == "gunicorn" else None
    if wider is not None:
        return wider
    own = runtime_folders(service)
    if all(s.path in own for s in shut) and len(shut) == 1:
        lines, repair_id = "RuntimeDirectoryMode=0711\n", "open-folder"
        does = f"let other accounts enter {shut[0].path}"
    elif account.group and not _gives_away(service.unit, shut) and all(
            s.is_open_to_group and (s.bit == 2 or s.path in own) for s in shut):
        groups = read_account_file(case.snapshot, service.node, "/etc/group")
        kept = group_name(groups, shut[0].stat.gid)
        further = f"SupplementaryGroups={kept}\n" if kept and shut[0].stat.gid else ""
        lines, repair_id = f"Group={account.group}\n{further}", "share-group"
        does = f"give {service.name} the group {account.group}"
    else:
        return by_hand
    written = write_drop_in(case.snapshot, service, lines, SOCKET_DROP_IN)
    if isinstance(written, NotEditable):
        return Repair(repair_id, "manual", does, (), manual=(
            f"{does}: set {lines.strip()} in its unit; fixer cannot do this: {written.reason}"))
    steps = (*written.steps, *restart_steps(case.snapshot, service, trouble.endpoint))
    return Repair(repair_id, "disruptive", f"{does}, in {written.where}, and restart it", steps)


def _closed_text(account: Account, shut: tuple[ClosedPath, ...]) -> str:
    return "; ".join(f"{s.path} is closed to {account.name}" for s in shut)


def _by_hand(service: Service | None, account: Account, shut: tuple[ClosedPath, ...]) -> Repair:
    return Repair("open-socket", "manual", f"let {account.name} reach the socket", (),
                  manual=f"{_closed_text(account, shut)}: {_open_path_text(service, account, shut)}")


def _gives_away(unit: Unit, shut: tuple[ClosedPath, ...]) -> bool:
    """Return whether root starts the server, and the socket has another group: then the server itself gives it away,
    by settings that win over the unit's group."""
    return not {unit.user, unit.group} - {"", "root", "0"} and any(s.bit == 2 and s.stat.gid for s in shut)


def _open_path_text(service: Service | None, account: Account, shut: tuple[ClosedPath, ...]) -> str:
    """Return the manual steps for each kind of closed path."""
    group = account.group or account.name
    words = [f"chmod o+x {s.path} lets other accounts enter it, but not list its content" for s in shut
             if s.bit == 1]
    if words:
        words.append("or move the socket to a folder of /run that nginx may enter (RuntimeDirectory=)")
    if any(s.bit == 2 for s in shut):
        runtime = service.runtime if service is not None else ""
        unit = service.unit if service is not None else None
        by_unit = service is None or (unit is not None and not _gives_away(unit, shut))
        in_unit = f"Group={group} in its unit" if by_unit else f"start it with the group {group}"
        has_group = all(s.stat.gid in account.gids for s in shut if s.bit == 2)     # only its mode is too narrow
        how = {"uwsgi": "set chmod-socket = 660 in its settings" + (
                   "" if has_group else f" and {in_unit} (chown-socket = :{group} if root starts it)"),
               "gunicorn": "set --umask 007 (-m) in its command" + ("" if has_group else f" and {in_unit}")}
        words.append(how.get(runtime, f"give the service nginx's group ({group}) if the mode of its socket lets the "
                                      "group in"))
        words.append("chmod on the socket itself lasts only until its next start")
    return "; ".join(words)


def _umask_repair(case: Case, trouble: FailingAddress, service: Service, account: Account,
                 shut: tuple[ClosedPath, ...]) -> Repair | None:
    """Return the repair if the socket has nginx's group and only gunicorn's umask excludes the group."""
    if len(shut) != 1 or shut[0].bit != 2 or shut[0].stat.gid not in account.gids or not shut[0].stat.gid:
        return None
    words = service.command
    at = next((i for i in range(1, len(words)) if words[i - 1].text in ("-m", "--umask")), None)
    mask = words[at].text if at is not None else ""
    if at is None or not _UMASK.match(mask) or not int(mask, 8) & 0o020:
        return None
    wanted = f"{mask[:-2]}0{mask[-1]}"
    edit = edit_argument(case.snapshot, service, words[at], wanted, f"a umask of {wanted}")
    steps = restart_steps(case.snapshot, service, trouble.endpoint)
    if isinstance(edit, NotEditable) or not steps:
        return None
    group = account.group or account.name
    does = f"let the group {group} use the socket of {service.name} (umask {wanted}, now {mask})"
    return Repair("open-umask", "disruptive", f"{does}, in {edit.where}, and restart it", (*edit.steps, *steps))


CAUSE = Cause(
    id="unix-socket-permission",
    title="nginx's account may not reach the backend's unix socket",
    family="beyond the guide",
    variants=("unix-socket-permission",),
    verdict=judge,
    page=__doc__,
)
