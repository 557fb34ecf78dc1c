"""Edits of files that a container only reads: they are made where the container engine's machine holds them.

A container that runs its own service manager counts as a machine, and its files are edited inside. What is mounted
there read-only cannot be: its source can, and a new container reads the same source."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, find_node, path_below
from fixer.formats.folders import is_within
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import Node, Snapshot


def write_at_mount_sources(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; their repairs write a file of a read-only bind mount at the source of the mount."""
    if not any(node.mounts for node in case.snapshot.nodes):
        return findings
    return [replace(finding, repairs=tuple(_with_sources(case.snapshot, repair) for repair in finding.repairs))
            for finding in findings]


def _with_sources(snapshot: Snapshot, repair: Repair) -> Repair:
    steps = tuple(_at_source(snapshot, step) for step in repair.steps)
    return repair if steps == repair.steps else replace(repair, steps=steps)


def _at_source(snapshot: Snapshot, step: Step) -> Step:
    """Return the step; for a file of a read-only mount, with its path on the engine's machine. Links stay as they are:
    what they lead to is another place there."""
    if not isinstance(step, WriteFile) or step.link_target is not None:
        return step
    node = find_node(snapshot, step.node)
    mount = None if node is None else _mount_of(node, step.path)
    if mount is None or mount[2]:
        return step
    source, destination, _ = mount
    return replace(step, node=ENGINE, path=path_below(source, destination, step.path),
                   in_place=step.in_place or step.path == destination)


def _mount_of(node: Node, path: str) -> tuple[str, str, bool] | None:
    """Return the innermost mount that holds the path: (source, destination, writable)."""
    return max((mount for mount in node.mounts if is_within(path, mount[1])), key=lambda mount: len(mount[1]),
               default=None)
