"""nginx hands requests to a port where nothing listens; the backend is well and listens on another port.
nginx logs `111: Connection refused` (502). Correct the port in nginx's configuration, then reload nginx.

By hand
  ss -ltnp                                                  # which port does the backend really hold?
  docker port CONTAINER
  docker exec CONTAINER cat /proc/net/tcp /proc/net/tcp6    # st 0A is a listener; ports are hexadecimal
  grep -RnE 'proxy_pass|server [^{]' /etc/nginx/            # what does nginx ask for?
  edit the port, then: nginx -t && nginx -s reload

What it is
  The port in `proxy_pass` (or in the `upstream` block) and the port that the backend listens on disagree. Somebody
  moved one of the two: a release, a new unit file, a copied site.

Why nginx says 502
  The kernel answers nginx's connect() with "refused" at once, since no socket listens there. In error.log:
  `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  backend-down looks the same from outside, but there the service that belongs behind the address does not run. Here it
  runs, and its own process holds a listening socket on another port of the same machine or container. A port that
  merely answers is no proof: the socket must belong to the service (its manager, command and owner), no other site may
  rely on it, and nginx must be able to reach it. If two services could be meant, fixer names both and asks; it also
  asks where the one that is left over and the site have names of their own that have nothing in common.
  If the file already holds the right port, it is nginx-not-reloaded.
  Where nginx runs on the Docker host (or shares its network) and the backend in a container, the address is one that
  Docker publishes. An open port proves nothing there: docker-proxy accepts for the container and cuts the connection
  when nothing listens inside (`recv() failed (104: Connection reset by peer)`), so fixer looks inside the container. A
  port that no container publishes is refused (111), as if the backend were stopped.

The repair and its safety
  point-route-at-listener (safe): exactly the digits of the port change in the file that names it, in every place that
  names this address, then `nginx -t`, then a reload. Nothing that runs is stopped. A file that a tool manages
  (Ansible, Puppet, certbot) makes it disruptive: that tool will write the old port again until it is told.
  Where another location leads to the service's only listener, and its image, its command or nginx's own blocks tell
  two addresses apart, or that location is another site's, it may lack a second listener, or another application is
  meant: fixer changes nothing until a person has chosen.

  What a container makes at each start of a template and variables is changed there, and the container is started again
  (disruptive): only where that gives every byte of the present file, and where nothing else takes the variable.

  What a program writes from Docker's events (nginx-proxy) is made of a variable of the application's container.
  set-port-variable (disruptive) changes it, or writes it beside the one that holds the site's name (VIRTUAL_HOST).

  Where the files of a Compose project, or a container's failing health check, name the port that nginx asks for, what
  is wrong is the container: another port in nginx would not last, and fixer says the words for a person.

  publish-port (disruptive): the `ports:` entry of the Compose service is written or corrected, and the container is
  recreated; only where the project's files still describe what runs, else fixer says the words for a person. Where
  the right port is published already, nginx is pointed at it instead, if that container is provably meant.

Variants
  wrong-port                 nginx asks another port than the service listens on
  wrong-port-other-service   nginx asks the port of another program
  container-wrong-port       nginx asks another port of the container than its program listens on
  docker-port-not-published  nginx asks a port of the Docker host that no container publishes
  docker-proxy-no-listener   the published port leads to a port of the container where nothing listens
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    endpoint_text,
    listener_at,
    listener_evidence,
    listeners_on,
    no_listener_evidence,
    pids_of,
)
from fixer.analysis.load.server_protocol import has_matching_protocol
from fixer.analysis.nginx_errors import routes_text, symptom_evidence
from fixer.analysis.nginx_process import has_stale_config
from fixer.analysis.ownership.resolve import (
    candidate_owners,
    is_occupied_by_stranger,
    is_stopped_site_backend,
    only_owner,
    unclaimed_candidates,
)
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_names import has_unrelated_name, has_unrelated_unit_name, system_kind_of
from fixer.analysis.service_state import state_evidence
from fixer.causes.wrong_port.upstream_group import AddressPair, explain_contradiction, finding_of_group, pair_addresses
from fixer.findings.configured_address import (
    configured_elsewhere,
    configured_elsewhere_finding,
    ends_again_and_again,
    host_fault_evidence,
    is_address_met_first,
    uncreated_elsewhere_findings,
)
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.nginx.error_kinds import CONNECT_FAILED, CUT_OFF
from fixer.repairs.upstream_address import (
    UPSTREAM_KEY,
    ReachableListener,
    all_reachable_listeners,
    is_own_listener,
    point_at_address_repair,
    point_at_listener_repair,
    reachable_listeners,
    same_port_listeners,
)

with lazy_imports():  # not needed in most looks
    from fixer.causes.wrong_port.listener_doubts import missing_listener, only_left_text
    from fixer.causes.wrong_port.published_port import judge_published, judge_unpublished

MAX_SHOWN = 8       # locations of one address shown as evidence; all of them are edited


def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: is it closed, and does its service listen elsewhere?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    gone = uncreated_elsewhere_findings(case, "port", (CAUSE.id, "container-wrong-port"))
    return conclude([*findings, *gone], missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    """Return a finding, the missing fact, or the evidence that rules it out."""
    endpoint = trouble.endpoint
    text = endpoint_text(endpoint)
    if endpoint.unix is not None or not has_matching_protocol(case, trouble):
        return _other_path_text(case, trouble) or config_evidence(case.snapshot, trouble.nginx, endpoint)
    if has_stale_config(case, trouble):
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    if endpoint.container_port:
        return judge_published(case, trouble)
    stranger = is_occupied_by_stranger(case, trouble)
    closed = is_closed(endpoint)
    if closed is None:
        return _looping_elsewhere(case, trouble) or f"whether anything listens at {text}"
    held = listener_at(endpoint)
    if (not closed or held is not None) and not stranger:      # the listener refuses for another reason than its port
        return Evidence("socket", f"socket {text}", "something accepts connections") if held is None else \
            listener_evidence(case.snapshot, held, case.service(endpoint.listening_service))
    found = unclaimed_candidates(case, trouble) if stranger else candidate_owners(case, trouble)
    if (named := host_fault_evidence(case, trouble, found)) is not None:
        return named
    if not found:
        return judge_unpublished(case, trouble) or f"which service belongs behind {text}"
    if len(found) == 1 and found[0].service.container is not None and system_kind_of(found[0].service):
        return f"which application belongs behind {text}: {found[0].service.name} is not one"      # it serves no page
    if len(found) == 1 and not stranger and (grouped := _judge_group(case, trouble, found[0])) is not None:
        return grouped
    options = _unused_listeners(case, tuple(o for owner in found for o in reachable_listeners(case, trouble, owner)))
    options += same_port_listeners(case, trouble, found[0]) if options and len(found) == 1 and not stranger else ()
    if options:
        # a candidate without a listener may be the intended one, so the operator must confirm even a single option
        unsure = len(options) > 1 or len(found) > 1 or _needs_confirmation(trouble, options[0].owner)
        return _wrong_port_finding(case, trouble, options, (stranger, unsure))
    if len(found) > 1:
        return f"which of {', '.join(owner.service.name for owner in found)} belongs behind {text}"
    elsewhere = _configured_elsewhere(case, trouble, found[0], stranger)
    if elsewhere is None and found[0].needs_choice:
        return f"whether {found[0].service.name} belongs behind {text}"
    return elsewhere or _out_of_reach_text(case, trouble, found[0]) or state_evidence(found[0].service)


def _unused_listeners(case: Case, options: tuple[ReachableListener, ...]) -> tuple[ReachableListener, ...]:
    """Return those that no location leads to, if a service of another location has some; else all."""
    used = {(endpoint.node, endpoint.port) for endpoint in case.listening_endpoints if endpoint.unix is None}
    free = tuple(o for o in options if (o.owner.service.node, o.listener.port) not in used)
    return free if free and any(o.owner.rule == "same-site" for o in options) else options


def _judge_group(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | Evidence | None:
    """Judge a service with several sockets in an upstream with several servers."""
    every = all_reachable_listeners(case, trouble, owner)
    told = {b.port for b in bindings_of(owner.service) if b.unix is None}
    several = owner.service.program is not None or has_several_servers(owner.service)
    if several and any({trouble.endpoint.port, o.listener.port} <= told for o in every):
        return state_evidence(owner.service)       # the process configured for this port is missing
    starting = _process_for_port(owner.service, trouble.endpoint.port)
    if starting and every and not any(starting in map("pid {}".format, pids_of(o.listener)) for o in every):
        return state_evidence(owner.service)       # it runs, and the listeners are other programs of its container
    if len(every) < 2:
        return None
    pairs = pair_addresses(case, trouble, every)
    return None if pairs is None else _judge_pairs(case, trouble, pairs, every)


def _process_for_port(service: Service, port: int) -> str:
    """Return the process of a container whose own arguments name that port, as evidence names it; empty if none."""
    return next((b.source.where for b in bindings_of(service) if service.container is not None and b.port == port
                 and b.source.source == "process"), "")


def has_several_servers(service: Service) -> bool:
    """Return whether the start script of a container runs several servers side by side, each with its own address."""
    told = [b.source for b in bindings_of(service) if b.source.source == "file"]
    return service.container is not None and len(told) > 1


def _judge_pairs(case: Case, trouble: FailingAddress, pairs: tuple[AddressPair, ...],
                 every: tuple[ReachableListener, ...]) -> Finding | Evidence:
    """Return one finding for all addresses of a group. If the pairing is open, the operator decides."""
    if not pairs:
        return _wrong_port_finding(case, trouble, every, (False, True))
    if pairs[0].failing_address is not trouble:
        return config_evidence(case.snapshot, trouble.nginx, trouble.endpoint)     # reported with the first
    found = _wrong_port_finding(case, trouble, (pairs[0].option,), (False, False))
    return finding_of_group(case, trouble, pairs, found)


def _needs_confirmation(trouble: FailingAddress, owner: PortOwner) -> bool:
    """Return whether nothing but being the last candidate links it to the site: the real one may be missing."""
    return owner.needs_choice or (owner.rule in ("alone", "bare") and (
        has_unrelated_name(trouble, owner.service) or has_unrelated_unit_name(trouble, owner.service)))


def _out_of_reach_text(case: Case, trouble: FailingAddress, owner: PortOwner) -> str | None:
    """Explain that the service listens only on sockets that nginx's address does not reach."""
    ours, text = set(owner.service.pids), endpoint_text(trouble.endpoint)
    held = [line for line in listeners_on(case.snapshot, owner.service.node) if ours.intersection(pids_of(line))
            and not is_own_listener(trouble, line, owner.service.node)]
    if not held or not owner.service.running:
        return None
    where = ", ".join(dict.fromkeys(address_text(
        line.address, line.port, line.address if line.family == "unix" else None) for line in held[:3]))
    return f"why nothing accepts connections at {text}: {owner.service.name} listens on {where}"


