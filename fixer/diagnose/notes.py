"""Notes of a diagnosis: redirects, front proxies, container layers, unloaded sites, slow routes, shared drop-ins."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from fixer.analysis.case import Case, location_text
from fixer.analysis.evidence import address_text, container_of, endpoint_text, file_line_text, find_node
from fixer.analysis.hidden_failures import accepts_nothing
from fixer.analysis.other_pages import redirect_path, site_url
from fixer.analysis.route_verdict import RECENT_ERROR, recent_events
from fixer.diagnose.state_notes import state_notes
from fixer.formats.addresses import ANY_IPV4
from fixer.formats.folders import is_within
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, HealthVerdict, RouteHealth
from fixer.model.facts import Known
from fixer.model.nginx_config import PAGE_FAILURES, UnloadedSite
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Container, Service, Snapshot, Unit

with lazy_imports():
    from fixer.analysis.cached_errors import error_keeping_lines
    from fixer.analysis.ownership.resolve import unloaded_site_text
    from fixer.diagnose.unexplained import unexplained_notes  # only for unexplained routes
    from fixer.formats.backup_names import is_unused_name

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Assessment:
    """What notes are written about: the settled findings, the health of all routes and of those that `counted`, not
    ignored ones; routes that fail without a cause (`puzzling`); why no backend of a slow route answers (`dark`)."""

    case: Case
    findings: tuple[Finding, ...]
    health: tuple[RouteHealth, ...]
    counted: tuple[RouteHealth, ...]
    verdict: HealthVerdict
    puzzling: frozenset[str]
    dark: Mapping[str, str]
    unresolved: tuple[str, ...]     # addresses that a variable holds


def redirect_notes(seen: Assessment) -> tuple[str, ...]:
    """Return one note that names redirect targets on the same healthy sites which no probe requested."""
    if seen.verdict != "healthy":
        return ()
    case = seen.case
    targets: dict[str, None] = {}
    for judged in case.verdicts.values():
        route, probes = judged.facts.route, judged.facts.probes
        if judged.state != "ok" or route.internal or not isinstance(probes, Known) or not probes.value:
            continue
        # a probe without a redirect has reached the page itself
        paths = [redirect_path(route, probe.location) for probe in probes.value]
        page = f"{site_url(route)}{paths[0]}"
        if all(paths):
            targets[page] = None
    for judged in case.verdicts.values() if targets else ():
        targets.pop(f"{site_url(judged.facts.route)}{judged.facts.route.path}", None)
    if not targets:
        return ()
    return (f"redirect targets not probed: {_pages_text(targets)}. Add --url to probe one of them",)


def _pages_text(pages: Iterable[str]) -> str:
    """Return the first pages, and how many more there are."""
    named = [*pages]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more


def rejected_page_notes(seen: Assessment) -> tuple[str, ...]:
    """Return one note that names the probed pages of healthy sites on which each probed page is not found or forbidden.
    Such an answer is the application's own, or that of an application which nginx should not pass the page to."""
    if seen.verdict != "healthy":
        return ()
    sites: dict[str, dict[str, int]] = {}       # status by page; 0: the page is there
    for judged in seen.case.verdicts.values():
        route, probes = judged.facts.route, judged.facts.probes
        if judged.state != "ok" or route.internal or not isinstance(probes, Known):
            continue
        answers = {probe.status or 0 for probe in probes.value}
        if answers and route.path:
            rejected = max(answers) if answers <= PAGE_FAILURES else 0
            sites.setdefault(site_url(route), {})[route.path] = rejected
    pages = {f"{site}{path}": status for site, found in sites.items() if all(found.values())
             for path, status in found.items()}
    if not pages:
        return ()
    statuses = " or ".join(str(status) for status in sorted(set(pages.values())))
    return (f"each probed page of the site answers {statuses}: {_pages_text(pages)}. fixer cannot know which pages "
            "should exist. If one of these should, check that nginx passes it to the right application",)


def kept_error_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each line that keeps errors like pages, on a healthy host: no log tells of those."""
    snapshot = seen.case.snapshot
    for nginx in snapshot.nginxes if seen.verdict == "healthy" else ():
        for line in error_keeping_lines(nginx, snapshot):
            where = file_line_text(snapshot, nginx.node, line.path, line.line)
            yield (f"nginx keeps errors like pages (`{line.text}` at {where}): a page that failed once may go on "
                   "failing, and no log tells. Add --url with such a page to probe it")


# Proxies of another kind in front of nginx. fixer does not read their configuration.
_FRONT_PROXIES = frozenset({"caddy", "traefik", "haproxy", "envoy", "apache2", "apache2ctl", "httpd",
                            "httpd-foreground"})


def front_proxy_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each container of nginx's project that publishes ports, if nginx's own publishes none."""
    snapshot = seen.case.snapshot
    behind = {endpoint.configured_service for endpoint in snapshot.endpoints}
    webs = [box for nginx in snapshot.nginxes if (box := container_of(snapshot, nginx.node)) is not None]
    projects = {box.project for box in webs if box.project and not box.published and not box.has_shared_network}
    if any(box.published or box.is_machine for box in webs):
        return
    for service in snapshot.services:
        box = service.container
        if box is None or box.project not in projects or not box.published or service.id in behind:
            continue
        if program := _front_proxy(box):
            host, outer, _ = box.published[0]
            at = address_text(host or ANY_IPV4, outer)
            yield (f"visitors come in through {box.name} ({program}, published at {at}), not through nginx itself. "
                   "fixer does not inspect it: check its configuration and log to see if it forwards to nginx")


