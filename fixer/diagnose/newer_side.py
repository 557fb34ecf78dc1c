"""Notes on a disagreement of nginx's files with those of a service: which of the two changed last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import age_text, bindings_of, clock_of, file_line_text
from fixer.analysis.hidden_failures import is_about_endpoint
from fixer.diagnose.precedence import is_about_address
from fixer.findings.configured_address import host_evidence
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding
from fixer.model.plan import WriteFile
from fixer.model.snapshot import FileContent, Service, Snapshot
from fixer.nginx.error_kinds import CONNECT_FAILED

_CLOCK_GRAIN = 1.0      # times in nginx's log are whole seconds


@dataclass(frozen=True, slots=True)
class _Side:
    """The file of a side that changed last."""

    file: FileContent
    at: float


def newer_side_notes(case: Case, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a note for each finding whose one side changed before its first logged failure, after the other side."""
    for found in findings:
        service = next((s for s in case.snapshot.services if s.name == found.service), None)
        if is_about_address(found.cause) and found.role == "root" and service is not None:
            met = [t for t in case.failing_addresses if set(t.route_ids) & set(found.routes)]
            yield from _note(case, found, service, met)


def _note(case: Case, found: Finding, service: Service, met: list[FailingAddress]) -> Iterator[str]:
    asks = _newest(case.snapshot, ((t.nginx.node, t.endpoint.file) for t in met))
    listens = _newest(case.snapshot, _written_at(case, service))
    began = min((at for t in met for at in _failed_at(t)), default=0.0)
    if asks is None or listens is None or asks.file == listens.file:
        return
    older, newer = sorted((asks, listens), key=lambda side: side.at)
    if newer.at <= older.at + _CLOCK_GRAIN or began < newer.at - _CLOCK_GRAIN:
        return
    edited = [step.path for repair in found.repairs for step in repair.steps if isinstance(step, WriteFile)]
    edits_service = any(path in (listens.file.path, listens.file.real_path) for path in edited)
    kept = edited and edits_service is not (newer is listens)
    advice = ". If that change was the mistake, take it back instead" if kept else ""
    yield (f"nginx and {service.name} disagree: {_age(case, newer)}, and no failure is logged from before; "
           f"{_age(case, older)}{advice}")


def _newest(snapshot: Snapshot, places: Iterable[tuple[str, str]]) -> _Side | None:
    """Return the one of these files that changed last; None if one was not read, or is made anew at each start."""
    made = {(one.node, one.path) for one in snapshot.generated_files}
    found = [snapshot.file(node, path) for node, path in dict.fromkeys(places)]
    read = [file for file in found if file is not None and (file.node, file.real_path) not in made]
    if not read or len(read) < len(found):
        return None
    return max((_Side(file, file.stat.end.mtime) for file in read), key=lambda side: side.at)


def _written_at(case: Case, service: Service) -> Iterator[tuple[str, str]]:
    """Yield the files that say where a service listens."""
    for binding in bindings_of(service):
        for shown in (binding.source, host_evidence(case, service, binding)):
            path, colon, line = ("", "", "") if shown is None else shown.where.rpartition(":")
            if colon and line.isdigit() and path.startswith("/"):
                yield service.files_node or service.node, path


def _failed_at(trouble: FailingAddress) -> Iterator[float]:
    """Yield when nginx logged that it could not connect to the address."""
    yield from (event.at for event in trouble.nginx.errors.or_else(())
                if event.kind in CONNECT_FAILED and is_about_endpoint(event.upstream, trouble.endpoint))


def _age(case: Case, side: _Side) -> str:
    ago = max(0.0, clock_of(case.snapshot, side.file.node) - side.at)
    return f"{file_line_text(case.snapshot, side.file.node, side.file.path)} changed {age_text(ago)} ago"
