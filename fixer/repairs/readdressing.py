"""Another address in nginx's configuration: the whole `host:port` of every place that names the old one."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import endpoint_text
from fixer.analysis.nginx_errors import say_routes
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import NoPlace, Place, edit_spans, nginx_steps, overwriters, risk_of, writable_place

KEY = "upstream"
_UNIX = b"unix:"


def point_at(case: Case, trouble: Trouble, repair_id: str, text: str | None, need: Need | None = None) -> Repair:
    """Point the routes at `text`; None where a person has still to choose."""
    needs = () if need is None else (need,)
    old = endpoint_text(trouble.endpoint)
    summary = f"point {say_routes(trouble)} at {text or 'the address that is meant'} instead of {old}"
    places = _places(case, trouble)
    at = ", ".join(f"{e.file}:{e.line}" for e in trouble.endpoints[:8])
    by_hand = f"write {text or 'the right address'} instead of {old} at {at}, then nginx -t and reload"
    if isinstance(places, NoPlace):
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {places.why}")
    if isinstance(trouble.nginx.test, Known) and trouble.nginx.test.value[0] != 0:
        why = "nginx -t refuses the configuration as it is: repair that first"
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {why}")
    found = tuple(places.values())
    if text is None:
        return Repair(repair_id, risk_of(found, "safe"), summary + overwriters(found), (), needs)
    try:
        writes = tuple(
            edit_spans(place, _spans(trouble, place, path, text), f"{old} becomes {text}")
            for path, place in places.items()
        )
    except EditRefused as refused:
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {refused}")
    steps = (*writes, *nginx_steps(case.snapshot, trouble.nginx))
    return Repair(repair_id, risk_of(found, "safe"), summary + overwriters(found), steps, needs)


def _places(case: Case, trouble: Trouble) -> dict[str, Place] | NoPlace:
    """Every file to edit, by the path that the configuration names."""
    places: dict[str, Place] = {}
    for endpoint in trouble.endpoints:
        place = places.get(endpoint.file) or writable_place(case.snapshot, trouble.nginx.node, endpoint.file)
        if isinstance(place, NoPlace):
            return place
        written = place.data[endpoint.start:endpoint.end]
        if written != endpoint.written.encode("utf-8", "surrogateescape") or b"$" in written:
            return NoPlace(f"{endpoint.file}:{endpoint.line} does not hold {endpoint.written} literally")
        places[endpoint.file] = place
    return places


def _spans(trouble: Trouble, place: Place, path: str, text: str) -> dict[tuple[int, int], bytes]:
    """A socket's path ends with a colon where a page follows it: else that would belong to the path. Where a port takes
    its place, that colon goes, and the word `unix:` before the path."""
    found: dict[tuple[int, int], bytes] = {}
    for e in (e for e in trouble.endpoints if e.file == path):
        start, end, after = e.start, e.end, ""
        if text.startswith("unix:"):
            after = ":" if place.data[end:end + 1] == b"/" else ""
        elif e.unix is not None and not text.startswith("/"):
            start -= len(_UNIX)
            if place.data[start:e.start] != _UNIX:
                raise EditRefused(f"{e.file}:{e.line} does not say unix: before {e.written}")
            end += place.data[end:end + 1] == b":"
        found[start, end] = (text + after).encode()
    return found