def _front_proxy(box: Container) -> str:
    """Return the proxy that the container's command runs, also after an entry point; else an empty text."""
    words = (word.rpartition("/")[2] for word in box.argv[:3])
    return next((word for word in words if word in _FRONT_PROXIES), "")


# Repairs that write into a container's writable layer: a restart keeps it, a new container does not.
_INIT_PROGRAMS = frozenset({"systemd", "init"})      # a container with one of these as PID 1 is a machine


def container_layer_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each file that a repair would write to a container's writable layer."""
    snapshot = seen.case.snapshot
    if snapshot.target.kind not in ("docker", "compose"):
        return
    steps = (step for found in seen.findings for repair in found.repairs for step in repair.steps)
    for node, path in dict.fromkeys((step.node, step.path) for step in steps if isinstance(step, WriteFile)):
        if _is_application_container(snapshot, node) and not _is_kept(snapshot, node, path):
            yield (f"{path} of {node} survives restarts. A container recreated from the image has the image's file, "
                   "unless it is mounted: change it there too")


def _is_kept(snapshot: Snapshot, name: str, path: str) -> bool:
    """Return whether a volume or a bind mount holds the file: a new container has it too."""
    node = find_node(snapshot, name)
    return node is not None and any(is_within(path, at) for at in node.kept_paths)


def _is_application_container(snapshot: Snapshot, name: str) -> bool:
    node = find_node(snapshot, name)
    if node is None or not isinstance(node.processes, Known):
        return False
    first = next((process.comm for process in node.processes.value if process.pid == 1), "systemd")
    return first not in _INIT_PROGRAMS


# Sites that nginx does not load.
MAX_SHOWN = 3


def unloaded_site_notes(seen: Assessment) -> Iterator[str]:
    """Return notes on sites that nginx does not load: all if it has no routes, else those that just miss a pattern."""
    case = seen.case
    for nginx in case.snapshot.nginxes if seen.verdict != "healthy" else ():
        if not isinstance(nginx.config, Known):
            continue
        meant = [x for x in nginx.unloaded_sites if not _is_disabled_site(x)]
        shown = meant if not nginx.config.value.routes else [x for x in meant if x.pattern]
        for left in shown[:MAX_SHOWN]:
            why = f"{left.pattern} does not match it" if left.pattern else "nothing includes it"
            where = file_line_text(case.snapshot, nginx.node, left.file, left.line)
            yield f"nginx does not load {where}: {why}; {unloaded_site_text(left)}"


def _is_disabled_site(left: UnloadedSite) -> bool:
    """Return whether the file's name marks it as disabled."""
    name = posixpath.basename(left.file)
    return is_unused_name(name) or name.startswith(("_", "#"))


# An nginx without routes: the files that it reads, and the mounts of its container.
_MAX_FILES = 5


