"""A backend that a container's own script puts into the background beside nginx: how it ended, what runs it again."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.last_output import how_it_ended, is_an_end_like_any
from fixer.analysis.run_log import SERVES, is_known, last_run, message, own_lines
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.model.starters import Starter
from fixer.repairs.start_service import restart_steps


def its_container(case: Case, starter: Starter) -> Service | None:
    """The container whose own script starts it."""
    if starter.kind != "entrypoint":
        return None
    boxes = (s for s in case.snapshot.services if s.container is not None and s.container.name == starter.name)
    return next(boxes, None)


def logged(case: Case, box: Service) -> tuple[str, tuple[Evidence, ...]]:
    """How it ended, as what the container wrote since it was started tells."""
    said = how_it_ended(message(line) for line in own_lines(last_run(case.snapshot, box)))
    return said, (log_evidence(said, f"docker logs {box.container.name if box.container is not None else box.name}"),) \
        if said else ()


def all_again(case: Case, trouble: Trouble, box: Service, said: str) -> Repair:
    """A restart of the container runs its script again: only where its log shows that the program had begun to serve,
    and no fault of its own since."""
    lines = last_run(case.snapshot, box)
    if (not said or is_an_end_like_any(said)) and any(SERVES.search(line.text) for line in lines):
        summary = f"restart {box.name}, nginx and what is beside it: requests under way are lost"
        return Repair("restart-service", "disruptive", summary, restart_steps(case.snapshot, box, trouble.endpoint))
    reason = "its log could not be read" if not is_known(box) else (
        f"its log has an error ({said})" if said and not is_an_end_like_any(said) else "its log does not tell")
    manual = f"see why it ended, then docker restart {box.name}: {reason}, and nobody in the container starts it again"
    return Repair("start-service", "manual", "start the backend", (), manual=manual)
