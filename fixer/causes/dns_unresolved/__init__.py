"""A name that nginx needs does not resolve: nginx does not start, or it answers 502 without asking a backend.
nginx logs `host not found in upstream` or `could not be resolved`. Correct the name, or restore its record.

By hand
  nginx -t                                                 # which name, in which file and line?
  grep 'could not be resolved' /var/log/nginx/error.log    # a name in a variable: nginx -t does not see it
  getent ahosts NAME                                       # what the machine knows
  nginx -T 2>/dev/null | grep -n resolver                  # the servers for a name in a variable
  nslookup NAME SERVER                                     # what such a server knows
  docker network disconnect NETWORK CONTAINER              # only if it is on that network without the name
  docker network connect --alias NAME NETWORK CONTAINER
  nginx -t && nginx -s reload                              # or: systemctl start nginx; docker start NGINX

What it is
  A name in `proxy_pass` or in an `upstream` block leads nowhere: misspelt, its record or its container's alias is gone.
  With the name in a variable nginx asks its `resolver` at every request, and that may not know the name, or not answer.

Why nginx says 502, or nothing at all
  At a start: `host not found in upstream "NAME"`, and nginx ends; a running nginx refuses to reload and serves on.
  With a variable: `NAME could not be resolved (3: Host not found)`, or `(110: Operation timed out)` after
  resolver_timeout (30 s), both 502 (without any `resolver`: see no-resolver). nginx's own resolver does not read
  /etc/hosts.

How it is told apart
  The name itself: nginx names it, and it leads nowhere on the node where nginx runs. A container that is stopped is
  backend-down, one on another network is network-detached. Where the name resolves to something dead, see dns-stale.

  Where nginx runs on and nobody has the name now, it asks the address of its start: its container was removed,
  renamed or made on another network, and only a person knows which.

  A container in the network of another one (`network_mode: service:x`, `host`) has no name: it goes by the other's.

The repair and its safety
  restore-alias (safe): a container that runs on nginx's network without its service's name is joined again under it.
  name-address (safe, asks for --set address=…): the address that the name stands for is written into nginx's
  configuration in its place, then nginx -t, then a start or a reload. Of a container in the network of another one that
  is the other's name, and nothing is asked. Where nginx's container has the name from a template or a variable, it is
  changed there (disruptive).
  connect-container (safe, asks for --set connect=…): a container that was run by hand bears the name on another network
  (recreated without the one that it shared with nginx): a person says that it is meant, and may be talked to; then it
  is joined under that name. Of one that compose made the command and the files are named.
  point-resolver (safe): in a container on a network of its own, a resolver that does not answer is replaced by
  Docker's, 127.0.0.11, or by the one in the container's resolv.conf (Podman). On other machines which server is right
  is for a person: the message names the line, and the servers of resolv.conf. 127.0.0.11 is Docker's own address: under
  Podman, on a host and on Docker's default bridge nobody answers there.
  correct-name (manual): a name of a `stream` block, or of a block that no route uses: nginx rejects all of its files
  for it, also for the sites that do without it.

Variants
  dns-name-missing-at-start  the name did not resolve when nginx started or read its configuration
  docker-alias-lost          the container is on the network without its service's name
  resolver-nxdomain          nginx's resolver does not know the name
  resolver-timeout           nginx's resolver does not answer
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import config_evidence, container_of, endpoint_text
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.nginx_process import (
    addresses_of_stopped_nginx,
    is_uncreated,
    parse_unresolved_name,
    route_ids_of,
    unresolved_upstream_name,
)
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.ownership.container_network import is_docker_host
from fixer.analysis.run_log import has_just_restarted, is_restarting
from fixer.causes.dns_unresolved.background_names import background_findings
from fixer.causes.dns_unresolved.other_names import other_name_finding
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import NetworkAction, Step
from fixer.model.snapshot import Container, Endpoint, Nginx

with lazy_imports():  # only for what is found
    from fixer.causes.dns_unresolved.container_names import add_carriers, guest_repair, lender_of, lost_name_finding
    from fixer.repairs.container_settings import join_network_step, network_aliases_of
    from fixer.repairs.start_nginx import start_nginx_steps
    from fixer.repairs.upstream_name import foreign_resolver_text, other_address_repair, other_resolver_repair

_CLOCK_GRAIN = 0.5     # seconds: a file written just before nginx starts is no later edit


def judge(case: Case) -> Verdict:
    """Judge each nginx that ended because of an unresolved name, and each name that its resolver did not find."""
    findings: list[Finding] = []
    ruled = list(case.observed)
    missing: list[str] = []
    for nginx in case.snapshot.nginxes:
        unresolved = unresolved_upstream_name(nginx)
        if unresolved is not None and nginx.master_pid is None:
            found = _judge_at_start(case, nginx, *unresolved)
            findings += [found] if isinstance(found, Finding) else []
            ruled += [found] if isinstance(found, Evidence) else []
        elif nginx.master_pid is None and nginx.service is None and isinstance(nginx.test, Unknown):
            missing.append(f"why nginx on {nginx.node} ended")
        elif nginx.master_pid is not None:
            refusing = _reload_findings(case, nginx) or _renamed_service_findings(case, nginx)
            if not refusing and unresolved is not None and isinstance(nginx.test, Known):      # it refuses them now
                other = other_name_finding(case, nginx, *unresolved)
                refusing = [other] if other is not None else []
            findings += (*refusing, *background_findings(case, nginx))
    refused = {found.node for found in findings}
    for trouble in case.failing_addresses:
        new = _request_finding(case, trouble)
        if new is None and trouble.nginx.node not in refused and _is_name_lost(trouble):
            new = lost_name_finding(case, trouble)
            new = None if new is None else _add_name_carriers(case, trouble, new)
            refused |= {trouble.nginx.node} if new is not None else set()
        if new is not None:
            findings.append(new)
        elif _is_waiting_for_resolver(trouble):
            name = trouble.endpoint.host
            missing.append(f"whether nginx's resolver knows {name}: no answer so far (run again with --wait 60)")
        else:
            ruled.append(config_evidence(case.snapshot, trouble.nginx, trouble.endpoint))
    return conclude(findings, missing, ruled)


def _is_name_lost(trouble: FailingAddress) -> bool:
    """Return whether the name has no address now and nginx does not resolve it at each request."""
    addresses = trouble.endpoint.addresses
    return isinstance(addresses, Known) and not addresses.value and not _is_resolved_per_request(trouble)


def _is_waiting_for_resolver(trouble: FailingAddress) -> bool:
    """Return whether nginx resolves the name at each request and still waits for its resolver (30 s)."""
    return _is_resolved_per_request(trouble) and any(judged.state == "slow" for judged in trouble.verdicts)


def _judge_at_start(case: Case, nginx: Nginx, name: str, shown: Evidence) -> Finding | Evidence | None:
    troubles = [t for t in addresses_of_stopped_nginx(case, nginx) if t.endpoint.host.lower() == name.lower()]
    if not troubles:
        return (other_name_finding(case, nginx, name, shown) if isinstance(nginx.test, Known) else None) or shown
    trouble = troubles[0]
    if is_uncreated(case, name):
        return shown           # the root is that its service has no container
    addresses = trouble.endpoint.addresses
    if isinstance(addresses, Known) and addresses.value:
        return Evidence("probe", name, f"resolves to {', '.join(addresses.value)} now")
    owner = configured_owner(case, trouble.endpoint)
    box = owner.service.container if owner is not None else None
    web = container_of(case.snapshot, nginx.node)
    if is_docker_host(trouble.endpoint) and web is not None and not web.is_machine:
        return shown           # that name is set for a container or unknown: wrong-host
    if box is not None and box.status != "running":
        return shown           # the root is that the backend is down
    if box is not None and web is not None and not web.is_machine and box.has_shared_network:
        return _guest_finding(case, troubles, box, shown)
    if box is not None and web is not None and not web.is_machine:
        network = _network_without_name(case, web, box, name)
        if network is None:
            return shown       # on another network
        repair = _rejoin_repair(case, nginx, box, network)
        return _finding(case, trouble, ("docker-alias-lost", "certain"), repair, (shown, _names_evidence(box, network)))
    repair = other_address_repair(case, troubles)
    return _add_name_carriers(case, trouble, _finding(
        case, trouble, ("dns-name-missing-at-start", "certain"), repair, (shown,)))


def _reload_findings(case: Case, nginx: Nginx) -> list[Finding]:
    """Find names in files younger than the running nginx that do not resolve: nginx refuses the files. `systemctl
    reload` logs the refusal; `nginx -s reload` prints it only to its caller."""
    changed = nginx.config_mtime.or_else(float("inf"))
    if isinstance(nginx.loaded_at, Unknown) or changed <= nginx.loaded_at.value + _CLOCK_GRAIN:
        return []
    if isinstance(nginx.test, Known) and nginx.test.value[0] == 0:
        return []        # nginx accepts all names: one in a variable is resolved at each request
    events = nginx.errors.or_else(())
    events_by_name = {parse_unresolved_name(e.message).lower(): e for e in events
            if e.kind == "host-not-found" and e.at > changed - 1.0}
    unknown = [t for t in case.failing_addresses if t.nginx is nginx and t.endpoint.host
               and not _is_resolved_per_request(t)
               and not is_uncreated(case, t.endpoint.host) and not _has_addresses(t) and not _is_container_down(case, t)
               and (t.endpoint.host.lower() in events_by_name or isinstance(t.endpoint.addresses, Known))]
    if not unknown:
        return []
    name = unknown[0].endpoint.host
    event = events_by_name.get(name.lower())
    shown = Evidence("probe", name, "no address is known for it here") if event is None else Evidence(
        "nginx-log", event.where, event.raw)
    troubles = [t for t in unknown if t.endpoint.host.lower() == name.lower()]
    made = _finding(case, troubles[0], ("dns-name-missing-at-start", "likely"), other_address_repair(case, troubles),
                    (shown,))
    text = f"the name {name} does not resolve: nginx rejects its files and runs with an older configuration"
    return [_add_name_carriers(case, troubles[0], replace(made, summary=text))]


def _add_name_carriers(case: Case, trouble: FailingAddress, finding: Finding) -> Finding:
    if not case.snapshot.named_containers:
        return finding
    return add_carriers(case, trouble, finding)


def _renamed_service_findings(case: Case, nginx: Nginx) -> list[Finding]:
    """Find routes that answer only because nginx resolved a name at its start that no longer exists, as after a rename
    of a compose service. The next start of nginx would fail."""
    box = container_of(case.snapshot, nginx.node)
    if box is None or box.is_machine or _has_resolver(case, nginx):
        return []
    for judged in case.verdicts.values():
        named = case.reached(judged.facts) if judged.state == "ok" and nginx.serves(judged.facts) else ()
        for endpoint in named:
            if not endpoint.host or not isinstance(endpoint.addresses, Known) or endpoint.addresses.value:
                continue
            return [Finding(
                cause=CAUSE.id, variant="dns-name-missing-at-start", role="advice", confidence="certain",
                summary=f"the name {endpoint.host} (for {endpoint_text(endpoint)}) no longer resolves: nginx uses the "
                        "address that it had when nginx started, and would not start again", detail=(),
                routes=(judged.facts.route.id,), service=None, node=nginx.node,
                evidence=(Evidence("probe", endpoint.host, "no address is known for it here"),
                          config_evidence(case.snapshot, nginx, endpoint)))]
    return []


def _has_resolver(case: Case, nginx: Nginx) -> bool:
    """Return whether nginx's files name a `resolver`: it resolves names in variables at each request."""
    files = nginx.config.value.files if isinstance(nginx.config, Known) else ()
    return any(b"resolver" in content.data for path in files
               if (content := case.snapshot.file(nginx.node, path)) is not None)


