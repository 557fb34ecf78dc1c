"""Tests of lab/random_hosts/shrink.py."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lab.random_hosts.draw_host import do_go_together
from lab.random_hosts.figures import HostResult
from lab.random_hosts.part_files import KIND, all_parts, parts_of_kind
from lab.random_hosts.shrink import extras_of, reduced, shrink, way_of
from tests.lab.random_hosts.builders import drawn_hosts, fault, look, repaired, result

EXTRAS = tuple("abcdefgh")


@pytest.mark.parametrize("needed", ["", "a", "h", "ad", "dh", "abh", "abcdefgh"])
def test_the_fewest_that_fail_are_left(needed: str) -> None:
    shrunk = shrink(EXTRAS, lambda left: set(needed) <= set(left), 100)
    assert ("".join(shrunk.left), shrunk.is_least) == (needed, True)


def test_what_does_not_go_together_costs_no_try() -> None:
    """b goes with a only."""
    asked: list[Sequence[str]] = []

    def fails(left: Sequence[str]) -> bool | None:
        if "b" in left and "a" not in left:
            return None
        asked.append(left)
        return "b" in left

    shrunk = shrink("abcd", fails, 100)
    assert (shrunk.left, shrunk.tries, shrunk.is_least) == (("a", "b"), len(asked), True)


def test_no_more_hosts_are_made_than_allowed_and_none_twice() -> None:
    asked: list[frozenset[str]] = []

    def fails(left: Sequence[str]) -> bool:
        asked.append(frozenset(left))
        return {"a", "d", "g"} <= set(left)

    shrunk = shrink(EXTRAS, fails, 5)
    assert (shrunk.tries, shrunk.is_least, len(set(asked))) == (5, False, 5)
    assert {"a", "d", "g"} <= set(shrunk.left)


def test_every_axis_has_one_plain_part_of_each_kind_and_these_go_together() -> None:
    for kind in all_parts()[KIND]:
        plain = {axis: [one.name for one in parts if one.plain] for axis, parts in parts_of_kind(kind).items()}
        assert all(len(names) == 1 for names in plain.values()), plain
        spec = next(host for host in drawn_hosts() if kind in host.parts)
        small = reduced(spec, (), "host.json")
        assert small is not None
        assert {**small.choices, "faults": ["0"]} == {axis: names[0] for axis, names in plain.items()} | {"faults": ["0"]}


def test_nothing_is_changed_that_is_left() -> None:
    for host in drawn_hosts()[:200]:
        again = reduced(host, extras_of(host), "host.json")
        assert again is not None
        assert (again.choices, again.values, again.faults) == (host.choices, host.values, host.faults)


def test_a_fault_is_not_left_on_a_host_that_it_does_not_fit() -> None:
    host = next(host for host in drawn_hosts() if any(one.name == "socket-wrong-path" for one in host.faults))
    assert reduced(host, ("fault socket-wrong-path",), "host.json") is None
    assert do_go_together(host)


def test_a_host_fails_in_the_same_way_if_its_first_problem_is_the_same() -> None:
    port = fault("port", "wrong-port")

    def way(*said: str | tuple[str, str]) -> str:
        return way_of(result(1, [port], repaired(look(*said))))

    assert way("wrong-port") == ""
    assert way("nginx-down") == way(("nginx-down", "likely")) == "cause: nginx-down"
    assert way("backend-down") != way("nginx-down")
    assert way_of(HostResult(1, (), None, "not well before: login page: HTTP 502")) == "generator: not well before"
    assert way_of(result(1, [port], repaired(look("wrong-port"), left_by_undo=("/etc/x: new",)))) == "undo"
