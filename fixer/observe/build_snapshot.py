"""Snapshot of a capture: pure, so that the same capture always gives the same facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fixer.formats.socket_tables import parse_connections
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.nginx_config import GeneratedFile, UpstreamServer
from fixer.model.query import (
    CUT_OFF,
    LOOK_LIMIT,
    LOOK_MEGABYTES,
    NOT_ASKED,
    TOO_LONG,
    FileStat,
    ListSockets,
    Probe,
)
from fixer.model.report import WITHOUT_ROOT_TEXT
from fixer.model.snapshot import (
    AddressCandidate,
    Container,
    Endpoint,
    FileContent,
    Listener,
    Nginx,
    Node,
    ProbeResult,
    RouteFacts,
    Service,
    Snapshot,
)
from fixer.observe.boot.boot_entries import boot_entries_of
from fixer.observe.boot.learned_services import learned_of
from fixer.observe.compose_project import compose_of
from fixer.observe.docker.container_service import engine_log
from fixer.observe.docker.shared_resources import container_sharing_network
from fixer.observe.editable_files import contents_of
from fixer.observe.files.log_files import unmanaged_log_of
from fixer.observe.kernel.network_tables import kernel_routes_of, unanswered_addresses
from fixer.observe.kernel.oom_log import KERNEL_LOG, kernel_log_of
from fixer.observe.kernel.packet_filters import engine_firewall, firewall_of
from fixer.observe.kernel.security_modules import policy_of
from fixer.observe.nginx.endpoints import (
    connect_result,
    container_at,
    container_by_alias,
    listener_at,
    listener_evidence,
    node_at_addresses,
    probe_result,
    with_services,
)
from fixer.observe.nginx.nginx_masters import (
    LOG_TAIL,
    config_mtime,
    config_test_result,
    error_events,
    error_log_paths,
    is_disabled,
    loaded_at,
    other_users_masters,
    reads_same_files,
)
from fixer.observe.nginx.nginx_place import NginxInstance, deleted_log, unread_include_text
from fixer.observe.nginx.probe_follow_ups import swapped_tls_result
from fixer.observe.nginx.probes import MOST_REPEATED_PROBES, ProbePlan, plan_probes, route_of_url
from fixer.observe.nginx.sites import Address, Site, sites_of
from fixer.observe.nginx.unloaded_sites import unloaded_sites_of
from fixer.observe.services import services_of
from fixer.observe.view.node_view import (
    ENGINE,
    View,
    container_of,
    containers_of,
    node_of,
    unreachable_namesakes,
    views_of,
)
from fixer.observe.view.observe_options import ObserveOptions, options_from

if TYPE_CHECKING:
    from fixer.observe.docker.published_ports import PublishedPort

_JUST_STARTED = 20.0     # seconds


def build_snapshot(capture: Capture) -> Snapshot:
    """Return the typed facts of a capture."""
    options = options_from(capture.options)
    views = views_of(capture)
    containers = _seen_last(containers_of(views), capture)
    services = services_of(views, containers)
    sites = sites_of(views, containers)
    plans = {id(site): plan_probes(site, options, views, containers) for site in sites}
    endpoints = [e for site in sites for e in _build_endpoints(site, plans[id(site)], services, views, containers)]
    generated, templates = _generated_files(sites, views, containers) if containers else ((), ())
    return Snapshot(
        target=capture.target, taken_at=max((n.now for n in capture.nodes), default=0.0),
        nodes=tuple(_build_node(view) for view in views.values() if view.name != ENGINE),
        nginxes=tuple(_build_nginx(site, services, views, containers) for site in sites), services=services,
        endpoints=tuple(endpoints), routes=tuple(r for s in sites for r in _route_facts(s, plans[id(s)], options)),
        files=contents_of(views, sites, services, containers, options.learned),
        notes=(*capture.notes, *_notes(capture, views, plans)), compose=compose_of(sites, containers, views),
        engine_firewall=engine_firewall(views.get(ENGINE)),
        learned=tuple(learned for view in views.values() if (learned := learned_of(view, options.learned)) is not None),
        kernel_logs=tuple(kernel_log_of(view) for view in views.values() if KERNEL_LOG in view.node.answers),
        ignored=capture.accepted, seconds_since_repair=options.quiet,
        engine_files=_file_stats(views[ENGINE]) if ENGINE in views else (),
        named_containers=unreachable_namesakes(views),
        address_candidates=_unlisted_containers(sites, options, views, containers) if containers else (),
        boot_entries=tuple(s for view in views.values() for s in boot_entries_of(
            view, container_of(view.name, containers))),
        is_cut=any(map(_is_cut, capture.nodes)), generated_files=generated, templates=templates,
        hand_started_logs=tuple(words for view in views.values() if (words := unmanaged_log_of(view)) is not None),
    )


def _generated_files(sites: tuple[Site, ...], views: Mapping[str, View], containers: tuple[Container, ...],
                     ) -> tuple[tuple[GeneratedFile, ...], tuple[FileContent, ...]]:
    from fixer.observe.generated_files import generated_files_of, template_contents  # only needed with containers

    made = generated_files_of(sites, views, containers)
    return made, tuple(template_contents(made, views, containers))


def _seen_last(containers: tuple[Container, ...], capture: Capture) -> tuple[Container, ...]:
    """Return the containers in the state that was seen last. One that its engine has just restarted by itself, and that
    could not be entered then, had ended again: it was "running" for a moment only."""
    ended = [container_of(node.name, containers) for node in capture.nodes if node.unreachable and not _is_cut(node)]
    now = max((node.now for node in capture.nodes), default=0.0)
    return tuple(replace(box, status="restarting") if box in ended and box.status == "running" and box.restart_count
                 and now - box.started_at < _JUST_STARTED else box for box in containers)


def _file_stats(view: View) -> tuple[tuple[str, FileStat], ...]:
    return tuple((path, file.stat) for path, file in view.files.items() if file.stat is not None)


def _build_node(view: View) -> Node:
    stats = _file_stats(view)
    absent = tuple(path for path, file in view.files.items() if file.status == "absent")
    return Node(view.name, view.node.kind, view.node.now, view.node.root, view.process_table.boot_at, view.addresses,
                view.process_table.processes, view.listeners, files=stats, init=view.init, firewall=firewall_of(view),
                connections=parse_connections(view.node.answers.get(ListSockets())), policy=policy_of(view),
                ip_routes=kernel_routes_of(view), missing_paths=absent, unanswered_addresses=unanswered_addresses(view))


def _build_nginx(site: Site, services: tuple[Service, ...], views: Mapping[str, View],
           containers: tuple[Container, ...]) -> Nginx:
    place, view, config = site.nginx, site.view, site.config
    if isinstance(config, Known) and config.value.missing and (lost := unread_include_text(config.value, view)):
        config = Unknown(lost)
    own = container_of(view.name, containers)
    logs = engine_log(view.name, views, containers)
    mtime: Fact[float] = Unknown("its configuration was not read")
    if isinstance(config, Known):
        mtime = config_mtime(config.value, view)
    return Nginx(
        node=view.name, binary=place.binary, conf_path=place.conf, prefix=place.prefix,
        master_pid=place.master.pid if place.master is not None else None,
        worker_pids=tuple(p.pid for p in place.workers), loaded_at=loaded_at(place), config=config,
        config_mtime=mtime, test=config_test_result(place, view), service=_service_of_nginx(place, view, services),
        errors=error_events(place, config, view, logs, "" if own is None else own.name),
        error_log_path=error_log_paths(place, config)[0], explicit=place.explicit,
        unloaded_sites=unloaded_sites_of(site),
        lost_logs=tuple(p for p in error_log_paths(place, config) if deleted_log(place, p, view, LOG_TAIL) is not None),
    )


def _service_of_nginx(place: NginxInstance, view: View, services: tuple[Service, ...]) -> Service | None:
    """Return the service of this nginx: the one with its master's pid, else the unit that would start it."""
    mine = [s for s in services if s.node == view.name]
    if place.master is not None:
        held = next((s for s in mine if place.master.pid in s.pids), None)
        if held is not None:
            return held
    units = [(s, s.unit) for s in mine if s.unit is not None and place.binary in s.unit.exec_start[:1]]
    if units:       # a disabled packaged unit may exist as well
        return min(units, key=lambda pair: (not reads_same_files(pair[1], place, view), is_disabled(pair[1])))[0]
    name = f"{place.binary.rsplit('/', 1)[-1]}.service"        # a masked unit shows no command
    masked = (s for s in mine if s.name == name and s.unit is not None and s.unit.load_state == "masked")
    return next(masked, None) or next((s for s in mine if s.container is not None), None)


