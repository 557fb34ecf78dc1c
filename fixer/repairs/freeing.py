"""Freeing a port that nginx needs: who holds it is named, and only a person's word lets it be stopped."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import address_text, listener_evidence, now_on, pids_of, processes_of, say_age
from fixer.analysis.holders import container_of_socket, holder_evidence
from fixer.model.diagnosis import Need, Repair
from fixer.model.plan import ContainerAction, SignalProcess, Step
from fixer.model.snapshot import Container, Listener, Process, Service
from fixer.repairs.file_edits import container_of
from fixer.repairs.unitactions import unit_action

ID = "free-port"
KEY = "stop"
_NOT_OURS = frozenset({"docker-proxy", "systemd", "rootlessport", "conmon"})    # they listen on somebody's behalf


def free_port(case: Case, line: Listener, then: Sequence[Step], summary: str) -> Repair:
    """Stop who holds the socket, then carry on. Complete only when a person named that very holder.

    Two programs want one port: nothing on the machine says which of them is meant.
    """
    where = address_text(line.address, line.port)
    beside = container_of_socket(case.snapshot, line)
    if beside is not None:
        return _stop_container(case, line, beside[0], then, summary)
    holders = processes_of(case.snapshot, line.node, pids_of(line))
    said = listener_evidence(case.snapshot, line)
    if not holders and (box := container_of(case.snapshot, line.node)) is not None and not box.is_machine:
        manual = (f"a process outside of container {box.name} listens on {where} in its network, and nginx needs that: "
                  f"stop it or move it, or take that listen out; {summary} (on the Docker host: "
                  f"nsenter -t {box.pid} -n ss -ltnp)")
        return Repair(ID, "manual", f"free {where}", (), manual=manual)
    if not holders or any(p.pid == 1 or p.comm in _NOT_OURS for p in holders):
        manual = f"{said.text} listens on {where}, which nginx needs: stop what it stands for or move it; {summary}"
        return Repair(ID, "manual", f"free {where}", (), manual=manual)
    service = next((s for s in case.snapshot.services if s.node == line.node and s.unit is not None
                    and set(s.pids) & {p.pid for p in holders}), None)
    name = service.name if service is not None else holders[0].comm
    need = Need(KEY, "choice", f"{said.text} holds {where}, which nginx needs: name it to have it stopped", (name,))
    if case.inputs.get(KEY) != name:
        return Repair(ID, "disruptive", f"stop {name}, which holds {where}; {summary}", (), (need,))
    steps = _stop_unit(service) if service is not None else _end(case, line, holders)
    return Repair(ID, "disruptive", f"stop {name}, which holds {where}; {summary}", (*steps, *then), (need,))


def _stop_container(case: Case, line: Listener, box: Container, then: Sequence[Step], summary: str) -> Repair:
    """One that lives in the same network. It stays away until somebody starts it, and then nginx has the port."""
    where = address_text(line.address, line.port)
    said = holder_evidence(case.snapshot, line).text
    need = Need(KEY, "choice", f"{said} holds {where}, which nginx needs: name it to have it stopped", (box.name,))
    what = (f"stop container {box.name}, which holds {where}; {summary} (docker compose up would start it again: "
            "give it another port, or take it out of the project)")
    action = ContainerAction(box.id, box.name, "stop", box.status, said)
    return Repair(ID, "disruptive", what, (action, *then) if case.inputs.get(KEY) == box.name else (), (need,))


def _stop_unit(service: Service) -> tuple[Step, ...]:
    """It must not take the port again at the next boot."""
    assert service.unit is not None
    stop = unit_action(service, service.unit, "stop", f"{' '.join(service.argv)[:160]}, pid {service.unit.main_pid}")
    if service.unit.unit_file_state == "enabled":
        return unit_action(service, service.unit, "disable"), stop
    return (stop,)


def _end(case: Case, line: Listener, holders: Sequence[Process]) -> tuple[Step, ...]:
    now = now_on(case.snapshot, line.node)
    ours = {p.pid for p in holders}
    ordered = sorted(holders, key=lambda p: (p.ppid in ours, p.start_ticks, p.pid))    # a parent before its workers
    return tuple(
        SignalProcess(line.node, p.pid, p.start_ticks, "TERM", _words(p, now)) for p in ordered
    )


def _words(process: Process, now: float) -> str:
    command = " ".join(process.argv)[:160] or process.comm
    return f"{command}, uid {process.uid}, running for {say_age(max(0.0, now - process.started_at))}"

