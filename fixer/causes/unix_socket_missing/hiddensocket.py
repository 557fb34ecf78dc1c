"""A unix socket at which the backend answers and which nginx's own unit hides from nginx: PrivateTmp=, ProtectHome=."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import config_evidence, endpoint_text, listener_at, listener_evidence
from fixer.analysis.exits.path_access import hidden_by
from fixer.analysis.nginx_errors import events_for, is_refused, say_routes, symptom_evidence
from fixer.analysis.ownership.resolve import sole_owner
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service, Snapshot
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.unitactions import unit_action
from fixer.repairs.write_variables import drop_in

VARIANT = "unix-socket-private-tmp"
FILE = "50-badgateway-socket.conf"
_SHOWN = {"PrivateTmp": "no", "ProtectHome": "read-only"}     # read-only still lets it connect
_UNSEEN = (2, 13)


def hidden_from_nginx(case: Case, trouble: Trouble) -> Finding | None:
    """Somebody accepts there, nginx says that the path is not there, and its unit shows it another folder."""
    nginx, endpoint = trouble.nginx.service, trouble.endpoint
    if nginx is None or nginx.unit is None or endpoint.unix is None or endpoint.node != trouble.nginx.node:
        return None
    by = hidden_by(nginx, endpoint.unix)
    said = events_for(case, trouble, lambda event: is_refused(event) and event.errno in _UNSEEN)
    if not by or not said:
        return None
    key, held, owner = by.partition("=")[0], listener_at(endpoint), sole_owner(case, trouble)
    backend = None if owner is None else owner.service
    line = next((v for v in reversed(nginx.unit_values) if v.key == key), None)
    shown = () if line is None else (Evidence("unit", f"{line.file}:{line.line}", by),)
    return Finding(
        cause="unix-socket-missing", variant=VARIANT, role="root", confidence="certain",
        summary=f"nginx hands {say_routes(trouble)} to {endpoint_text(endpoint)}, but {by} of {nginx.name} hides it "
                "from nginx",
        detail=(), routes=trouble.route_ids, service=nginx.name, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, config_evidence(case.snapshot, trouble.nginx, endpoint),
            *(() if held is None else (listener_evidence(case.snapshot, held, backend),)),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=tuple(_repairs(case.snapshot, nginx, key, trouble)),
        explains=("wrong-port", "backend-down", "slow-start", "nginx-not-reloaded"),
    )


def _repairs(snapshot: Snapshot, nginx: Service, key: str, trouble: Trouble) -> list[Repair]:
    endpoint = trouble.endpoint
    manual = (f"let the backend listen in a folder that both see (RuntimeDirectory= of its unit, /run/NAME), and name "
              f"that at {endpoint.file}:{endpoint.line}; then systemctl daemon-reload, restart the backend, nginx -t "
              "and reload")
    move = Repair("move-socket", "manual", "put the socket into a folder that both see", (), manual=manual)
    assert nginx.unit is not None
    lines = f"{key}={_SHOWN[key]}" if key in _SHOWN else ""
    written = drop_in(snapshot, nginx, f"{lines}\n", FILE) if lines else NoPlace("")
    if isinstance(written, NoPlace):
        return [move]
    again = unit_action(nginx, nginx.unit, "restart", "requests under way are lost")
    return [Repair("loosen-sandbox", "disruptive", f"let {nginx.name} see that folder ({lines}), and restart it",
                   (*written.steps, again)), move]
