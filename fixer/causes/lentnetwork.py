"""Containers in the network of another one (`network_mode: service:x`, `--network container:x`): where that one was
started again or made anew it has another network, and they stay in the old one, in which nobody else is."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of, config_evidence, endpoint_text, listeners_on, state_evidence
from fixer.analysis.nginx_errors import symptom_evidence
from fixer.analysis.ownership.stranding import Stranded, stranded
from fixer.analysis.route_verdict import is_closed
from fixer.causes.nginx_down import routes_of, wait_for_nginx
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import ContainerAction, Step
from fixer.model.snapshot import Nginx
from fixer.repairs.file_edits import NoPlace, container_of
from fixer.repairs.start_service import compose_up, waiting

VARIANT = "shared-network-gone"
ID = "renew-network"
_GOES = " (the one that it is alone in cannot be brought back)"
_EXPLAINS = ("backend-down", "nginx-not-reloaded", "wrong-port", "wrong-host", "wrong-bind-address", "backend-hung",
             "nginx-down", "unit-misconfigured", "dns-unresolved", "dns-stale")


def lent_findings(case: Case) -> Iterator[Finding]:
    """nginx's own container, and those of applications at whose port a route asks in vain."""
    done: set[str] = set()
    for nginx in case.snapshot.nginxes:
        web = container_of(case.snapshot, nginx.node)
        own = next((s for s in case.snapshot.services if web is not None and s.container is not None
                    and s.container.id == web.id), None)
        cut = stranded(case.snapshot, own)
        troubles = [t for t in case.troubles if t.nginx is nginx and t.endpoint.unix is None]
        if cut is not None and (troubles or nginx.master_pid is None):
            done.add(nginx.node)
            yield _finding(case, nginx, troubles, cut)
    others = [cut for s in case.snapshot.services if s.node not in done and (cut := stranded(case.snapshot, s))]
    for trouble in case.troubles if others else ():
        meant = [cut for cut in others if _is_meant(case, trouble, cut)]
        if len(meant) == 1 and trouble.nginx.node not in done and (
                meant[0].box.status == "running" or not meant[0].sure):
            yield _finding(case, trouble.nginx, [trouble], meant[0])


def _is_meant(case: Case, trouble: Trouble, cut: Stranded) -> bool:
    """Nobody is at the address, and this one serves that very port where nobody else comes; the address is the
    lender's, or, where that is no longer, nginx's own."""
    endpoint = trouble.endpoint
    if endpoint.unix is not None or is_closed(endpoint) is not True:
        return False
    there = {s.node for s in case.snapshot.services
             if cut.lender is not None and s.container is not None and s.container.id == cut.lender.id}
    if cut.lender is not None and endpoint.node not in there:
        return False
    held = any(x.port == endpoint.port for x in listeners_on(case.snapshot, cut.service.node) if x.family != "unix")
    return held or any(b.port == endpoint.port for b in bindings_of(cut.service))


def _finding(case: Case, nginx: Nginx, troubles: list[Trouble], cut: Stranded) -> Finding:
    box, lender = cut.box, cut.lender
    how = (f"container {lender.name}, whose network it has, was started again after it" if lender is not None
           else "the container whose network it had is gone")
    effect = "it cannot start" if box.status != "running" else "visitors and backends are out of its reach"
    if cut.service.node != nginx.node:
        effect = f"nobody reaches it at {endpoint_text(troubles[0].endpoint)}"
    routes = tuple(dict.fromkeys(name for t in troubles for name in t.route_ids)) or routes_of(case, nginx)
    evidence = (*cut.why, state_evidence(cut.service), *(e for t in troubles[:2] for e in (
        config_evidence(case.snapshot, nginx, t.endpoint),
        *symptom_evidence(case, t, lambda event: "connecting" in event.phase))))
    return Finding(
        cause="network-detached", variant=VARIANT, role="root", confidence="certain" if cut.sure else "likely",
        summary=f"container {box.name} is in a network of its own: {how}, so {effect}", detail=(), routes=routes,
        service=cut.service.name, node=nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(_repair(case, nginx, troubles, cut),), explains=_EXPLAINS,
    )


def _repair(case: Case, nginx: Nginx, troubles: list[Trouble], cut: Stranded) -> Repair:
    box, snapshot = cut.box, case.snapshot
    after: tuple[Step, ...] = wait_for_nginx(nginx) if cut.service.node == nginx.node else waiting(
        snapshot, cut.service, troubles[0].endpoint)
    if cut.lender is not None:
        restart = ContainerAction(box.id, box.name, "restart", box.status, "cut off from every network")
        return Repair(ID, "disruptive", f"restart {box.name}, which joins the network of {cut.lender.name} anew{_GOES}",
                      (restart, *after))
    step = compose_up(snapshot, box)
    if not isinstance(step, NoPlace):
        words = f"create {box.service} anew, in the network of the container that is there now{_GOES}"
        return Repair(ID, "disruptive", words, (step, *after))
    how = f"docker compose up -d --force-recreate --no-deps {box.service}" if box.service and box.project else (
        f"remove {box.name} and run it again with --network container:NAME, the one that is there now")
    return Repair(ID, "manual", f"make {box.name} anew", (), manual=f"{how}; a restart cannot help: {step.why}")
