"""The next queries of an observation: pure, so that a recorded capture asks for exactly what it holds."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.docker_conventions import environment_paths
from fixer.formats.systemctl_show import packaged_unit_path, startable_services
from fixer.model.capture import Capture
from fixer.model.facts import Known, Unknown
from fixer.model.query import Command, ListProcesses, ListSockets, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.snapshot import Container, Service
from fixer.model.target import NodeKind, TargetRef
from fixer.nginx.error_kinds import CONNECT_FAILED, READ_TIMEOUT
from fixer.observe.boot.boot_entries import boot_entry_queries, entrypoint_commands
from fixer.observe.boot.learned_services import learned_queries
from fixer.observe.commands.dependencies import dependency_queries
from fixer.observe.commands.python_programs import code_queries, has_service_for_each_port, program_paths
from fixer.observe.commands.resolved_command import command_of_unit
from fixer.observe.commands.server_settings import is_unmodified_packaged_unit, settings_path, vassal_queries
from fixer.observe.commands.startup_waits import wait_queries
from fixer.observe.compose_project import config_hash_query, project_of
from fixer.observe.docker.compose_files import paths_to_read
from fixer.observe.docker.compose_missing import missing_file_queries
from fixer.observe.docker.compose_service import compose_service
from fixer.observe.docker.container_service import engine_log, logs_query
from fixer.observe.docker.shared_resources import dangling_link_queries
from fixer.observe.editable_files import host_path_of
from fixer.observe.files.application_code import change_queries, release_queries, source_queries
from fixer.observe.files.env_file_copies import env_copy_queries
from fixer.observe.files.error_paths import closed_path_queries
from fixer.observe.files.log_files import unmanaged_log_queries
from fixer.observe.kernel.cgroup_stats import has_cpu_quota, refault_paths, throttling_paths
from fixer.observe.kernel.network_tables import ARP, FIB
from fixer.observe.kernel.packet_filters import BRIDGE_FILTERING, firewall_queries
from fixer.observe.kernel.security_modules import policy_queries
from fixer.observe.log_queries import kernel_log_queries, log_queries
from fixer.observe.nginx.config_backups import backup_queries
from fixer.observe.nginx.denied_paths import socket_path_queries, temp_folders
from fixer.observe.nginx.endpoints import name_to_resolve, node_at_addresses, probe_result, resolve_query
from fixer.observe.nginx.nginx_masters import (
    DEFAULT_LOG,
    can_test_config,
    config_test_query,
    error_log_paths,
    has_included_pipe,
    journal_log_query,
    log_query,
    needs_config_test,
    parsed_config,
)
from fixer.observe.nginx.nginx_place import build_option_queries, remaining_config_queries, was_listed
from fixer.observe.nginx.other_proxies import gateway_queries, is_stopped_gateway
from fixer.observe.nginx.probe_follow_ups import later_engine_log_queries, later_log_queries, swapped_tls_probes
from fixer.observe.nginx.probes import is_socket_denied, plan_probes, recent_failures
from fixer.observe.nginx.sites import Address, Site, sites_of
from fixer.observe.nginx.unloaded_sites import is_stopped_backend, ports_without_listener, sockets_without_listener
from fixer.observe.services import journal_query, services_of, socket_queries, working_directory
from fixer.observe.supervisord.supervisord_programs import supervisord_queries
from fixer.observe.systemd.failed_units import failed_unit_queries
from fixer.observe.systemd.forgotten_units import with_journal_state
from fixer.observe.systemd.socket_activation import socket_unit_queries
from fixer.observe.systemd.unit_settings import paths_to_check
from fixer.observe.view.node_view import ENGINE, UNIT_FILES, View, container_of, containers_of, views_of
from fixer.observe.view.observe_options import ObserveOptions

SERVICE_FILE_LIMIT = 64 << 10
MOST_JOURNALS = 12
MOST_UNLOADED = 100
SYSTEMD_UNITS = ("systemd-", "getty", "console-getty", "container-getty", "serial-getty")   # often masked, never an app
MOST_PROGRAMS = 4
_BLOCKED_ERRORS = frozenset({"slow", "refused", "unreachable", "permission", "Invalid argument"})
_BLOCKED_KINDS = (CONNECT_FAILED | READ_TIMEOUT) - {
    "local-address-exhausted", "socket-missing", "backlog-full", "connect-reset", "connect-failed",
}
MOST_TEMP_FOLDERS = 4
MOST_HOST_FILES = 60

QueriesByNode = dict[str, list[Query]]


def first_queries(name: str, kind: NodeKind, ref: TargetRef) -> list[Query]:
    """Return the first round for one node; only a machine has units."""
    if name == ENGINE:
        return [Command("docker-project" if ref.kind == "compose" else "docker-container", (ref.address,))]
    common: list[Query] = [
        ListProcesses(), ListSockets(), ReadTree("/etc/nginx"), log_query(DEFAULT_LOG), ReadFile("/etc/hosts"),
        Command("ip-addresses"),
    ]
    return [*common, Command("systemctl-show"), UNIT_FILES] if kind == "machine" else common


def follow_up_queries(capture: Capture, options: ObserveOptions) -> QueriesByNode:
    """Return node -> queries still to be asked, given its answers; empty if there are none."""
    views = views_of(capture)
    containers = containers_of(views)
    sites = sites_of(views, containers)
    services = services_of(views, containers)
    asked: QueriesByNode = {name: [] for name in views}
    for site in sites:
        asked[site.view.name] += _site_queries(site, options, views, containers)
        for node, query in _container_queries(site, options, views, containers) if containers else ():
            asked[node].append(query)
    for view in views.values():
        if view.name != ENGINE:
            asked[view.name] += [*_unit_file_queries(view), *_program_source_queries(view, services),
                                 *supervisord_queries(view),
                                 *socket_unit_queries(view)]
            if view.node.kind == "machine" and options.learned:
                asked[view.name] += learned_queries(view, options.learned)
            asked[view.name] += dependency_queries(view, services)
    for site in sites:
        asked[site.view.name] += _forgotten_unit_queries(site, services, containers)
    for node, query in (*_suspect_queries(sites, services, views, containers, options), *source_queries(services),
                        *closed_path_queries(services), *change_queries(services), *env_copy_queries(services, views),
                        *wait_queries(services, views),
                        *(found for site in sites for found in backup_queries(site, views, containers))):
        if node in asked:
            asked[node].append(query)
    for service in services:
        if service.is_app_server and service.node in asked:
            asked[service.node] += release_queries(service, views[service.node])
    if ENGINE in views:
        asked[ENGINE] += _engine_queries(sites, views, containers)
        for site in sites:
            plan = plan_probes(site, options, views, containers)
            asked[ENGINE] += later_engine_log_queries(site, plan, views, containers)
    return {name: new for name, queries in asked.items() if (new := list(_unanswered_queries(queries, views[name])))}


def _container_queries(site: Site, options: ObserveOptions, views: Mapping[str, View],
                       containers: tuple[Container, ...]) -> Iterator[tuple[str, Query]]:
    """Yield queries that only nginx among containers needs."""
    from fixer.observe.generated_files import template_queries
    from fixer.observe.nginx.unlisted_containers import unlisted_container_probes

    yield from ((site.view.name, query) for query in unlisted_container_probes(site, options, views, containers))
    yield from template_queries(site, options, views, containers)


def _unanswered_queries(queries: list[Query], view: View) -> Iterator[Query]:
    for query in dict.fromkeys(queries):
        seen = view.files.get(query.path) if isinstance(query, ReadFile) and not query.tail else None
        known = seen is not None and not seen.truncated
        if query not in view.node.answers and not known:
            yield query


def _site_queries(site: Site, options: ObserveOptions, views: Mapping[str, View],
             containers: tuple[Container, ...]) -> Iterator[Query]:
    """Yield queries for unread includes, named logs, names to resolve, `nginx -t` if in doubt, and probes."""
    yield from build_option_queries(site.nginx, site.config, site.view)
    yield from remaining_config_queries(parsed_config(site.nginx, site.view), site.view)
    if isinstance(site.config, Unknown):
        yield ReadGlob((site.nginx.conf,))
        if not site.nginx.conf.startswith("/etc/nginx/"):
            yield ReadTree(site.nginx.conf_folder)
    else:
        yield from (ReadGlob((p,)) for p in site.config.value.missing if not was_listed(p, site.view))
        yield from (log_query(path) for path in error_log_paths(site.nginx, site.config) if path.startswith("/"))
        kept = journal_log_query(site.nginx, site.config)
        yield from () if kept is None else (kept,)
    asks = can_test_config(site.nginx, site.view) and needs_config_test(site.nginx, site.config, site.view)
    if asks and not has_included_pipe(site.nginx, site.view):
        yield config_test_query(site.nginx)
    logs = engine_log(site.view.name, views, containers)
    yield from (ReadFile(path, 1) for path in temp_folders(site, logs)[:MOST_TEMP_FOLDERS])
    yield from socket_path_queries(site, logs)
    for address in site.addresses:
        name = name_to_resolve(address.server, site.view)
        if name is not None:
            yield resolve_query(name)
    plan = plan_probes(site, options, views, containers)
    yield from plan.by_address.values()
    yield from swapped_tls_probes(plan, site.view)
    for probes in plan.by_route.values():
        yield from probes
    yield from later_log_queries(site, plan, views, containers)


def _unit_file_queries(view: View) -> Iterator[Query]:
    """Yield queries for units on disk that systemd has not loaded, and for files that configure applications."""
    if view.init != "systemd":
        return
    paths = [path for path in view.files if path.endswith(".service") and "/systemd/system/" in path]
    on_disk = {path.rsplit("/", 1)[-1] for path in paths}
    own = tuple(sorted(n for n in on_disk - set(view.units) if not n.endswith("@.service") and n[:8] != "systemd-"))
    if own:
        yield Command("systemctl-show", own[:MOST_UNLOADED])
    for unit in dict.fromkeys(view.units.values()):
        if is_unmodified_packaged_unit(unit):
            continue
        told = command_of_unit(unit, view)
        yield from (ReadFile(path, SERVICE_FILE_LIMIT) for path in paths_to_check(unit, told))
        if unit.load_state == "masked":
            continue
        yield from vassal_queries(told, settings := settings_path(told), view)
        for path in (*told.source_files, *((settings,) if settings else ()), *program_paths(told.argv, told.directory)):
            if path.startswith("/"):
                yield ReadFile(path, SERVICE_FILE_LIMIT)
        yield from failed_unit_queries(with_journal_state(unit, view.node.answers.get(journal_query(unit.name)), view),
                                       told, view)


def _forgotten_unit_queries(site: Site, services: tuple[Service, ...],
                            containers: tuple[Container, ...]) -> Iterator[Query]:
    """Yield queries for stopped packaged units that systemd has unloaded: nginx's own and applications'.

    The list of all units is long, so it is queried only if no known service can be the application.
    """
    view = site.view
    if view.init != "systemd":
        if ports_without_listener(site) or sockets_without_listener(site):
            yield from (*boot_entry_queries(view, container_of(view.name, containers)), *unmanaged_log_queries(view))
        return
    if "nginx.service" not in view.units and site.nginx.master is None:
        yield Command("systemctl-show", ("nginx.service",))
    empty, unheard = ports_without_listener(site), sockets_without_listener(site)
    if not empty and not unheard:
        return
    yield from gateway_queries(view)
    yield from boot_entry_queries(view)
    if any(path.endswith("@.service") for path in view.files):
        from fixer.observe.systemd.template_instances import instance_queries

        yield from instance_queries(view, empty, unheard)
    masked = sorted(u.name for u in dict.fromkeys(view.units.values()) if u.load_state == "masked")
    names = [n for n in masked if n.endswith(".service") and not n.startswith(SYSTEMD_UNITS)][:MOST_UNLOADED]
    yield from (ReadFile(packaged_unit_path(name), SERVICE_FILE_LIMIT) for name in names)
    serves = any(s.is_app_server and s.node == view.name for s in services)
    if serves and (not empty or has_service_for_each_port(empty, services, view)):
        return
    listing = Command("systemctl-units")
    yield listing
    yield from () if serves else unmanaged_log_queries(view)
    listed = startable_services(view.node.answers.get(listing))
    unknown = tuple(n for n in listed if n not in view.units and not n.startswith("systemd-"))
    if unknown:
        yield Command("systemctl-show", unknown[:MOST_UNLOADED])
    yield from code_queries(view)


def _program_source_queries(view: View, services: tuple[Service, ...]) -> Iterator[Query]:
    """Yield queries for the sources of python programs without a unit file: do they serve a web application?"""
    for service in services:
        if service.node == view.name and service.unit is None and service.runtime == "python":
            for pid in service.pids[:MOST_PROGRAMS]:
                process = view.by_pid.get(pid)
                for path in program_paths(process.argv, working_directory(process)) if process is not None else ():
                    yield ReadFile(path, SERVICE_FILE_LIMIT)


def _suspect_queries(sites: tuple[Site, ...], services: tuple[Service, ...], views: Mapping[str, View],
                 containers: tuple[Container, ...], options: ObserveOptions) -> Iterator[tuple[str, Query]]:
    """Yield queries for the logs of services that may be at fault; none on a healthy host."""
    troubled = any(_has_failures(site, options, views, containers) for site in sites)
    journals = 0
    for service in sorted(services, key=lambda s: (s.running, s.id)):
        at_fault = (troubled and (is_stopped_gateway(service)
                                  or is_stopped_backend(service, sites))) or (service.is_app_server and (
            troubled or not service.running or _has_restarts(service) or _has_concurrency_limit(service)))
        if service.is_app_server and service.node in views:
            yield from ((service.node, ReadFile(path, 4096)) for path in throttling_paths(service, views[service.node]))
            yield from ((service.node, ReadFile(path, 4096)) for path in refault_paths(service, views[service.node]))
        stopped_nginx = any(site.nginx.master is None and _is_service_of_nginx(service, site) for site in sites)
        if not at_fault and not stopped_nginx:
            continue
        yield from socket_queries(service)
        if service.program is None and service.unit is not None:
            journals += 1
            if journals > MOST_JOURNALS:
                continue
        yield from log_queries(service, views, containers)
    for site in sites:
        blocked = _is_blocked(site, options, views, containers)
        if blocked or is_socket_denied(site):
            yield from ((site.view.name, q) for q in policy_queries(worker.pid for worker in site.nginx.workers))
        if blocked:
            yield from ((site.view.name, query) for query in (*firewall_queries(), FIB, ARP))
            yield from ((node, query) for node in _containers_led_to(site, views, containers)
                        for query in firewall_queries())
            if ENGINE in views:
                yield from ((ENGINE, query) for query in (*firewall_queries(), BRIDGE_FILTERING))
    if troubled:
        yield from kernel_log_queries(services, views)
        for name in dict.fromkeys(s.node for s in services if s.manager == "none" and s.is_app_server and s.pids):
            yield from ((name, query) for query in boot_entry_queries(views[name]))      # root may have chosen it
    project = project_of(sites, containers)
    # may be at fault even if our probes succeed
    limited = any(_has_concurrency_limit(s) or has_cpu_quota(s) for s in services)
    if (troubled or limited) and project and ENGINE in views:
        yield ENGINE, config_hash_query(project)


def _has_concurrency_limit(service: Service) -> bool:
    """Return whether its server answers 503 above a limit, which only its own log shows."""
    return any(word.text.startswith("--limit-concurrency") for word in service.command)


def _has_restarts(service: Service) -> bool:
    if service.unit is not None:
        return service.unit.n_restarts > 0 or service.unit.active_state not in ("active", "inactive")
    if service.program is not None:
        return service.program.restarts > 0
    container = service.container
    return container is not None and (container.restart_count > 0 or container.health == "unhealthy")


def _has_failures(site: Site, options: ObserveOptions, views: Mapping[str, View],
                 containers: tuple[Container, ...]) -> bool:
    """Return whether a probe failed, nothing listens, the log has recent failures, or nginx is down or unclear."""
    if site.nginx.master is None or isinstance(site.config, Unknown) or not options.probe:
        return True
    if recent_failures(site, engine_log(site.view.name, views, containers)):
        return True
    if ports_without_listener(site):
        return True
    if any(c.status != "running" for c in containers if c.project and c.service):
        return True
    plan = plan_probes(site, options, views, containers)
    probes = [*plan.by_address.values(), *(p for some in plan.by_route.values() for p in some)]
    results = [probe_result(site.view.node.answers.get(p)) for p in probes if p in site.view.node.answers]
    return any(not isinstance(r, Known) or (r.value.error is not None or not _is_good_status(r.value.status))
               for r in results)


def _is_blocked(site: Site, options: ObserveOptions, views: Mapping[str, View],
                containers: tuple[Container, ...]) -> bool:
    """Return whether packets to an address may be blocked: it fails, and not because nothing listens."""
    plan = plan_probes(site, options, views, containers)
    addresses = {a.id: a for a in site.addresses if a.server.unix is None and a.ips}
    for key, address in addresses.items():
        result = probe_result(site.view.node.answers.get(plan.by_address[key])) if key in plan.by_address else None
        if isinstance(result, Known) and result.value.error in _BLOCKED_ERRORS and (
                result.value.error != "refused" or _has_listener(address, site, views, containers)):
            return True
    logged = any(event.kind in _BLOCKED_KINDS for event in recent_failures(site)[-20:])
    return logged and bool(addresses) and all(_has_listener(a, site, views, containers) for a in addresses.values())


def _containers_led_to(site: Site, views: Mapping[str, View], containers: tuple[Container, ...]) -> tuple[str, ...]:
    """Return the containers that its addresses lead to: packets also pass their network's filter."""
    led = (node_at_addresses(address.ips, site.view, views, containers) for address in site.addresses if address.ips)
    asked = {name for name, view in views.items() if view.node.kind == "container"}   # no stopped ones
    return tuple(dict.fromkeys(name for name in led if name in asked and name != site.view.name))


