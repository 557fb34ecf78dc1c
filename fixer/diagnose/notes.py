"""A page that sends visitors on: what it leads to was not asked, since a route gets one request."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import address_text, container_of, file_line_text, find_node
from fixer.analysis.ownership.resolve import unloaded_site_text
from fixer.analysis.route_verdict import RECENT_ERROR, recent_events
from fixer.formats.backup_names import is_unused_name
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, RouteHealth
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Route, UnloadedSite
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Container, Service, Snapshot, Unit
from fixer.redaction.secrets import redact_text
from fixer.repairs.boot_enablement import boot_notes

_MAX_REDIRECTS = 3
_REDIRECT_TARGET = regex(r"(?:(https?)://([A-Za-z0-9.-]+)(?::\d+)?)?(/(?:[A-Za-z0-9_.~-][A-Za-z0-9/_.~-]{0,80})?)(?:[?#].*)?")
_HOST_NAME = regex(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


def redirect_notes(case: Case) -> tuple[str, ...]:
    """One line that names the pages of the same sites that visitors get to see and nobody asked for."""
    asked = {f"{_site_url(judged.facts.route)}{judged.facts.route.path}" for judged in case.verdicts.values()}
    told: list[str] = []
    for judged in case.verdicts.values():
        route, probes = judged.facts.route, judged.facts.probes
        if judged.state != "ok" or route.internal or not isinstance(probes, Known) or not probes.value:
            continue
        # what did not send on is the page that a person asked for
        paths = [_redirect_path(route, probe.location) for probe in probes.value]
        page = f"{_site_url(route)}{paths[0]}"
        if all(paths) and page not in asked:
            asked.add(page)
            told.append(page)
    if not told:
        return ()
    more = f" and {len(told) - _MAX_REDIRECTS} more" if len(told) > _MAX_REDIRECTS else ""
    pages = ", ".join(told[:_MAX_REDIRECTS])
    return (f"not asked: {pages}{more}, where visitors are sent on to (--url asks for one)",)


def _redirect_path(route: Route, location: str) -> str:
    """The path that a Location header leads to at the site that sent it; empty where it is another's, or no plain one.

    What it says is a stranger's word: only what needs no quoting in a shell, and holds no secret, is repeated.
    """
    found = _REDIRECT_TARGET.fullmatch(location)
    if found is None:
        return ""
    scheme, host, path = found.groups()
    if scheme and (scheme != route.listen_scheme or host not in (_host_of(route), *route.server_names)):
        return ""
    return path if path != route.path and redact_text(path) == path else ""


def _site_url(route: Route) -> str:
    port = route.listens[0].port if route.listens else 80
    usual = port == (443 if route.listen_scheme == "https" else 80)
    return f"{route.listen_scheme}://{_host_of(route)}{'' if usual else f':{port}'}"


def _host_of(route: Route) -> str:
    """The first name that is one; this machine's own where there is none."""
    return next((name for name in route.server_names if _HOST_NAME.fullmatch(name) and name != "_"), "127.0.0.1")


# A proxy of another kind that takes the visitors in, before nginx: what it does with them is not looked at.
_FRONT_PROXIES = frozenset({"caddy", "traefik", "haproxy", "envoy", "apache2", "apache2ctl", "httpd",
                            "httpd-foreground"})
_EVERYWHERE = "0.0.0.0"  # noqa: S104  an address that was read


def front_proxy_notes(snapshot: Snapshot) -> Iterator[str]:
    """One line a container of nginx's project that publishes ports where nginx's own publishes none."""
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
            at = address_text(host or _EVERYWHERE, outer)
            yield (f"visitors come in through {box.name} ({program}, published at {at}), which is not looked at, and "
                   "not through nginx itself: whether it hands on to nginx, its own configuration and log tell")


def _front_proxy(box: Container) -> str:
    """The program that it was made with, which an entry point may stand before; empty where it is none of these."""
    words = (word.rpartition("/")[2] for word in box.argv[:3])
    return next((word for word in words if word in _FRONT_PROXIES), "")


# Repairs that write inside a container which holds everything: a restart keeps that, a new container does not.
_INIT_PROGRAMS = frozenset({"systemd", "init"})      # a container with one of these stands for a machine


def container_layer_notes(snapshot: Snapshot, findings: Sequence[Finding]) -> Iterator[str]:
    """One note a file that a repair would write there."""
    if snapshot.target.kind not in ("docker", "compose"):
        return
    steps = (step for found in findings for repair in found.repairs for step in repair.steps)
    for node, path in dict.fromkeys((step.node, step.path) for step in steps if isinstance(step, WriteFile)):
        if _is_application_container(snapshot, node):
            yield (f"{path} of {node} is kept through restarts; a container made anew from the image has the image's, "
                   "unless it is mounted: change it there too")


