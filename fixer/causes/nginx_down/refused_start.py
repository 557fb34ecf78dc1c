"""An nginx that cannot start: denied calls in its container, listen addresses and names that the machine lacks."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import address_text, find_node, shorten
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.selinux_denials import HTTPD_DOMAINS, audit_evidence, selinux_type_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import Listen
from fixer.model.snapshot import Container, LogLine, Nginx, Snapshot
from fixer.nginx.error_kinds import HOST_NOT_FOUND

with lazy_imports():  # only for what is found
    from fixer.repairs.start_nginx import stopped_upstream_name

_TAIL_LINES = 12     # journal lines that hold the last start
_DENIED_LINE = regex(up_to_first(r"\[emerg\] (?:\d+#\d+: )?")
                     + r"(?P<said>.*\((?:13: Permission denied|1: Operation not permitted)\)\S*)")
_PATH = regex(r"\"(?P<path>/[^\"]+)\"")
_CALL_CAPABILITIES = {"chown": "CHOWN", "setgid": "SETGID", "initgroups": "SETGID", "setuid": "SETUID"}
_CALL = regex(r"^(?P<call>chown|setgid|initgroups|setuid)\(")
CAPABILITIES = "CHOWN, SETGID and SETUID"


def denied_line(nginx: Nginx) -> LogLine | None:
    """Return the permission error with which nginx's container ended; a restart would end the same way."""
    box = nginx.service.container if nginx.service is not None else None
    if nginx.service is None or box is None or box.is_machine or not box.exit_code or nginx.master_pid is not None:
        return None
    last = next((line for line in reversed(lines_of(nginx.service)[-10:]) if "[emerg]" in message_of(line)), None)
    return last if last is not None and _DENIED_LINE.search(message_of(last)) else None


def denied_text(line: LogLine) -> str:
    """Return what was denied, as nginx logs it."""
    match = _DENIED_LINE.search(message_of(line))
    return shorten(match["said"], 160) if match is not None else ""


def missing_capability(message: str) -> str:
    """Return the capability that nginx's call lacks, or an empty text for other calls."""
    match = _CALL.match(message)
    return _CALL_CAPABILITIES[match["call"]] if match is not None else ""


def allow_start_repair(box: Container, line: LogLine, repair_id: str) -> Repair:
    """Return the manual repair of the container's definition."""
    denied, path = denied_text(line), _PATH.search(denied_text(line))
    who = f"the account {box.user}" if box.user else "root without its capabilities"
    if missing_capability(denied):
        todo = f"add the capabilities {CAPABILITIES} (cap_add): nginx cannot start its workers without them"
    elif denied.startswith("bind()"):
        todo = f"{who} may not listen there: listen on a port above 1023 and publish that, or run it as root"
    else:
        at = path["path"] if path is not None else "that path"
        todo = (f"{who} may not use {at}: let nginx write where that account may (`pid /tmp/nginx.pid;`, *_temp_path, "
                "a tmpfs of that account). Or give the account access to the mount. Or remove `user:`, since nginx "
                "drops root by itself")
    again = f"docker compose up -d {box.service}" if box.project and box.service else f"docker start {box.name}"
    return Repair(repair_id, "manual", "let nginx's container start", (), manual=f"{todo}; then {again}")


# A unit of a machine with SELinux: root may do everything, except what the policy denies to nginx's domain.
_BOUND_PORT = regex(r"^bind\(\) to \S{0,80}:(?P<port>\d{1,5}) failed")


def selinux_denied_line(case: Case, nginx: Nginx) -> LogLine | None:
    """Return the permission error with which nginx's unit failed to start on an enforcing machine; another start would
    end the same way. `nginx -t` of a login is not confined, and passes."""
    service, node = nginx.service, find_node(case.snapshot, nginx.node)
    if service is None or service.unit is None or nginx.master_pid is not None or node is None:
        return None
    enforcing = isinstance(node.policy, Known) and node.policy.value.enforcing is True
    if not enforcing or service.unit.active_state != "failed" or service.unit.user not in ("", "root"):
        return None
    last = next((line for line in reversed(lines_of(service)[-_TAIL_LINES:]) if "[emerg]" in message_of(line)), None)
    return last if last is not None and denied_text(last) and not _is_changed_since(nginx, last) else None


def selinux_evidence(case: Case, nginx: Nginx) -> tuple[Evidence, ...]:
    """Return SELinux's mode, and what audit has recorded last of the web server's domain."""
    node = find_node(case.snapshot, nginx.node)
    policy = node.policy.or_else(None) if node is not None else None
    recorded = [d for d in policy.denials if selinux_type_of(d.source) in HTTPD_DOMAINS] if policy is not None else []
    mode = Evidence("kernel", "/sys/fs/selinux/enforce", "1: SELinux is enforcing")
    return (mode, *map(audit_evidence, recorded[-1:]))


