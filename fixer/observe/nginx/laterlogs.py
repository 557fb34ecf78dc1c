"""The end of nginx's log once more, after our own requests: where an error page hides what they met, only it tells."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model.facts import Known
from fixer.model.query import Query
from fixer.observe.endpoints import probe_result
from fixer.observe.nginx.heldlogs import held_log_queries
from fixer.observe.nginx.nginxes import LOG_TAIL, error_logs, journal_log_query, later_log_query
from fixer.observe.nginx.sites import Site
from fixer.observe.probes import ProbePlan, is_good


def later_logs(site: Site, plan: ProbePlan) -> Iterator[Query]:
    """None but where a route answered well that would do so without its backend too; and what the master holds of a log
    that is not there."""
    paths = error_logs(site.place, site.config)
    yield from held_log_queries(site.place, paths, site.view, LOG_TAIL)
    for route in site.routes:
        results = [probe_result(site.view.node.answers.get(probe)) for probe in plan.by_route.get(route.id, ())]
        if route.masked_by and any(isinstance(found, Known) and is_good(found.value) for found in results):
            yield from (later_log_query(path) for path in paths if path.startswith("/"))
            kept = journal_log_query(site.place, site.config, later=True)
            yield from () if kept is None else (kept,)
            return