def _other_path_text(case: Case, trouble: FailingAddress) -> str | None:
    """Explain that the socket path has no listener while the likely service runs: the reason is unknown."""
    endpoint = trouble.endpoint
    owner = only_owner(case, trouble)
    if endpoint.unix is None or is_closed(endpoint) is not True or owner is None or not owner.service.running:
        return None
    told = ", ".join(dict.fromkeys(address_text(b.host, b.port, b.unix) for b in bindings_of(owner.service))) or (
        "an unknown address")
    return f"why nothing listens on {endpoint_text(endpoint)}: {owner.service.name} is configured to listen on {told}"


def _wrong_port_finding(case: Case, trouble: FailingAddress, options: tuple[ReachableListener, ...],
                        doubts: tuple[bool, bool]) -> Finding:
    """Return the finding. `doubts`: does a stranger listen on the port, and must the operator choose?"""
    endpoint, first, (stranger, several) = trouble.endpoint, options[0], doubts
    there = "where nothing listens" if not stranger else "where something other than the backend listens"
    names = ", ".join(f"{o.owner.service.name} on {o.text}" for o in options)
    elsewhere = f"{first.owner.service.name} listens on {first.text}" if not several else f"candidates: {names}"
    other = None if several else explain_contradiction(case.snapshot, endpoint, first)
    if other is not None:
        elsewhere = f"{elsewhere}, {other[0]}"
    second = None if len(options) > 1 or stranger else missing_listener(case, trouble, first)
    evidence = (
        *(config_evidence(case.snapshot, trouble.nginx, e) for e in trouble.endpoints[:MAX_SHOWN]),
        *(listener_evidence(case.snapshot, o.listener, o.owner.service) for o in options),
        *_occupant_evidence(case, trouble, stranger),
        *(w for o in options for w in o.owner.evidence[:1]),
        *(second.evidence if second is not None else ()),
        *symptom_evidence(case, trouble, CUT_OFF if stranger else CONNECT_FAILED),
    )
    proven = first.owner.certain or (first.is_configured and first.owner.rule != "bare")
    if endpoint.port in [b.port for b in bindings_of(first.owner.service)[:1]]:
        proven = False       # its files name nginx's port: it may not be restarted since
    ask = several or (second is not None and bool(second.evidence))
    confidence: Confidence = "possible" if several else "certain" if proven and second is None else "likely"
    return Finding(
        cause=CAUSE.id,
        variant=_variant(first.owner, stranger),
        role="root",
        confidence=confidence,
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, {there}; {elsewhere}",
        detail=(*(only_left_text(case, trouble, options) if several else ()),
                *((second.text,) if second is not None else ())),
        routes=trouble.route_ids,
        service=first.owner.service.name if not several else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys(evidence)),
        repairs=(_name_or_port_repair(case, trouble, options)
                 if options[-1].text.partition(":")[0] != first.text.partition(
            ":")[0] else point_at_listener_repair(case, trouble, options, ask=ask) if other is None else other[1],),
        is_met_first=not several and is_address_met_first(case, trouble, first.owner),
    )


