"""Services: units with their wrappers and settings, processes started by hand, supervisors."""

from __future__ import annotations

import json
from dataclasses import replace

from fixer.model.capture import Capture
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, FileAnswer, Query
from fixer.observe.bare_services import stdout_query
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.log_queries import log_queries
from fixer.observe.look import look_at
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node, process, sockets, stat, tcp_row
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


def test_workers_of_an_nginx_that_is_process_1_are_no_program_beside_it() -> None:
    """Else a worker was said to hold the port of the container, and the container to be another service."""
    first = process(1, ["nginx: master process nginx -g daemon off;"], comm="nginx")
    workers = [process(pid, ["nginx: worker process"], comm="nginx", ppid=1) for pid in (8, 9)]
    other = process(12, ["nginx: worker process"], comm="nginx", ppid=11)
    heard = sockets([tcp_row("0.0.0.0", 80, 5), tcp_row("0.0.0.0", 81, 6)], {5: [1, 8, 9], 6: [12]})
    made = node(site=SITE, running=[first, *workers, other], kind="container", name="web", nginx=False, listening=heard)
    assert [s.name for s in build_snapshot(capture(made)).services] == ["nginx[12]"]


UVICORN_SAID, NGINX_SAID = "ERROR:    Exception in ASGI application", '10.0.0.9 - - [02/Jan/2026:03:04:06 +0000] "GET / HTTP/1.1" 502 150 "-" "curl"'
TOP = process(1, ["bash", "/entry.sh"])
SERVER, SECOND = (process(pid, ["python3", "-m", name, "a:b"], comm=name) for pid, name in ((7, "uvicorn"), (8, "hypercorn")))


def all_in_one(*running: list[FileAnswer], outputs: dict[int, str]) -> Capture:
    """A container whose script starts servers beside nginx; `outputs` is where the output of its processes goes."""
    said = {stdout_query(pid): Answer("ok", files=(FileAnswer(f"/proc/{pid}/fd/1", "ok", stat("link", link=path)),))
            for pid, path in outputs.items()}
    made = node(said, site=SITE, running=running, kind="container", name="web")
    lines = "".join(f"2026-01-02T03:04:0{at}.000000000Z {text}\n" for at, text in enumerate((UVICORN_SAID, NGINX_SAID)))
    item = {"Id": "w" * 64, "Name": "/web", "Path": "/entry.sh", "State": {"Status": "running"}}
    engine = node({Command("docker-container", ("web",)): Answer("ok", json.dumps([item]).encode()),
                   Command("docker-logs", ("web", "200")): Answer("ok", lines.encode())}, kind="engine", name="engine", nginx=False)
    return capture(engine, made, kind="docker", address="web")


def logs_of(*running: list[FileAnswer], outputs: dict[int, str]) -> list[object]:
    """The texts of the log of each server beside nginx, or why there is none."""
    seen = build_snapshot(all_in_one(*running, outputs=outputs))
    logs = [s.log for s in seen.services if s.container is None and s.is_app_server]
    return [tuple(line.text for line in log.value) if isinstance(log, Known) else log.reason for log in logs]


def test_what_writes_where_process_1_of_its_container_does_has_the_containers_log_without_nginx() -> None:
    assert logs_of(TOP, SERVER, outputs={1: "pipe:[5]", 7: "pipe:[5]"}) == [(UVICORN_SAID,)]
    for outputs in ({1: "pipe:[5]", 7: "pipe:[6]"}, {7: "pipe:[5]"}, {1: "/dev/null", 7: "/dev/null"}):
        assert logs_of(TOP, SERVER, outputs=outputs) == ["its output does not go to a file"]


def test_lines_of_several_servers_in_a_containers_log_are_nobodys() -> None:
    both = "one log, docker logs web, has the output of uvicorn[7], hypercorn[8]"
    assert logs_of(TOP, SERVER, SECOND, outputs={1: "pipe:[5]", 7: "pipe:[5]", 8: "pipe:[5]"}) == [both, both]
    assert logs_of(TOP, SERVER, SECOND, outputs={1: "pipe:[5]", 7: "pipe:[5]", 8: "pipe:[6]"}) == [
        (UVICORN_SAID,), "its output does not go to a file"]
    first = process(1, ["python3", "-m", "gunicorn", "a:b"], comm="gunicorn")
    assert "uvicorn[7], gunicorn" in str(logs_of(first, SERVER, outputs={1: "pipe:[5]", 7: "pipe:[5]"})[0])


def test_the_log_of_the_container_is_asked_for_where_it_has_the_output() -> None:
    log = Command("docker-logs", ("web", "200"))

    def asked(outputs: dict[int, str]) -> list[Query]:
        made = all_in_one(TOP, SERVER, outputs=outputs)
        made = replace(made, nodes=tuple(replace(one, answers={q: a for q, a in one.answers.items() if q != log})
                                         for one in made.nodes))
        look = look_at(made, ObserveOptions())
        (service,) = [s for s in look.services if s.name == "uvicorn[7]"]
        return [query for _, query in log_queries(service, look.views, look.containers)]

    assert asked({}) == [stdout_query(7), stdout_query(1)]
    assert asked({1: "pipe:[5]", 7: "pipe:[5]"})[2:] == [log] and not asked({1: "pipe:[5]", 7: "/srv/back.log"})[2:]


def test_ids_are_unique() -> None:
    show = SHOW.format("a.service", "active", 0) + SHOW.format("b.service", "active", 0)
    ids = [s.id for s in look(show=show).services]
    assert len(ids) == len(set(ids))
