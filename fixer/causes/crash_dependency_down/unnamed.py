"""A program that ends over a system which its log does not name, while a service that it is made after does not run."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.dependency.complaint import Complaint, engine_at, usual_port
from fixer.analysis.dependency.start_order import conditions
from fixer.analysis.engines import engine_of
from fixer.analysis.evidence import condition
from fixer.analysis.exits.exit_reason import last_words
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import message
from fixer.causes.crash_dependency_down.speaking import SPEAKS
from fixer.model.snapshot import Container, LogLine, Service

_LONG = 60.0        # seconds: a job that is done once is done sooner


def unnamed(case: Case, crash: Crash) -> Complaint | None:
    """Its last words are about some other system, and of those that its compose file makes it wait for one is stopped.

    None where several are: which of them it asked for stands nowhere.
    """
    lines = [line for line in last_words(crash.lines) if line.text.strip()]
    stopped = list(_stopped(case, crash.service))
    if len(stopped) != 1 or not lines:
        return None
    name = stopped[0].container.service if stopped[0].container is not None else None
    said = next((line for line in reversed(lines) if name and _is_about(line, name)), None)
    if name is None or said is None:
        return None
    box = stopped[0].container
    port = box.exposes[0] if box is not None and len(box.exposes) == 1 else usual_port(engine_of(stopped[0]))
    return Complaint("refused", said, message(said).rstrip(), host=name, port=port,
                     engine=engine_of(stopped[0]) or engine_at(port))


def _is_about(line: LogLine, name: str) -> bool:
    text = message(line)
    return SPEAKS.search(text) is not None or name in text


def _stopped(case: Case, service: Service) -> Iterator[Service]:
    """Services of `depends_on` that serve for as long as they run, and do not run now: jobs end, and are well."""
    box = service.container
    wanted = dict(conditions(box)) if box is not None and box.project else {}
    for other in case.snapshot.services:
        its = other.container
        if its is None or box is None or its.project != box.project or its.service not in wanted:
            continue
        if wanted[its.service] == "service_completed_successfully" or its.status not in ("exited", "dead", "created"):
            continue
        if condition(other) != "running" and _is_lasting(box, its, engine_of(other)):
            yield other


def _is_lasting(asking: Container, box: Container, engine: str) -> bool:
    """It is meant to go on: it is told to be started again, its health is asked, it is a known kind of system, or its
    image names a port. A job of the application is of the same image."""
    kept = box.restart_policy.partition(":")[0] in ("always", "unless-stopped")
    ran = box.finished_at - box.started_at if box.finished_at > box.started_at > 0 else 0.0
    serves = bool(box.exposes) and box.image != asking.image
    return kept or serves or box.health is not None or bool(engine) or ran > _LONG
