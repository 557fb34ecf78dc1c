"""Names that nginx asks for when it starts: one that leads nowhere then ends it, and a restart would be in vain."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import condition
from fixer.analysis.nginx_process import is_uncreated
from fixer.causes.dns_stale.leftbehind import is_address
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.snapshot import Container, Nginx
from fixer.repairs.start_service import restart_nginx_box

NO_HOST = "host not found in upstream"


def gone_name(case: Case, nginx: Nginx) -> str:
    """A container that a route of this nginx names and that does not run, or only from one end to the next."""
    named = {name for facts in case.snapshot.routes if nginx.serves(facts) for name in facts.endpoints}
    for endpoint in case.snapshot.endpoints:
        service = case.service(endpoint.service) if endpoint.id in named else None
        by_name = endpoint.unix is None and not is_address(endpoint.host)
        if by_name and endpoint.id in named and is_uncreated(case, endpoint.host):
            return endpoint.host
        if by_name and service is not None and service.container is not None and (
                not service.running or condition(service) == "looping"):
            return service.name
    return ""


def restart_with_names(case: Case, nginx: Nginx, box: Container, so_that: str = "") -> Repair:
    """A restart of nginx's own container; a person's where it would end at once, over a name that is gone by now."""
    repair, gone = restart_nginx_box(box, so_that), gone_name(case, nginx)
    sound = isinstance(nginx.test, Known) and NO_HOST not in nginx.test.value[1]
    if not gone or (sound and not _loops(case, gone)):      # a variable's name is asked for with every request
        return repair
    manual = f"start {gone} first: nginx would end at once while that name leads nowhere; then restart {box.name}"
    return Repair(repair.id, "manual", repair.summary, (), manual=manual)


def _loops(case: Case, name: str) -> bool:
    return any(service.name == name and condition(service) == "looping" for service in case.snapshot.services)
