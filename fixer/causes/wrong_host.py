"""nginx hands requests to an address at which the backend is not: nobody has it, or it is nginx's own container.

What it is
  The port may be right and the host is not: an address that no machine of the network has (any more), 127.0.0.1 inside
  nginx's own container, where nothing but nginx runs, or host.docker.internal, which a container knows only where it is
  told. Typical after an address changed, or after a configuration moved from a host into a container.

Why nginx says 502
  An address that nobody has: the kernel asks its neighbours for about three seconds, then `connect() failed (113: No
  route to host)`; with a shorter proxy_connect_timeout a 504. The own container: `(111: Connection refused)` at once.

How it is told apart
  container-stopped: there the name or address belongs to a container that does not run. wrong-port: there the service
  listens on another port of the same place. firewall-drop: there the host is there and swallows packets. Here no node
  that could be seen has the address, and an application listens on that very port elsewhere, used by no other route.

The repair and its safety
  point-route-at-service (safe): the address is replaced by the name of the container (names survive a re-creation,
  addresses do not), then `nginx -t` and a reload. Where the address may belong to another machine that is switched off,
  no look from here tells; then a person must say that the local service is meant (`--set upstream=…`).
  reach-docker-host (disruptive): the container is given the name host.docker.internal (`extra_hosts:`) in its compose
  file and created anew; where nothing listens on the Docker host for containers, a person must change that.

By hand
  ip neigh; ip -brief address; docker compose ps      who has which address?
  proxy_pass http://SERVICE:PORT; nginx -t && nginx -s reload
"""

from __future__ import annotations

from fixer.causes.base import Cause, by_trouble, conclude
from fixer.causes.case import Case, Trouble
from fixer.causes.dockerhost import is_docker_host
from fixer.causes.editing import container_of
from fixer.causes.failing import is_closed
from fixer.causes.owners import placed_owner
from fixer.causes.readdressing import KEY, point_at
from fixer.causes.reading import (
    absent_evidence,
    address_text,
    config_evidence,
    endpoint_text,
    find_node,
    listener_evidence,
    listeners_on,
    pids_of,
    state_evidence,
)
from fixer.causes.symptoms import events_for, is_refused, say_routes, symptom_evidence
from fixer.causes.unreached import troubles_of_down
from fixer.model.diagnosis import Finding, Need, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.record import dataclass
from fixer.model.regex import regex
from fixer.model.snapshot import Container, Endpoint, Listener, Service

_ID = "point-route-at-service"
_IP = regex(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]?)$")
_ANY = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104  addresses that were read


@dataclass(frozen=True, slots=True)
class _Option:
    """A service that could be meant, its socket, and its address as nginx would name it."""

    service: Service
    listener: Listener
    text: str


def judge(case: Case) -> Verdict:
    """For every address behind a failing route: does it lead to nobody, while its service is elsewhere?"""
    findings, missing, ruled = by_trouble(case, _judge_trouble)
    for nginx in case.snapshot.nginxes:
        if nginx.master_pid is None:
            down = [t for t in troubles_of_down(case, nginx) if is_docker_host(t.endpoint)]
            findings += [found for t in down[:1] if (found := _gateway(case, t)) is not None]
    return conclude(findings, missing, ruled)


def _gateway(case: Case, trouble: Trouble) -> Finding | None:
    from fixer.causes.gateways import gateway  # only where such a name stands

    return gateway(case, trouble)


def _judge_trouble(case: Case, trouble: Trouble) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    said = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if endpoint.unix is not None or trouble.routes[0].route.kind != "proxy_pass":
        return said
    box = container_of(case.snapshot, trouble.nginx.node)
    inside = box is not None and not box.is_machine
    if is_docker_host(endpoint) and inside:
        return _gateway(case, trouble) or said
    if placed_owner(case, endpoint) is not None:
        return said
    if inside and box is not None and box.network_mode == "host":
        return said       # its loopback is the Docker host's: wrong-port looks at what is published there
    if inside and _is_own_loopback(endpoint, trouble):
        return _loopback(case, trouble, box)
    if endpoint.node is None and _IP.match(endpoint.host) and _is_nobody(case, trouble):
        return _unassigned(case, trouble, box if inside else None)
    return said


def _is_own_loopback(endpoint: Endpoint, trouble: Trouble) -> bool:
    """Closed, and of nginx's own container."""
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    loopback = bool(addresses) and all(a.startswith("127.") or a == "::1" for a in addresses)
    return loopback and endpoint.node == trouble.nginx.node and is_closed(endpoint) is True


def _is_nobody(case: Case, trouble: Trouble) -> bool:
    """Nothing answered there: not even a refusal, which only a machine that is there can send."""
    tcp = trouble.endpoint.tcp
    if isinstance(tcp, Known) and (tcp.value.error is None or tcp.value.error in ("refused", "reset", "closed")):
        return False
    unreachable = isinstance(tcp, Known) and tcp.value.error == "unreachable"
    if unreachable or _silence(case, trouble):
        return True
    return bool(events_for(case, trouble, lambda event: event.errno == 113))


def _silence(case: Case, trouble: Trouble) -> tuple[Evidence, ...]:
    """nginx's own kernel has asked its network for the address, and nobody said to have it."""
    node = find_node(case.snapshot, trouble.nginx.node)
    host = trouble.endpoint.host
    asked = node is not None and host in node.silent
    return (Evidence("kernel", f"{trouble.nginx.node} /proc/net/arp", f"nobody answers for {host}"),) if asked else ()


