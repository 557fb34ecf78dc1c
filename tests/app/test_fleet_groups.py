"""Tests of fixer/app/fleet_groups.py."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.app.fleet_groups import group_hosts, natural_order, read_host
from fixer.model.fleet import FleetGroup, FleetRepair, HostFault, HostReport, UnseenGroup
from fixer.render.to_json import render
from tests.render import report_samples as r

PORT = HostFault("wrong-port", "wrong-port", "nothing listens on 8001", (("point", "safe"), ("move", "disruptive")))
DISK = HostFault("disk-full", "log-disk-full", "/var is full", (("free-space", "manual"),))


def broken(host: str, *faults: HostFault) -> HostReport:
    return HostReport(host, "broken", faults)


def test_a_report_of_diagnose_is_read_as_it_was_printed() -> None:
    report = read_host(json.loads(render(r.BROKEN)), "web-1")
    assert (report.host, report.verdict, report.faults[0].cause, report.faults[0].repairs[0]) == (
        "web-1", "broken", "wrong-port", ("point-route-at-listener", "safe"))
    assert [fault.cause for fault in report.faults] == [f.cause for f in r.BROKEN.findings if f.role in ("root", "contributing")]


@pytest.mark.parametrize(("value", "host"), [
    ({"host": "web-9", "target": "local"}, "web-9"), ({"target": "ssh://root@web1"}, "ssh://root@web1"),
    ({"target": "compose://shop"}, "compose://shop"), ({"target": "local"}, "file"), ({"target": "bundle:/tmp/x"}, "file"),
    ({"host": 3}, "file"),
])
def test_the_name_of_a_host(value: dict, host: str) -> None:
    assert read_host({"verdict": "healthy", **value}, "file").host == host


@pytest.mark.parametrize(("value", "why"), [
    ([], "this is no report of fixer"), ({}, "this is no report of fixer"), ({"verdict": "fine"}, "this is no report of fixer"),
    ({"verdict": "unknown"}, "no route could be judged"),
    ({"host": "web-7", "verdict": "unknown", "error": {"kind": "unreachable", "message": "web-7 does not answer"}}, "the host does not answer"),
    ({"target": "ssh://root@web-7:22", "verdict": "unknown", "error": {"message": "no route to web-7:22"}}, "no route to the host"),
    ({"host": "refused", "verdict": "unknown", "error": {"message": "connection refused"}}, "connection refused"),
    ({"verdict": "broken", "error": {"message": 5}}, "this is no report of fixer"),
])
def test_a_host_that_was_not_looked_at_has_one_reason(value: object, why: str) -> None:
    report = read_host(value, "file")
    assert (report.verdict, report.why, report.faults) == ("unknown", why, ())


def test_a_healthy_host_has_no_fault_whatever_it_lists() -> None:
    report = read_host({"verdict": "healthy", "outcome": "repaired", "findings": [{"cause": "x", "role": "root"}]}, "a")
    assert (report.faults, report.is_repaired) == ((), True)
    assert not read_host({"verdict": "broken", "outcome": "repaired"}, "a").is_repaired


def test_advice_and_consequences_are_no_cause() -> None:
    report = read_host({"verdict": "degraded", "findings": [
        {"cause": "a", "role": "advice"}, {"cause": "b", "role": "consequence"}, {"cause": "c", "role": "contributing"}]}, "a")
    assert [fault.cause for fault in report.faults] == ["c"]


def test_hosts_are_grouped_by_cause_and_variant() -> None:
    made = group_hosts([
        broken("web-10", PORT), broken("web-2", PORT, DISK), broken("web-3", DISK), broken("web-4"),
        HostReport("web-5", "healthy"), HostReport("web-6", "healthy", is_repaired=True),
        HostReport("web-7", "unknown", why="no answer"), HostReport("web-8", "unknown", why="no answer"),
    ])
    assert made.groups == (
        FleetGroup("wrong-port", "wrong-port", ("web-2", "web-10"), (), PORT.summary, (FleetRepair("point", "safe", 2),)),
        FleetGroup("disk-full", "log-disk-full", ("web-3",), ("web-2",), DISK.summary, (FleetRepair("free-space", "manual", 2),)),
        FleetGroup(None, None, ("web-4",), (), "", ()),
    )
    assert (made.healthy, made.repaired) == (("web-5", "web-6"), ("web-6",))
    assert made.unseen == (UnseenGroup("no answer", ("web-7", "web-8")),)
    assert (made.verdict, made.hosts) == ("not-healthy", 8)
    listed = [*made.healthy, *(host for group in (*made.groups, *made.unseen) for host in group.hosts)]
    assert sorted(listed) == sorted(f"web-{n}" for n in (*range(2, 9), 10))


def test_a_cause_that_is_nowhere_first_is_a_group_too() -> None:
    made = group_hosts([broken("a", PORT, DISK)])
    assert [(group.cause, group.hosts, group.also) for group in made.groups] == [
        ("wrong-port", ("a",), ()), ("disk-full", (), ("a",))]


def test_the_last_report_of_a_host_counts() -> None:
    made = group_hosts([broken("a", PORT), HostReport("a", "healthy"), HostReport("b", "healthy")])
    assert (made.hosts, made.verdict, made.notes) == (2, "healthy", ("the last report of a host counts; earlier ones: 1",))


def test_unseen_hosts_alone_make_the_report_incomplete() -> None:
    assert group_hosts([HostReport("a", "healthy"), HostReport("b", "unknown", why="x")]).verdict == "incomplete"


def test_names_are_in_natural_order() -> None:
    names = ["web-10", "web-2", "db", "web-02b", "9", "10", "web-²", "x" + "9" * 6000]
    assert sorted(names, key=natural_order)[:2] == ["9", "10"]
    assert natural_order("web-2") < natural_order("web-10")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["host", "target", "verdict", "error", "message", "findings", "role", "cause", "repairs", "risk", "id"]) | st.text(), inner),
    max_leaves=20)


@given(st.lists(JSON))
def test_no_object_breaks_the_grouping(values: list[object]) -> None:
    made = group_hosts(read_host(value, f"line {n}") for n, value in enumerate(values))
    assert made.hosts == len(made.healthy) + sum(len(g.hosts) for g in (*made.groups, *made.unseen))
