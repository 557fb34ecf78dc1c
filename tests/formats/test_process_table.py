"""Processes: stat lines, titles, cgroups of both versions, containers inside a machine, torn data."""

from __future__ import annotations

import pytest

from fixer.formats.process_table import (
    ancestors,
    boot_time,
    descendants,
    parse_processes,
    split_cmdline,
    unit_of_cgroup,
)
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer
from tests.observe.capture_builders import BOOT, NOW, process, processes

CONTAINER = "0123456789abcdef" * 4


def test_a_process_is_read_from_its_files() -> None:
    entry = process(812, ["/usr/bin/python3", "/usr/bin/uvicorn", "a:b"], comm="uvicorn: (x) y", started=BOOT + 12.5,
                    cgroup="/system.slice/back.service", exe="/usr/bin/python3.13", uid=33)
    (found,) = parse_processes(processes(entry), NOW).by_pid().values()
    assert (found.pid, found.comm, found.argv[1], found.uid) == (812, "uvicorn: (x) y", "/usr/bin/uvicorn", 33)
    assert found.started_at == pytest.approx(BOOT + 12.5, abs=0.02) and found.start_ticks == 1250
    assert found.unit == "back.service" and found.exe == Known("/usr/bin/python3.13")
    assert (found.state, found.threads, found.rss_bytes) == ("S", 3, 200 * 4096)


def test_a_link_that_may_not_be_read_is_unknown() -> None:
    (found,) = parse_processes(processes(process(9, ["x"])), NOW).by_pid().values()
    assert found.exe == Unknown("not root")


@pytest.mark.parametrize(("stat", "why"), [
    (b"", "empty"), (b"9 no brackets S 1", "no name"), (b"9 (x) S", "short"), (b"9 (x) S a b c", "no numbers"),
    (b")9 (", "hostile"),
])
def test_a_torn_stat_line_is_no_process(stat: bytes, why: str) -> None:
    assert parse_processes(processes([FileAnswer("/proc/9/stat", "ok", None, stat)]), NOW).by_pid() == {}, why


def test_a_process_with_only_its_stat() -> None:
    entry = [f for f in process(9, ["x"]) if f.path.endswith("/stat")]
    (found,) = parse_processes(processes(entry), NOW).by_pid().values()
    assert (found.argv, found.uid, found.unit, found.cwd) == ((), -1, None, Unknown("not read"))


def test_inside_a_container_paths_begin_with_its_own() -> None:
    root = f"/docker/{CONTAINER}"
    table = parse_processes(processes(
        process(1, ["init"], cgroup=f"{root}/init.scope"),
        process(8, ["x"], cgroup=f"{root}/system.slice/back.service"),
        process(9, ["y"], cgroup=root),
    ), NOW).by_pid()
    assert (table[8].unit, table[8].cgroup, table[9].cgroup) == ("back.service", "/system.slice/back.service", "/")


def test_what_was_started_into_a_machine_from_outside_is_its_own() -> None:
    outer = f"/docker/{CONTAINER}"
    table = parse_processes(processes(
        process(1, ["init"], cgroup=f"{outer}{outer}/init.scope"), process(9, ["y"], cgroup=outer),
        process(8, ["x"], cgroup=f"{outer}{outer}/system.slice/back.service"),
    ), NOW)
    assert (table.by_pid()[9].cgroup, table.by_pid()[8].unit, table.containers) == ("/", "back.service", {})


def test_processes_of_this_machines_containers_are_told() -> None:
    table = parse_processes(processes(
        process(1, ["init"], cgroup="/init.scope"), process(7, ["nginx"], cgroup=f"/system.slice/docker-{CONTAINER}.scope"),
        process(8, ["nginx"], cgroup=f"/docker/{CONTAINER}"), process(9, ["x"], cgroup="/system.slice/docker.service"),
    ), NOW)
    assert table.containers == {7: CONTAINER, 8: CONTAINER}
    assert table.by_pid()[7].unit is None and table.by_pid()[9].unit == "docker.service"


