"""A name that nobody on the networks of nginx's container has any more, while nginx asks the address that it had."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import config_evidence, endpoint_text
from fixer.analysis.nginx_errors import say_routes, symptom_evidence
from fixer.analysis.nginx_process import is_uncreated
from fixer.analysis.ownership.configured import placed_owner
from fixer.analysis.ownership.dockerhost import is_docker_host
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known
from fixer.repairs.file_edits import container_of
from fixer.repairs.upstream_name import other_address


def lost_name(case: Case, trouble: Trouble) -> Finding | None:
    """Its container was removed, renamed or made anew on another network; which of them, none here can tell."""
    endpoint, nginx = trouble.endpoint, trouble.nginx
    web = container_of(case.snapshot, nginx.node)
    if nginx.master_pid is None or web is None or web.is_machine or not endpoint.host or is_docker_host(endpoint):
        return None
    if not isinstance(endpoint.addresses, Known) or endpoint.addresses.value or is_uncreated(case, endpoint.host):
        return None
    if placed_owner(case, endpoint) is not None or not any(j.state in ("failing", "slow") for j in trouble.judged):
        return None
    same = [t for t in case.troubles if t.nginx is nginx and t.endpoint.host == endpoint.host]
    networks = ", ".join(name for name, _, _ in web.networks) or "none"
    shown = Evidence("probe", endpoint.host, f"no address is known for it on the networks of {web.name} ({networks})")
    return Finding(
        cause="dns-unresolved", variant="docker-alias-lost", role="root", confidence="likely",
        summary=f"the name {endpoint.host} (for {endpoint_text(endpoint)}) does not resolve any more: nginx hands "
                f"{say_routes(trouble)} to the address that it had when nginx started, where nobody answers",
        detail=("docker ps -a tells whether its container was removed, renamed, or made on another network",),
        routes=tuple(dict.fromkeys(route for t in same for route in t.route_ids)), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            shown, config_evidence(case.snapshot, nginx, endpoint),
            *symptom_evidence(case, trouble, lambda event: True),
        ))),
        repairs=(other_address(case, same),),
        explains=("wrong-port", "backend-down", "nginx-not-reloaded", "dns-stale"),
    )
