"""What is wrong with the path itself that nginx asks for: its unit hides it, or it leads to no socket."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence
from fixer.analysis.exits.exec_step import stat_of
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.causes.unix_socket_missing.hidden_socket import hidden_from_nginx_finding

_NO_SOCKETS = {"file": "a plain file", "dir": "a folder", "fifo": "a pipe"}


def path_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding about the path of a socket: one that answers us and is hidden from nginx, or that is none."""
    answers = trouble.endpoint.unix is not None and is_closed(trouble.endpoint) is False
    return hidden_from_nginx_finding(case, trouble) if answers else _not_a_socket_finding(case, trouble)


def _not_a_socket_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding about a path that leads to something else than a socket; None if nobody looked, or it does."""
    endpoint, path = trouble.endpoint, trouble.endpoint.unix or ""
    stat = stat_of(case.snapshot, trouble.nginx.node, path) if path else None
    if stat is None or stat.kind not in _NO_SOCKETS or is_closed(endpoint) is not True:
        return None
    owner = only_owner(case, trouble)
    service = owner.service if owner is not None else None
    who = service.name if service is not None else "the backend"
    what = _NO_SOCKETS[stat.kind]
    manual = (f"move {path} away (mv {path} {path}.old): it is {what} of uid {stat.uid}, and no server can make its "
              f"socket there. Then start {who}")
    return Finding(
        cause="unix-socket-missing", variant="unix-socket-not-a-socket", role="root", confidence="certain",
        summary=f"nginx hands {routes_text(trouble)} to the socket {path}, and there is {what} at that path",
        detail=(), routes=trouble.route_ids, service=None if service is None else service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            Evidence("file", path, f"{what}, mode {stat.mode & 0o7777:o}, uid {stat.uid}, {stat.size} bytes"),
            config_evidence(case.snapshot, trouble.nginx, endpoint), *connect_symptoms(case, trouble),
            *(() if service is None else (state_evidence(service),))))),
        repairs=(Repair("clear-path", "manual", f"move {path} away and start {who}", (), manual=manual),),
        effects=("run-ends", "last-words", "nothing-listens", "stale-config"),
    )