def test_a_container_seen_from_its_machine_has_processes_of_its_own() -> None:
    group = f"/docker/{CONTAINER}"
    seen = parse_processes(processes(process(812, ["uvicorn"], cgroup=group), process(813, ["uvicorn"], cgroup=group)), NOW)
    assert seen.containers == {} and set(seen.by_pid()) == {812, 813}
    beside = process(9, ["x"], cgroup="/user.slice")
    assert parse_processes(processes(process(812, ["uvicorn"], cgroup=group), beside), NOW).containers == {812: CONTAINER}


def test_the_hierarchies_of_cgroup_v1() -> None:
    lines = "12:cpu:/\n9:name=systemd:/system.slice/back.service\n0::/\nnonsense\n"
    entry = [f for f in process(9, ["x"]) if not f.path.endswith("cgroup")]
    table = parse_processes(processes([*entry, FileAnswer("/proc/9/cgroup", "ok", None, lines.encode())]), NOW)
    assert table.by_pid()[9].unit == "back.service"
    deep = [*entry, FileAnswer("/proc/9/cgroup", "ok", None, b"3:pids:/lxc/a\n2:cpu:/\n")]
    assert parse_processes(processes(deep), NOW).by_pid()[9].cgroup == "/lxc/a"


@pytest.mark.parametrize(("path", "unit"), [
    ("/system.slice/a.service", "a.service"), ("/system.slice/a.service/worker-1", "a.service"),
    ("/user.slice/user-1.slice/user@1.service/app.slice/b.service", "uid-1:b.service"), ("/system.slice/a.service/b.service", "a.service"),
    ("/user.slice/user-1.slice/user@1.service/init.scope", "user@1.service"),
    ("/user.slice/user-1.slice/session-3.scope", "session-3.scope"), ("/system.slice/_cg.service", "cg.service"), ("/", None),
])
def test_the_unit_of_a_cgroup(path: str, unit: str | None) -> None:
    assert unit_of_cgroup(path) == unit


def test_when_the_kernel_booted() -> None:
    def files(stat: bytes | None, uptime: bytes | None) -> dict[str, FileAnswer]:
        named = {"/proc/stat": stat, "/proc/uptime": uptime}
        return {p: FileAnswer(p, "ok", None, d) for p, d in named.items() if d is not None}

    assert boot_time(files(b"btime 1000\n", b"99.40 1\n"), 1100.0) == Known(1000.6)
    assert boot_time(files(b"btime 1000\n", b"5.00 1\n"), 1100.0) == Known(1001.0)      # clock was set: within its second
    assert boot_time(files(b"btime 1000\n", None), 1100.0) == Known(1000.0)
    assert boot_time(files(None, b"100.00 1\n"), 1100.0) == Known(1000.0)
    assert boot_time(files(b"cpu", b"x"), 1100.0) == Unknown("no /proc/stat")


def test_what_was_not_answered_is_unknown() -> None:
    assert parse_processes(None, NOW).processes == Unknown("not asked")
    assert parse_processes(Answer("denied", message="no /proc"), NOW).processes == Unknown("no /proc")
    assert parse_processes(Answer("failed"), NOW).by_pid() == {}


def test_titles_and_empty_command_lines() -> None:
    assert split_cmdline(b"nginx: master process nginx\0\0\0\0") == ("nginx: master process nginx",)
    assert split_cmdline(b"a\0\0b\0") == ("a", "", "b") and split_cmdline(b"") == ()
    assert split_cmdline(b"\xff\0") == ("�",)


def test_families() -> None:
    table = parse_processes(processes(process(2, ["a"]), process(3, ["b"], ppid=2), process(4, ["c"], ppid=3),
                                      process(5, ["d"], ppid=6), process(6, ["e"], ppid=5)), NOW).by_pid()
    assert [p.pid for p in ancestors(4, table)] == [3, 2]
    assert [p.pid for p in ancestors(5, table)] == [6]          # a loop, which only hostile data has
    assert descendants([2, 99], table) == (2, 3, 4) and descendants([5], table) == (5, 6)