def _build_endpoints(site: Site, plan: ProbePlan, services: tuple[Service, ...], views: Mapping[str, View],
               containers: tuple[Container, ...]) -> Iterator[Endpoint]:
    """Yield an endpoint for each written address; equal addresses are built once."""
    same: dict[tuple[object, ...], Endpoint] = {}
    for address in site.addresses:
        server, probe = address.server, plan.by_address.get(address.id)
        key = (server.written, server.host, server.port, server.unix, server.variable, id(address.resolved), id(probe),
               address.replica_ip, address.missing_replica)
        if key not in same:
            same[key] = _build_endpoint(address, probe, site, (services, views, containers))
        yield replace(
            same[key], id=address.id, file=server.span.file, line=server.span.line, start=server.span.start,
            end=server.span.end, down=server.down, backup=server.backup,
        )


def _build_endpoint(
    address: Address, probe: Probe | None, site: Site,
    around: tuple[tuple[Service, ...], Mapping[str, View], tuple[Container, ...]],
) -> Endpoint:
    services, views, containers = around
    own = container_of(site.view.name, containers)
    server = address.server
    behind = _published_container(server, address.ips, site.view, (views, containers)) if containers else None
    container = container_at(server, address.ips, containers, own) if behind is None else behind.container
    container = container or container_by_alias(server, services, own)
    if address.missing_replica:
        container = next((box for box in containers if box.id == address.missing_replica), container)
    node = _node_of_address(address, site, views, containers) if behind is None else node_of(behind.container, views)
    if container is not None and len(container.addresses.intersection(address.ips)) < len(address.ips):
        node = _prefer_container_node(address, container, node, views)
    within = container_sharing_network(container, server.port if behind is None else behind.port,
                                       services) if container else None
    if within is not None:
        container, node = within, node_of(within, views)
    answered = probe_result(site.view.node.answers.get(probe)) if probe is not None else Unknown("not asked")
    is_get = probe is not None and probe.path is not None
    tcp = connect_result(answered) if is_get else answered
    view = views.get(node) if node else None
    held = listener_at(address.ips, server, view, tcp)
    if behind is not None:
        held = _listener_inside(behind, server, view)
    shared = _shared_socket(server, own, site.view, (services, views))
    if shared is not None:
        theirs, path = shared
        container, node = theirs.container, theirs.node
        held = _with_local_callers(listener_at((), replace(server, unix=path), views.get(node), tcp), site.view)
    made = Endpoint(
        id=address.id, written=server.written, host=server.host, port=server.port, unix=server.unix,
        addresses=address.resolved, single_address=address.replica_ip, node=node, file=server.span.file,
        line=server.span.line,
        start=server.span.start, end=server.span.end,
        listener=held, tcp=tcp, container_port=behind.port if behind is not None else 0,
        http=answered if is_get else Unknown("the upstream protocol is not HTTP" if probe is not None else "not asked"),
        down=server.down, backup=server.backup, path=probe.path if probe is not None and probe.path else "/",
        other_scheme_probe=swapped_tls_result(probe, site.view),
    )
    return with_services(made, services, container)