def _is_application_container(snapshot: Snapshot, name: str) -> bool:
    node = find_node(snapshot, name)
    if node is None or not isinstance(node.processes, Known):
        return False
    first = next((process.comm for process in node.processes.value if process.pid == 1), "systemd")
    return first not in _INIT_PROGRAMS


# Sites that nginx does not load: whose backend runs is no other site's, and what they say about a page that fails.
MAX_SHOWN = 3


def unloaded_site_notes(case: Case) -> Iterator[str]:
    """What a person should know of sites that nginx does not load, where no page is judged or one fails."""
    for nginx in case.snapshot.nginxes:
        if not isinstance(nginx.config, Known):
            continue
        meant = [x for x in nginx.unloaded_sites if not _is_disabled_site(x)]
        shown = meant if not nginx.config.value.routes else [x for x in meant if x.pattern]
        for left in shown[:MAX_SHOWN]:
            why = f"{left.pattern} does not match it" if left.pattern else "nothing includes it"
            where = file_line_text(case.snapshot, nginx.node, left.file, left.line)
            yield f"nginx does not load {where}: {why}; {unloaded_site_text(left)}"


def _is_disabled_site(left: UnloadedSite) -> bool:
    """Named as what is not to be loaded."""
    name = posixpath.basename(left.file)
    return is_unused_name(name) or name.startswith(("_", "#"))


# An nginx that hands nothing on: which files it reads, and what its container has mounted where they should lie.
_MAX_FILES = 5


def no_pass_notes(snapshot: Snapshot) -> Iterator[str]:
    """One line an nginx: a mount that was misspelt is an empty folder, and its pages are those of the package."""
    for nginx in snapshot.nginxes:
        if not isinstance(nginx.config, Known) or nginx.config.value.routes:
            continue
        files = nginx.config.value.files
        folder = nginx.conf_path.rpartition("/")[0]
        box = container_of(snapshot, nginx.node)
        mounts = () if box is None or box.is_machine or not folder else tuple(
            f"{there} from {source}" for source, there in box.shares if f"{there}/".startswith(f"{folder}/"))
        mounted = f"; of its folders are mounted: {', '.join(mounts[:_MAX_FILES])}" if mounts else ""
        more = f", {len(files) - _MAX_FILES} more" if len(files) > _MAX_FILES else ""
        yield (f"nginx on {nginx.node} hands nothing on: there is no proxy_pass or the like in what it reads "
               f"({', '.join(files[:_MAX_FILES])}{more}){mounted}")


_MAX_ROUTES = 3


