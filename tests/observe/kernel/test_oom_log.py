"""The kernel's log: what it killed for want of memory, as dmesg prints it."""

from __future__ import annotations

from fixer.model.facts import Unknown
from fixer.model.query import Answer, Command
from fixer.observe.kernel.oom_log import KERNEL_LOG, can_be_oom_kill, kernel_log_of
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.node_view import ENGINE, view_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes.snapshot_builders import container_service, failed_service, log_lines, service
from tests.observe.capture_builders import NOW, capture, file, node
from tests.observe.kernel.oom_log_builders import kills
from tests.observe.nginx.endpoints_builders import SHOW

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"


def test_each_kill_with_whose_limit_it_was() -> None:
    up = Answer("ok", files=(file("/proc/uptime", "3000.00 1.0\n"),))
    found = kills(ENGINE, uptime=up)
    assert not isinstance(found, str)
    assert [(k.cgroup, k.limit, k.pid, k.comm) for k in found] == [
        ("/docker/6d94", "/docker/6d94", 1408, "python3"), ("/system.slice/a.service", "", 7, "node"), ("", "", 8, "lost"),
    ]
    assert abs(found[0].at - (NOW - 3000.0 + 2725.855291)) < 0.01 and "anon-rss:40448kB" in found[0].text
    assert [k.size for k in found] == [48 << 20, 0, 0]


def test_a_log_that_could_not_be_read_says_why() -> None:
    assert "uptime" in str(kills(ENGINE)) and not isinstance(kills(), str)
    denied = kernel_log_of(view_of(node({KERNEL_LOG: Answer("failed", message="dmesg exited with code 1")}))).kills
    assert isinstance(denied, Unknown) and "dmesg exited with code 1" in denied.reason
    assert kernel_log_of(view_of(node())).kills == Unknown("not asked")


def test_who_may_have_been_killed_for_want_of_memory() -> None:
    assert can_be_oom_kill(failed_service(unit_changes={"exec_main_status": 9})) and can_be_oom_kill(failed_service(unit_changes={"exec_main_status": 137}))
    assert can_be_oom_kill(failed_service(unit_changes={"result": "oom-kill"})) and not can_be_oom_kill(failed_service())
    assert can_be_oom_kill(container_service(box={"status": "exited", "exit_code": 137})) and not can_be_oom_kill(container_service())
    assert can_be_oom_kill(container_service(box={"memory_max": 1 << 20})) and not can_be_oom_kill(service())
    limited = {"status": "exited", "exit_code": 0, "memory_max": 1 << 20}
    assert can_be_oom_kill(container_service(box=limited, log=log_lines("Child process [7] died"))) and not can_be_oom_kill(container_service(box=limited))


def test_the_kernel_is_asked_only_where_something_was_killed() -> None:
    show = SHOW.format("shop.service", "failed", 0)
    unit = file("/etc/systemd/system/shop.service", "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 8000\n")
    killed = show.replace("Type=simple", "Result=signal\nExecMainStatus=9\nType=simple")
    asked = {name: follow_up_queries(capture(node(site=SITE, show=text, units=(unit,))), ObserveOptions()).get("local", [])
             for name, text in (("failed", show), ("killed", killed))}
    assert KERNEL_LOG not in asked["failed"] and KERNEL_LOG in asked["killed"]
    assert Command("kernel-log") == KERNEL_LOG
