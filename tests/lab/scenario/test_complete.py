"""Drawn parameters become complete ones."""

from __future__ import annotations

import json

from tests.lab.scenario.test_render import STACKS, made


def test_parameters_are_json() -> None:
    for stack in STACKS:
        full = made(stack, 3)[0].template_values()
        assert json.loads(json.dumps(full)) == full