def _loopback(case: Case, trouble: Trouble, box: Container | None) -> Finding | str:
    options = _boxed(case, trouble, box)
    text = endpoint_text(trouble.endpoint)
    if not options:
        return f"which container belongs behind {text}: inside nginx's own container nothing listens there"
    said = f"{text}, its own container, where nothing listens"
    return _found(case, trouble, ("nginx-container-uses-loopback", said), options, proven=True)


def _unassigned(case: Case, trouble: Trouble, box: Container | None) -> Finding | str:
    text = endpoint_text(trouble.endpoint)
    options = _boxed(case, trouble, box) if box is not None else _local(case, trouble)
    if not options:
        return f"what belongs behind {text}: nobody answers at that address"
    said = f"{text}, an address that nobody has"
    return _found(case, trouble, ("wrong-ip-unassigned", said), options,
                  proven=box is not None and _is_near(trouble.endpoint.host, box))


def _is_near(host: str, box: Container) -> bool:
    """In a network of nginx's own container, as Docker's usual sizes go: there only containers live."""
    return any(ip and host.split(".")[:2] == ip.split(".")[:2] for _, ip, _ in box.networks)


def _free(case: Case, service: Service) -> bool:
    """An application that runs and that no route relies on already."""
    held = {name for e in case.snapshot.endpoints if is_closed(e) is False for name in (e.service, e.holder)}
    return service.is_app_server and service.running and service.id not in case.taken and service.id not in held


def _boxed(case: Case, trouble: Trouble, box: Container | None) -> tuple[_Option, ...]:
    """Containers on a network of nginx's, with the socket that can be reached there; the same port comes first."""
    mine = {name for name, _, _ in box.networks} if box is not None else set()
    found: list[_Option] = []
    for service in case.snapshot.services:
        other = service.container
        if other is None or other.is_machine or service.node == trouble.nginx.node or not _free(case, service):
            continue
        shared = [(ip, names) for name, ip, names in other.networks if name in mine]
        if not shared:
            continue
        ip, names = shared[0]
        name = next((n for n in (other.service, other.name) if n and n in names), None)
        if name is None:
            continue
        for line in listeners_on(case.snapshot, service.node):
            if line.family != "unix" and _is_its_own(line, service) and line.address in (*_ANY, ip):
                found.append(_Option(service, line, address_text(name, line.port)))
    return _best(found, trouble.endpoint.port)


def _local(case: Case, trouble: Trouble) -> tuple[_Option, ...]:
    """Applications of nginx's own machine that listen on that very port."""
    node = trouble.nginx.node
    return tuple(
        _Option(service, line, address_text(_reached(line.address), line.port))
        for service in case.snapshot.services if service.node == node and _free(case, service)
        for line in listeners_on(case.snapshot, node)
        if line.family != "unix" and line.port == trouble.endpoint.port and _is_its_own(line, service)
    )


def _is_its_own(line: Listener, service: Service) -> bool:
    if isinstance(line.pids, Unknown) or not line.pids.value:
        return service.container is not None and not line.address.startswith("127.")
    return bool(set(pids_of(line)) & set(service.pids))


def _reached(address: str) -> str:
    return {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(address, address)  # noqa: S104


def _best(found: list[_Option], port: int) -> tuple[_Option, ...]:
    same = tuple(option for option in found if option.listener.port == port)
    return same or tuple(found)


def _found(
    case: Case, trouble: Trouble, words: tuple[str, str], options: tuple[_Option, ...], *, proven: bool,
) -> Finding:
    """`words` are the variant and what is wrong with the address."""
    endpoint, (variant, said), first = trouble.endpoint, words, options[0]
    need, text = None, first.text if proven and len(options) == 1 else None
    choices = tuple(dict.fromkeys(option.text for option in options))
    if text is None:
        names = " or ".join(f"{o.service.name} ({o.text})" for o in options)
        need = Need(KEY, "choice", f"{said}; whether {names} is meant, nothing here proves", choices)
        text = case.inputs.get(KEY) if case.inputs.get(KEY) in choices else None
    return Finding(
        cause=CAUSE.id, variant=variant, role="root",
        confidence="possible" if need is not None else "certain" if first.listener.port == endpoint.port else "likely",
        summary=f"nginx hands {say_routes(trouble)} to {said}; "
                f"{' or '.join(dict.fromkeys(o.service.name for o in options))} listens on {' or '.join(choices)}",
        detail=(), routes=trouble.route_ids, service=first.service.name if len(options) == 1 else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *(listener_evidence(case.snapshot, o.listener, o.service) for o in options),
            *(state_evidence(o.service) for o in options), *_addresses(case, trouble), *_silence(case, trouble),
            *absent_evidence(endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(point_at(case, trouble, _ID, text, need),), explains=("wrong-port", "backend-down"),
    )


def _addresses(case: Case, trouble: Trouble) -> tuple[Evidence, ...]:
    """The addresses that nginx's own node has."""
    node = find_node(case.snapshot, trouble.nginx.node)
    if node is None or not node.addresses:
        return ()
    return (Evidence("kernel", f"addresses of {node.name}", ", ".join(node.addresses[:12])),)


CAUSE = Cause(
    id="wrong-host",
    title="nginx hands requests to an address at which the backend is not",
    family="wrong port",
    variants=("wrong-ip-unassigned", "nginx-container-uses-loopback", "host-gateway"),
    verdict=judge,
    order=39,
    page=__doc__,
)
