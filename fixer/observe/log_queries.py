"""Queries for logs of services that may be at fault, and of the kernel that may have killed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.formats.application_servers import busy_limit_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.query import Query
from fixer.model.snapshot import Container, Service
from fixer.observe.bare_services import start_log_queries, stdout_query, writes_to_container_log
from fixer.observe.boot.boot_services import boot_log_queries
from fixer.observe.commands.resolved_command import command_of_unit
from fixer.observe.docker.container_service import logs_query, own_log_queries
from fixer.observe.files.log_files import log_file_paths, log_file_query
from fixer.observe.kernel.oom_log import KERNEL_LOG, UPTIME, can_be_oom_kill
from fixer.observe.managed import managed_log_queries
from fixer.observe.systemd.unit_journal import journal_queries, journal_query
from fixer.observe.view.node_view import ENGINE, View, container_of

with lazy_imports():
    from fixer.observe.supervisord.supervised_log import program_log_queries
    from fixer.observe.supervisord.supervisord_log import stream_container, stream_query
    from fixer.observe.systemd.queued_jobs import job_queries  # only needed if systemd has a job for it

_SHORT_SECONDS = 10.0      # that an ordinary page may take


def log_queries(service: Service, views: Mapping[str, View], containers: tuple[Container, ...]) -> Iterator[
        tuple[str, Query]]:
    """Yield queries for the logs of a service's manager and of the service itself."""
    if service.program is not None:
        yield from ((service.node, query) for query in program_log_queries(service, views[service.node]))
        box = stream_container(views[service.node], containers)
        if box is not None and ENGINE in views:
            yield ENGINE, stream_query(box)
        if service.program.state == "DOWN" and service.program.unit is not None:      # why supervisord itself ended
            yield service.node, journal_query(service.program.unit.name)
    elif service.unit is not None:
        told = command_of_unit(service.unit, views[service.node])
        if service.unit.job:
            yield from ((service.node, query) for query in job_queries(service.unit, views[service.node]))
        yield from ((service.node, query) for query in journal_queries(service.unit, told))
        if service.is_app_server:
            yield from ((service.node, log_file_query(path)) for path in log_file_paths(told, views[service.node]))
    elif service.container is not None:
        if ENGINE in views:
            yield ENGINE, logs_query(service.container)
        if service.node in views:
            yield from ((service.node, query) for query in own_log_queries(service, views))
    elif service.managed is not None:
        yield from ((service.node, query) for query in managed_log_queries(service, views[service.node]))
    elif service.pids:
        yield service.node, stdout_query(service.pids[0])
        own = container_of(service.node, containers)
        yield from ((service.node, query) for query in start_log_queries(service, views[service.node], own))
        yield from _container_log_queries(service, views, containers)
    elif service.boot_entry is not None:
        yield from _boot_entry_queries(service, views, containers)


def _container_log_queries(service: Service, views: Mapping[str, View], containers: tuple[Container, ...]) -> Iterator[
        tuple[str, Query]]:
    """Yield the query for the output of process 1 of a container, and for the container's log where it is shared."""
    own = container_of(service.node, containers)
    if own is not None and not own.is_machine and ENGINE in views:
        yield service.node, stdout_query(1)
        if writes_to_container_log(service.pids[0], views[service.node]):
            yield ENGINE, logs_query(own)


def _boot_entry_queries(service: Service, views: Mapping[str, View], containers: tuple[Container, ...]) -> Iterator[
        tuple[str, Query]]:
    """Yield queries for the files that its output goes to, and for the log of the container whose script starts it."""
    own = container_of(service.node, containers)
    yield from ((service.node, query) for query in boot_log_queries(views[service.node], own))
    if own is not None and not own.is_machine and ENGINE in views:
        yield ENGINE, logs_query(own)


def kernel_log_queries(services: tuple[Service, ...], views: Mapping[str, View]) -> Iterator[tuple[str, Query]]:
    """Yield kernel log queries, only if the OOM killer may have ended a process."""
    suspects = [service for service in services if service.is_app_server and can_be_oom_kill(service)]
    for node in dict.fromkeys(s.node for s in suspects if s.unit is not None and s.node in views):
        yield node, KERNEL_LOG
    if suspects and ENGINE in views:
        yield ENGINE, KERNEL_LOG
        yield ENGINE, UPTIME


def may_refuse_unlogged(service: Service) -> bool:
    """Return whether its server gives an error that only its own log shows: 503 above a limit, or 500 of a worker that
    was busy for longer than a limit that ordinary pages may reach."""
    return busy_limit_of(service) <= _SHORT_SECONDS or any(
        word.text.startswith("--limit-concurrency") for word in service.command)
