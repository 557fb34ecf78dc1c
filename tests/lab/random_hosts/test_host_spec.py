"""Tests of lab/random_hosts/host_spec.py."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.random_hosts.host_spec import Constraint, fill, violations


def test_values_may_name_values_and_a_line_with_an_empty_one_is_left_out() -> None:
    values = {"a": "{{b}}/x", "b": "/srv", "none": ""}
    assert fill("first {{a}}\n  {{none}}\nlast{{none}}\n", values) == "first /srv/x\nlast\n"


def test_a_name_without_value_and_a_circle_are_errors() -> None:
    with pytest.raises(LabError, match="no part gives a value to port"):
        fill("{{port}}", {})
    with pytest.raises(LabError, match="circle"):
        fill("{{a}}", {"a": "{{b}}", "b": "{{a}}"})


def test_constraints_are_needs_that_nothing_offers_and_offers_that_are_refused() -> None:
    server, manager = Constraint(frozenset({"fd"})), Constraint(needs=frozenset({"fd"}))
    assert violations([server, manager]) == []
    assert violations([manager]) == ["nothing offers fd"]
    assert violations([server, Constraint(refuses=frozenset({"fd"}))]) == ["fd is refused"]
