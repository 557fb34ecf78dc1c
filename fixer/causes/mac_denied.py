"""A policy of the kernel (SELinux, AppArmor, seccomp) forbids nginx to connect; others may.
nginx logs `connect() to … failed (13: Permission denied)` at once (502). Allow nginx the connection in that policy.

By hand
  getenforce; getsebool httpd_can_network_connect; ausearch -m avc -ts recent
  setsebool -P httpd_can_network_connect on         # SELinux: at once, and it lasts
  aa-status; dmesg -T | grep 'apparmor="DENIED"'    # AppArmor: which profile?
  systemctl cat nginx | grep -n SystemCallFilter    # a filter of its unit
  systemctl edit nginx; systemctl restart nginx     # [Service] SystemCallFilter= (empty) takes it back
  docker inspect -f '{{.HostConfig.SecurityOpt}} {{.AppArmorProfile}}' CONTAINER

What it is
  The machine's mandatory access control confines nginx: with SELinux enforcing, `httpd_t` may connect nowhere unless
  the boolean httpd_can_network_connect is on, as it is not by default on Fedora, RHEL and their like. AppArmor profiles
  and seccomp filters (of a container, or `SystemCallFilter=` with an error number in nginx's unit) do the same.

Why nginx says 502
  connect() itself is denied, at once: `[crit] connect() to 127.0.0.1:8000 failed (13: Permission denied) while
  connecting to upstream`; some filters say `(1: Operation not permitted)`.

How it is told apart
  The address answers when it is asked by anybody else on the machine, and only nginx is denied. A route or rule of type
  prohibit denies everybody alike; on the path of a unix socket the same words mean its mode or owner, unless audit
  has recorded that SELinux refused it, or each mode allows it and nginx has an AppArmor profile. fixer names a policy
  only if the kernel shows it: SELinux's mode, boolean and nginx's label, audit's records of the last ten minutes, a
  profile, a filter. Else the cause is open.

The repair and its safety
  set-boolean (disruptive): `setsebool -P httpd_can_network_connect 1`; it takes effect at once and lasts. Undo turns it
  off again. Proven on a Debian that boots with SELinux enforcing (script/whole-machine); what is tried in containers,
  which have the kernel of their host, is the denial itself, by a filter of calls.
  allow-in-policy (manual): a port, a socket or a folder above it of a type that no such boolean covers; the message
  names both types.
  loosen-filter (disruptive): a drop-in takes nginx's `SystemCallFilter=` back, then nginx is restarted.
  A container's profile and AppArmor are for a person: the message names them.

Variants
  connect-denied-by-policy  a filter of nginx's unit or container forbids the call (SystemCallFilter=, seccomp)
  selinux-connect-denied    SELinux forbids it (httpd_can_network_connect is off)
  apparmor-denied           AppArmor forbids it
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, accepts_connections
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.evidence import config_evidence, container_of, endpoint_text, find_node
from fixer.analysis.nginx_errors import Kinds, events_for, routes_text, symptom_evidence
from fixer.analysis.selinux_denials import (
    HTTPD_DOMAINS,
    audit_evidence,
    denied_folder,
    recent_denials,
    selinux_type_of,
)
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.kernel import SecurityPolicy, SelinuxDenial
from fixer.model.plan import SetBoolean
from fixer.model.service import UnitSetting
from fixer.model.snapshot import Endpoint
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.socket_access import confining_profile, nginx_profile, socket_access
    from fixer.managers.systemd_steps import unit_action
    from fixer.repairs.write_variables import write_drop_in

CONNECT_BOOLEAN = "httpd_can_network_connect"
_CONNECT_CALLS = frozenset({"connect", "@network-io", "@system-service"})
_Explanation = tuple[str, Confidence, str, tuple[Evidence, ...], Repair]
_CONNECT_DENIED: Kinds = {"connect-denied", "connect-not-permitted"}


def judge(case: Case) -> Verdict:
    """Judge each address that answers, but not to nginx: which policy denies it?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble in case.failing_addresses:
        refused = recent_denials(case, trouble)
        if not _is_denied_by_policy(case, trouble, refused):
            ruled.append(config_evidence(case.snapshot, trouble.nginx, trouble.endpoint))
            continue
        named = _explain_denial(case, trouble, refused)
        if isinstance(named, str):
            missing.append(named)
        else:
            variant, _, summary, _, _ = named
            add_finding(findings, f"{trouble.nginx.node}/{variant}/{summary}", _finding(case, trouble, named))
    return conclude(findings.values(), missing, ruled)


