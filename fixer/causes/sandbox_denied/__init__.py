"""systemd's own restrictions on a unit keep nginx and the backend apart.
nginx finds no listener (502), gets no answer (504), or may open no socket (500). Allow just what the program needs.

By hand
  systemctl cat UNIT     # which setting: PrivateNetwork=, RestrictAddressFamilies=, IPAddressDeny= …?
  readlink /proc/PID/ns/net /proc/1/ns/net    # they differ: the unit has a network of its own
  systemctl edit UNIT    # [Service] PrivateNetwork=no; or IPAddressAllow=localhost; or SystemCallFilter= (empty)
  systemctl restart UNIT

What it is
  A hardening setting of its unit forbids what the program needs (see Variants), or nginx's own unit does.
  `RestrictAddressFamilies=` without AF_INET lets it open no TCP socket, without AF_UNIX no unix socket.

Why nginx says 502, 504 or 500
  Nothing listens where nginx can see it: `connect() failed (111: Connection refused)`. With IPAddressDeny nothing
  answers: `upstream timed out (110) while connecting` (504). In nginx's own unit: `socket() failed (97: Address family
  not supported by protocol)` (500).

How it is told apart
  The unit is active, its log may even say "running on", and the kernel's table of the host shows no listener of it: a
  service that is down, that listens elsewhere (wrong-port) or that still starts (slow-start) has no such setting. Or it
  ends at once over what it cannot reach in a network of its own, though the machine serves it (a database at 127.0.0.1
  that accepts everybody else): its log ends with that. A packet filter is shown by nft or iptables; IPAddressDeny is
  not. Signal 31 comes from a filter and nothing else. An error that a filter answers with looks like any other: where
  it ends the program, names no file and is the number that the unit sets, the filter is likely and no more.

The repair and its safety
  loosen-sandbox (disruptive): a drop-in beside the unit allows exactly what is needed (the address family, this
  machine's own addresses) or takes the one setting back (private network, system call filter), then the unit is
  restarted. Undo removes it. It loosens a protection that somebody chose: the setting and its file are shown first.
  Out of a namespace that has a name (a VPN's, say) fixer takes nothing: what it is to be reached by is a person's word.

Variants
  private-network-namespace              the unit has a network of its own (PrivateNetwork=, NetworkNamespacePath=)
  ip-address-deny                        IPAddressDeny= drops its packets
  no-listener-address-family-restricted  RestrictAddressFamilies= forbids its sockets
  start-sigsys-filter                    SystemCallFilter= kills it (signal 31)
  nginx-unit-address-families            nginx's own unit forbids the socket to the upstream
  call-refused                           SystemCallFilter= answers a call with an error
  memory-denied                          MemoryDenyWriteExecute= refuses memory for code that it compiles
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.evidence import (
    config_evidence,
    endpoint_text,
    find_node,
    listener_at,
    listeners_on,
    log_evidence,
    no_listener_evidence,
    pids_of,
)
from fixer.analysis.nginx_errors import events_for, symptom_evidence
from fixer.analysis.ownership.resolve import only_owner
from fixer.analysis.packet_filter.matching_rules import symptoms_of
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import private_network_setting, run_state_of, state_evidence
from fixer.formats.addresses import is_loopback
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.plan import Step
from fixer.model.snapshot import Endpoint, LogLine, Service, UnitSetting
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.on_demand import start_or_restart_steps, unit_action, write_drop_in

with lazy_imports():  # only for what a sandbox may have refused
    from fixer.analysis.dependency.locate import needs_host_network
    from fixer.causes.sandbox_denied.refused_call import RefusedCall, find_refused_call, refused_family, setting_for

SANDBOX_DROP_IN = "50-badgateway-sandbox.conf"
_SIGSYS = 31
_EVERYWHERE = frozenset({"any", "0.0.0.0/0", "::/0"})
_LOCAL = frozenset({"localhost", "127.0.0.0/8", "127.0.0.1", "127.0.0.1/32", "::1", "::1/128"})


@dataclass(frozen=True, slots=True)
class SandboxDenial:
    """A call that a unit setting forbids: variant, summary, and the drop-in that allows it again."""

    variant: str
    service: Service
    setting: UnitSetting
    summary: str
    drop_in_text: str
    confidence: Confidence = "certain"      # that the service belongs to the address
    log_line: LogLine | None = None             # the program's error


def judge(case: Case) -> Verdict:
    """Judge each failing address: does a setting of the backend's or nginx's unit forbid the connection?"""
    findings: dict[str, Finding] = {}
    ruled = list(case.observed)
    for trouble in case.failing_addresses:
        denial = _nginx_denial(case, trouble) or _backend_denial(case, trouble)
        if denial is None:
            ruled.append(config_evidence(case.snapshot, trouble.nginx, trouble.endpoint))
        else:
            add_finding(findings, f"{denial.service.id}/{denial.variant}", _finding(case, trouble, denial))
    return conclude(findings.values(), (), ruled)


def _settings(service: Service, key: str) -> tuple[UnitSetting, ...]:
    return tuple(setting for setting in service.settings if setting.key == key)


def _address_family(endpoint: Endpoint) -> str:
    if endpoint.unix is not None:
        return "AF_UNIX"
    addresses = endpoint.addresses.or_else(())
    return "AF_INET6" if addresses and all(":" in address for address in addresses) else "AF_INET"


def _forbidding_setting(settings: tuple[UnitSetting, ...], family: str) -> UnitSetting | None:
    """Return the setting that excludes the family; the first line makes it an allow or a deny list."""
    if not settings:
        return None
    words = [(word.lstrip("~"), setting) for setting in settings for word in setting.value.split()]
    named = next((setting for word, setting in words if word == family), None)
    if settings[0].value.startswith("~"):
        return named
    return settings[-1] if named is None else None


def _nginx_denial(case: Case, trouble: FailingAddress) -> SandboxDenial | None:
    service = trouble.nginx.service
    if service is None or service.unit is None:
        return None
    family = _address_family(trouble.endpoint)
    setting = _forbidding_setting(_settings(service, "RestrictAddressFamilies"), family)
    events = events_for(case, trouble, {"socket-family-denied"})
    if setting is None or not events:
        return None
    summary = f"{service.name} may not open {family} sockets, which {endpoint_text(trouble.endpoint)} needs"
    return SandboxDenial("nginx-unit-address-families", service, setting, summary, _allow_family_text(setting, family))


def _allow_family_text(setting: UnitSetting, family: str) -> str:
    """Return the drop-in text: an allow list grows with each line; a deny list can only be reset."""
    key = "RestrictAddressFamilies"
    return f"{key}=\n" if setting.value.startswith("~") else f"{key}={family}\n"


def _backend_denial(case: Case, trouble: FailingAddress) -> SandboxDenial | None:
    owner = only_owner(case, trouble)
    if owner is None or owner.service.unit is None:
        return None
    denial = _service_denial(case, trouble, owner)
    if denial is None or owner.certain or owner.rule == "related":
        return denial
    return replace(denial, confidence="likely")


def _denial_of_refusal(service: Service, refusal: RefusedCall) -> SandboxDenial | None:
    setting = setting_for(service, refusal.key)
    if setting is None:
        return None
    shown = setting if isinstance(setting, UnitSetting) else UnitSetting(
        setting.key, setting.value.strip(), Evidence("unit", f"{setting.file}:{setting.line}", setting.key))
    variant = "memory-denied" if refusal.key == "MemoryDenyWriteExecute" else "call-refused"
    return SandboxDenial(variant, service, shown, refusal.summary, refusal.drop_in_text, refusal.confidence,
                         refusal.log_line)


def _service_denial(case: Case, trouble: FailingAddress, owner: PortOwner) -> SandboxDenial | None:
    service, unit = owner.service, owner.service.unit
    assert unit is not None
    if unit.result in ("signal", "core-dump") and unit.exec_main_status == _SIGSYS:
        filters = _settings(service, "SystemCallFilter")
        if not filters:
            return None
        summary = f"{service.name} was killed by its system call filter (signal 31, SYS)"
        return SandboxDenial("start-sigsys-filter", service, filters[-1], summary, "SystemCallFilter=\n")
    if run_state_of(service) not in ("running", "looping", "failed"):
        return None
    if is_closed(trouble.endpoint) is True or (is_closed(trouble.endpoint) is None and trouble.endpoint.unix):
        refusal = find_refused_call(case.snapshot, service)
        refused = _denial_of_refusal(service, refusal) if refusal is not None else None
        return refused or _no_listener_denial(case, trouble, service)
    return _no_packets_denial(case, trouble, service) if owner.certain else None


def _no_listener_denial(case: Case, trouble: FailingAddress, service: Service) -> SandboxDenial | None:
    ours = set(service.pids)
    if any(line.family != "unix" and ours & set(pids_of(line)) for line in listeners_on(case.snapshot, service.node)):
        return None
    family = _address_family(trouble.endpoint)
    listed = _settings(service, "RestrictAddressFamilies")
    refused = refused_family(case.snapshot, service, family) if listed else None
    setting = _forbidding_setting(listed, family)
    if setting is not None and family != "AF_UNIX":
        summary = f"{service.name} runs but may not open TCP sockets (RestrictAddressFamilies)"
        lines = _allow_family_text(setting, family)
        return SandboxDenial("no-listener-address-family-restricted", service, setting, summary, lines)
    needed = _forbidding_setting(listed, refused[0]) if refused is not None else None
    if refused is not None and needed is not None:
        summary = f"{service.name} fails at a socket of the family {refused[0]}, which its unit forbids " \
                "(RestrictAddressFamilies)"
        lines = _allow_family_text(needed, refused[0])
        return SandboxDenial("no-listener-address-family-restricted", service, needed, summary, lines,
                             log_line=refused[1])
    own = private_network_setting(service)
    if own is None or (run_state_of(service) != "running" and not needs_host_network(case, service)):
        return None
    if own.key == "PrivateNetwork" and trouble.endpoint.unix is None:
        summary = f"{service.name} runs in its own network namespace (PrivateNetwork), where nginx cannot reach it"
        return SandboxDenial("private-network-namespace", service, own, summary, "PrivateNetwork=no\n")
    if own.key == "NetworkNamespacePath" and _is_on_own_machine(case, trouble.endpoint):
        summary = f"{service.name} runs in the network namespace {own.value} (NetworkNamespacePath), where nginx " \
                "cannot reach it"
        return SandboxDenial("private-network-namespace", service, own, summary, "")
    return None


def _is_on_own_machine(case: Case, endpoint: Endpoint) -> bool:
    """Return whether the address is on nginx's own machine; another network may have another server there."""
    node = find_node(case.snapshot, endpoint.node)
    asked = endpoint.addresses.or_else(())
    held = node.addresses if node is not None else ()
    return bool(asked) and all(ip in held or is_loopback(ip) for ip in asked)


