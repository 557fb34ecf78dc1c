"""Tests of fixer/observe/supervisord/supervised_command.py."""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.query import Answer, FileAnswer, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, node
from tests.observe.next_queries_builders import asked
from tests.observe.supervisord.supervisord_programs_builders import (
    CHILD,
    DAEMON,
    PROGRAM,
    SHOP,
    SITE,
    answers,
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


def test_a_file_without_which_its_shell_ends() -> None:
    """nginx may have flooded the log that its shell complained in."""
    sourced = "[program:shop]\ncommand=/bin/sh -c 'set -a; . /etc/shop.env; exec uvicorn shop:app --port 8000'\n"
    made = node(answers(sourced), site=SITE, running=[DAEMON])
    assert ReadFile("/etc/shop.env", 64 << 10) in list(asked(made))
    gone = {ReadFile("/etc/shop.env", 64 << 10): Answer("absent", files=(FileAnswer("/etc/shop.env", "absent", None, b""),))}
    absent = node({**answers(sourced), **gone}, site=SITE, running=[DAEMON])
    assert [s.missing_file for s in build_snapshot(capture(absent)).services if s.manager == "supervisord"] == ["/etc/shop.env"]
