"""What fixer asks of Docker's engine: compose files, the host's side of mounted files, the log of nginx's container."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.docker_conventions import environment_paths, path_on_engine
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Known
from fixer.model.query import Query, ReadFile
from fixer.observe.boot.boot_entries import entrypoint_commands
from fixer.observe.compose_project import project_of
from fixer.observe.docker.container_service import logs_query
from fixer.observe.editable_files import host_path_of, real_path_of
from fixer.observe.look import Look
from fixer.observe.nginx.nginx_masters import error_log_paths, log_query
from fixer.observe.nginx.probe_follow_ups import later_engine_log_queries
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import ENGINE, View, container_of

with lazy_imports():
    from fixer.observe.docker.compose_files import paths_to_read
    from fixer.observe.docker.compose_missing import missing_file_queries
    from fixer.observe.docker.compose_service import compose_service
    from fixer.observe.docker.shared_resources import dangling_link_queries

MOST_HOST_FILES = 60


def engine_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield what is asked of the engine, if the target has one."""
    if ENGINE in look.views:
        yield from ((ENGINE, query) for query in _queries_of_engine(look, look.views[ENGINE]))


def _queries_of_engine(look: Look, engine: View) -> Iterator[Query]:
    """Yield queries for compose files and their env files, host paths of nginx's mounted files, and engine logs."""
    for container in look.containers:
        if container.project and not container.is_machine:
            yield from map(ReadFile, (*paths_to_read(container, engine), *environment_paths(container)))
            told = compose_service(container, engine)
            yield from map(ReadFile, (*told.env_files, *told.scripts) if told is not None else ())
    yield from missing_file_queries(project_of(look.sites, look.containers) or "", look.containers, engine)
    for site in look.sites:
        own = container_of(site.view.name, look.containers)
        if own is None or site.view.init == "systemd" or not isinstance(site.config, Known):
            continue
        for path in () if own.is_machine else site.config.value.files[:MOST_HOST_FILES]:
            file = site.view.files.get(path)
            mount = host_path_of(site.view.name, file, look.containers) if file is not None else None
            if mount is not None:
                yield ReadFile(mount[0])
            elif file is not None and (kept := path_on_engine(own, real_path_of(file))) is not None:
                yield ReadFile(kept)    # a volume
        yield from () if own.is_machine else dangling_link_queries(site.view, own)
        if _logs_to_engine(site) or any(entrypoint_commands(site.view, own, [])):
            yield logs_query(own)
    for site in look.sites:
        yield from later_engine_log_queries(site, look.plan(site), look.views, look.containers)


def _logs_to_engine(site: Site) -> bool:
    for path in error_log_paths(site.nginx, site.config):
        answer = site.view.node.answers.get(log_query(path))
        file = answer.files[0] if answer is not None and answer.files else None
        target = file.stat.link_target if file is not None and file.stat is not None else None
        if path == "stderr" or (target or "").startswith(("/dev/std", "/proc/self/fd", "/dev/fd")):
            return True
    return False