def _no_packets_denial(case: Case, trouble: FailingAddress, service: Service) -> SandboxDenial | None:
    """Return the denial of a listener that gets no packets: IPAddressDeny without an allowed localhost."""
    held = listener_at(trouble.endpoint)
    if held is None or held.queued or not service.running:
        return None
    if not symptoms_of(case, trouble) & {"silent", "kernel-silent"}:
        return None
    denied = [s for s in _settings(service, "IPAddressDeny") if (_LOCAL | _EVERYWHERE) & set(s.value.split())]
    allowed = {word for s in _settings(service, "IPAddressAllow") for word in s.value.split()}
    if not denied or allowed & (_LOCAL | _EVERYWHERE) or trouble.endpoint.node != trouble.nginx.node:
        return None
    summary = f"{service.name} may not exchange packets with its own machine (IPAddressDeny)"
    return SandboxDenial("ip-address-deny", service, denied[-1], summary, "IPAddressAllow=localhost\n")


def _finding(case: Case, trouble: FailingAddress, denial: SandboxDenial) -> Finding:
    service = denial.service
    shown = Evidence("unit", denial.setting.source.where, f"{denial.setting.key}={denial.setting.value}")
    evidence = (
        shown, *(() if denial.log_line is None else (log_evidence(denial.log_line.text, denial.log_line.where),)),
        state_evidence(service), *no_listener_evidence(trouble.endpoint),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *symptom_evidence(case, trouble),
    )
    return Finding(
        cause=CAUSE.id, variant=denial.variant, role="root", confidence=denial.confidence, summary=denial.summary,
        detail=(),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=(_repair(case, trouble, denial),),
    )


