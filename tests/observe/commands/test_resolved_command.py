"""Tests of fixer/observe/commands/resolved_command.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Evidence
from fixer.observe.commands.resolved_command import ServiceCommand, ulimits_of
from tests.observe.capture_builders import file, view


@pytest.mark.parametrize(("line", "found"), [
    ("ulimit -v 40000", ("ulimit -v", "40000")), ("ulimit -c 0; ulimit -Sv 50", ("ulimit -v", "50")),
    ("ulimit -S -d 70 || true", ("ulimit -d", "70")), ("ulimit -v unlimited", None), ("# ulimit -v 4", None),
    ("ulimit -n 4096", None), ("ulimit -v $LIMIT", None),
])
def test_a_limit_of_a_script(line: str, found: tuple[str, str] | None) -> None:
    text = f"#!/bin/sh\n{line}\nexec uvicorn a:b\n"
    told = ServiceCommand((), {}, Evidence("unit", "u", ""), "shell", script="/srv/run")
    said = ulimits_of(told, view(file("/srv/run", text)))
    assert [(one.key, one.value) for one in said] == ([found] if found else [])
    for one in said:
        assert one.argument is not None and text[one.argument.start:one.argument.end] == one.value