def _name_or_port_repair(case: Case, trouble: FailingAddress, options: tuple[ReachableListener, ...]) -> Repair:
    """Return the repair: the operator decides whether the name or the port is wrong."""
    choices, text = tuple(option.text for option in options), endpoint_text(trouble.endpoint)
    why = f"nothing listens at {text}, and nothing shows whether its name or its port is wrong: {' or '.join(choices)}"
    chosen = case.inputs.get(UPSTREAM_KEY) if case.inputs.get(UPSTREAM_KEY) in choices else None
    return point_at_address_repair(case, trouble, "point-route-at-listener", chosen,
                                   Need(UPSTREAM_KEY, "choice", why, choices))


def _occupant_evidence(case: Case, trouble: FailingAddress, stranger: bool) -> tuple[Evidence, ...]:
    held = listener_at(trouble.endpoint)
    if stranger and held is not None:
        return (listener_evidence(case.snapshot, held, case.service(trouble.endpoint.listening_service)),)
    return no_listener_evidence(trouble.endpoint)


def _variant(owner: PortOwner, stranger: bool) -> str:
    if stranger:
        return "wrong-port-other-service"
    box = owner.service.container
    return "container-wrong-port" if box is not None and not box.is_machine else "wrong-port"


def _looping_elsewhere(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding on a service that ends again and again, and is not there for most connects: between two runs
    the name of its container leads nowhere."""
    owner = only_owner(case, trouble)
    if owner is None or owner.rule == "elsewhere" or not ends_again_and_again(case, trouble, owner.service):
        return None
    return _configured_elsewhere(case, trouble, owner, stranger=False)


def _configured_elsewhere(case: Case, trouble: FailingAddress, owner: PortOwner, stranger: bool) -> Finding | None:
    """Return the finding on a stopped or paused service configured for another port: the port follows after it is
    back."""
    service, endpoint = owner.service, trouble.endpoint
    binding = configured_elsewhere(case, trouble, owner, "port")
    if binding is None or (stranger and not is_stopped_site_backend(case, trouble, service)):
        return None
    if endpoint.container_port or (not stranger and any(
            line.port == endpoint.port for line in listeners_on(case.snapshot, service.node))):
        return None
    if service.unit is not None and service.unit.result == "resources":
        return None       # its EnvironmentFile= is not readable
    return configured_elsewhere_finding(case, trouble, owner, binding, (CAUSE.id, _variant(owner, stranger)),
                                        *_occupant_evidence(case, trouble, stranger))


CAUSE = Cause(
    id="wrong-port",
    title="nginx hands requests to a port where the backend does not listen",
    family="wrong port",
    variants=(
        "wrong-port", "wrong-port-other-service", "container-wrong-port", "docker-port-not-published",
        "docker-proxy-no-listener",
    ),
    verdict=judge,
    page=__doc__,
)
