"""Services: units with their wrappers and settings, processes started by hand, supervisors."""

from __future__ import annotations

from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, node, process
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.services_builders import look

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"


def test_what_a_keeper_starts_is_not_its_units() -> None:
    """In the cgroup of runit's own unit, or of cron's, lies what they start: somebody's program, not theirs."""
    group = "/system.slice/runit.service"
    scanner = process(5, ["/usr/bin/runsvdir", "-P", "/etc/service"], cgroup=group)
    watcher, logger = (process(number, words, ppid=5, cgroup=group) for number, words in (
        (6, ["runsv", "shop"]), (9, ["svlogd", "-tt", "/var/log/shop"])))
    server = process(7, ["/usr/bin/python3", "/usr/bin/uvicorn", "a:b"], ppid=6, cgroup=group, uid=1001)
    worker = process(8, ["renamed"], ppid=7, cgroup=group, uid=1001)
    line = "ExecStart={{ path={0} ; argv[]={0} -P /etc/service ; ignore_errors=no }}\n\n"
    show = SHOW.format("runit.service", "active", 5).rstrip() + "\n" + line

    def held(program: str) -> list[tuple[str, tuple[int, ...]]]:
        seen = look(running=[scanner, watcher, logger, server, worker], show=show.format(program))
        return [(s.name, tuple(sorted(s.pids))) for s in seen.services if "nginx" not in s.name]

    assert held("/usr/bin/runsvdir") == [("runit.service", (5, 6, 9)), ("uvicorn[7]", (7, 8))]
    assert held("/usr/bin/shopd") == [("runit.service", (5, 6, 7, 8, 9))]


def test_what_serves_beside_nginx_in_a_container_is_a_service_of_its_own() -> None:
    """Else a container whose script starts both was said to hold no application server at all."""
    running = [process(1, ["bash", "/entry.sh"]), process(7, ["python3", "-m", "uvicorn", "a:b"], comm="uvicorn")]
    test = process(9, ["nginx", "-t"], comm="nginx")        # a test of a configuration is no nginx that runs
    for nginx, more, expected in ((True, [], ["uvicorn[7]"]), (False, [], []), (False, [test], [])):
        made = node(site=SITE, running=[*running, *more], nginx=nginx, kind="container", name="web")
        assert [s.name for s in build_snapshot(capture(made)).services if s.is_app_server] == expected



def test_ids_are_unique() -> None:
    show = SHOW.format("a.service", "active", 0) + SHOW.format("b.service", "active", 0)
    ids = [s.id for s in look(show=show).services]
    assert len(ids) == len(set(ids))