def _is_denied_by_policy(case: Case, trouble: FailingAddress, refused: tuple[SelinuxDenial, ...]) -> bool:
    """Return whether nginx was just denied although a direct probe is answered. For a unix socket the file mode may be
    the reason, unless the audit log names a policy, or each mode allows it and a profile is in force."""
    if trouble.endpoint.unix is not None and not refused and not _is_open_socket_of_profile(case, trouble):
        return False
    return bool(events_for(case, trouble, _CONNECT_DENIED)) and accepts_connections(trouble.endpoint)


def _is_open_socket_of_profile(case: Case, trouble: FailingAddress) -> bool:
    """Return whether AppArmor confines nginx's workers, and nothing on the way to the socket is closed to them."""
    access = socket_access(case, trouble) if nginx_profile(case, trouble) else ""
    return not isinstance(access, str) and not access[1]


def _explain_denial(case: Case, trouble: FailingAddress, refused: tuple[SelinuxDenial, ...]) -> _Explanation | str:
    nginx = trouble.nginx
    setting = _connect_filter(case, trouble)
    if setting is not None:
        return _explain_unit_filter(case, trouble, setting)
    box = container_of(case.snapshot, nginx.node)
    options = box.security if box is not None else ()
    profile = next((o for o in options if o.startswith("seccomp=") and o != "seccomp=unconfined"), "")
    if box is not None and profile:
        files = box.label("com.docker.compose.project.config_files") or "the command that created it"
        manual = f"recreate {box.name} without its seccomp profile, or allow connect in that profile: see {files}"
        shown = Evidence("container", box.name, f"SecurityOpt {profile[:80]}")
        repair = Repair("loosen-filter", "manual", f"let {box.name} connect", (), manual=manual)
        summary = f"container {box.name} has its own seccomp profile"
        return ("connect-denied-by-policy", "likely", summary, (shown,), repair)
    node = find_node(case.snapshot, nginx.node)
    if node is None or isinstance(node.policy, Unknown):
        return f"which policy denies nginx on {nginx.node} its connections"
    return _explain_module(nginx.node, node.policy.value, trouble.endpoint, refused, confining_profile(case, trouble))


def _explain_module(node: str, policy: SecurityPolicy, endpoint: Endpoint, refused: tuple[SelinuxDenial, ...],
                    name: str) -> _Explanation | str:
    on = dict(policy.booleans).get(CONNECT_BOOLEAN)
    enforcing = Evidence("kernel", "/sys/fs/selinux/enforce", "1: SELinux is enforcing")
    recorded = tuple(audit_evidence(d) for d in refused[-1:])
    by_label = any(selinux_type_of(policy.label) == word for word in HTTPD_DOMAINS)
    if policy.enforcing and on is False and endpoint.unix is None and (by_label or refused):
        shown = (
            enforcing, Evidence("kernel", f"/sys/fs/selinux/booleans/{CONNECT_BOOLEAN}", "off"),
            *recorded, *((Evidence("process", "nginx worker", policy.label),) if policy.label else ()),
        )
        step = SetBoolean(node, CONNECT_BOOLEAN, value=True, was=False)
        repair = Repair("set-boolean", "disruptive", f"allow it permanently: setsebool -P {CONNECT_BOOLEAN} 1", (step,))
        summary = f"SELinux forbids nginx to connect ({CONNECT_BOOLEAN} is off)"
        return ("selinux-connect-denied", "certain", summary, shown, repair)
    if refused:
        return _explain_audit(endpoint, refused[-1], (enforcing, *recorded))
    if name:
        rule = f"`{endpoint.unix} rw,`" if endpoint.unix is not None else "`network inet stream,`"
        manual = f"allow it in the AppArmor profile {name} (aa-logprof; {rule}), and reload the profile"
        repair = Repair("allow-in-profile", "manual", f"allow it in profile {name}", (), manual=manual)
        profile = Evidence("process", "nginx worker", f"AppArmor profile {policy.label}")
        return ("apparmor-denied", "likely", f"the AppArmor profile {name} confines nginx", (profile,), repair)
    return f"which policy denies nginx on {node} its connections: no SELinux boolean, profile or filter shows it"


