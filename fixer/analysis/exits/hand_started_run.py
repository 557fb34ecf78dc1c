"""The failed run of a server that somebody started by hand, as its log alone shows it: no unit, process or boot entry,
at most a script that starts it.

Such a log lies where any user may write one. It explains an address that nothing else explains, and changes nothing:
what is to be done is told to a person.
"""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import find_node, log_evidence
from fixer.analysis.exits.failed_run import FailedRun, failed_at_start
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import read_run_end, unmanaged_run_lines
from fixer.formats.run_output import is_request_line
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import HandStartedLog, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.last_output import hand_started_log
    from fixer.analysis.ownership.resolve import candidate_owners, is_occupied_by_stranger, only_owner
    from fixer.analysis.service_names import is_path_named_after_site


def hand_started_runs(case: Case) -> tuple[FailedRun, ...]:
    """Return the run of the newest log of each node whose application servers all serve other sites, if it failed
    before it served, and if one address alone has no owner: nothing listens there, or something that is no server."""
    found = (_run_on(case, log) for log in case.snapshot.hand_started_logs)
    return tuple(run for run in found if run is not None)


def _run_on(case: Case, log: HandStartedLog) -> FailedRun | None:
    node = find_node(case.snapshot, log.node)
    asked = [t for t in case.failing_addresses if t.endpoint.node == log.node and (
        is_closed(t.endpoint) is True or is_occupied_by_stranger(case, t))]
    if case.snapshot.is_cut or node is None or isinstance(node.processes, Unknown) or not node.root:
        return None
    if len({(t.endpoint.unix, t.endpoint.port) for t in asked}) != 1 or _has_other_server(case, asked, log):
        return None
    if hand_started_log(case, log.node) is not log:
        return None
    service = _service_of(case, asked, log)
    lines = tuple(line for line in unmanaged_run_lines(log.lines, 0.0) if not is_request_line(line.text))
    if not failed_at_start(lines, service):
        return None
    owner = PortOwner(service, "bare", (log_evidence(lines[-1].text, log.path),))
    return FailedRun(owner, tuple(asked), lines, end=read_run_end(lines), is_hearsay=True, uid=log.uid)


def _has_other_server(case: Case, asked: list[FailingAddress], log: HandStartedLog) -> bool:
    """Return whether a server of the node may belong there, or may have written the log. A server that a working route
    relies on belongs to no other address, but only a log that is named after the failing site is not its own."""
    servers = [s for s in case.snapshot.services if s.node == log.node and s.is_app_server and not s.is_hand_started]
    if any(s.id not in case.services_in_use for s in servers):
        return True
    if servers and not any(is_path_named_after_site(trouble, log.path) for trouble in asked):
        return True
    return any(owner.service.id != trouble.endpoint.listening_service and not owner.service.is_hand_started
               for trouble in asked for owner in candidate_owners(case, trouble))


def _service_of(case: Case, asked: list[FailingAddress], log: HandStartedLog) -> Service:
    """Return the server that a script would start for the address, if its output goes to no file of its own, else one
    of which nothing but its log is known."""
    owner = only_owner(case, asked[0])
    if owner is not None and owner.service.is_hand_started and isinstance(owner.service.log, Unknown):
        return replace(owner.service, log=Known(log.lines))
    return server_of_log(log)


def server_of_log(log: HandStartedLog) -> Service:
    """Return the server as a service of which nothing but its log is known."""
    name = f"the server that logs to {log.path}"
    return Service(
        id=f"{log.node}/{posixpath.basename(log.path)}", name=name, node=log.node, manager="none", unit=None,
        container=None, pids=(), argv=(), bindings=Unknown("only its log is known"), env=(), env_files=(),
        workers=Known(1), log=Known(log.lines), is_app_server=True,
    )


def for_person(crash: FailedRun, found: Finding) -> Finding:
    """Return the finding; if only such a log shows it, it is likely at most, and its repairs are for a person."""
    if not crash.is_hearsay:
        return found
    path = crash.lines[-1].where.rpartition(":")[0] or crash.lines[-1].where
    again = "then start it again as it was started before, and add it to a service manager"
    repairs = tuple(replace(r, risk="manual", steps=(), needs=(), manual=r.manual or f"{r.summary}; {again}")
                    for r in found.repairs[:1])
    note = f"{path} alone shows it, and any user may write such a file: fixer changes nothing because of it"
    return replace(found, confidence="possible" if found.confidence == "possible" else "likely",
                   detail=(*found.detail, note), repairs=repairs)