def _has_listener(address: Address, site: Site, views: Mapping[str, View], containers: tuple[Container, ...]) -> bool:
    """Return whether something listens on the port of an address on its node; False if the node was not observed."""
    view = views.get(node_at_addresses(address.ips, site.view, views, containers) or "")
    return view is not None and isinstance(view.listeners, Known) and any(
        x.port == address.server.port for x in view.listeners.value)


def _is_good_status(status: int | None) -> bool:
    return status is None or status < 500


def _engine_queries(sites: tuple[Site, ...], views: Mapping[str, View],
               containers: tuple[Container, ...]) -> Iterator[Query]:
    """Yield queries for compose files and their env files, host paths of nginx's mounted files, and engine logs."""
    engine = views[ENGINE]
    for container in containers:
        if container.project and not container.is_machine:
            yield from map(ReadFile, (*paths_to_read(container, engine), *environment_paths(container)))
            told = compose_service(container, engine)
            yield from map(ReadFile, (*told.env_files, *told.scripts) if told is not None else ())
    yield from missing_file_queries(project_of(sites, containers) or "", containers, engine)
    for site in sites:
        own = container_of(site.view.name, containers)
        if own is None or site.view.init == "systemd" or not isinstance(site.config, Known):
            continue
        for path in () if own.is_machine else site.config.value.files[:MOST_HOST_FILES]:
            file = site.view.files.get(path)
            mount = host_path_of(site.view.name, file, containers) if file is not None else None
            if mount is not None:
                yield ReadFile(mount[0])
        yield from () if own.is_machine else dangling_link_queries(site.view, own)
        if _logs_to_engine(site) or any(entrypoint_commands(site.view, own, [])):
            yield logs_query(own)


def _is_service_of_nginx(service: Service, site: Site) -> bool:
    """Return whether the service's command is that nginx; a container's command may omit the directory."""
    program = service.argv[0] if service.argv else ""
    if service.container is not None and service.node == site.view.name:
        return posixpath.basename(program) == posixpath.basename(site.nginx.binary)
    return program == site.nginx.binary


def _logs_to_engine(site: Site) -> bool:
    for path in error_log_paths(site.nginx, site.config):
        answer = site.view.node.answers.get(log_query(path))
        file = answer.files[0] if answer is not None and answer.files else None
        target = file.stat.link_target if file is not None and file.stat is not None else None
        if path == "stderr" or (target or "").startswith(("/dev/std", "/proc/self/fd", "/dev/fd")):
            return True
    return False