def _repair(case: Case, trouble: FailingAddress, denial: SandboxDenial) -> Repair:
    service = denial.service
    if not denial.drop_in_text:
        summary = f"let nginx reach {service.name}"
        manual = (f"give {denial.setting.value.rpartition('/')[2]} an address that nginx reaches (a veth pair) and "
                  f"point nginx there. Or let {service.name} listen on a unix socket, or remove {denial.setting.key} "
                  f"from {denial.setting.source.where}. Then run systemctl daemon-reload and restart {service.name}")
        return Repair("let-nginx-reach-namespace", "manual", summary, (), manual=manual)
    what = denial.drop_in_text.strip()
    summary = f"let {service.name} do what {denial.setting.key} forbids ({what}), and restart it"
    manual = (f"allow it in {denial.setting.source.where}: {what}; then run systemctl daemon-reload and restart "
              f"{service.name}")
    written = write_drop_in(case.snapshot, service, denial.drop_in_text, SANDBOX_DROP_IN)
    if isinstance(written, NotEditable):
        return Repair("loosen-sandbox", "manual", summary, (), manual=f"{manual} ({written.reason})")
    if service is trouble.nginx.service or service.unit is None:
        assert service.unit is not None
        rest: tuple[Step, ...] = (unit_action(service, service.unit, "restart", "requests under way are lost"),)
    else:
        started = start_or_restart_steps(case.snapshot, service, trouble.endpoint)
        if isinstance(started, NotEditable):
            return Repair("loosen-sandbox", "manual", summary, (), manual=f"{manual} ({started.reason})")
        rest = started
    return Repair("loosen-sandbox", "disruptive", summary, (*written.steps, *rest))


CAUSE = Cause(
    id="sandbox-denied",
    title="a restriction of the unit keeps nginx and the backend apart",
    family="network, firewall, SELinux",
    variants=(
        "private-network-namespace", "ip-address-deny", "no-listener-address-family-restricted", "start-sigsys-filter",
        "nginx-unit-address-families", "call-refused", "memory-denied",
    ),
    verdict=judge,
    page=__doc__,
)
