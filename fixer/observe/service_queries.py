"""What fixer asks of services: files that say how they start, and the logs of those that may be at fault."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.managers import manager_of
from fixer.model.facts import Unknown
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Service
from fixer.observe.boot.boot_services import root_start_queries
from fixer.observe.commands.startup_waits import wait_queries
from fixer.observe.compose_project import config_hash_query, project_of
from fixer.observe.docker.container_service import image_queries, own_log_queries
from fixer.observe.files.application_code import change_queries, port_queries, release_queries, source_queries
from fixer.observe.files.env_file_copies import env_copy_queries
from fixer.observe.files.error_paths import closed_path_queries, loose_path_queries
from fixer.observe.kernel.cgroup_stats import refault_paths, throttling_paths
from fixer.observe.log_queries import kernel_log_queries, log_queries, may_refuse_unlogged
from fixer.observe.look import Look
from fixer.observe.nginx.other_proxies import is_stopped_gateway
from fixer.observe.nginx.probe_follow_ups import has_failures
from fixer.observe.nginx.sites import Site
from fixer.observe.nginx.unloaded_sites import is_stopped_backend, ports_without_listener
from fixer.observe.systemd.socket_activation import socket_queries
from fixer.observe.view.node_view import ENGINE, container_of

MOST_JOURNALS = 12


def service_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield queries for files that say how services start, what they need, and what changed."""
    services, views = look.services, look.views
    yield from source_queries(services)
    yield from closed_path_queries(services)
    yield from loose_path_queries(views)
    yield from change_queries(services)
    yield from env_copy_queries(services, views)
    yield from wait_queries(services, views)
    for service in services:
        if service.is_app_server and service.node in views:
            yield from ((service.node, query) for query in release_queries(service, views[service.node]))


def suspect_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield queries for the logs of services that may be at fault; none on a healthy host."""
    views, containers, troubled = look.views, look.containers, is_troubled(look)
    journals = 0
    for service in sorted(look.services, key=lambda s: (s.running, s.id)):
        at_fault = (troubled and (is_stopped_gateway(service)
                                  or is_stopped_backend(service, look.sites))) or (service.is_app_server and (
            troubled or not service.running or manager_of(service).has_trouble() or may_refuse_unlogged(service)))
        if service.is_app_server and service.node in views:
            yield from ((service.node, ReadFile(path, 4096)) for path in throttling_paths(service, views[service.node]))
            yield from ((service.node, ReadFile(path, 4096)) for path in refault_paths(service, views[service.node]))
        if at_fault:
            yield from image_queries(service, views)
        stopped_nginx = any(site.nginx.master is None and _is_service_of_nginx(service, site) for site in look.sites)
        if not at_fault and not stopped_nginx:
            continue
        yield from socket_queries(service)
        if service.program is None and service.unit is not None:
            journals += 1
            if journals > MOST_JOURNALS:
                continue
        yield from log_queries(service, views, containers)
        yield from ((service.node, query) for query in port_queries(service))
    if troubled:
        yield from kernel_log_queries(look.services, views)
        for name in dict.fromkeys(s.node for s in look.services if s.manager == "none" and s.is_app_server and s.pids):
            own = container_of(name, containers)
            yield from ((name, query) for query in root_start_queries(views[name], look.services, own))
        yield from _script_log_queries(look)
    project = project_of(look.sites, containers)
    # may be at fault even if our probes succeed
    limited = any(may_refuse_unlogged(s) or manager_of(s).limits().cpus for s in look.services)
    if (troubled or limited) and project and ENGINE in views:
        yield ENGINE, config_hash_query(project)


def is_troubled(look: Look) -> bool:
    """Return whether something may be wrong with a site, as far as the answers tell."""
    return any(_has_failures(site, look) for site in look.sites)


def _script_log_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield the queries for the logs of servers that the start script of nginx's own container runs beside it."""
    nodes = {site.view.name for site in look.sites}
    for service in look.services:
        if service.container is not None and service.node in nodes and not service.container.is_machine:
            yield from ((service.node, query) for query in own_log_queries(service, look.views))


def _has_failures(site: Site, look: Look) -> bool:
    """Return whether its log or a probe shows failures, nothing listens, or nginx or a container is down or unclear."""
    if site.nginx.master is None or isinstance(site.config, Unknown) or not look.options.probe:
        return True
    if any(c.status != "running" for c in look.containers if c.project and c.service) or ports_without_listener(site):
        return True
    return has_failures(site, look.plan(site), look.views, look.containers)


def _is_service_of_nginx(service: Service, site: Site) -> bool:
    """Return whether the service's command is that nginx; a container's command may omit the directory."""
    program = service.argv[0] if service.argv else ""
    if service.container is not None and service.node == site.view.name:
        return posixpath.basename(program) == posixpath.basename(site.nginx.binary)
    return program == site.nginx.binary
