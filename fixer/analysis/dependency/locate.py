"""The provider of the system that an application complains about: where it is, and whether it listens now."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import address_text, bindings_of, find_node, listener_evidence, listeners_on, pids_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import last_run_lines, read_run_end
from fixer.analysis.service_state import run_state_of, start_time_of
from fixer.formats.addresses import is_loopback, is_own_host
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Listener, Service, Snapshot

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.complaint import DependencyComplaint, dependency_complaint
    from fixer.analysis.service_names import system_kind_of

_UMBRELLA_PROGRAMS = frozenset({"true", "echo", ":"})


@dataclass(frozen=True, slots=True)
class LocatedDependency:
    """The system that a complaint is about.

    `node` is where its address leads, None outside of the observed nodes. `is_listening` is None if it is unknown.
    `providers` are the services that it can be: one if it is certain.
    """

    node: str | None
    is_listening: bool | None
    providers: tuple[Service, ...]
    evidence: tuple[Evidence, ...]

    @property
    def provider(self) -> Service | None:
        """The only provider, None if none or several are known."""
        return self.providers[0] if len(self.providers) == 1 else None


def locate_dependency(case: Case, crash: FailedRun, said: DependencyComplaint) -> LocatedDependency:
    """Return the system at the address of a complaint: a container by its name, the node itself, or unobserved."""
    box = container_named(case.snapshot, said, crash.service)
    if box is not None:
        up, why = check_listening(case.snapshot, box.node, said) if box.running else (False, ())
        paused = run_state_of(box) == "paused"
        return LocatedDependency(box.node, False if paused else up, (box,), why)
    node = crash.service.node
    if not is_on_node(case.snapshot, node, said):
        return LocatedDependency(None, None, (), ())
    up, why = check_listening(case.snapshot, node, said)
    return LocatedDependency(node, up, providers_on(case.snapshot, node, said), why)


def container_named(snapshot: Snapshot, said: DependencyComplaint, asking: Service) -> Service | None:
    """Return the container that has the name or the address, seen from another container."""
    if asking.container is None or not (said.host or said.ip):
        return None
    for service in snapshot.services:
        box = service.container
        if box is None or service.id == asking.id:
            continue
        names = {box.name, *([box.service] if box.service else []), *(a for _, _, al in box.networks for a in al)}
        chosen = {ip for _, ips in box.fixed_addresses for ip in ips}      # also valid while it is stopped
        if said.host in names or (said.ip or said.host) in box.addresses | chosen:
            return service
    return None


def is_on_node(snapshot: Snapshot, node: str, said: DependencyComplaint) -> bool:
    """Return whether the address is one of the node's own."""
    found = find_node(snapshot, node)
    address = said.ip or said.host
    return bool(said.unix) or is_own_host(said.host) or is_loopback(address) or (
        found is not None and address in found.addresses)


def check_listening(snapshot: Snapshot, node: str,
                    said: DependencyComplaint) -> tuple[bool | None, tuple[Evidence, ...]]:
    """Return whether something listens there on that node (None if unknown), and the evidence."""
    found = find_node(snapshot, node)
    if found is None or isinstance(found.listeners, Unknown) or not (said.port or said.unix):
        return None, ()
    where = address_text(said.ip or said.host or "127.0.0.1", said.port, said.unix or None)
    held = next((line for line in found.listeners.value if _is_listener_at(line, said)), None)
    if held is None:
        return False, (Evidence("socket", f"socket {where}", "no socket listens there"),)
    return True, (listener_evidence(snapshot, held),)


def _is_listener_at(line: Listener, said: DependencyComplaint) -> bool:
    if said.unix or line.family == "unix":
        return (line.family == "unix" and bool(said.unix)
                and _normalize_run_path(line.address) == _normalize_run_path(said.unix))
    return line.port == said.port


def _normalize_run_path(path: str) -> str:
    return path.replace("/var/run/", "/run/")


