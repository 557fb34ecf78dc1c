"""Jobs of systemd's: which units the start of another is queued behind, also by way of a target."""

from __future__ import annotations

import pytest

from fixer.model.query import Answer, Command
from fixer.model.snapshot import BlockingUnit
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.systemd.queued_jobs import JOBS, is_queued, job_queries, with_awaited_units
from fixer.observe.view.node_view import view_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes.snapshot_builders import STOPPED, unit
from tests.observe.capture_builders import capture, node
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.nginx.endpoints_builders import unit as unit_file

DIRECT = """58 desk.service           start waiting
└─ \twaiting for job 94 (warm.service/start) -     -
94 warm.service           start running
"""
BY_WAY = """3 network-online.target  start waiting
`- \twaiting for job 4 (systemd-networkd-wait-online.service/start) -     -
4 systemd-networkd-wait-online.service start running
58 desk.service           start waiting
|- \twaiting for job 3 (network-online.target/start) -     -
`- \twaiting for job 3 (network-online.target/start) -     -
7 stranger.service        start running
"""
ROUND = "1 a.service start waiting\n- waiting for job 58 (desk.service/start) - -\n58 desk.service start waiting\n- waiting for job 1 (a.service/start) - -\n"
QUEUED = unit("desk.service", **STOPPED, job=58)


@pytest.mark.parametrize(("said", "names"), [
    (DIRECT, ["warm.service"]), (BY_WAY, ["systemd-networkd-wait-online.service"]), (ROUND, []), ("", []),
    ("58 desk.service start waiting\n", []), ("58 desk.service start running\n", []), ("No jobs running.\n", []),
    (DIRECT.replace("desk.service           start", "desk.service stop"), []),
])
def test_what_a_start_waits_for(said: str, names: list[str]) -> None:
    seen = view_of(node({JOBS: Answer("ok", said.encode())}))
    assert [one.name for one in with_awaited_units(QUEUED, seen).blocked_by] == names


def test_since_when_is_the_awaited_units_own_word() -> None:
    show = SHOW.format("warm.service", "activating", 0).rstrip() + "\nStateChangeTimestampMonotonic=5000000\n"
    seen = view_of(node({JOBS: Answer("ok", DIRECT.encode())}, show=show))
    (one,) = with_awaited_units(QUEUED, seen).blocked_by
    assert one.since > 0 and one == BlockingUnit("warm.service", seen.units["warm.service"].state_change)
    assert list(job_queries(QUEUED, seen)) == [JOBS]
    bare = view_of(node({JOBS: Answer("ok", DIRECT.encode())}))
    assert list(job_queries(QUEUED, bare)) == [JOBS, Command("systemctl-show", ("warm.service",))]


def test_only_where_a_job_is_to_start_what_does_nothing_yet() -> None:
    assert is_queued(QUEUED) and not is_queued(unit("desk.service", **STOPPED))
    assert not is_queued(unit("desk.service", job=58))
    assert not list(job_queries(unit("desk.service", job=58), view_of(node())))


@pytest.mark.parametrize(("job", "expected"), [("58", True), ("", False)])
def test_the_jobs_are_asked_for_where_one_is_queued(job: str, expected: bool) -> None:
    show = SHOW.format("desk.service", "inactive", 0).rstrip() + f"\nJob={job}\n"
    site = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
    found = capture(node({}, site=site, show=show, units=[unit_file("desk.service", 8000)]))
    assert (JOBS in follow_up_queries(found, ObserveOptions(probe=False))["local"]) == expected