def _shared_socket(server: UpstreamServer, own: Container | None, view: View,
            around: tuple[tuple[Service, ...], Mapping[str, View]]) -> tuple[Service, str] | None:
    services, views = around
    beside = view.is_target_machine and ENGINE in views if own is None else not own.is_machine
    if server.unix is None or not beside:
        return None
    from fixer.observe.docker.shared_resources import service_of_shared_socket

    return service_of_shared_socket(server.unix, own, view, services)


def _with_local_callers(held: Fact[Listener | None], view: View) -> Fact[Listener | None]:
    if isinstance(held, Unknown) or held.value is None or held.value.node == view.name:
        return held
    from fixer.observe.docker.shared_resources import with_callers

    found = with_callers(held.value, view)
    return Known(found, listener_evidence(found, found.address))


def _published_container(server: UpstreamServer, addresses: Sequence[str], view: View,
               around: tuple[Mapping[str, View], tuple[Container, ...]]) -> PublishedPort | None:
    from fixer.observe.docker.published_ports import find_published_port  # only needed with containers

    return find_published_port(server, addresses, view, *around)


def _unlisted_containers(sites: tuple[Site, ...], options: ObserveOptions, views: Mapping[str, View],
               containers: tuple[Container, ...]) -> tuple[AddressCandidate, ...]:
    from fixer.observe.nginx.unlisted_containers import unlisted_containers_of  # only needed with containers

    return unlisted_containers_of(sites, options, views, containers)