def providers_on(snapshot: Snapshot, node: str, said: DependencyComplaint) -> tuple[Service, ...]:
    """Return the services of a node that are such a system: those with that port first, umbrella units last. Of an
    unknown kind it is what is configured for its address."""
    if not said.engine:
        return _services_configured_for(snapshot, node, said)
    found = [s for s in snapshot.services if s.node == node and not s.is_app_server
             and system_kind_of(s) == said.engine]
    real = [s for s in found if not is_umbrella_unit(s)]
    if real and all(cluster_port(snapshot, s) not in (0, said.port) for s in real) and said.port:
        return ()      # each has another port: a start would bring up what no client uses
    if len(real) > 1:
        at_port = [s for s in real if cluster_port(snapshot, s) == said.port]
        real = at_port or real
    return tuple(real or [s for s in found if not (is_umbrella_unit(s) and run_state_of(s) == "running")])


def _services_configured_for(snapshot: Snapshot, node: str, said: DependencyComplaint) -> tuple[Service, ...]:
    """Return the services that listen there when they run: those that start at boot before others."""
    told = [s for s in snapshot.services if s.node == node and any(
        b.unix == said.unix if said.unix else bool(said.port) and b.port == said.port for b in bindings_of(s))]
    return tuple([s for s in told if not manager_of(s).is_off_at_boot()] or told)


def unobserved_clusters(snapshot: Snapshot, node: str, said: DependencyComplaint) -> tuple[str, ...]:
    """Return the units of PostgreSQL clusters that are configured for that port and whose state is unknown."""
    if said.engine != "postgresql":
        return ()
    seen = {service.name for service in snapshot.services if service.node == node}
    return tuple(
        unit for file in snapshot.files if file.node == node and (match := _CLUSTER.match(file.path))
        and (unit := f"postgresql@{match[1]}-{match[2]}.service") not in seen
        and ((port := _PORT.search(file.data.decode("utf-8", "replace"))) is None or int(port[1]) == said.port)
    )


def is_umbrella_unit(service: Service) -> bool:
    """Return whether the unit only stands for others, as Debian's postgresql.service does for its clusters."""
    unit = service.unit
    return unit is not None and unit.type == "oneshot" and bool(unit.exec_start) and \
        unit.exec_start[0].rsplit("/", 1)[-1] in _UMBRELLA_PROGRAMS


def umbrella_of(snapshot: Snapshot, service: Service) -> Service | None:
    """Return the umbrella unit that stands for this one and its siblings."""
    stem = service.name.partition("@")[0].removesuffix(".service")
    return next((s for s in snapshot.services if s.node == service.node and is_umbrella_unit(s)
                 and s.name == f"{stem}.service" and s.id != service.id), None)


_CLUSTER = regex(r"^/etc/postgresql/([^/]+)/([^/]+)/postgresql\.conf$")
_PORT = regex(r"(?m)^[^\S\n]*port\s*=\s*(\d+)")


def cluster_port(snapshot: Snapshot, service: Service) -> int:
    """Return the port that a Debian cluster of PostgreSQL is configured for, 0 if that was not read."""
    instance = service.name.partition("@")[2].removesuffix(".service")
    version, _, name = instance.partition("-")
    file = snapshot.file(service.node, f"/etc/postgresql/{version}/{name}/postgresql.conf")
    match = _PORT.search(file.data.decode("utf-8", "replace")) if file is not None else None
    return int(match[1]) if match is not None else 0


def tcp_listeners_of(snapshot: Snapshot, service: Service) -> Iterator[Listener]:
    """Yield the TCP sockets that a service holds."""
    ours = set(service.pids)
    yield from (x for x in listeners_on(snapshot, service.node) if x.port and ours.intersection(pids_of(x)))


def needs_host_network(case: Case, service: Service) -> bool:
    """Return whether its log ends with a failure to reach an address of the machine, which its namespace hides."""
    end = read_run_end(last_run_lines(case.snapshot, service), start_time_of(service))
    said = dependency_complaint(end)
    return said is not None and not said.unix and is_on_node(case.snapshot, service.node, said)
