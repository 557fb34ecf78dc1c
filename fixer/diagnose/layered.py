"""Repairs that write inside a container which holds everything: a restart keeps that, a new container does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.evidence import find_node
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Snapshot

_MACHINES = frozenset({"systemd", "init"})      # a container with one of these stands for a machine


def layered_notes(snapshot: Snapshot, findings: Sequence[Finding]) -> Iterator[str]:
    """One note a file that a repair would write there."""
    if snapshot.target.kind not in ("docker", "compose"):
        return
    steps = (step for found in findings for repair in found.repairs for step in repair.steps)
    for node, path in dict.fromkeys((step.node, step.path) for step in steps if isinstance(step, WriteFile)):
        if _holds_all(snapshot, node):
            yield (f"{path} of {node} is kept through restarts; a container made anew from the image has the image's, "
                   "unless it is mounted: change it there too")


def _holds_all(snapshot: Snapshot, name: str) -> bool:
    node = find_node(snapshot, name)
    if node is None or not isinstance(node.processes, Known):
        return False
    first = next((process.comm for process in node.processes.value if process.pid == 1), "systemd")
    return first not in _MACHINES
