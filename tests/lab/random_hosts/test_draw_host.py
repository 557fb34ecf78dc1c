"""Tests of lab/random_hosts/draw_host.py: determinism, constraints, and that nothing is left undrawn."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest

from lab.errors import LabError
from lab.random_hosts.draw_host import draw_host, ends_other, saves_overlap
from lab.random_hosts.host_spec import violations
from lab.random_hosts.part_files import all_faults, all_parts, fault_named
from tests.lab.random_hosts.builders import SEEDS, drawn_hosts


def test_a_seed_always_gives_the_same_host() -> None:
    assert draw_host(42) == draw_host(42)
    assert draw_host(42) != draw_host(43)


def test_no_host_violates_a_constraint() -> None:
    for host in drawn_hosts():
        assert violations([*(part.constraint for part in host.parts), *(one.constraint for one in host.faults)]) == []
        touched = [name for fault in host.faults for name in fault.touches]
        assert len(touched) == len(set(touched)), host.seed
        assert not any(saves_overlap(host, one, two) for one, two in combinations(host.faults, 2)), host.seed


def test_what_changes_files_is_injected_before_what_stops_their_reader() -> None:
    """A mounted file is read anew by a restart, and nobody restarts what another fault has stopped."""
    orders = [[bool(fault.saves) for fault in host.faults] for host in drawn_hosts()]
    assert all(order == sorted(order, reverse=True) for order in orders)
    assert [True, False] in orders


def test_every_part_and_fault_is_drawn() -> None:
    parts = Counter((part.axis, part.name) for host in drawn_hosts() for part in host.parts)
    faults = Counter(fault.name for host in drawn_hosts() for fault in host.faults)
    for axis, choices in all_parts().items():
        assert min(parts[axis, part.name] for part in choices) > 0
    assert {fault.name for fault in all_faults()} == set(faults)


def test_what_ends_all_processes_is_not_drawn_with_what_is_about_them() -> None:
    """A new container has no frozen process, and one that does not run has no shell."""
    hosts = [host for host in drawn_hosts() if host.choices["manager"] == "entry-script"]
    for host in hosts:
        names = {one.name for one in host.faults}
        assert not ({"service-stopped", "service-frozen", "workers-saturated"} & names
                    and {"nginx-stopped", "nginx-invalid", "name-unknown"} & names), host.seed
    frozen, invalid, closed, moved = (fault_named(name) for name in (
        "service-frozen", "nginx-invalid", "socket-folder-closed", "route-wrong-port"))
    host = next(one for one in hosts if one.choices["layout"] == "mounted-folder")
    assert ends_other(host, invalid, frozen) and ends_other(host, invalid, closed)
    assert not ends_other(host, frozen, invalid) and not ends_other(host, moved, frozen)
    assert not ends_other(host, invalid, moved)
    file = next(one for one in hosts if one.choices["layout"] == "mounted-file")
    assert ends_other(file, moved, frozen)      # nginx sees the file after a restart of the container only
    others = [one for one in drawn_hosts()[:100] if one.choices["kind"] != "all-in-one"]
    assert not any(ends_other(one, invalid, frozen) for one in others)


def test_a_third_of_the_hosts_is_of_each_kind() -> None:
    kinds = Counter(host.choices["kind"] for host in drawn_hosts())
    assert kinds.keys() == {"machine", "project", "all-in-one"}
    assert all(0.3 < number / SEEDS < 0.37 for number in kinds.values())


def test_values_of_the_place_reach_every_text() -> None:
    host = next(host for host in drawn_hosts() if host.choices["kind"] == "project").placed({"project": "/tmp/x", "project_id": "depot-1"})
    assert host.fill("{{compose_file}} {{web_container}}") == f"/tmp/x/compose.yaml depot-1-{host.values['web']}-1"


def test_hosts_have_no_fault_to_three() -> None:
    counts = Counter(len(host.faults) for host in drawn_hosts())
    assert set(counts) == {0, 1, 2, 3}
    assert counts[0] > SEEDS / 12


def test_every_text_of_every_host_has_its_values() -> None:
    for host in drawn_hosts()[:300]:
        texts = [text for part in host.parts for entry in part.files for text in (entry.path, entry.owner, entry.link,
                                                                                  entry.text or "")]
        texts += [script for part in host.parts for script in (*part.setup, *part.commands)]
        texts += [script for fault in host.faults for script in (*fault.inject, *fault.undo, *fault.saves)]
        assert not any(re.search(r"\{\{\w+\}\}", host.fill(text)) for text in texts)


def test_no_two_files_of_a_host_have_the_same_path() -> None:
    for host in drawn_hosts()[:500]:
        paths = [host.fill(entry.path) for part in host.parts for entry in part.files if entry.text or entry.link]
        assert len(paths) == len(set(paths)), host.seed


def test_a_test_may_name_the_faults() -> None:
    assert [fault.name for fault in draw_host(1, ["route-wrong-port"]).faults] == ["route-wrong-port"]
    with pytest.raises(LabError, match="no fault is called"):
        draw_host(1, ["no-such-fault"])


def test_a_draw_may_be_limited_to_parts_and_faults() -> None:
    asked = ("kind=all-in-one", "server=uwsgi", "fault=wrong-target")
    hosts = [draw_host(seed, asked=asked) for seed in range(8)]
    assert {(host.choices["kind"], host.choices["server"], host.faults[0].name) for host in hosts} == {
        ("all-in-one", "uwsgi", "wrong-target")}
    assert len({host.choices["front"] for host in hosts}) > 1
    assert draw_host(3, asked=asked) == draw_host(3, asked=asked) != draw_host(3)
    drawn = [draw_host(seed, asked=("server=uwsgi",)) for seed in range(30)]
    assert {len(host.faults) for host in drawn} >= {0, 1, 2} and {host.choices["server"] for host in drawn} == {"uwsgi"}
    with pytest.raises(LabError, match="do not go together"):
        draw_host(1, asked=("kind=machine", "manager=entry-script"))


def test_an_injection_that_waits_for_answers_is_not_drawn_with_a_fault_that_lets_requests_hang() -> None:
    """It looks for a limit by its requests: each of them would take the whole time of curl, and prove nothing."""
    asks = {fault.name for fault in all_faults() if any("ask()" in script for script in fault.inject)}
    assert asks >= {"nginx-files-few", "connections-few"}
    assert asks <= {fault.name for fault in all_faults() if "unanswered" in fault.constraint.refuses}
    hangs = {fault.name for fault in all_faults() if "unanswered" in fault.constraint.offers}
    assert hangs >= {"port-dropped", "service-frozen", "service-paused", "workers-saturated", "loopback-down"}
    pairs = [{fault.name for fault in host.faults} for host in drawn_hosts()]
    assert not [names for names in pairs if names & asks and names & hangs] and any(names & asks for names in pairs)
