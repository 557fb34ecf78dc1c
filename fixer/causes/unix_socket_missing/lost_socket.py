"""A service that listens on the path, by the kernel's table, while the path has no socket any more."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import endpoint_text
from fixer.analysis.run_log import is_looping
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Repair
from fixer.model.snapshot import Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.path_access import hiding_setting_text
    from fixer.repairs.start_service import restart_steps

LOST_TEXT = ("where the socket no longer exists: {} still listens on the socket that it created there. It was removed, "
             "or a link in the path changed")
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
    steps = restart_steps(case.snapshot, service, trouble.endpoint)
    summary = f"restart {service.name}, which creates its socket again"
    manual = f"restart {service.name} the way it was started: that creates {text}"
    return (Repair("restart-service", "disruptive", summary, steps) if steps
            else Repair("restart-service", "manual", summary, (), manual=manual))


def other_runtime_folder_text(case: Case, trouble: FailingAddress, service: Service) -> tuple[str, ...]:
    """Explain a RuntimeDirectory= of another unit: systemd removes it at each stop, with others' files in it."""
    path = trouble.endpoint.unix or ""
    for other in case.snapshot.services:
        if other.node != service.node or other.id == service.id:
            continue
        kept = any(v.key == "RuntimeDirectoryPreserve" and v.value.strip() not in FALSE_VALUES
                   for v in other.unit_values)
        names = [word for v in other.unit_values if v.key == "RuntimeDirectory" for word in v.value.split()]
        name = next((word for word in names if path.startswith(f"/run/{word}/")), None)
        if name is not None and not kept:
            return (f"/run/{name} is the RuntimeDirectory= of {other.name}, and systemd removes it when that unit "
                    f"stops. Set RuntimeDirectoryPreserve=yes there, or give {service.name} its own folder",)
    return ()
