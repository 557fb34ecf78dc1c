"""Services of all nodes: units, containers, programs and bare processes, with commands, bindings and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.analysis.service_state import is_unwatched
from fixer.formats.server_names import is_nginx
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.facts import Known
from fixer.model.snapshot import Container, Process, Service
from fixer.nginx.command_line import starts_server
from fixer.observe.bare_services import bare_services, with_container_log, with_start_log
from fixer.observe.boot.boot_services import boot_services, runs_command, with_boot_entry
from fixer.observe.boot.run_folders import hosted_server_pids
from fixer.observe.docker.container_service import container_service, with_proxies_of_container
from fixer.observe.files.env_file_copies import with_env_copies
from fixer.observe.kernel.cgroup_stats import refaults_of, throttling_of
from fixer.observe.managed import managed_services
from fixer.observe.supervisord.supervisord_config import find_supervisords
from fixer.observe.unit_services import unit_services
from fixer.observe.view.node_view import ENGINE, View, container_of, node_of

with lazy_imports():
    from fixer.observe.supervisord.supervisord_log import stream_of
    from fixer.observe.supervisord.supervisord_programs import program_services


def services_of(views: Mapping[str, View], containers: tuple[Container, ...]) -> tuple[Service, ...]:
    """Return every service of every node, with unique ids."""
    found: list[Service] = []
    for view in views.values():
        if view.name != ENGINE:
            told = program_services(view, stream_of(view, views, containers)) if find_supervisords(view) else ()
            programs = [*told, *managed_services(view)]
            theirs = {pid for s in programs for pid in s.pids}
            units = [_without_pids(service, theirs | hosted_server_pids(service, view))
                     for service in unit_services(view)]
            bare: list[Service] = []
            beside_nginx = view.node.kind != "machine" and _runs_nginx(view)
            own = container_of(view.name, containers) if beside_nginx else None
            if view.node.kind == "machine" or beside_nginx:
                taken = {pid for s in units for pid in s.pids} | theirs
                if beside_nginx:
                    taken |= _workers_of_first_process(view)
                bare = [with_start_log(with_boot_entry(service, view, own), view, own)
                        for service in bare_services(view, taken, own)]
            if own is not None:
                bare = with_container_log(bare, view, own, views.get(ENGINE))
            found += [*(_without_started_server(service, bare) for service in units), *programs, *bare]
            found += boot_services(view, found, own, views.get(ENGINE))
    if containers:
        found = [service if views[service.node].init == "systemd" else with_proxies_of_container(
            service, container_of(service.node, containers), views.get(ENGINE)) for service in found]
    for container in containers:
        if not container.is_machine:
            found.append(container_service(container, node_of(container, views), views))
    counted = [_with_cgroup_counts(service, views.get(service.node)) for service in found]
    return tuple(with_env_copies(service, views) for service in _with_unique_ids(counted))


def _with_cgroup_counts(service: Service, view: View | None) -> Service:
    limits = manager_of(service).limits()
    if limits.cpus:
        service = replace(service, throttled=throttling_of(service, view))
    return replace(service, refaults=refaults_of(service, view)) if limits.memory else service


def _runs_nginx(view: View) -> bool:
    """Return whether nginx runs in this container: other servers there are its backends, not the container itself."""
    return any(_is_nginx_server(process) for process in view.by_pid.values()
               if process.pid not in view.process_table.containers)


def _workers_of_first_process(view: View) -> set[int]:
    """Return the workers of an nginx that is process 1 of its container: they are the container itself."""
    first = view.by_pid.get(1)
    if first is None or not _is_nginx_server(first):
        return set()
    return {process.pid for process in view.by_pid.values() if process.ppid == 1 and _is_nginx_server(process)}


def _is_nginx_server(process: Process) -> bool:
    return bool(process.argv) and is_nginx(process.argv[0].partition(":")[0]) and starts_server(process.argv)


def _without_pids(service: Service, pids: set[int]) -> Service:
    """Return the service without these pids: a unit of supervisord, runit or cron contains its children's processes."""
    if not pids.intersection(service.pids):
        return service
    return replace(service, pids=tuple(pid for pid in service.pids if pid not in pids))


def _without_started_server(service: Service, bare: Sequence[Service]) -> Service:
    """Return a unit whose work was done once it had started a server (`rc-local.service`) without that server, while
    it runs: one server is not two services."""
    if service.unit is None or not is_unwatched(service) or not any(
            runs_command(other.argv, service.argv) for other in bare):
        return service
    return replace(service, is_app_server=False, bindings=Known(()))


def _with_unique_ids(services: Sequence[Service]) -> Iterator[Service]:
    seen: dict[str, int] = {}
    for service in services:
        count = seen[service.id] = seen.get(service.id, 0) + 1
        yield service if count == 1 else replace(service, id=f"{service.id}#{count}")