def shared_drop_in_notes(snapshot: Snapshot, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Drop-ins to blame that other services have too."""
    if not any("service.d/" in shown.where for finding in findings for shown in finding.evidence):
        return ()

    return tuple(shared_file_notes(snapshot, findings))


def slow_route_notes(case: Case, health: Sequence[RouteHealth], dark: Mapping[str, str]) -> tuple[str, ...]:
    """Routes that gave no answer in time, nothing proves why: beside those that are well they must not be missed."""
    open_ones = {h.route for h in health if h.state == "unknown"}
    late = [j for j in case.verdicts.values() if j.state == "slow" and j.facts.route.id in open_ones]
    late.sort(key=lambda judged: judged.facts.route.id not in dark)
    said = tuple(f"{j.facts.route.location} on {j.facts.route.listen_text}: {j.reason}; "
                 + (f"{dark[j.facts.route.id]}, and " if j.facts.route.id in dark else "")
                 + "whether it is only slow was not seen (--wait 60 tells)" for j in late[:_MAX_ROUTES])
    more = len(late) - _MAX_ROUTES
    return (*said, f"{more} more routes gave no answer in time") if more > 0 else said


def unclear_route_notes(case: Case, health: Sequence[RouteHealth]) -> tuple[str, ...]:
    """Routes that were asked, and of which what came tells nothing."""
    open_ones = {h.route for h in health if h.state == "unknown"}
    asked = [j for j in case.verdicts.values() if j.state == "unknown" and j.facts.route.id in open_ones
             and isinstance(j.facts.probes, Known) and j.facts.probes.value]
    said = tuple(f"{j.facts.route.location} on {j.facts.route.listen_text} could not be judged: {j.reason}"
                 for j in asked[:_MAX_ROUTES])
    more = len(asked) - _MAX_ROUTES
    return (*said, f"{more} more routes could not be judged") if more > 0 else said


def route_notes(case: Case) -> tuple[str, ...]:
    """Notes on routes whose error page is the application's own, or whose members are down."""
    own = [
        f"{j.facts.route.location} on {j.facts.route.listen_text} {j.reason}: sent by the application itself, or "
        "by a gateway in front of it: this nginx only passes it on"
        for j in case.verdicts.values() if j.from_application
    ]
    lost = [f"nginx on {n.node} writes to a log that was deleted ({', '.join(n.lost_logs)}): nothing of it is kept, "
            "and it takes room until nginx opens it anew (nginx -s reopen; where its folder is gone, make that first)"
            for n in case.snapshot.nginxes if n.lost_logs]
    unread = [f"the configuration is not known: {n.config.reason}" for n in case.snapshot.nginxes
              if isinstance(n.config, Unknown) and n.master_pid is not None]
    return (*case.snapshot.notes, *own, *lost, *unread, *boot_notes(case.snapshot))


# A drop-in that many services share and that breaks one of them: the others meet the same at their next start.
_MAX_DROP_INS = 3
_AT_FAULT = frozenset({"root", "contributing"})


def shared_file_notes(snapshot: Snapshot, findings: Iterable[Finding]) -> Iterator[str]:
    """One line for each such file that is evidence of a fault."""
    told: set[tuple[str, str]] = set()
    for finding in findings:
        for path in dict.fromkeys(e.where.rpartition(":")[0] for e in finding.evidence) if (
                finding.role in _AT_FAULT) else ():
            name = path.partition(":")[2] if not path.startswith("/") else path      # the node before it
            service = _service_of(snapshot, finding)
            if service is None or not is_shared_drop_in(name, service.name) or (finding.node, name) in told:
                continue
            others = [s for s in snapshot.services if s.node == finding.node and s.unit is not None
                      and s.name != service.name and name in s.unit.drop_in_paths and _is_used(s, s.unit)]
            told.add((finding.node, name))
            if others:
                others.sort(key=lambda s: not s.running)
                yield _shared_drop_in_text(name, service, others) + ("" if _is_edited_by_repair(finding, name) else (
                    f". A repair of {service.name} alone does not mend them: correct that file"))


def _service_of(snapshot: Snapshot, finding: Finding) -> Service | None:
    return next((s for s in snapshot.services if (s.node, s.name) == (finding.node, finding.service)), None)


def is_shared_drop_in(path: str, unit: str) -> bool:
    """A drop-in of a type (`service.d`) or of a row of names (`shop-.service.d`), not of the unit itself or of its
    template."""
    folder = posixpath.basename(posixpath.dirname(path))
    return folder == "service.d" or (folder.endswith("-.service.d") and unit.startswith(folder[:-len(".service.d")]))


def _is_used(service: Service, unit: Unit) -> bool:
    """It runs, or a boot starts it: many units of a machine are never started."""
    return service.running or unit.unit_file_state.startswith("enabled") or unit.active_state == "failed"


def _is_edited_by_repair(finding: Finding, path: str) -> bool:
    """Its repair edits that very file."""
    return any(isinstance(step, WriteFile) and step.path == path for repair in finding.repairs for step in repair.steps)


def _shared_drop_in_text(path: str, service: Service, others: list[Service]) -> str:
    names = ", ".join(s.name for s in others[:_MAX_DROP_INS])
    more = f" and {len(others) - _MAX_DROP_INS} more" if len(others) > _MAX_DROP_INS else ""
    running = sum(1 for s in others if s.running)
    now = f"; {running} of them run{'s' if running == 1 else ''} with what was loaded before" if running else ""
    count = f"{len(others)} more service{'s' if len(others) > 1 else ''}"
    return (f"{path} is no file of {service.name} alone: it holds for at least {count} here ({names}{more}), and each "
            f"gets the same at its next start{now}")


# Answers that nginx lately could not pass on for paths that were not asked here: the page that was asked is well.
# What such an answer holds is the application's: no restart heals it, so a line of the last minute is of the present.
_REJECTED_ANSWER = regex(r"^upstream sent (?:too big header|invalid header|duplicate header line|invalid status|"
                  r'(?:invalid|unknown) "|"Content-Length" and)')
_PLAIN_PATH = regex(r"/[\w./~-]{0,80}")
_MAX_TEXT = 120


def rejected_answer_notes(case: Case, well: Collection[str]) -> Iterator[str]:
    """One note an nginx, about routes that answer; `well` are their numbers."""
    for nginx in case.snapshot.nginxes:
        errors = nginx.errors.value if isinstance(nginx.errors, Known) else ()
        if not any(_REJECTED_ANSWER.match(event.message) for event in errors):
            continue
        routes = tuple(j.facts for j in case.verdicts.values() if j.facts.route.id in well and nginx.serves(j.facts))
        events = [e for e in recent_events(nginx, routes, case.snapshot) if _REJECTED_ANSWER.match(e.message)]
        if not events:
            continue
        paths = Counter(word.partition("?")[0] for e in events for word in e.request.split(" ")[1:2])
        path = next((p for p, _ in paths.most_common() if _PLAIN_PATH.fullmatch(p)), "")
        ask = f" for {path}" if path else ""
        yield (f"nginx could not pass on an answer {len(events)} times within {RECENT_ERROR:.0f} s{ask}: "
               f"{events[-1].message[:_MAX_TEXT]}{f' while {events[-1].phase}' if events[-1].phase else ''} "
               "(--url with that page asks for it)")