def _listener_inside(behind: PublishedPort, server: UpstreamServer, view: View | None) -> Fact[Listener | None]:
    """Return the listener at the container address that Docker forwards connections to."""
    addresses = tuple(ip for _, ip, _ in behind.container.networks if ip)
    if not addresses:
        return Unknown(f"container {behind.container.name} has no address")
    return listener_at(addresses, replace(server, port=behind.port), view, Unknown("not probed there"))


def _node_of_address(address: Address, site: Site, views: Mapping[str, View],
                     containers: tuple[Container, ...]) -> str | None:
    if address.server.unix is not None:
        return site.view.name
    return node_at_addresses(address.ips, site.view, views, containers)


def _prefer_container_node(address: Address, container: Container, node: str | None,
                           views: Mapping[str, View]) -> str | None:
    """Return the node of the container that the name belongs to, if the name leads to several nodes."""
    return node_of(container, views) if container.addresses.intersection(address.ips) else node


def _route_facts(site: Site, plan: ProbePlan, options: ObserveOptions) -> Iterator[RouteFacts]:
    for route in site.routes:
        results = [probe_result(site.view.node.answers.get(p)) for p in plan.by_route.get(route.id, ())]
        known = tuple(r.value for r in results if isinstance(r, Known))
        probes = Known(known) if known else Unknown(_no_probe_reason(site, options, results))
        asked = bool(options.url and results and isinstance(results[0], Known)
                     and route_of_url(site, options.url) == route.id)
        yield RouteFacts(route, site.view.name, site.by_route.get(route.id, ()), probes, site.nginx.conf, asked)


def _no_probe_reason(site: Site, options: ObserveOptions, results: Sequence[Fact[ProbeResult]]) -> str:
    if not options.probe:
        return "probing was switched off"
    if site.nginx.master is None:
        return "nginx does not run"
    reasons = [r.reason for r in results if isinstance(r, Unknown)]
    return reasons[0] if reasons else "no request could be constructed for it, or the limit of probes was reached"


def _notes(capture: Capture, views: Mapping[str, View], plans: Mapping[int, ProbePlan]) -> Iterator[str]:
    for node in capture.nodes:
        if node.unreachable:
            yield f"{node.name}: {node.unreachable}"
    for view in views.values():
        if not view.node.root and view.name != ENGINE:
            yield f"{view.name}: {WITHOUT_ROOT_TEXT}"
        if unseen := view.no_processes_reason():
            yield f"{view.name}: {unseen}"
        for master in other_users_masters(view) if view.name != ENGINE else ():
            yield f"{view.name}: pid {master.pid} of uid {master.uid} calls itself nginx and is not observed"
        if unheard := cut_text(view.node):
            yield f"{view.name}: {unheard}"
    cut = sum(plan.left_out for plan in plans.values())
    if cut:
        yield f"{cut} probes were skipped: fixer makes at most 50 probes per node"
    if fewer := max((plan.fewer for plan in plans.values()), default=0):
        most = f"all routes of an nginx share {MOST_REPEATED_PROBES}"
        yield f"each route was asked at most {fewer} times, fewer than --requests says: {most}"


def _is_cut(node: NodeCapture) -> bool:
    """Return whether the look was over before the node had answered all questions, or any."""
    return node.unreachable.endswith((NOT_ASKED, CUT_OFF)) or bool(cut_text(node))


def cut_text(node: NodeCapture) -> str:
    """Return which questions to the node the look had no time or memory for; empty if it had both for all.
    The answers themselves tell it, so that a bundle says the same."""
    said = [answer.message for answer in node.answers.values() if answer.status in ("timeout", "failed")]
    long = sum(message.endswith(TOO_LONG) for message in said)
    counts = ((said.count(NOT_ASKED), "question", "not asked"),
              (said.count(CUT_OFF), "question", "not answered in time"), (long, "answer", "too long to be read"))
    parts = [f"{count} {noun}s were {what}" if count > 1 else f"1 {noun} was {what}"
             for count, noun, what in counts if count]
    limits = [f"{LOOK_LIMIT} s"] if len(parts) > bool(long) else []
    limits += [f"{LOOK_MEGABYTES} MB"] if long else []
    return f"{' and '.join(parts)}: one look takes at most {' and '.join(limits)}" if parts else ""
