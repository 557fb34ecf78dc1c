"""The name that nginx asks for is a container's on another network: made anew, it may lack the one that they shared."""

from __future__ import annotations

import shlex

from fixer.analysis.case import Case, Trouble
from fixer.causes.nginx_down import begin_nginx
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import NetworkAction
from fixer.model.snapshot import Container
from fixer.repairs.file_edits import container_of, nginx_steps

ID, KEY = "connect-container", "connect"
MOST = 3              # services of other projects may be called alike
_PLAIN = frozenset({"bridge", "host", "none", "default"})       # on which Docker knows no names


def with_carriers(case: Case, trouble: Trouble, finding: Finding) -> Finding:
    """The finding, with who bears the name elsewhere and how they come together; whether that one is meant a person
    says, as well as that the two may talk to each other."""
    host, web = trouble.endpoint.host, container_of(case.snapshot, trouble.nginx.node)
    every = case.snapshot.carriers
    found = [box for box in every if host == box.name] or [box for box in every if host == box.service][:MOST]
    networks = [name for name, _, _ in web.networks if name not in _PLAIN] if web is not None else []
    if web is None or web.is_machine or not found or not networks:
        return finding
    evidence = tuple(Evidence("container", box.name, _is_on(box)) for box in found)
    said = tuple(f"container {box.name}{_of(box)} is called so, and is not on {' or '.join(networks)}" for box in found)
    detail = (*said, *(line for line in finding.detail if not line.startswith("docker ps -a")))
    return replace(finding, detail=detail, evidence=(*finding.evidence, *evidence),
                   repairs=(*_repairs(case, trouble, found, networks[0]), *finding.repairs))


def _of(box: Container) -> str:
    state = "" if box.status == "running" else f", which is {box.status},"
    return f" of project {box.project}{state}" if box.project else state


def _is_on(box: Container) -> str:
    names = ", ".join(name for name, _, _ in box.networks) or "no network at all"
    return f"{box.status}, on {names}"


def _repairs(case: Case, trouble: Trouble, found: list[Container], network: str) -> tuple[Repair, ...]:
    """One that compose made gets its networks from its files: a connection is gone when it is made anew."""
    nginx, host = trouble.nginx, trouble.endpoint.host
    lasting = [box for box in found if not box.project and box.status == "running"]
    ways = [f"docker network connect --alias {shlex.quote(host)} {network} {box.name}" for box in lasting or found]
    after = "start nginx" if nginx.master_pid is None else "reload nginx"
    if not lasting:
        files = dict.fromkeys(box.label("com.docker.compose.project.config_files") or "" for box in found)
        stays = "".join(f"; to keep it so, name {network} among its networks in {path}" for path in files if path)
        manual = f"if that is the one that is meant: {' or '.join(ways)}, then {after}{stays}"
        return (Repair(ID, "manual", f"put what is called {host} on {network}", (), manual=manual),)
    choices = tuple(box.name for box in lasting)
    why = f"the container that {host} stands for, which nginx may talk to then: {' or '.join(choices)}"
    chosen = next((box for box in lasting if box.name == case.inputs.get(KEY)), None)
    then = begin_nginx(case, nginx) if nginx.master_pid is None else nginx_steps(case.snapshot, nginx)
    steps = () if chosen is None else (NetworkAction(chosen.id, chosen.name, network, "connect", (host,)), *then)
    summary = f"join the container that is meant to {network} as {host} ({' or '.join(ways)}), and {after}"
    return (Repair(ID, "safe", summary, steps, (Need(KEY, "choice", why, choices),)),)
