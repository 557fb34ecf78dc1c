"""A unit that outlived its server: a script started it in the background and stays, with a shell or a `sleep` alone."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import condition, log_evidence, processes_of
from fixer.analysis.ownership.configured import is_told
from fixer.analysis.run_log import SERVES, last_run, message, own_lines
from fixer.formats.launchers import SHELLS
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Process, Service
from fixer.repairs.start_service import restart_steps

_WAITS = SHELLS | {"sleep", "tail", "cat", "tee", "logger", "tini", "dumb-init", "systemd-cat"}


def outlived(case: Case, trouble: Trouble, service: Service) -> tuple[str, Repair, tuple[Evidence, ...]] | None:
    """Words, repair and proof where its server was up in this run and is gone: what is left of it could serve nobody. A
    script that still waits for something before it starts one looks the same, but for its log."""
    if service.unit is None or condition(service) != "running" or not is_told(service, trouble.endpoint):
        return None
    seen = processes_of(case.snapshot, service.node, service.pids)
    left = [process for process in seen if process.state != "Z"]        # nobody asked how that one ended
    if not left or len(seen) != len(service.pids) or not all(_name(p) in _WAITS for p in left):
        return None
    said = next((line for line in reversed(own_lines(last_run(case.snapshot, service)))
                 if SERVES.search(message(line))), None)
    if said is None:
        return None
    shown = (Evidence("process", f"pid {p.pid}", " ".join(p.argv)[:100]) for p in left[:3])
    words = (f"{service.name} runs on without the server that it had started (its command stays when that ends, so "
             "systemd does not notice)")
    repair = Repair("start-service", "disruptive", f"restart {service.name}, which starts its server as before",
                    restart_steps(case.snapshot, service, trouble.endpoint))
    return words, repair, (log_evidence(said.text, said.where), *shown)


def _name(process: Process) -> str:
    return process.argv[0].rpartition("/")[2].lstrip("-") if process.argv else ""
