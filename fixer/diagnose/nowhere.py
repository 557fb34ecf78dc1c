"""What is told of a route to containers though no cause is proven: a program that ended without a word, one that runs
and in which nothing listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node, listeners_on
from fixer.analysis.exits.failed_run import crashes
from fixer.analysis.ownership.configured import placed_owner
from fixer.analysis.route_verdict import Judged, is_empty
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Endpoint, Service
from fixer.repairs.file_edits import container_of

_SHOWN = 4


def container_notes(case: Case, left: Sequence[Judged]) -> Iterator[str]:
    """One line a fact, for the routes that are left without a cause."""
    routes = {judged.facts.route.id for judged in left}
    for crash in crashes(case).found:
        if routes.intersection(crash.routes) and (said := _wordless(crash.service)):
            yield said
    told: dict[str, None] = {}
    for judged in left:
        nginx = case.snapshot.nginx_of(judged.facts)
        web = container_of(case.snapshot, nginx.node) if nginx is not None else None
        for name in judged.facts.endpoints if web is not None and not web.is_machine else ():
            endpoint = case.snapshot.endpoint(name)
            told |= dict.fromkeys(filter(None, (_silent(case, endpoint),)))
    yield from told


def _wordless(service: Service) -> str:
    box = service.container
    if box is None or not isinstance(service.log, Unknown) or box.status == "running":
        return ""
    return (f"{service.name} ended with exit code {box.exit_code} and what it said cannot be read "
            f"({service.log.reason}): docker start -a {box.name} shows what it says")


def _silent(case: Case, endpoint: Endpoint) -> str:
    """It runs, and what was to listen in it has gone, or waits for something: its first process does not notice."""
    owner = placed_owner(case, endpoint)
    node = find_node(case.snapshot, owner.service.node) if owner is not None else None
    box = owner.service.container if owner is not None else None
    if node is None or box is None or box.status != "running" or not isinstance(node.processes, Known) or (
            not is_empty(endpoint)) or listeners_on(case.snapshot, node.name):
        return ""
    runs = [" ".join(process.argv)[:60] for process in node.processes.value if process.argv]
    shown = ", ".join(f"`{words}`" for words in runs[:_SHOWN]) + (", …" if len(runs) > _SHOWN else "")
    return (f"nothing listens in {box.name}; what runs there is {shown}: where what should listen has ended, docker "
            f"restart {box.name} runs its command once more, and a command that is the server itself (exec) would end "
            "with it, so that Docker notices")
