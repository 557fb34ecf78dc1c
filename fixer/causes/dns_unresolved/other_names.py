"""Names of the configuration that no failing route leads to (a `stream` block, a block that nothing uses): nginx
rejects all of its files for one name that does not resolve, also for the sites that do without it."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import file_line_text, line_text
from fixer.analysis.nginx_process import is_uncreated, is_well_by_the_files, route_ids_of
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Role
from fixer.model.facts import Evidence
from fixer.model.snapshot import Nginx

_PLACE = regex(r" in (?P<file>/[^\s:]+):(?P<line>\d{1,9})\s*\Z")


def other_name_finding(case: Case, nginx: Nginx, name: str, shown: Evidence) -> Finding | None:
    """Return the finding on a name for which nginx refused its files by its own words (`shown`); None if a failing
    route leads to it, or a service of the project that has no container: those are judged by their address."""
    if is_uncreated(case, name) or any(
            trouble.endpoint.host.lower() == name.lower() for trouble in case.failing_addresses):
        return None
    place = _PLACE.search(shown.text)
    file, line = (place["file"], int(place["line"])) if place is not None else (nginx.conf_path, 0)
    where = file_line_text(case.snapshot, nginx.node, file, line)
    failing = case.failing_routes(nginx)
    down = nginx.master_pid is None
    role: Role = "root" if down or is_well_by_the_files(case, nginx) else "contributing" if failing else "advice"
    effect = "nginx cannot start" if down else "nginx rejects its files and runs with an older configuration"
    routes = route_ids_of(case, nginx) if down or role == "advice" else tuple(j.facts.route.id for j in failing)
    text = line_text(case.snapshot, nginx.node, file, line) if line else ""
    manual = (f"make {name} resolve again (its DNS record, a line in /etc/hosts), or correct or remove it at {where}. "
              f"Then run nginx -t, and {'start' if down else 'reload'} nginx")
    return Finding(
        cause="dns-unresolved", variant="dns-name-missing-at-start", role=role, confidence="certain",
        summary=f"the name {name} (at {where}) does not resolve: {effect}", detail=(), routes=routes, service=None,
        node=nginx.node, evidence=(shown, *((Evidence("nginx-config", where, text),) if text else ())),
        repairs=() if role == "advice" else (
            Repair("correct-name", "manual", f"let {name} resolve, or correct its line", (), manual=manual),),
    )