def allow_by_selinux_repair(nginx: Nginx, line: LogLine, repair_id: str) -> Repair:
    """Return the manual repair of the type that the policy gives to a port or to a file."""
    denied, name = denied_text(line), nginx.service.name if nginx.service is not None else "nginx"
    bound, path = _BOUND_PORT.search(denied), _PATH.search(denied)
    if bound is not None:
        todo = (f"semanage port -a -t http_port_t -p tcp {bound['port']} (-m if the policy already lists that port), "
                f"or let nginx listen on a port that semanage port -l lists for http_port_t")
    elif path is not None:
        todo = (f"restorecon -v {path['path']} gives it the type of its folder (a file that was moved there keeps its "
                f"old one: ls -Z); semanage fcontext adds a folder of your own")
    else:
        todo = "ausearch -m avc -ts recent -c nginx | audit2why shows the missing boolean or rule"
    manual = f"{todo}; then systemctl start {name}"
    return Repair(repair_id, "manual", "allow it in SELinux's policy, then start nginx", (), manual=manual)


# A listen address that the machine does not have (any more): nginx does not start.
_BIND_ERROR = regex(up_to_first(r"\[emerg\]") + r".* bind\(\) to (\S{1,80}) failed \(99: ")


def missing_listen_address(snapshot: Snapshot, nginx: Nginx) -> tuple[str, LogLine, tuple[Evidence, ...]] | None:
    """Return the address, nginx's log line about it, and evidence: it is configured, and the kernel does not have
    it."""
    node = find_node(snapshot, nginx.node)
    if nginx.service is None or node is None or not node.addresses or not isinstance(nginx.config, Known):
        return None
    wanted = {_listen_text(x): x for route in nginx.config.value.routes for x in route.listens if x.port}
    for line in reversed(lines_of(nginx.service)[-_TAIL_LINES:]):
        match = _BIND_ERROR.search(message_of(line))
        listen = wanted.get(match[1]) if match is not None else None
        if listen is not None and listen.address.strip("[]") not in node.addresses:
            return _listen_text(listen), line, (
                Evidence("nginx-config", f"{listen.span.file}:{listen.span.line}", f"listen {_listen_text(listen)};"),
                Evidence("kernel", f"addresses of {node.name}", ", ".join(node.addresses[:12])),
            )
    return None


def _listen_text(listen: Listen) -> str:
    return address_text(listen.address, listen.port)


_MISSING_HOST = regex(HOST_NOT_FOUND + r' "([A-Za-z0-9_.-]{1,253})[":]')
_CLOCK_SLACK = 0.5     # seconds between a log's clock and a file's


def missing_name_line(nginx: Nginx) -> LogLine | None:
    """Return the log line about an unresolved backend name: the backend must run before nginx starts."""
    if nginx.service is None:
        return None
    return next((line for line in reversed(lines_of(nginx.service)[-10:]) if HOST_NOT_FOUND in message_of(line)), None)


def dependency_text(case: Case, nginx: Nginx) -> str:
    """Return what must run before nginx: its log says so, or its container could not resolve the name."""
    box = nginx.service.container if nginx.service is not None else None
    if missing_name_line(nginx) is None and (box is None or box.is_machine or nginx.master_pid is not None):
        return ""
    return stopped_upstream_name(case, nginx)


def current_denied_line(nginx: Nginx) -> LogLine | None:
    """Return that permission error, unless the container's definition was changed since."""
    line = denied_line(nginx)
    return None if line is None or _is_changed_since(nginx, line) else line


def outdated_error_text(case: Case, nginx: Nginx, box: Container, line: LogLine) -> str:
    """Explain why nginx's last error no longer holds: its files changed, or the named container started."""
    if _is_changed_since(nginx, line):
        return "its configuration was changed"
    named = _MISSING_HOST.search(message_of(line))
    if named is None or line.at is None:
        return ""
    mine = {network for network, _, _ in box.networks}
    for service in case.snapshot.services:
        other = service.container
        if other is None or other.id == box.id or not service.running or other.started_at <= line.at:
            continue
        for network, ip, aliases in other.networks:
            if network in mine and ip and named[1] in (*aliases, other.name, other.service):
                return f"{other.name}, which it needs by the name {named[1]}, started"
    return ""


def _is_changed_since(nginx: Nginx, line: LogLine) -> bool:
    changed = nginx.config_mtime
    return isinstance(changed, Known) and line.at is not None and changed.value > line.at + _CLOCK_SLACK
