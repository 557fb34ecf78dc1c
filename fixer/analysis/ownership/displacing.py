"""A stranger at nginx's address whose own backend is down: nginx was pointed at another program's port, and what
belongs there does not run either."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.service_names import is_named_for
from fixer.model.facts import Known
from fixer.model.snapshot import Service

_STRANGE = frozenset({"not-http", "closed", "reset"})


def is_occupied(case: Case, trouble: Trouble) -> bool:
    """Something else than an application listens there and does not speak HTTP, and no service is told to. An nginx
    is no stranger: what its `stream` block hands on passes there. Nor is another program that hands connections on
    (systemd-socket-proxyd, haproxy): it hangs up while nobody is behind it, and to go past it would miss what it is
    there for, as the start of a service that no boot starts."""
    endpoint = trouble.endpoint
    holder = case.service(endpoint.holder)
    if holder is None or holder.is_app_server or holder.gateway or endpoint.service not in (None, holder.id):
        return False
    if any(nginx.node == endpoint.node and nginx.master_pid in holder.pids for nginx in case.snapshot.nginxes):
        return False
    return isinstance(endpoint.http, Known) and endpoint.http.value.error in _STRANGE


def is_missed(case: Case, trouble: Trouble, service: Service) -> bool:
    """It does not run, is no stranger's, and the site is named for it, while nothing in the stranger's name is the
    site's."""
    holder = case.service(trouble.endpoint.holder)
    return (holder is not None and not service.running and is_named_for(trouble, service)
            and not is_named_for(trouble, holder))
