"""Tests of lab/stack/seat.py; what real containers do: tests/lab/classroom/test_class_up.py."""

from __future__ import annotations

from dataclasses import replace

from lab.scenario.catalog import choose
from lab.scenario.complete import complete_parameters
from lab.scenario.draw import draw
from lab.scenario.render import File, render
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import SEAT_KEY, Lab
from lab.stack.seat import FILE_CAP, MEMORY_CAP, PIDS_CAP, Seat, own_cgroup, seat_of, seat_values

SEAT = Seat("Ada", "class-1", "127.0.0.1", 20001, 20002, "abcd", 100.0)


def test_a_machine_writes_only_its_own_part_of_the_cgroup_tree() -> None:
    first = own_cgroup("1", "cgroupfs", "shop-3f2a")
    assert first.parent == "/badgateway-lab/shop-3f2a/in" and first.capped == ""
    assert first.writable == ("/sys/fs/cgroup/systemd/badgateway-lab/shop-3f2a/in",
                              "/sys/fs/cgroup/unified/badgateway-lab/shop-3f2a/in")


def test_with_cgroup_v2_the_limits_stand_above_what_it_writes() -> None:
    plain = own_cgroup("2", "cgroupfs", "shop-3f2a")
    assert plain.writable == ("/sys/fs/cgroup/badgateway-lab/shop-3f2a/in",)
    assert plain.capped == "/sys/fs/cgroup/badgateway-lab/shop-3f2a"
    slices = own_cgroup("2", "systemd", "shop-3f2a")
    assert slices.parent == "badgateway-shop_3f2a-in.slice"
    assert slices.writable == (
        "/sys/fs/cgroup/badgateway.slice/badgateway-shop_3f2a.slice/badgateway-shop_3f2a-in.slice",)
    assert slices.capped == "/sys/fs/cgroup/badgateway.slice/badgateway-shop_3f2a.slice"


def test_a_closed_machine_has_limits_and_no_way_out() -> None:
    choice = choose("wrong-port", "host", 3)
    drawn = draw(choice.scenario, choice.variant, "host", 3)
    images = dict.fromkeys(("web", "app", "machine", "database"), "x")

    def compose_of(one: object) -> str:
        rendered = render(complete_parameters(one, "shop-3f2a", images)).files["compose.yaml"]  # type: ignore[arg-type]
        assert isinstance(rendered, File)
        return rendered.data.decode()

    closed = compose_of(replace(drawn, closed=True, cgroup_parent="/p", own_cgroups="      - /a:/a:rw",
                                memory_cap=MEMORY_CAP, pids_cap=PIDS_CAP, file_cap=FILE_CAP))
    for line in ("internal: true", 'inhibit_ipv4: "true"', "/sys/fs/cgroup:/sys/fs/cgroup:ro", "- /a:/a:rw",
                 f"mem_limit: {MEMORY_CAP}", f"memswap_limit: {MEMORY_CAP}", f"pids_limit: {PIDS_CAP}",
                 f"fsize: {FILE_CAP}"):
        assert line in closed
    assert "ports:" not in closed and "cgroup:rw" not in closed
    usual = compose_of(drawn)
    assert "ports:" in usual and "_limit" not in usual and "internal:" not in usual


def test_the_page_of_a_seat_is_behind_its_door(record: LabRecord) -> None:
    assert seat_of(Lab(record)) is None
    record.extra[SEAT_KEY] = seat_values(SEAT)
    assert seat_of(Lab(record)) == SEAT
    assert Lab(record).url == "http://127.0.0.1:20002"
