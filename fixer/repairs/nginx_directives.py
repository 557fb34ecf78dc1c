"""One edit of every pass that leads to an address: file by file, with the test and the reload behind it."""

from __future__ import annotations

from collections.abc import Callable

from fixer.analysis.case import Case, Trouble
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Repair
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import RouteFacts
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import NoPlace, Place, nginx_steps, overwriters, risk_of, writable_place


def edit_passes(case: Case, trouble: Trouble, repair: Repair, what: str,
                edited: Callable[[bytes, list[RouteFacts]], bytes]) -> Repair | NoPlace:
    """The safe repair with its steps; NoPlace where a file cannot be written, or `edited` refuses."""
    by_file: dict[str, list[RouteFacts]] = {}
    for facts in trouble.routes:
        by_file.setdefault(facts.route.source.file, []).append(facts)
    steps: list[Step] = []
    places: tuple[Place, ...] = ()
    for path, routes in by_file.items():
        place = writable_place(case.snapshot, trouble.nginx.node, path)
        if isinstance(place, NoPlace):
            return place
        try:
            data = edited(place.data, routes)
        except EditRefused as refused:
            return NoPlace(f"{path}: {refused}")
        places = (*places, place)
        steps.append(WriteFile(place.node, place.path, place.data, data, what, in_place=place.in_place))
    return replace(repair, risk=risk_of(places, "safe"), summary=repair.summary + overwriters(places),
                   steps=(*steps, *nginx_steps(case.snapshot, trouble.nginx)))