def no_pass_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each nginx if none has routes. A misspelt mount is an empty folder: the package page shows."""
    snapshot = seen.case.snapshot
    for nginx in snapshot.nginxes if not snapshot.routes else ():
        if not isinstance(nginx.config, Known) or nginx.config.value.routes:
            continue
        files = nginx.config.value.files
        folder = nginx.conf_path.rpartition("/")[0]
        box = container_of(snapshot, nginx.node)
        mounts = () if box is None or box.is_machine or not folder else tuple(
            f"{there} from {source}" for source, there in box.shares if is_within(there, folder))
        mounted = f"; mounted there: {', '.join(mounts[:_MAX_FILES])}" if mounts else ""
        more = f", {len(files) - _MAX_FILES} more" if len(files) > _MAX_FILES else ""
        yield (f"nginx on {nginx.node} proxies nothing: the files that it reads have no proxy_pass or similar "
               f"directive ({', '.join(files[:_MAX_FILES])}{more}){mounted}")


_MAX_ROUTES = 3


def slow_route_notes(seen: Assessment) -> tuple[str, ...]:
    """Return one note for each slow route that no finding explains."""
    case, dark = seen.case, seen.dark
    open_ones = {h.route for h in seen.health if h.state == "unknown"}
    late = [j for j in case.verdicts.values() if j.state == "slow" and j.facts.route.id in open_ones]
    late.sort(key=lambda judged: judged.facts.route.id not in dark)
    said = tuple(f"{j.facts.route.location} on {j.facts.route.listen_text}: {j.reason}; "
                 + (f"{dark[j.facts.route.id]}; " if j.facts.route.id in dark else "")
                 + "run again with --wait 60 to see if the page is only slow" for j in late[:_MAX_ROUTES])
    more = len(late) - _MAX_ROUTES
    return (*said, f"{more} more routes gave no answer in time") if more > 0 else said


def unclear_route_notes(seen: Assessment) -> tuple[str, ...]:
    """Return one note for each route that was probed without a clear result; if none has one, also for each route that
    no request of ours reaches."""
    open_ones = {h.route for h in seen.health if h.state == "unknown"}
    asked = [j for j in seen.case.verdicts.values() if j.state == "unknown" and j.facts.route.id in open_ones
             and (j.facts.probes.value if isinstance(j.facts.probes, Known)
                  else seen.verdict == "unknown" and not j.facts.route.path)]
    said = tuple(f"{location_text(seen.case, j.facts.route)} on {j.facts.route.listen_text} could not be judged: "
                 f"{j.reason}" for j in asked[:_MAX_ROUTES])
    more = len(asked) - _MAX_ROUTES
    return (*said, f"{more} more routes could not be judged") if more > 0 else said


def unresolved_value_notes(seen: Assessment) -> tuple[str, ...]:
    """Return one note for each of the first addresses that a variable holds."""
    said = tuple(f"{value} depends on the request: fixer did not connect to it"
                 for value in seen.unresolved[:_MAX_ROUTES])
    more = len(seen.unresolved) - _MAX_ROUTES
    return (*said, f"{more} more addresses depend on the request") if more > 0 else said


def dead_value_notes(seen: Assessment) -> tuple[str, ...]:
    """Return a note for each address of a working route that accepts nothing, and that only a header, a cookie or an
    argument of a request chooses: perhaps no visitor sends that, so it is no fault."""
    case = seen.case
    shut = {e.id: e for e in case.snapshot.endpoints if accepts_nothing(e)}
    dead: dict[str, None] = {}
    for judged in case.verdicts.values() if shut else ():
        route = judged.facts.route
        chosen = {(s.span.file, s.span.start) for s in route.servers if s.chosen_by == "request"}
        for endpoint in [shut[name] for name in judged.facts.endpoints if name in shut]:
            if judged.state == "ok" and (endpoint.file, endpoint.start) in chosen:
                dead[f"{endpoint_text(endpoint)} accepts no connection. Only a header, a cookie or an argument of a "
                     f"request leads there ({route.pass_text}, {route.source.file}:{route.source.line})"] = None
    more = len(dead) - _MAX_ROUTES
    return (*list(dead)[:_MAX_ROUTES], *((f"{more} more such addresses",) if more > 0 else ()))


def route_notes(seen: Assessment) -> tuple[str, ...]:
    """Return notes on the application's own errors, deleted logs, unread configurations and boot enablement."""
    return state_notes(seen.case)


# A faulty drop-in that several services share breaks the others at their next start, too.
_MAX_DROP_INS = 3


