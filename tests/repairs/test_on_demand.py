"""Causes share these names of steps; their modules are imported with the first finding."""

from __future__ import annotations

import inspect
import subprocess
import sys

from fixer.managers import docker_steps, systemd_steps
from fixer.repairs import boot_enablement, container_settings, on_demand, start_nginx, start_service, write_variables

MODULES = (docker_steps, systemd_steps, boot_enablement, container_settings, start_nginx, start_service, write_variables)


def test_every_name_is_a_function_of_its_module() -> None:
    for name in on_demand.__all__:
        (home,) = (module for module in MODULES if name in vars(module) and vars(module)[name].__module__ == module.__name__)
        function = getattr(home, name)
        assert inspect.isfunction(function), f"{name}: a class or a constant would be a stand-in"
        assert getattr(on_demand, name).__name__ == name


def test_a_name_loads_its_module_at_its_first_use() -> None:
    code = ("import sys; from fixer.repairs import on_demand; before = 'fixer.repairs.write_variables' in sys.modules; "
            "on_demand.write_drop_in.__name__; print(before, 'fixer.repairs.write_variables' in sys.modules)")
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["False", "True"]
