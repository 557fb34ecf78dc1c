"""Managers whose programs no file names by their ports (PM2, circusd): a person asks them which of theirs is meant."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import keeper_of
from fixer.model.facts import Known
from fixer.model.service import Service


def kept(case: Case, name: str | None = None) -> Iterator[str]:
    """Those that run on that node, or on any."""
    for node in case.snapshot.nodes:
        if name is not None and node.name != name:
            continue
        for process in node.processes.value if isinstance(node.processes, Known) else ():
            if process.argv and process.argv[0].startswith("PM2 v") and "God Daemon" in process.argv[0]:
                yield (f"PM2 keeps programs on {node.name} (pid {process.pid}, uid {process.uid}): pm2 list, as that "
                       "user, tells which of them it has stopped or given up, pm2 logs why")
            elif keeper_of(process) == "circusd":
                yield (f"circusd keeps programs on {node.name} (pid {process.pid}, uid {process.uid}): circusctl "
                       "status tells which of them it has stopped, its configuration where their output goes")


def at_rest(case: Case, name: str) -> Iterator[str]:
    """Units that would bring back what PM2 keeps, and do not run."""
    for service in case.snapshot.services:
        if service.node == name and not service.running and _resurrects(service):
            off = service.unit is not None and service.unit.unit_file_state == "disabled"
            yield (f"{service.name} brings back what PM2 keeps (pm2 resurrect), and is stopped"
                   f"{' and disabled at boot' if off else ''}: where the backend is one of those, systemctl "
                   f"{'enable --now' if off else 'start'} {service.name}")


def _resurrects(service: Service) -> bool:
    words = service.unit.exec_start if service.unit is not None else ()
    return "resurrect" in words and any(word.rpartition("/")[2] == "pm2" for word in words)
