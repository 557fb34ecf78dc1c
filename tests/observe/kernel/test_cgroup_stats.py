"""Facts behind overload: quotas and how often they hold, folders nginx cannot write to, limits in compose files."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.observe.kernel.cgroup_stats import refaults_of, throttling_of
from tests.causes.snapshot_builders import container_service
from tests.observe.capture_builders import process
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.services_builders import look

STAT = "nr_periods 200\nnr_throttled 190\nthrottled_time 5\n"
V2 = "/sys/fs/cgroup/system.slice/back.service/cpu.stat"


def limited(*, quota: str = "50ms", stat: str = STAT, path: str = V2) -> object:
    show = SHOW.format("back.service", "active", 70).rstrip() + f"\nCPUQuotaPerSecUSec={quota}\nLimitNOFILESoft=64\n"
    seen = look("ExecStart=uvicorn a --port 8000", show=show, files={path: stat} if stat else {},
                running=[process(70, ["uvicorn", "a"], cgroup="/system.slice/back.service")])
    return next(s for s in seen.services if s.name == "back.service")


def test_a_unit_with_a_quota_and_how_often_it_holds() -> None:
    found = limited()
    assert found.unit.cpu_limit == pytest.approx(0.05) and found.unit.nofile_limit == 64   # type: ignore[attr-defined]
    assert isinstance(found.throttled, Known) and found.throttled.value == (190, 200)   # type: ignore[attr-defined]
    assert found.throttled.evidence[0].where == V2   # type: ignore[attr-defined]


@pytest.mark.parametrize("more", [{"quota": "infinity"}, {"stat": ""}, {"stat": "nr_periods 0\nnr_throttled 0\n"}])
def test_no_quota_or_nothing_counted(more: dict[str, str]) -> None:
    assert isinstance(limited(**more).throttled, Unknown)   # type: ignore[attr-defined, arg-type]


def test_a_unit_with_a_memory_limit_and_what_it_needed_again() -> None:
    path = "/sys/fs/cgroup/system.slice/back.service/memory.stat"
    stat = "anon 46161920\nworkingset_refault_anon 7\nworkingset_refault_file 585039\ntotal_workingset_refault_file 9\n"
    show = SHOW.format("back.service", "active", 70).rstrip() + "\nMemoryMax=67108864\n"

    def counted(files: dict[str, str], shown: str = show) -> object:
        seen = look("ExecStart=uvicorn a --port 8000", show=shown, files=files,
                    running=[process(70, ["uvicorn", "a"], cgroup="/system.slice/back.service")])
        return next(s for s in seen.services if s.name == "back.service").refaults

    found = counted({path: stat})
    assert isinstance(found, Known) and found.value == 585046 and found.evidence[0].where == path
    assert isinstance(counted({path: "anon 5\n"}), Unknown)
    assert isinstance(counted({path: stat}, SHOW.format("back.service", "active", 70)), Unknown)


def test_a_service_with_limits_in_a_paused_container_has_counts_that_nobody_reads() -> None:
    """It was said to have no quota and no limit, though it has both."""
    own = container_service()
    for fact in (throttling_of(own, None), refaults_of(own, None)):
        assert fact == Unknown("fixer could not look inside")
