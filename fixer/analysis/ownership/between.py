"""What may stand behind an empty address beside the only application there is: a gateway, or what others keep."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import find_node, keeper_of, pids_of
from fixer.model.facts import Unknown
from fixer.model.snapshot import Service

_FRONT = (80, 443)      # what listens here stands before nginx


def may_lead_elsewhere(case: Case, trouble: Trouble, sole: Service) -> bool:
    """nginx may stand before another gateway of the node, and whatever application runs behind that: one that does not
    run though it is meant to, and where it would listen could not be read, or one that runs and that no route names.
    Or what is missed is a program of a supervisor that nobody asked what it keeps."""
    return (sole.unit is not None and _keeps_others(case, sole.node)) or any(
        _is_unused(case, s) if s.running else isinstance(s.bindings, Unknown) and _is_awaited(s)
        for s in case.snapshot.services if s.gateway and s.node == trouble.endpoint.node
    )


def _keeps_others(case: Case, name: str) -> bool:
    """A supervisor that is no systemd, supervisord or Docker runs there: its stopped programs leave no trace."""
    node = find_node(case.snapshot, name)
    if node is None or isinstance(node.processes, Unknown):
        return False
    return any(keeper_of(process) for process in node.processes.value)


def _is_awaited(service: Service) -> bool:
    """Enabled, failed, in use since the boot, or of this machine's own making."""
    unit = service.unit
    return is_due(service) or (unit is not None and (
        bool(unit.inactive_enter) or unit.fragment_path.startswith("/etc/")))


def _is_unused(case: Case, gateway: Service) -> bool:
    """It listens, at no address that a route names, and is none that visitors come in by."""
    node, ours = find_node(case.snapshot, gateway.node), set(gateway.pids)
    if node is None or isinstance(node.listeners, Unknown) or any(
            n.service is not None and n.service.id == gateway.id for n in case.snapshot.nginxes):
        return False
    held = [line for line in node.listeners.value if line.family != "unix" and ours.intersection(pids_of(line))]
    named = {endpoint.port_there for endpoint in case.snapshot.endpoints if endpoint.node == gateway.node}
    return bool(held) and not {line.port for line in held} & {*named, *_FRONT}


def is_due(service: Service) -> bool:
    """Meant to run, though it does not: started at boot, or ended by a failure."""
    unit, box = service.unit, service.container
    if unit is not None:
        return unit.unit_file_state.startswith("enabled") or unit.active_state == "failed"
    return box is not None and box.restart_policy in ("always", "unless-stopped")
