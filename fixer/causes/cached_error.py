"""nginx answers an error from its cache, although the backend is well again.
Nothing is logged: 502, 503 or 504 come until their time in the cache ends. Drop them, and keep errors for seconds only.

By hand
  nginx -T 2>/dev/null | grep -nE '_cache(_valid|_path|_key)? '    # is `any` or a 5xx kept, and for how long?
  curl -sI http://127.0.0.1:8000/PAGE    # what does the backend say itself?
  systemctl restart nginx    # drops nginx's own errors: a reload does not, and no file holds them
  grep -rl '^KEY: ' /var/cache/nginx    # the files of the application's errors: remove those of the page
  proxy_cache_valid 200 301 302 10m;    # without `any` and 5xx; then nginx -t && nginx -s reload

What it is
  `proxy_cache_valid any 10m` (or one that names 502, 503, 504) keeps errors like pages. One bad moment of the backend
  is then shown to everybody for as long.

Why nginx says 502
  It does not ask the backend at all. Its own 502 and 504 are kept in the memory of the cache zone; a 5xx of the
  application is a file below proxy_cache_path.

How it is told apart
  nginx answers 5xx, each backend answers well when it is asked directly, nginx's log has no line about our request
  (it has one whenever nginx itself fails), and the configuration keeps that status. Without a cache in that location
  the cause is another one.
  Where a line keeps errors, fixer reads the first 512 bytes of up to 200 files of that cache, and asks for up to three
  pages for which a file holds an error. Such a page may be reached from no other one, and no log tells of it.

The repair and its safety
  drop-cached-errors (manual): which line to change, then a restart of nginx for its own errors, or which files to
  remove for those of the application. A restart alone does not last: while the line stays, the first failure
  afterwards is kept again, such as the moment at boot before the backend listens. fixer deletes no cache.

Variants
  cached-gateway-error  nginx keeps a 502 or 504 of its own in memory
  cached-app-5xx        nginx keeps an error of the application as a file
"""

from __future__ import annotations

from fixer.analysis.cached_errors import CachedError, cached_error
from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import endpoint_text, file_line_text
from fixer.analysis.nginx_errors import is_failing, pass_line
from fixer.analysis.other_pages import endpoints_for_page
from fixer.analysis.route_verdict import RouteVerdict, probe_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Nginx

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import PlacedDirective, all_directives

_ID = "drop-cached-errors"


def judge(case: Case) -> Verdict:
    """Judge each failing route: can only nginx's cache have answered?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for judged in case.verdicts.values():
        nginx = case.snapshot.nginx_of(judged.facts)
        if nginx is None or not is_failing(judged):
            continue
        if isinstance(nginx.errors, Unknown):
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
            continue
        reached = tuple(case.endpoints[name] for name in judged.facts.endpoints)
        found = cached_error(judged.facts, reached, nginx, case.snapshot)
        if found is None:
            ruled += judged.evidence[:1]
        else:
            findings.append(_found(case, nginx, judged, found))
    return conclude(_joined(findings), missing, ruled)


def _joined(findings: list[Finding]) -> list[Finding]:
    """Return one finding for all routes whose cache one repair empties."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = finding.node, finding.variant, finding.repairs
        kept[key] = kept[key].joined_with(finding) if key in kept else finding
    return list(kept.values())


def _found(case: Case, nginx: Nginx, judged: RouteVerdict, found: CachedError) -> Finding:
    route = judged.facts.route
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    asked = endpoints_for_page(tuple(ends[:2]), judged.facts, found.page)
    direct = tuple(dict.fromkeys(Evidence("probe", endpoint_text(end), f"{probe_text(end.http.value)} without nginx")
                                 for end in asked if isinstance(end.http, Known)))
    text = f"`{found.valid.text}` at {_where(case, nginx, found.valid)}"
    return Finding(
        cause=CAUSE.id, variant="cached-gateway-error" if found.is_own else "cached-app-5xx", role="root",
        confidence="certain" if found.is_own and _are_applications(case, judged) else "likely",
        summary=f"nginx answers {found.page or route.location} with {found.status} from its cache "
                f"({found.cache.text[:-1]}); the backend is well",
        detail=(f"{text} keeps such errors.",),
        routes=(route.id,), service=None, node=nginx.node,
        evidence=(Evidence("nginx-config", _where(case, nginx, found.valid), found.valid.text),
                  Evidence("nginx-config", _where(case, nginx, found.cache), found.cache.text),
                  *_file_evidence(nginx, found), *direct, *judged.evidence[:1],
                  Evidence("nginx-config", *pass_line(case, nginx, route))),
        repairs=(_restart(nginx, text) if found.is_own else _by_hand(case, nginx, found, text),),
    )


def _file_evidence(nginx: Nginx, found: CachedError) -> tuple[Evidence, ...]:
    kept = found.kept
    return () if kept is None else (
        Evidence("file", f"{nginx.node}:{kept.file}", f"holds {kept.status} for {kept.path}"),)


def _are_applications(case: Case, judged: RouteVerdict) -> bool:
    """Return whether an application server answers at each address: another nginx there could send such a page, and
    choose its backend by a name that only visitors ask for."""
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    found = [case.service(end.listening_service or end.configured_service) for end in ends if not end.down]
    return bool(found) and all(service is not None and service.is_app_server for service in found)


def _where(case: Case, nginx: Nginx, placed: PlacedDirective) -> str:
    return file_line_text(case.snapshot, nginx.node, placed.path, placed.line)


def _restart(nginx: Nginx, text: str) -> Repair:
    """Return both steps of a person: with the line as it is, the first failure after a restart is kept again."""
    service = nginx.service
    box = service.container if service is not None else None
    command = f"docker restart {box.name}" if box is not None and not box.is_machine else (
        f"systemctl restart {service.name}" if service is not None and service.unit is not None else "restart nginx")
    return Repair(_ID, "manual", "drop the cached errors", (), manual=(
        f"correct {text}: name only the statuses of pages there (200 301 302). Then run nginx -t and {command}, which "
        "drops the errors that are kept in memory; a reload does not"))


def _by_hand(case: Case, nginx: Nginx, found: CachedError, text: str) -> Repair:
    """Return which folder holds the files of the cache, and which line to change."""
    zone = found.cache.words[1]
    folders = [d.words[1] for d in all_directives(case.snapshot, nginx) if d.words[0].endswith("_cache_path")
               and any(word.startswith(f"keys_zone={zone}:") for word in d.words)]
    place = f"empty {folders[0]} as a whole" if folders else "remove all files of that cache"
    return Repair(_ID, "manual", "drop the cached errors", (), manual=(
        f"{place} (nginx fills it again), and correct {text}: keep no errors there. Then run nginx -t and reload "
        "nginx"))


CAUSE = Cause(
    id="cached-error",
    title="nginx answers an error from its cache, the backend is well",
    family="beyond the guide",
    variants=("cached-gateway-error", "cached-app-5xx"),
    verdict=judge,
    page=__doc__,
)