def _explain_audit(endpoint: Endpoint, denial: SelinuxDenial, shown: tuple[Evidence, ...]) -> _Explanation:
    """Return the explanation for a denial that no disabled boolean explains: the operator changes the policy."""
    mine, theirs = selinux_type_of(denial.source), selinux_type_of(denial.target)
    ask = ("run ausearch -m avc -ts recent -c nginx | audit2why to see the missing boolean or rule; "
           "audit2allow -M NAME writes it")
    if endpoint.unix is None:
        what = f"port {endpoint.port} has the type {theirs}"
        manual = (f"{what}, which {mine} may not connect to: semanage port -a -t http_port_t -p tcp {endpoint.port} "
                  f"(-m if the policy already lists that port), or {ask}")
    elif folder := denied_folder(denial, endpoint.unix):
        what = f"{folder}, on the way to {endpoint.unix}, has the type {theirs}"
        manual = (f"{what}, which {mine} may not pass: let the service make its socket in a folder of /run "
                  f"(RuntimeDirectory=) and name that path in nginx, too. A boolean such as httpd_enable_homedirs "
                  f"opens home folders, and not the sockets in them; or {ask}")
    elif "connectto" in denial.permission.split():
        what = f"the process that listens at {endpoint.unix} runs as {theirs}"
        manual = f"{what}, which {mine} may not connect to: {ask}"
    else:
        what = f"{endpoint.unix} has the type {theirs}"
        manual = (f"{what}, which {mine} may not write to: semanage fcontext -a -t httpd_var_run_t '{endpoint.unix}', "
                  f"then restorecon -v {endpoint.unix} (its service recreates it: best in a folder of /run); or {ask}")
    repair = Repair("allow-in-policy", "manual", f"allow it for {mine} in SELinux's policy", (), manual=manual)
    return ("selinux-connect-denied", "certain", f"SELinux forbids nginx to connect: {what}", shown, repair)


def _connect_filter(case: Case, trouble: FailingAddress) -> UnitSetting | None:
    """Return the SystemCallFilter of nginx's unit that forbids connect."""
    service = trouble.nginx.service
    for setting in service.settings if service is not None and service.unit is not None else ():
        calls = {word.lstrip("~").partition(":")[0] for word in setting.value.split()}
        if setting.key == "SystemCallFilter" and setting.value.startswith("~") and calls & _CONNECT_CALLS:
            return setting
    return None


def _explain_unit_filter(case: Case, trouble: FailingAddress, setting: UnitSetting) -> _Explanation:
    service = trouble.nginx.service
    assert service is not None and service.unit is not None
    summary = f"reset {service.name}'s SystemCallFilter and restart it (a short outage)"
    written = write_drop_in(case.snapshot, service, "SystemCallFilter=\n", "50-badgateway-filter.conf")
    if isinstance(written, NotEditable):
        manual = (f"allow connect in {setting.source.where}, daemon-reload, restart {service.name}; fixer cannot do "
                  f"this: {written.reason}")
        repair = Repair("loosen-filter", "manual", summary, (), manual=manual)
    else:
        restart = unit_action(service, service.unit, "restart", "requests under way are lost")
        repair = Repair("loosen-filter", "disruptive", summary, (*written.steps, restart))
    shown = Evidence("unit", setting.source.where, f"{setting.key}={setting.value}")
    return ("connect-denied-by-policy", "certain", f"SystemCallFilter of {service.name} forbids connect", (shown,),
            repair)


def _finding(case: Case, trouble: FailingAddress, named: _Explanation) -> Finding:
    variant, confidence, summary, shown, repair = named
    answers = Evidence("probe", endpoint_text(trouble.endpoint), "accepts connections from others on this machine")
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence=confidence,
        summary=f"{summary}: the kernel denies connections for {routes_text(trouble)}", detail=(),
        routes=trouble.route_ids, service=None, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, answers, config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, _CONNECT_DENIED),
        ))),
        repairs=(repair,),
    )


CAUSE = Cause(
    id="mac-denied",
    title="a kernel security policy forbids nginx to connect",
    family="network, firewall, SELinux",
    variants=("connect-denied-by-policy", "selinux-connect-denied", "apparmor-denied"),
    verdict=judge,
    page=__doc__,
)
