"""Notes of a snapshot: what was not seen, and which questions a look had no time or memory for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from fixer.formats.docker_conventions import depends_on_conditions
from fixer.model.capture import Capture, NodeCapture
from fixer.model.query import CUT_OFF, LOOK_LIMIT, LOOK_MEGABYTES, NOT_ASKED, TOO_LONG
from fixer.model.report import WITHOUT_ROOT_TEXT
from fixer.model.snapshot import Container
from fixer.observe.boot.boot_entries import missing_boot_programs
from fixer.observe.nginx.nginx_masters import other_users_masters
from fixer.observe.nginx.probes import MOST_REPEATED_PROBES, ProbePlan
from fixer.observe.view.node_view import ENGINE, View, container_of


def snapshot_notes(capture: Capture, views: Mapping[str, View], plans: Collection[ProbePlan],
                   containers: tuple[Container, ...] = ()) -> Iterator[str]:
    """Yield what a report says beside its findings."""
    for node in capture.nodes:
        if node.unreachable and not _has_completed(container_of(node.name, containers), containers):
            yield f"{node.name}: {node.unreachable}"
    for view in views.values():
        if not view.node.root and view.name != ENGINE:
            yield f"{view.name}: {WITHOUT_ROOT_TEXT}"
        if unseen := view.no_processes_reason():
            yield f"{view.name}: {unseen}"
        for master in other_users_masters(view) if view.name != ENGINE else ():
            yield f"{view.name}: pid {master.pid} of uid {master.uid} calls itself nginx and is not observed"
        for line in missing_boot_programs(view):
            yield f"{view.name}: {line.where} starts {line.text} at boot, which does not exist"
        if unheard := cut_text(view.node):
            yield f"{view.name}: {unheard}"
    cut = sum(plan.left_out for plan in plans)
    if cut:
        yield f"{cut} probes were skipped: fixer makes at most 50 probes per node"
    if fewer := max((plan.fewer for plan in plans), default=0):
        most = f"all routes of an nginx share {MOST_REPEATED_PROBES}"
        yield f"each route was asked at most {fewer} times, fewer than --requests says: {most}"


def _has_completed(box: Container | None, containers: tuple[Container, ...]) -> bool:
    """Return whether it is a job that has ended well, for whose end another service of the project waits."""
    return box is not None and (box.status, box.exit_code) == ("exited", 0) and any(
        other.project == box.project and (box.service, "service_completed_successfully") in depends_on_conditions(other)
        for other in containers)


def is_cut(node: NodeCapture) -> bool:
    """Return whether the look was over before the node had answered all questions, or any."""
    return node.unreachable.endswith((NOT_ASKED, CUT_OFF)) or bool(cut_text(node))


def cut_text(node: NodeCapture) -> str:
    """Return which questions to the node the look had no time or memory for; empty if it had both for all.
    The answers themselves tell it, so that a bundle says the same."""
    said = [answer.message for answer in node.answers.values() if answer.status in ("timeout", "failed")]
    long = sum(message.endswith(TOO_LONG) for message in said)
    counts = ((said.count(NOT_ASKED), "question", "not asked"),
              (said.count(CUT_OFF), "question", "not answered in time"), (long, "answer", "too long to be read"))
    parts = [f"{count} {noun}s were {what}" if count > 1 else f"1 {noun} was {what}"
             for count, noun, what in counts if count]
    limits = [f"{LOOK_LIMIT} s"] if len(parts) > bool(long) else []
    limits += [f"{LOOK_MEGABYTES} MB"] if long else []
    return f"{' and '.join(parts)}: one look takes at most {' and '.join(limits)}" if parts else ""
