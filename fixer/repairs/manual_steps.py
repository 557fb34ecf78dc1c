"""What a person needs to follow a manual repair: the command that starts the service again, and where a file of a
container is on the Docker host.

A cause says what to change, in the terms of what it has seen. How a manager starts a service, and what is mounted from
where, is the same for every cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import container_of, find_node, path_below
from fixer.analysis.service_state import run_state_of
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair
from fixer.model.snapshot import Service, Snapshot
from fixer.repairs.mount_sources import innermost_mount

_PATH = regex(r"(?:(?<![\w./:-])(?P<node>[\w.-]{1,80}):)?(?<![\w./-])(?P<path>/[\w./@+-]{1,300})")
_COMMANDS = ("systemctl ", "supervisorctl ", "rc-service ")
_DOWN = frozenset(("stopped", "failed", "looping"))


def complete_manual_steps(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; each manual repair names the command of its manager that starts the service that is down,
    and the source of each file that a container mounts."""
    return [replace(finding, repairs=tuple(_completed(case, finding, repair) for repair in finding.repairs))
            for finding in findings]


def _completed(case: Case, finding: Finding, repair: Repair) -> Repair:
    if not repair.manual or repair.steps:
        return repair
    manual = repair.manual
    for service in case.snapshot.services:
        if (service.node, service.name) == (finding.node, finding.service) and finding.is_at_fault and not repair.after:
            manual = _with_start_command(case.snapshot, service, manual)
    places = dict(_mounted_paths(case.snapshot, finding.node, manual))
    told = "; ".join(f"{path} is {source}" for path, source in places.items() if source not in manual)
    manual = f"{manual.rstrip('.')}. On the Docker host {told}" if told else manual
    return repair if manual == repair.manual else replace(repair, manual=manual)


def _with_start_command(snapshot: Snapshot, service: Service, manual: str) -> str:
    """Return the text; where it ends with a start of the service that is down, with the command for it."""
    command = manager_of(service).command_text("start")
    if not command.startswith(_COMMANDS) or run_state_of(service) not in _DOWN or any(
            word in manual for word in _COMMANDS):
        return manual
    if not manual.endswith((f"start {service.name}", "start it", f"start {service.name} again")):
        return manual
    box = container_of(snapshot, service.node)
    inside = f"docker exec {box.name} " if box is not None and not box.is_machine else ""
    return f"{manual} ({inside}{command})"


def _mounted_paths(snapshot: Snapshot, node: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the paths in a text that are of a bind mount of their node, with the path on the Docker host."""
    for found in _PATH.finditer(text):
        name, path = found["node"] or node, found["path"].rstrip(".:")
        seen, box = find_node(snapshot, name), container_of(snapshot, name)
        mounts = (*(seen.mounts if seen is not None else ()), *(box.mounts if box is not None else ()))
        if (mount := innermost_mount(mounts, path)) is not None:
            yield path, path_below(mount[0], mount[1], path)
