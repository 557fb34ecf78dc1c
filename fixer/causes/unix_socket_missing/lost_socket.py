"""A service that listens on the path, by the kernel's table, while the path has no socket any more."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import endpoint_text
from fixer.analysis.run_log import is_looping
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Repair
from fixer.model.plan import Step
from fixer.model.snapshot import Service
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.path_access import hiding_setting_text
    from fixer.managers.systemd_steps import requirement_lines, unit_action
    from fixer.repairs.start_service import restart_steps, wait_for_listener_step
    from fixer.repairs.write_variables import write_drop_in

PRESERVE_DROP_IN = "50-badgateway-runtime-folder.conf"
FALSE_VALUES = frozenset({"no", "false", "off", "0", ""})       # of systemd's settings


def judge_lost_socket(case: Case, trouble: FailingAddress, service: Service) -> Repair | str:
    """Return the restart that alone creates the socket again, or the missing fact: what nginx sees at the path may be
    another folder, or the moment between two runs."""
    text = endpoint_text(trouble.endpoint)
    apart = hiding_setting_text(service, trouble.endpoint.unix or "")
    if apart:
        return f"whether {service.name} sees the same folder as nginx there ({apart})"
    if is_looping(case.snapshot, service, trouble.endpoint):
        return f"whether {text} exists while {service.name} runs: it ends again and again"
    if service.socket is not None and service.unit is not None:
        return _open_socket_again(case, trouble, service)
    steps = restart_steps(case.snapshot, service, trouble.endpoint)
    summary = f"restart {service.name}, which creates its socket again"
    manual = f"restart {service.name} the way it was started: that creates {text}"
    return (Repair("restart-service", "disruptive", summary, steps) if steps
            else Repair("restart-service", "manual", summary, (), manual=manual))


def lost_text(service: Service) -> str:
    """Return what is known of the socket: who listens on it, and that its path is gone."""
    where = "where the socket no longer exists: "
    if service.socket is not None:
        return (f"{where}systemd still listens for {service.name} on the socket that {service.socket.name} created "
                "there. It was removed, or a link in the path changed")
    return (f"{where}{service.name} still listens on the socket that it created there. It was removed, or a link in "
            "the path changed")


def _open_socket_again(case: Case, trouble: FailingAddress, service: Service) -> Repair:
    """Return the restart of the socket unit, which alone creates the path again: a restart of the service inherits the
    socket that systemd holds. systemd restarts the service along with it where the service requires it."""
    unit, held = service.unit, service.socket
    assert unit is not None and held is not None
    kept, also = _keep_folder(case, trouble, service)
    along = f"systemd restarts {service.name} along with it" if unit.active_state != "inactive" else ""
    restart = unit_action(service, held, "restart", along)
    summary = f"restart {held.name}, which creates its socket again{also}"
    required = any(name == held.name for name, *_ in requirement_lines(case.snapshot, service))
    if isinstance(kept, NotEditable) or not (required or unit.active_state == "inactive"):
        by_hand = (f"systemd restarts {held.name} only while {service.name} is stopped: systemctl stop {unit.name}; "
                   f"systemctl restart {held.name}; systemctl start {unit.name}")
        first = f". First set RuntimeDirectoryPreserve=yes in {unit.name}" if also else ""
        return Repair("restart-socket", "manual", summary, (), manual=f"{by_hand}{first}")
    wait = wait_for_listener_step(case.snapshot, service, trouble.endpoint)
    return Repair("restart-socket", "disruptive", summary, (*kept, restart, *wait))


def _keep_folder(case: Case, trouble: FailingAddress, service: Service) -> tuple[tuple[Step, ...] | NotEditable, str]:
    """Return steps that keep the service's own RuntimeDirectory= at each stop if the socket lies there, and what they
    do: systemd would remove it with the socket that it still holds."""
    if not _runtime_folder(service, trouble.endpoint.unix or ""):
        return (), ""
    written = write_drop_in(case.snapshot, service, "RuntimeDirectoryPreserve=yes\n", PRESERVE_DROP_IN)
    return (written if isinstance(written, NotEditable) else written.steps,
            f", and keep its folder at each stop of {service.name} (RuntimeDirectoryPreserve=yes)")


def _runtime_folder(service: Service, path: str) -> str:
    """Return the folder below /run that systemd removes with the path when the service stops, or an empty text."""
    if any(v.key == "RuntimeDirectoryPreserve" and v.value.strip() not in FALSE_VALUES for v in service.unit_values):
        return ""
    names = [word for v in service.unit_values if v.key == "RuntimeDirectory" for word in v.value.split()]
    return next((word for word in names if path.startswith(f"/run/{word}/")), "")


def runtime_folder_text(case: Case, trouble: FailingAddress, service: Service) -> tuple[str, ...]:
    """Explain a RuntimeDirectory= that holds the path: systemd removes it at each stop of its unit, with others' files
    in it. The service's own counts where systemd holds the socket."""
    path = trouble.endpoint.unix or ""
    for other in case.snapshot.services:
        if other.node != service.node or (other.id == service.id and service.socket is None):
            continue
        name = _runtime_folder(other, path)
        if name and other.id == service.id:
            return (f"/run/{name} is the RuntimeDirectory= of {service.name}, and systemd removes it at each stop of "
                    "that unit, with the socket that it still holds",)
        if name:
            return (f"/run/{name} is the RuntimeDirectory= of {other.name}, and systemd removes it when that unit "
                    f"stops. Set RuntimeDirectoryPreserve=yes there, or give {service.name} its own folder",)
    return ()