def shared_drop_in_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each drop-in that is evidence of a fault and that other services share."""
    snapshot = seen.case.snapshot
    shown: set[tuple[str, str]] = set()
    by_name: dict[tuple[str, str | None], Service] = {}
    for one in snapshot.services:
        by_name.setdefault((one.node, one.name), one)
    for finding in seen.findings:
        service = by_name.get((finding.node, finding.service))
        if service is None or not finding.is_at_fault:
            continue
        for path in dict.fromkeys(e.where.rpartition(":")[0] for e in finding.evidence):
            name = path.partition(":")[2] if not path.startswith("/") else path      # without the node prefix
            if not is_shared_drop_in(name, service.name) or (finding.node, name) in shown:
                continue
            others = [s for s in snapshot.services if s.node == finding.node and s.unit is not None
                      and s.name != service.name and name in s.unit.drop_in_paths and _is_used(s, s.unit)]
            shown.add((finding.node, name))
            if others:
                others.sort(key=lambda s: not s.running)
                yield _shared_drop_in_text(name, service, others) + ("" if _is_edited_by_repair(finding, name) else (
                    f". A repair of {service.name} alone does not fix them: correct that file"))


def is_shared_drop_in(path: str, unit: str) -> bool:
    """Return whether the drop-in belongs to a unit type (`service.d`) or a name prefix (`shop-.service.d`), not to the
    unit itself or its template."""
    folder = posixpath.basename(posixpath.dirname(path))
    return folder == "service.d" or (folder.endswith("-.service.d") and unit.startswith(folder[:-len(".service.d")]))


def _is_used(service: Service, unit: Unit) -> bool:
    """Return whether the unit runs, failed, or starts at boot: many units of a machine never start."""
    return service.running or unit.unit_file_state.startswith("enabled") or unit.active_state == "failed"


def _is_edited_by_repair(finding: Finding, path: str) -> bool:
    """Return whether a repair of the finding edits that file."""
    return any(isinstance(step, WriteFile) and step.path == path for repair in finding.repairs for step in repair.steps)


def _shared_drop_in_text(path: str, service: Service, others: list[Service]) -> str:
    names = ", ".join(s.name for s in others[:_MAX_DROP_INS])
    more = f" and {len(others) - _MAX_DROP_INS} more" if len(others) > _MAX_DROP_INS else ""
    running = sum(1 for s in others if s.running)
    now = f"; {running} of them run{'s' if running == 1 else ''} with the settings loaded before" if running else ""
    count = f"{len(others)} more service{'s' if len(others) > 1 else ''}"
    return (f"{path} is not only for {service.name}: it applies to at least {count} here ({names}{more}), to each "
            f"from its next start{now}")


# Recent answers that nginx rejected, on paths that were not probed. The application causes them and no restart helps,
# so a log line of the last minute is still current.
_REJECTED_ANSWERS = frozenset({"header-too-big", "header-malformed", "header-forbidden", "status-invalid"})
_PLAIN_PATH = regex(r"/[\w./~-]{0,80}")
_MAX_TEXT = 120


def rejected_answer_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each nginx that rejected answers on routes that answer."""
    case, well = seen.case, {entry.route for entry in seen.counted if entry.state == "ok"}
    for nginx in case.snapshot.nginxes:
        errors = nginx.errors.or_else(())
        if not any(event.kind in _REJECTED_ANSWERS for event in errors):
            continue
        routes = tuple(j.facts for j in case.verdicts.values() if j.facts.route.id in well and nginx.serves(j.facts))
        events = [e for e in recent_events(nginx, routes, case.snapshot) if e.kind in _REJECTED_ANSWERS]
        if not events:
            continue
        paths = Counter(word.partition("?")[0] for e in events for word in e.request.split(" ")[1:2])
        path = next((p for p, _ in paths.most_common() if _PLAIN_PATH.fullmatch(p)), "")
        ask = f" for {path}" if path else ""
        yield (f"nginx rejected an upstream answer {len(events)} times within {RECENT_ERROR:.0f} s{ask}: "
               f"{events[-1].message[:_MAX_TEXT]}{f' while {events[-1].phase}' if events[-1].phase else ''} "
               "(add --url with that page to probe it)")


def missed_header_notes(seen: Assessment) -> Iterator[str]:
    """Return a note for each nginx that closed connections which began with no header of the PROXY protocol, though all
    is well for our own requests, which have one. Visitors get nothing then; so does a health check, which is no fault.
    Lines of our own requests are younger than the look."""
    for nginx in seen.case.snapshot.nginxes if seen.verdict == "healthy" else ():
        node, config = find_node(seen.case.snapshot, nginx.node), nginx.config.or_else(None)
        now = node.now if node is not None else 0.0
        lines = [event for event in nginx.errors.or_else(())
                 if event.kind == "proxy-protocol-broken" and now - RECENT_ERROR <= event.at < now // 1]
        span = next((listen.span for server in config.servers for listen in server.listens if listen.proxy_protocol),
                    None) if lines and config is not None else None
        if span is None:
            continue
        where = file_line_text(seen.case.snapshot, nginx.node, span.file, span.line)
        count = f"{len(lines)} connection{'' if len(lines) == 1 else 's'}"
        yield (f"nginx closed {count} within {RECENT_ERROR:.0f} s, the last of "
               f"{lines[-1].client}: no PROXY header came first, which its `listen … proxy_protocol` ({where}) "
               "requires. If those were visitors, the proxy in front sends none; a health check may send none, too")


def failure_notes(seen: Assessment) -> Iterator[str]:
    """Return what is known of routes that fail without a cause."""
    if seen.puzzling:
        yield from unexplained_notes(seen.case, seen.puzzling)


# All kinds of notes, in the order of the report.
NOTES: tuple[Callable[[Assessment], Iterable[str]], ...] = (
    route_notes, slow_route_notes, unclear_route_notes, shared_drop_in_notes, unresolved_value_notes, dead_value_notes,
    failure_notes, rejected_answer_notes, missed_header_notes, unloaded_site_notes, front_proxy_notes, no_pass_notes,
    redirect_notes, rejected_page_notes, kept_error_notes, container_layer_notes,
)
