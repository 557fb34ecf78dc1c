"""Facts behind overload: quotas and how often they hold, folders nginx cannot write to, limits in compose files."""

from __future__ import annotations

import time

import pytest

from fixer.formats.systemctl_show import parse_show
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer as Said
from fixer.model.query import ReadFile
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.docker_inspect import parse_inspect
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, node, process
from tests.observe.docker.test_compose_service import shop
from tests.observe.nginx.test_endpoints import SHOW
from tests.observe.test_services import SITE, look

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


def test_limits_of_a_unit() -> None:
    text = "Id=a.service\nLoadState=loaded\nCPUQuotaPerSecUSec=1.500000s\nLimitNOFILESoft=1024\n"
    unit = parse_show(Said("ok", text.encode()), Known(0.0))["a.service"]
    assert (unit.cpu_limit, unit.nofile_limit) == (1.5, 1024)


@pytest.mark.parametrize(("host", "expected"), [
    ('"NanoCpus": 50000000, "ReadonlyRootfs": true, "Ulimits": [{"Name": "nofile", "Soft": 48, "Hard": 48}]', (0.05, True, 48)),
    ('"CpuQuota": 5000', (0.05, False, 0)), ('"CpuQuota": 5000, "CpuPeriod": 50000', (0.1, False, 0)), ("", (0.0, False, 0)),
])
def test_limits_of_a_container(host: str, expected: tuple[float, bool, int]) -> None:
    (found,) = parse_inspect(Said("ok", f'[{{"Id": "x", "HostConfig": {{{host}}}}}]'.encode()))
    assert (found.cpu_limit, found.read_only, found.nofile_limit) == (pytest.approx(expected[0]), *expected[1:])


def test_settings_of_a_compose_service_with_their_places() -> None:
    body = "    image: img\n    cpus: 0.05\n    ulimits:\n      nofile: 48\n    tmpfs: [/a, /b]\n"
    found = shop(body, argv=["uvicorn", "a"])
    assert {s.key: s.value for s in found.compose_settings} == {
        "cpus": "0.05", "ulimits.nofile": "48", "tmpfs": "/a /b", "tmpfs.last": "/b"}
    text = f"services:\n  api:\n{body}"
    places = {s.key: text[s.start:s.end] for s in found.compose_settings if s.start is not None}
    assert places == {"cpus": "0.05", "ulimits.nofile": "48", "tmpfs.last": "/b"}
    assert found.setting_slot is not None and found.setting_slot.template == "\n    {name}: {value}"
    assert text[found.setting_slot.offset:] == "\n"
    flow = shop("    {image: img, cpus: 1}\n", argv=["uvicorn", "a"])
    assert flow.setting_slot is None


def crit(message: str, ago: float = 5.0, level: str = "crit") -> str:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - ago))
    return f'{stamp} [{level}] 41#41: *1 {message}, client: 1.2.3.4, server: a, request: "POST / HTTP/1.1", host: "a"\n'


def asked(log: str) -> set[str]:
    questions = follow_up_queries(capture(node(site=SITE, log=log)), ObserveOptions())
    return {q.path for q in questions["local"] if isinstance(q, ReadFile) and q.limit == 1}


def test_folders_that_nginx_could_not_write_to_are_looked_at() -> None:
    body = 'open() "/var/lib/nginx/body/0000000001" failed (13: Permission denied)'
    proxy = 'open() "/var/lib/nginx/proxy/1/00/0000000001" failed (13: Permission denied) while reading upstream'
    assert asked(crit(body) + crit(proxy)) == {"/var/lib/nginx/body", "/var/lib/nginx/proxy"}
    gone = 'mkdir() "/var/lib/nginx/proxy/1" failed (2: No such file or directory) while reading upstream'
    assert asked(crit(gone)) == {"/var/lib/nginx/proxy"}
    assert asked(crit(body, 900)) == set() and asked(crit(body, level="error")) == set()
    assert asked(crit('open() "/srv/x.html" failed (13: x)')) == set()
