"""What fixer asks of each nginx and its sites: files, logs, names, the test of the configuration, and probes."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Unknown
from fixer.model.query import Query, ReadFile, ReadGlob, ReadTree
from fixer.observe.docker.container_service import engine_log
from fixer.observe.look import Look
from fixer.observe.nginx.config_backups import backup_queries
from fixer.observe.nginx.endpoints import name_to_resolve, resolve_query
from fixer.observe.nginx.error_queries import (
    authority_queries,
    name_server_queries,
    socket_path_queries,
    temp_folders,
    version_queries,
)
from fixer.observe.nginx.file_limits import file_limit_queries
from fixer.observe.nginx.kept_pages import cache_queries
from fixer.observe.nginx.nginx_masters import (
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
from fixer.observe.nginx.page_probes import direct_page_probes
from fixer.observe.nginx.probe_follow_ups import (
    files_with_failures,
    later_log_queries,
    other_tls_name_probes,
    proxy_header_probes,
    swapped_tls_probes,
)
from fixer.observe.nginx.sites import Site, places_of

with lazy_imports():
    from fixer.observe.generated_files import template_queries
    from fixer.observe.nginx.unlisted_containers import unlisted_container_probes  # only needed with containers

MOST_TEMP_FOLDERS = 4


def site_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield what is asked of each nginx, and where its routes may lead to containers that no project lists."""
    for site in look.sites:
        yield from ((site.view.name, query) for query in _queries_of_site(site, look))
        if look.containers:
            yield from ((site.view.name, query) for query in unlisted_container_probes(
                site, look.options, look.views, look.containers))
            failing = files_with_failures(site, look.plan(site))
            yield from template_queries(site, failing, look.views, look.containers) if failing else ()
        yield from backup_queries(site, look.views, look.containers)


def _queries_of_site(site: Site, look: Look) -> Iterator[Query]:
    """Yield queries for unread includes, named logs, names to resolve, `nginx -t` if in doubt, and probes."""
    yield from cache_queries(site)
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
    logs = engine_log(site.view.name, look.views, look.containers)
    yield from (ReadFile(path, 1) for path in temp_folders(site, logs)[:MOST_TEMP_FOLDERS])
    yield from socket_path_queries(site, logs)
    yield from name_server_queries(site, logs)
    yield from authority_queries(site, logs)
    yield from version_queries(site, logs)
    yield from file_limit_queries(site, logs)
    for address in places_of(site):
        name = name_to_resolve(address.server, site.view)
        if name is not None:
            yield resolve_query(name)
    plan = look.plan(site)
    yield from plan.by_address.values()
    yield from swapped_tls_probes(plan, site.view)
    yield from proxy_header_probes(plan, site.view)
    for probes in plan.by_route.values():
        yield from probes
    yield from (probe for _, probe in direct_page_probes(site, plan.by_address, plan.by_route))
    yield from other_tls_name_probes(site, plan)
    yield from later_log_queries(site, plan, look.views, look.containers)