def _is_container_down(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the owner's container is down or restarts: Docker then drops its name, which is the root."""
    owner = configured_owner(case, trouble.endpoint)
    box = owner.service.container if owner is not None else None
    return owner is not None and box is not None and (box.status != "running" or is_restarting(owner.service))


def _has_addresses(trouble: FailingAddress) -> bool:
    addresses = trouble.endpoint.addresses
    return isinstance(addresses, Known) and bool(addresses.value)


def _is_resolved_per_request(trouble: FailingAddress) -> bool:
    """Return whether nginx asks its own resolver for the name at each request."""
    host = trouble.endpoint.host
    return any(s.variable and s.host == host for facts in trouble.routes for s in facts.route.servers)


def _network_without_name(case: Case, web: Container, box: Container, name: str) -> str | None:
    """Return a shared network on which the container lacks the name that it should have there."""
    mine = {network for network, _, _ in web.networks} | {web.network_mode}
    for network, _, names in box.networks:
        if network in mine and name not in names and name in network_aliases_of(case.snapshot, box, network):
            return network
    return None


def _names_evidence(box: Container, network: str) -> Evidence:
    names = next(names for own, _, names in box.networks if own == network)
    return Evidence("container", box.name, f"on {network} only as {', '.join(names) or 'its address'}")


def _rejoin_repair(case: Case, nginx: Nginx, box: Container, network: str) -> Repair:
    again = join_network_step(case.snapshot, box, network)
    off = NetworkAction(box.id, box.name, network, "disconnect", tuple(
        name for own, _, names in box.networks if own == network for name in names if not box.id.startswith(name)),
        dict(box.fixed_addresses).get(network, ()))
    down = nginx.master_pid is None       # a running nginx resolves the name at each request
    steps: tuple[Step, ...] = (off, again, *(start_nginx_steps(case, nginx) if down else ()))
    summary = f"reconnect container {box.name} to network {network} as {', '.join(again.aliases)}" + (
        ", then start nginx" if down else "")
    return Repair("restore-alias", "safe", summary, steps)


def _request_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return a finding if nginx's resolver just failed at a request for a name of the configuration."""
    host = trouble.endpoint.host
    if not host or trouble.nginx.master_pid is None or is_uncreated(case, host):
        return None
    failures = [e for e in events_for(case, trouble, {"name-not-resolved"}) if e.message.startswith(f"{host} ")]
    if not failures:
        return _unlogged_finding(case, trouble)
    owner = configured_owner(case, trouble.endpoint)
    if owner is not None and owner.service.container is not None and (
            _is_down_at(owner.service.container, failures[-1].at) or has_just_restarted(case.snapshot, owner.service)):
        return None            # the root is that the container was down: Docker resolves names of running ones
    if owner is not None and owner.service.container is not None and owner.service.container.has_shared_network and (
            container_of(case.snapshot, trouble.nginx.node) is not None):
        return _guest_finding(case, [trouble], owner.service.container, Evidence(
            "nginx-log", failures[-1].where, failures[-1].raw))
    lost = _lost_alias(case, trouble, owner)
    if lost is not None:
        box, network = lost
        shown_there = Evidence("nginx-log", failures[-1].where, failures[-1].raw)
        return _finding(case, trouble, ("docker-alias-lost", "certain"),
                        _rejoin_repair(case, trouble.nginx, box, network), (
            shown_there, _names_evidence(box, network)))
    late = failures[-1].errno == 110
    known = trouble.endpoint.addresses
    shown = [Evidence("nginx-log", failures[-1].where, failures[-1].raw)]
    if isinstance(known, Known) and known.value:
        text = f"the machine itself resolves it to {', '.join(known.value)}; nginx asks only its own `resolver`"
        shown.append(Evidence("probe", host, text))
    elsewhere = late or (bool(shown[1:]) and _is_known_to_docker(case, trouble))
    repair = other_resolver_repair(case, trouble) if elsewhere else other_address_repair(case, [trouble])
    variant = "resolver-timeout" if late else "resolver-nxdomain"
    made = _finding(case, trouble, (variant, "certain"), repair, tuple(shown))
    foreign = foreign_resolver_text(case, trouble.nginx) if late else ""
    return _add_name_carriers(case, trouble, replace(made, detail=(foreign,)) if foreign else made)


def _unlogged_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return a finding if nothing knows the name of an `auth_request` that fails, and the log tells no reason."""
    guarded = any(f.route.asked_first for f in trouble.routes) and any(j.has_failures for j in trouble.verdicts)
    owner = configured_owner(case, trouble.endpoint)
    fixed = all(facts.route.is_resolved_at_start for facts in trouble.routes if facts.route.asked_first)
    if not guarded or owner is not None or _has_addresses(trouble) or fixed:
        return None
    shown = (Evidence("probe", trouble.endpoint.host, "no address is known for it here"),)
    made = _finding(case, trouble, ("resolver-nxdomain", "likely"), other_address_repair(case, [trouble]), shown)
    return _add_name_carriers(case, trouble, made)


def _guest_finding(case: Case, troubles: list[FailingAddress], box: Container, shown: Evidence) -> Finding:
    """Return the finding on a container in the network of another or of the host: it has no name of its own."""
    trouble, lender = troubles[0], lender_of(case, box)
    whose = "the Docker host" if box.network_mode == "host" else f"container {lender.name}" if lender is not None else (
        "another container")
    made = _finding(case, trouble, ("docker-alias-lost", "certain"), guest_repair(case, troubles, box, lender), (
        shown, Evidence("container", box.name, f"created with network {box.network_mode[:22]}: it has no DNS name")))
    effect = made.summary.rpartition(": ")[2]
    summary = (f"{trouble.endpoint.host} uses the network of {whose} (network_mode), so its name does not resolve: "
               f"{effect}")
    return replace(made, summary=summary, service=box.service or box.name)


def _lost_alias(case: Case, trouble: FailingAddress, owner: PortOwner | None) -> tuple[Container, str] | None:
    """Return the container that should have the name, and the network of nginx on which it lacks it."""
    web = container_of(case.snapshot, trouble.nginx.node)
    box = owner.service.container if owner is not None else None
    if web is None or web.is_machine or box is None or box.status != "running":
        return None
    network = _network_without_name(case, web, box, trouble.endpoint.host)
    return None if network is None else (box, network)


def _is_known_to_docker(case: Case, trouble: FailingAddress) -> bool:
    """Return whether a running container has the name on a network of nginx. Only Docker's resolver knows it."""
    web, host = container_of(case.snapshot, trouble.nginx.node), trouble.endpoint.host
    mine = {name for name, _, _ in web.networks} if web is not None and not web.is_machine else set()
    boxes = (s.container for s in case.snapshot.services if s.container is not None and s.container.status == "running")
    return any(network in mine and host in (*names, box.name) for box in boxes for network, _, names in box.networks)


def _is_down_at(box: Container, at: float | None) -> bool:
    """Return whether the container is down, or was not started when nginx resolved its name."""
    return box.status != "running" or (at is not None and at <= box.started_at + 1.0)


def _finding(
    case: Case, trouble: FailingAddress, claim: tuple[str, Confidence], repair: Repair, shown: tuple[Evidence, ...],
) -> Finding:
    endpoint: Endpoint = trouble.endpoint
    down = trouble.nginx.master_pid is None
    routes = route_ids_of(case, trouble.nginx) if down else trouble.route_ids
    effect = "nginx cannot start" if down else f"nginx answers {routes_text(trouble)} without asking a backend"
    return Finding(
        cause=CAUSE.id, variant=claim[0], role="root", confidence=claim[1],
        summary=f"the name {endpoint.host} (for {endpoint_text(endpoint)}) does not resolve: {effect}", detail=(),
        routes=routes, service=None, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, config_evidence(case.snapshot, trouble.nginx, endpoint),
            *symptom_evidence(case, trouble, {"name-not-resolved"}),
        ))),
        repairs=(repair,),
    )


CAUSE = Cause(
    id="dns-unresolved",
    title="a name that nginx needs does not resolve",
    family="network, firewall, SELinux",
    variants=("dns-name-missing-at-start", "docker-alias-lost", "resolver-nxdomain", "resolver-timeout"),
    verdict=judge,
    page=__doc__,
)
