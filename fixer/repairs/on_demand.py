"""Steps of repairs for causes that are asked in most looks and seldom find anything: imported with the first finding.

A cause that always needs a step, or a class or constant of its module, names that module itself."""

from __future__ import annotations

from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from fixer.managers.docker_steps import swarm_advice_text
    from fixer.managers.systemd_steps import unit_action
    from fixer.repairs.boot_enablement import enable_at_boot_text
    from fixer.repairs.container_settings import compose_networks_of, join_network_step
    from fixer.repairs.start_nginx import start_nginx_steps, wait_for_nginx_steps
    from fixer.repairs.start_service import (
        compose_up_step,
        restart_steps,
        start_again_repairs,
        start_or_restart_steps,
        start_steps,
        wait_for_listener_step,
    )
    from fixer.repairs.write_variables import write_drop_in

__all__ = [
    "compose_networks_of",
    "compose_up_step",
    "enable_at_boot_text",
    "join_network_step",
    "restart_steps",
    "start_again_repairs",
    "start_nginx_steps",
    "start_or_restart_steps",
    "start_steps",
    "swarm_advice_text",
    "unit_action",
    "wait_for_listener_step",
    "wait_for_nginx_steps",
    "write_drop_in",
]
