"""The nginxes of a snapshot, and their routes with what our requests got."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.snapshot import Nginx, ProbeResult, RouteFacts, Service
from fixer.observe.docker.container_service import engine_log
from fixer.observe.look import Look
from fixer.observe.nginx.endpoints import probe_result
from fixer.observe.nginx.file_limits import file_limits_of
from fixer.observe.nginx.kept_pages import MOST_PAGES, kept_errors_of
from fixer.observe.nginx.nginx_masters import (
    LOG_TAIL,
    config_mtime,
    config_test_result,
    error_events,
    error_log_paths,
    is_disabled,
    loaded_at,
    reads_same_files,
)
from fixer.observe.nginx.nginx_place import NginxInstance, deleted_log, program_version, unread_include_text
from fixer.observe.nginx.page_probes import direct_page_probes, route_of_url, with_page_and_host
from fixer.observe.nginx.probes import ProbePlan
from fixer.observe.nginx.sites import Site
from fixer.observe.nginx.unloaded_sites import unloaded_sites_of
from fixer.observe.view.node_view import View, container_of
from fixer.observe.view.observe_options import ObserveOptions


def build_nginx(site: Site, look: Look) -> Nginx:
    """Return what is known of the nginx of a site."""
    place, view, config = site.nginx, site.view, site.config
    if isinstance(config, Known) and config.value.missing and (lost := unread_include_text(config.value, view)):
        config = Unknown(lost)
    own = container_of(view.name, look.containers)
    logs = engine_log(view.name, look.views, look.containers)
    mtime: Fact[float] = Unknown("its configuration was not read")
    if isinstance(config, Known):
        mtime = config_mtime(config.value, view)
    return Nginx(
        node=view.name, binary=place.binary, conf_path=place.conf, prefix=place.prefix,
        master_pid=place.master.pid if place.master is not None else None,
        worker_pids=tuple(p.pid for p in place.workers), loaded_at=loaded_at(place), config=config,
        config_mtime=mtime, test=config_test_result(place, view), service=_service_of_nginx(place, view, look.services),
        errors=error_events(place, config, view, logs, "" if own is None else own.name),
        error_log_path=error_log_paths(place, config)[0], explicit=place.explicit,
        unloaded_sites=unloaded_sites_of(site), file_limits=file_limits_of(place, view),
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
    kept = next((s for s in mine if (s.managed or s.program) and _is_command_of(place, s.argv)), None)
    if kept is not None:
        return kept
    name = f"{place.binary.rsplit('/', 1)[-1]}.service"        # a masked unit shows no command
    masked = (s for s in mine if s.name == name and s.unit is not None and s.unit.load_state == "masked")
    return next(masked, None) or next((s for s in mine if s.container is not None), None)


def _is_command_of(place: NginxInstance, argv: Sequence[str]) -> bool:
    """Return whether a command starts this nginx; a name without a folder is looked for in PATH."""
    program = argv[0] if argv else ""
    return program == place.binary or (program != "" and program == posixpath.basename(place.binary))


def route_facts(site: Site, plan: ProbePlan, options: ObserveOptions) -> Iterator[RouteFacts]:
    """Yield each route of a site with the results of its requests."""
    answers = site.view.node.answers
    direct = {(end, probe.path): result.value for end, probe in direct_page_probes(site, plan.by_address, plan.by_route)
              if isinstance(result := probe_result(answers.get(probe)), Known)}
    kept = kept_errors_of(site)
    version = program_version(site.nginx, site.view)
    unasked = {led: Unknown(_no_probe_reason(site, options, (), is_led_to=led)) for led in (False, True)}
    for route in site.routes:
        made = plan.by_route.get(route.id, ())
        if not made and not direct and not kept:        # most of thousands
            yield RouteFacts(route, site.view.name, site.by_route.get(route.id, ()),
                             unasked[route.path is not None], site.nginx.conf,
                             nginx_version=version)
            continue
        results = [probe_result(answers.get(probe)) for probe in made]
        known = tuple(with_page_and_host(r.value, probe, route) for probe, r in zip(made, results, strict=True)
                      if isinstance(r, Known))
        ends = site.by_route.get(route.id, ())
        near = tuple((end, replace(found, page=(path or "").partition("?")[0])) for (end, path), found in direct.items()
                     if end in ends)
        led = route.path is not None
        probes = Known(known) if known else Unknown(_no_probe_reason(site, options, results, is_led_to=led))
        asked = bool(options.url and results and isinstance(results[0], Known)
                     and route_of_url(site, options.url) == route.id)
        yield RouteFacts(route, site.view.name, ends, probes, site.nginx.conf, asked, near,
                         tuple(kept.get(route.id, ())[:MOST_PAGES]), version)


def _no_probe_reason(site: Site, options: ObserveOptions, results: Sequence[Fact[ProbeResult]], *,
                     is_led_to: bool) -> str:
    if not options.probe:
        return "probing was switched off"
    if site.nginx.master is None:
        return "nginx does not run"
    reasons = [r.reason for r in results if isinstance(r, Unknown)]
    if reasons:
        return reasons[0]
    return "the limit of probes was reached" if is_led_to else "no request that fixer could make leads there"
