"""Unix sockets that answer and that nginx's own unit hides from it: PrivateTmp=, ProtectHome=."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence, endpoint_text, listener_at, listener_evidence
from fixer.analysis.nginx_errors import connect_symptoms, events_for, routes_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service, Snapshot
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.path_access import hiding_setting_text
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.managers.systemd_steps import unit_action
    from fixer.repairs.write_variables import write_drop_in

SOCKET_DROP_IN = "50-badgateway-socket.conf"
_VISIBLE_VALUES = {"PrivateTmp": "no", "ProtectHome": "read-only"}     # read-only still allows to connect


def hidden_from_nginx_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding if the socket answers, nginx logs a missing path, and its unit hides the folder."""
    nginx, endpoint = trouble.nginx.service, trouble.endpoint
    if nginx is None or nginx.unit is None or endpoint.unix is None or endpoint.node != trouble.nginx.node:
        return None
    by = hiding_setting_text(nginx, endpoint.unix)
    said = events_for(case, trouble, {"socket-missing", "connect-denied"})
    if not by or not said:
        return None
    key, held, owner = by.partition("=")[0], listener_at(endpoint), only_owner(case, trouble)
    backend = None if owner is None else owner.service
    line = next((v for v in reversed(nginx.unit_values) if v.key == key), None)
    shown = () if line is None else (Evidence("unit", f"{line.file}:{line.line}", by),)
    return Finding(
        cause="unix-socket-missing", variant="unix-socket-private-tmp", role="root", confidence="certain",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, but {by} of {nginx.name} hides it "
                "from nginx",
        detail=(), routes=trouble.route_ids, service=nginx.name, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, config_evidence(case.snapshot, trouble.nginx, endpoint),
            *(() if held is None else (listener_evidence(case.snapshot, held, backend),)),
            *connect_symptoms(case, trouble),
        ))),
        repairs=tuple(_repairs(case.snapshot, nginx, key, trouble)),
        effects=("nothing-listens", "stale-config"),
    )


def _repairs(snapshot: Snapshot, nginx: Service, key: str, trouble: FailingAddress) -> list[Repair]:
    endpoint = trouble.endpoint
    manual = (f"let the backend listen in a folder that nginx sees too (RuntimeDirectory= of its unit, /run/NAME), and "
              f"name that path at {endpoint.file}:{endpoint.line}. Then run systemctl daemon-reload, restart the "
              "backend, run nginx -t and reload nginx")
    move = Repair("move-socket", "manual", "move the socket to a folder that both see", (), manual=manual)
    assert nginx.unit is not None
    lines = f"{key}={_VISIBLE_VALUES[key]}" if key in _VISIBLE_VALUES else ""
    written = write_drop_in(snapshot, nginx, f"{lines}\n", SOCKET_DROP_IN) if lines else NotEditable("")
    if isinstance(written, NotEditable):
        return [move]
    again = unit_action(nginx, nginx.unit, "restart", "requests under way are lost")
    return [Repair("loosen-sandbox", "disruptive", f"let {nginx.name} see that folder ({lines}), and restart it",
                   (*written.steps, again)), move]
