"""Each stack has parameters that the others lack."""

from __future__ import annotations

from lab.scenario.deployment_fields import CompleteDeployment
from lab.scenario.scenario_file import STACKS
from lab.scenario.stack_fields import foreign_fields


def test_no_stack_calls_its_own_parameters_foreign() -> None:
    assert "mount" in foreign_fields("host") and "mount" not in foreign_fields("containers")
    assert {"kept", "log_place"} <= foreign_fields("host") & foreign_fields("containers")
    assert not foreign_fields("all-in-one") & {"kept", "bind", "envfile", "restart_word", "start_script"}


def test_what_is_foreign_is_a_parameter() -> None:
    known = vars(CompleteDeployment.from_values({"stack": "host"}))
    assert all(foreign_fields(stack) <= known.keys() for stack in STACKS)
