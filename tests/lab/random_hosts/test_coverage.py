"""Tests of lab/random_hosts/coverage.py."""

from __future__ import annotations

from lab.random_hosts.coverage import coverage, pairs_of, possible_pairs
from lab.random_hosts.draw_host import draw_host
from tests.lab.random_hosts.builders import drawn_hosts


def test_pairs_of_a_host_are_ordered() -> None:
    assert pairs_of({"b": "2", "a": "1", "c": "3"}) == {
        (("a", "1"), ("b", "2")), (("a", "1"), ("c", "3")), (("b", "2"), ("c", "3"))}


def test_a_pair_that_constraints_forbid_is_not_possible() -> None:
    assert (("bind", "tcp"), ("server", "daphne")) in possible_pairs()
    assert (("bind", "socket"), ("server", "daphne")) not in possible_pairs()
    assert (("manager", "systemd-socket"), ("server", "uwsgi")) not in possible_pairs()


def test_every_drawn_pair_is_possible_and_many_hosts_cover_all() -> None:
    few, many = coverage([draw_host(1)]), coverage(drawn_hosts())
    assert many.seen <= many.possible
    assert not many.missing
    assert 0 < len(few.seen) < len(many.seen)
    assert few.text.startswith(f"pairs of choices covered: {len(few.seen)} of {len(few.possible)}")


def test_what_no_host_holds_is_named() -> None:
    few, many = coverage([draw_host(1, ["nginx-stopped"])]), coverage(drawn_hosts())
    axis, name = few.missing[0][0]
    assert f"missing:  {axis}={name} with " in few.text and f"and {len(few.missing) - 20} more" in few.text
    assert "hand-started-ended" in few.text and "nginx-stopped" not in few.text
    assert "missing:" not in many.text and "no host has" not in many.text
