"""Edits of files that containers mount.

A container that runs its own service manager counts as a machine, and its files are edited inside. What is mounted
there read-only cannot be: its source can, where the container engine's machine holds it, and a new container reads the
same source. An edit of what a compose service mounts changes nothing of its definition: `up` would leave its container
as it runs, so that one is restarted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, find_node, path_below
from fixer.formats.folders import is_within
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import ComposeUp, ContainerAction, Step, WriteFile
from fixer.model.snapshot import Container, Snapshot


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
    mount = None if node is None else innermost_mount(node.mounts, step.path)
    if mount is None or mount[2]:
        return step
    source, destination, _ = mount
    return replace(step, node=ENGINE, path=path_below(source, destination, step.path),
                   in_place=step.in_place or step.path == destination)


def innermost_mount(mounts: Iterable[tuple[str, str, bool]], path: str) -> tuple[str, str, bool] | None:
    """Return the innermost mount that holds the path: (source, destination, writable)."""
    return max((mount for mount in mounts if is_within(path, mount[1])), key=lambda mount: len(mount[1]), default=None)


def restart_after_mounted_edits(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; a container is restarted where all edits before its `up` are of files that it mounts."""
    return [replace(finding, repairs=tuple(_with_restart(case.snapshot, repair) for repair in finding.repairs))
            if any(isinstance(step, ComposeUp) for repair in finding.repairs for step in repair.steps) else finding
            for finding in findings]


def _with_restart(snapshot: Snapshot, repair: Repair) -> Repair:
    edits = [step for step in repair.steps if isinstance(step, WriteFile)]
    steps = tuple(_restart_for(snapshot, step, edits) for step in repair.steps)
    return repair if steps == repair.steps else replace(repair, steps=steps)


def _restart_for(snapshot: Snapshot, step: Step, edits: Sequence[WriteFile]) -> Step:
    if not isinstance(step, ComposeUp) or not edits:
        return step
    box = next((service.container for service in snapshot.services if service.container is not None and (
        service.container.project, service.container.service) == (step.project, step.service)), None)
    definition = {*step.config_files, *step.environment_files}
    if box is None or not all(_is_only_mounted(snapshot, box, edit) and edit.path not in definition for edit in edits):
        return step
    verb: Literal["restart", "start"] = "restart" if box.status in ("running", "restarting") else "start"
    return ContainerAction(box.id, box.name, verb, box.status)


def _is_only_mounted(snapshot: Snapshot, box: Container, edit: WriteFile) -> bool:
    """Return whether the edited file is one that the container mounts, and no file of variables of a service."""
    told = {path for service in snapshot.services for path in service.env_files}
    return edit.node == ENGINE and edit.path not in told and any(
        is_within(edit.path, source) for source, _, _ in box.mounts)
