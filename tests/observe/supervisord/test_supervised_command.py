"""Tests of fixer/observe/supervisord/supervised_command.py."""

from __future__ import annotations

from fixer.model.facts import Known
from tests.observe.supervisord.supervisord_programs_builders import (
    CHILD,
    DAEMON,
    PROGRAM,
    SHOP,
    said,
    shop,
)


def test_a_program_with_its_bytes() -> None:
    found = shop(DAEMON, CHILD, log=said((50, "spawned: 'shop' with pid 71"), (49, "success: shop entered RUNNING state")))
    assert (found.name, found.pids, found.runtime, found.is_app_server) == ("shop", (71,), "uvicorn", True)
    assert found.program is not None
    assert (found.program.state, found.program.name, found.program.group) == ("RUNNING", "shop", "shop")
    assert isinstance(found.bindings, Known)
    binding = found.bindings.value[0]
    assert binding.file == SHOP and binding.start is not None
    assert PROGRAM[binding.start : binding.end] == "8001"
    assert {(a.name, a.empty) for a in found.env} == {("ZONE", False), ("MODE", False), ("KEY", False), ("EMPTY", True)}
    slot = found.env_slots[0]
    assert (slot.file, slot.style, PROGRAM[: slot.offset].endswith("EMPTY=")) == (SHOP, "supervisor", True)


def test_a_setting_that_is_not_there_has_a_place_too() -> None:
    plain = "[program:shop]\ncommand=uvicorn shop:app --port %(ENV_PORT)s\n"
    slot = shop(DAEMON, program=plain).env_slots[0]
    assert (slot.offset, slot.template) == (len("[program:shop]"), "\nenvironment={name}={value}")
