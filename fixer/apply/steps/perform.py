"""Dispatch of every kind of step except files: perform it, and both halves of its undo.

*State* is undone before the files, last step first: what was started stops, what was enabled is disabled. *Effect*
follows the files, first step first, unit files before all: what read the changed files reads the restored ones (nginx
and systemd reload, services and containers that ran restart). In plain reverse order, a reload would run before the
file that it must read."""

from __future__ import annotations

from typing import assert_never

from fixer.apply.steps import nginx_step
from fixer.apply.steps.node_access import Nodes, Runner
from fixer.apply.steps.start_marks import StepStart
from fixer.errors import StepFailed
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.plan import (
    ChangeRule,
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    NetworkAction,
    ProgramAction,
    ReloadNginx,
    RemoveRoute,
    ServiceAction,
    SetBoolean,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)

with lazy_imports():  # a plan has few kinds of steps
    from fixer.apply.steps import (
        container_step,
        listener_step,
        network_step,
        packet_filter_step,
        process_step,
        program_step,
        selinux_step,
        service_step,
        unit_step,
    )


def perform_step(step: Step, nodes: Nodes) -> str:
    """Perform the step; return a note that its undo needs. file_change handles files."""
    match step:
        case CheckNginx():
            nginx_step.check_config(step, nodes.runner(step.node))
        case ReloadNginx():
            nginx_step.reload_nginx(step, nodes.runner(step.node))
        case DaemonReload():
            unit_step.daemon_reload(nodes.runner(step.node))
        case UnitAction() | ProgramAction() | ServiceAction():
            return _apply_manager_step(step, nodes)
        case ContainerAction():
            return container_step.apply_container(step, nodes.engine())
        case ComposeUp():
            container_step.compose_up(step, nodes.engine())
        case SignalProcess():
            return process_step.apply_signal(step, nodes.runner(step.node))
        case StartNginx():
            return nginx_step.start_nginx(step, nodes.runner(step.node))
        case NetworkAction() | ChangeRule() | SetBoolean() | RemoveRoute():
            _change_network(step, nodes)
        case WaitForListener():
            listener_step.wait_for_listener(step, nodes)
        case WriteFile():
            raise TypeError("a file is changed by write_file")
        case _:
            assert_never(step)
    return ""


def _apply_manager_step(step: UnitAction | ProgramAction | ServiceAction, nodes: Nodes) -> str:
    if isinstance(step, UnitAction):
        return unit_step.apply_unit(step, nodes.runner(step.node))
    if isinstance(step, ProgramAction):
        program_step.apply_program(step, nodes.runner(step.node))
    else:
        service_step.apply_service(step, nodes.runner(step.node))
    return ""


def _change_network(step: NetworkAction | ChangeRule | SetBoolean | RemoveRoute, nodes: Nodes) -> None:
    if isinstance(step, ChangeRule):
        packet_filter_step.change_rule(step, _filter_runner(step, nodes))
    elif isinstance(step, RemoveRoute):
        network_step.remove_route(step, nodes.engine() if step.container else nodes.runner(step.node))
    elif isinstance(step, SetBoolean):
        selinux_step.set_boolean(step, nodes.runner(step.node))
    else:
        container_step.change_network(step, nodes.engine())


def _filter_runner(step: ChangeRule, nodes: Nodes) -> Runner:
    """Return a runner whose tools see the step's packet filter."""
    if not step.container:
        return nodes.runner(step.node)
    return network_step.container_network(step.container, step.container_id, nodes.engine())


def _undo_rule(step: ChangeRule, nodes: Nodes) -> str:
    try:
        place = _filter_runner(step, nodes)
    except StepFailed:
        if step.container and step.action == "add":
            return ""  # the container ended, and its network with our rule
        raise
    return packet_filter_step.undo_rule(step, place)


def stop_seconds(step: ContainerAction | ComposeUp, nodes: Nodes) -> float:
    """Return the seconds above Docker's default that the step's containers may take to stop."""
    return container_step.stop_grace(step, nodes.engine())


def undo_before_files(step: Step, nodes: Nodes, started: StepStart) -> str:
    """Undo the step's state, before the files. Return what was done; empty if nothing."""
    match step:
        case UnitAction():
            return unit_step.undo_unit(step, nodes.runner(step.node), started)
        case ProgramAction():
            return program_step.undo_program(step, nodes.runner(step.node))
        case ServiceAction():
            return service_step.undo_service(step, nodes.runner(step.node))
        case ContainerAction():
            return container_step.undo_container(step, nodes.engine(), started)
        case SignalProcess(signal="CONT"):
            stopped = process_step.undo_continue(step, nodes.runner(step.node))
            return f"stopped process {step.pid}" if stopped else ""
        case NetworkAction():
            return container_step.undo_network(step, nodes.engine())
        case RemoveRoute():
            return network_step.undo_route(step, nodes.engine() if step.container else nodes.runner(step.node))
        case SetBoolean():
            return selinux_step.undo_boolean(step, nodes.runner(step.node))
        case ChangeRule():
            return _undo_rule(step, nodes)
        case StartNginx():
            return "stopped nginx" if nginx_step.quit_started_master(step, nodes.runner(step.node), started) else ""
        case _:
            return ""


def undo_after_files(step: Step, nodes: Nodes) -> str:
    """Undo the step's effect, after the files. Return what was done; empty if nothing.
    ConfigRefused and NginxNotRunning say that the earlier state itself allows no reload."""
    match step:
        case ReloadNginx():
            return nginx_step.undo_reload(step, nodes.runner(step.node))
        case DaemonReload():
            unit_step.daemon_reload(nodes.runner(step.node))
            return "systemd read its unit files again"
        case UnitAction():
            return unit_step.restart_unit(step, nodes.runner(step.node))
        case ProgramAction():
            return program_step.restart_program(step, nodes.runner(step.node))
        case ServiceAction():
            return service_step.restart_service(step, nodes.runner(step.node))
        case ContainerAction():
            return container_step.restart_container(step, nodes.engine())
        case ComposeUp():
            return container_step.undo_compose(step, nodes.engine())
        case _:
            return ""
