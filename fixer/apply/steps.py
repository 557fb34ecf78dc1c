"""Every kind of step but files: how it is done, and both halves of its way back.

A way back has two halves. *State* comes before the files, last step first: what was started is stopped, what was
enabled is disabled. *Effect* comes after the files, first step first, unit files before all: what read the changed
files reads the restored ones (nginx reloads, systemd reloads, services and containers that ran restart). Taken simply
backwards, a reload would come before the file that it has to read.
"""

from __future__ import annotations

from typing import assert_never

from fixer.apply import containers, firewall, listeners, networks, nginx, processes, programs, routes, selinux, units
from fixer.apply.nodes import Nodes, Runner
from fixer.apply.starts import Started
from fixer.errors import StepFailed
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
    SetBoolean,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)


def perform_step(step: Step, nodes: Nodes) -> str:
    """Do it; a note that its way back needs. Files have their own way (write_file)."""
    match step:
        case CheckNginx():
            nginx.check_config(step, nodes.runner(step.node))
        case ReloadNginx():
            nginx.reload(step, nodes.runner(step.node))
        case DaemonReload():
            units.daemon_reload(nodes.runner(step.node))
        case UnitAction() | ProgramAction():
            return _act(step, nodes)
        case ContainerAction():
            return containers.apply_container(step, nodes.engine())
        case ComposeUp():
            containers.compose_up(step, nodes.engine())
        case SignalProcess():
            return processes.apply_signal(step, nodes.runner(step.node))
        case StartNginx():
            return nginx.start(step, nodes.runner(step.node))
        case NetworkAction() | ChangeRule() | SetBoolean() | RemoveRoute():
            _change_network(step, nodes)
        case WaitForListener():
            listeners.wait_for_listener(step, nodes)
        case WriteFile():
            raise TypeError("a file is changed by write_file")
        case _:
            assert_never(step)
    return ""


def _act(step: UnitAction | ProgramAction, nodes: Nodes) -> str:
    if isinstance(step, UnitAction):
        return units.apply_unit(step, nodes.runner(step.node))
    programs.apply_program(step, nodes.runner(step.node))
    return ""


def _change_network(step: NetworkAction | ChangeRule | SetBoolean | RemoveRoute, nodes: Nodes) -> None:
    if isinstance(step, ChangeRule):
        firewall.change_rule(step, _filtering(step, nodes))
    elif isinstance(step, RemoveRoute):
        routes.remove_route(step, nodes.engine() if step.container else nodes.runner(step.node))
    elif isinstance(step, SetBoolean):
        selinux.set_boolean(step, nodes.runner(step.node))
    else:
        containers.change_network(step, nodes.engine())


def _filtering(step: ChangeRule, nodes: Nodes) -> Runner:
    """Where the tools see the packet filter that the step is about."""
    if not step.container:
        return nodes.runner(step.node)
    return networks.in_network(step.container, step.container_id, nodes.engine())


def _bring_back_rule(step: ChangeRule, nodes: Nodes) -> str:
    try:
        place = _filtering(step, nodes)
    except StepFailed:
        if step.container and step.action == "add":
            return ""          # the container ended, and its network with our rule
        raise
    return firewall.bring_back_rule(step, place)


def bring_back_state(step: Step, nodes: Nodes, started: Started) -> str:
    """The first half of the way back. What was done; empty where there is nothing to do."""
    match step:
        case UnitAction():
            return units.bring_back_state(step, nodes.runner(step.node), started)
        case ProgramAction():
            return programs.bring_back_state(step, nodes.runner(step.node))
        case ContainerAction():
            return containers.bring_back_container(step, nodes.engine(), started)
        case SignalProcess(signal="CONT"):
            stopped = processes.stop_again(step, nodes.runner(step.node))
            return f"stopped process {step.pid}" if stopped else ""
        case NetworkAction():
            return containers.bring_back_network(step, nodes.engine())
        case RemoveRoute():
            return routes.bring_back_route(step, nodes.engine() if step.container else nodes.runner(step.node))
        case SetBoolean():
            return selinux.bring_back_boolean(step, nodes.runner(step.node))
        case ChangeRule():
            return _bring_back_rule(step, nodes)
        case StartNginx():
            return "nginx ended" if nginx.quit_started(step, nodes.runner(step.node), started) else ""
        case _:
            return ""


def bring_into_effect(step: Step, nodes: Nodes) -> str:
    """The second half. What was done; empty where there is nothing to do. `nginx.Refused` and `nginx.NotRunning` say
    that the earlier state itself allows no reload."""
    match step:
        case ReloadNginx():
            nginx.reload(step, nodes.runner(step.node))
            return "reloaded nginx"
        case DaemonReload():
            units.daemon_reload(nodes.runner(step.node))
            return "systemd read its unit files again"
        case UnitAction():
            return units.bring_into_effect(step, nodes.runner(step.node))
        case ProgramAction():
            return programs.bring_into_effect(step, nodes.runner(step.node))
        case ContainerAction():
            return containers.restart_container(step, nodes.engine())
        case ComposeUp():
            return containers.compose_back(step, nodes.engine())
        case _:
            return ""
