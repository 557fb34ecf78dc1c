"""What listens elsewhere than nginx asks, and would not for long: containers whose own settings side with nginx, units
that were told so until the next boot."""

from __future__ import annotations

from fixer.analysis.evidence import bindings_of
from fixer.model.diagnosis import Repair
from fixer.model.snapshot import Endpoint, Service, Snapshot
from fixer.repairs.upstream_address import ID, Option

_UNTIL_BOOT = ("/run/systemd/system/", "/run/systemd/system.control/")
_OF_WHAT_RUNS = frozenset({"process", "container"})


def contradicted(snapshot: Snapshot, endpoint: Endpoint, option: Option) -> tuple[str, Repair] | None:
    """What says that nginx asks the right port, and the words for a person."""
    service, box = option.owner.service, option.owner.service.container
    if service.unit is not None:
        return _until_boot(service, option.listener.port)
    if box is None or box.is_machine:
        return None
    wanted, name = endpoint.port_there, box.service
    if _made_otherwise(snapshot, service, wanted):
        words = f"though its project's files say {wanted}: it was made with other settings than they hold"
        text = (f"see why it was made otherwise (docker compose config {name}; a variable of somebody's shell?), then "
                f"docker compose up -d --no-deps {name} makes it as the files say; another port in nginx would be "
                "wrong from the next `up` on")
        return words, Repair(ID, "manual", f"create {name} anew as its files say", (), manual=text)
    if box.health == "unhealthy" and box.health_port == wanted:
        words = f"while its own health check asks {wanted} too, and fails"
        text = (f"let {service.name} listen on {wanted} again; or, if {option.listener.port} is meant, change the "
                "health check and nginx together: what waits for it to be healthy does not start otherwise")
        summary = f"let {service.name} listen where nginx and its health check ask"
        return words, Repair(ID, "manual", summary, (), manual=text)
    return None


def _until_boot(service: Service, port: int) -> tuple[str, Repair] | None:
    """A drop-in of `systemctl edit --runtime`: pointed there, nginx would be wrong when the machine comes back."""
    told = next((b.source.where for b in bindings_of(service) if b.port == port and b.unix is None), "")
    if not told.startswith(_UNTIL_BOOT):
        return None
    file = told.rpartition(":")[0]
    text = (f"{file} goes with the next boot: take it back now (rm {file}; systemctl daemon-reload; systemctl restart "
            f"{service.name}), or, if {port} is meant to stay, write it with systemctl edit {service.name} and remove "
            "that file: nginx is pointed there then")
    return f"as {told} says until the next boot", Repair(
        ID, "manual", f"decide which port {service.name} is to keep", (), manual=text)


def _made_otherwise(snapshot: Snapshot, service: Service, port: int) -> bool:
    """Its project's files put it there, and it was not made from them as they are."""
    box, compose = service.container, snapshot.compose
    told = bindings_of(service)
    if box is None or compose is None or box.service is None or not told:
        return False
    made = dict(compose.hash_matches).get(box.service)
    return made is False and told[0].port == port and told[0].source.source not in _OF_WHAT_RUNS
