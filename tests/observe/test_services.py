"""Services: units with their wrappers and settings, processes started by hand, supervisors."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer
from fixer.model.snapshot import Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.services import stdout_query
from tests.observe.capture_builders import capture, node, process, sockets, stat, tcp_row
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.services_builders import back, look, port

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"


@pytest.mark.parametrize(("lines", "path"), [
    ("RootDirectory=/srv/jail\n", "/srv/jail/run/web.sock"), ("RootDirectory=/\n", "/run/web.sock"),
    ("RootDirectory=/srv/jail\nBindPaths=/var/spool/web:/run\n", "/var/spool/web/web.sock"),
    ("RootDirectory=/srv/jail\nBindPaths=/run\nBindReadOnlyPaths=/usr\n", "/run/web.sock"),
    ("RootDirectory=/srv/jail\nRootDirectory=\n", "/run/web.sock"), ("RootImage=/srv/jail.raw\n", None),
])
def test_the_socket_of_a_unit_with_a_root_of_its_own_is_where_the_machine_sees_it(lines: str, path: str | None) -> None:
    told = back(f"{lines}ExecStart=/usr/bin/gunicorn -b unix:/run/web.sock main:app\n").bindings
    assert isinstance(told, Known) and [(b.unix, b.start is None) for b in told.value] == (
        [] if path is None else [(path, path != "/run/web.sock")])


def test_a_unit_whose_files_were_not_read() -> None:
    show = SHOW.format("back.service", "active", 0) + "ExecStart={ path=/x ; argv[]=/srv/run ; ignore_errors=no }\n"
    hidden = show.replace("\n\nExecStart", "\nExecStart")
    found = next(s for s in look(show=hidden).services if s.name == "back.service")
    assert isinstance(found.bindings, Unknown) and "/srv/run" in found.bindings.reason and found.runtime == "binary"


def test_a_running_process_that_differs_from_its_files() -> None:
    main = process(9, ["uvicorn", "a", "--port", "8000"], cgroup="/system.slice/back.service")
    found = back("ExecStart=uvicorn a --port 9000", show=SHOW.format("back.service", "active", 9), running=[main])
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]
    assert found.bindings.value[1].source.where == "pid 9" and found.argv[0] == "uvicorn" and found.pids == (9,)


@pytest.mark.parametrize(("argv", "state"), [
    (["/usr/lib/systemd/systemd-executor", "--deserialize", "36"], "S"),     # between fork and exec
    ([""], "S"), (["uvicorn"], "Z"),                                            # it has just ended
])
def test_a_process_that_is_not_yet_or_no_more_what_was_started(argv: list[str], state: str) -> None:
    main = process(9, argv, cgroup="/system.slice/back.service", state=state)
    found = back("ExecStart=uvicorn office.main:app", show=SHOW.format("back.service", "active", 9), running=[main])
    assert found.argv == ("uvicorn", "office.main:app")


def test_a_main_process_outside_of_its_cgroup() -> None:
    found = back("ExecStart=uvicorn a", show=SHOW.format("back.service", "active", 9), running=[process(9, ["uvicorn", "a"])])
    assert found.pids == (9,)


def test_templates_and_units_that_are_not_there() -> None:
    show = SHOW.format("a@.service", "inactive", 0) + SHOW.format("gone.service", "inactive", 0).replace("=loaded", "=not-found")
    assert [s.name for s in look(show=show).services if s.unit] == []


def bare(*running: list[FileAnswer], **more: object) -> list[Service]:
    return [s for s in look(running=list(running), **more).services if s.unit is None and "nginx" not in s.name]  # type: ignore[arg-type]


def test_processes_started_by_hand_are_one_service() -> None:
    shell = process(5, ["-bash"], comm="bash", cgroup="/user.slice/session-1.scope")
    top = process(6, ["python3", "/usr/bin/uvicorn", "a", "--workers", "2"], ppid=5, comm="uvicorn")
    child = process(7, ["python3", "-c", "spawn"], ppid=6)
    (found,) = bare(shell, top, child, listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [6, 7]}))
    assert (found.id, found.manager, found.pids) == ("local/uvicorn[6]", "none", (6, 7)) and found.is_app_server
    assert isinstance(found.workers, Known) and found.workers.value == 2


def test_a_supervised_process() -> None:
    above = process(5, ["/usr/bin/python3", "/usr/bin/supervisord", "-n"], comm="supervisord")
    (found,) = [s for s in bare(above, process(6, ["uvicorn", "a"], ppid=5)) if s.runtime == "uvicorn"]
    assert found.manager == "supervisord" and found.pids == (6,)


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


def test_the_log_of_a_process() -> None:
    asked = stdout_query(6)
    entry = FileAnswer("/proc/6/fd/1", "ok", stat("link", link="/tmp/back.log"), b"one\ntwo\n")
    seen = build_snapshot(capture(node({asked: Answer("ok", files=(entry,))}, site=SITE, running=[process(6, ["uvicorn", "a"])])))
    (found,) = [s for s in seen.services if s.runtime == "uvicorn"]
    assert isinstance(found.log, Known) and [line.text for line in found.log.value] == ["one", "two"]
    (silent,) = bare(process(6, ["uvicorn", "a"]))
    assert silent.log == Unknown("not asked")
    pipe = FileAnswer("/proc/6/fd/1", "ok", stat("link", link="pipe:[5]"))
    seen = build_snapshot(capture(node({asked: Answer("ok", files=(pipe,))}, site=SITE, running=[process(6, ["uvicorn", "a"])])))
    assert [s.log for s in seen.services if s.runtime == "uvicorn"] == [Unknown("its output does not go to a file")]


def test_ids_are_unique() -> None:
    show = SHOW.format("a.service", "active", 0) + SHOW.format("b.service", "active", 0)
    ids = [s.id for s in look(show=show).services]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("shared", [True, False])
def test_a_server_that_podman_keeps_for_a_unit_in_the_nodes_own_network(shared: bool) -> None:
    """In a network of its own its port says nothing of this node."""
    group = "/system.slice/back.service"
    running = [process(20, ["/usr/bin/conmon", "-n", "quote"], comm="conmon", cgroup=group),
               process(21, ["/usr/bin/python3", "/usr/bin/uvicorn", "a:b", "--port", "8622"], ppid=20, comm="uvicorn", cgroup=group)]
    listening = sockets([tcp_row("127.0.0.1", 8622, 77)], {77: [21]}) if shared else sockets([], {})
    found = back("ExecStart=/usr/bin/podman start quote", running=running, listening=listening,
                 show=SHOW.format("back.service", "active", 20))
    assert found.is_app_server is shared and (found.runtime == "uvicorn") is shared
    if shared:
        assert port(found) == 8622 and found.env_slots == ()      # what its container was made with stands in no unit


def test_who_runs_in_the_session_that_su_opened_belongs_to_the_unit() -> None:
    opened = "/user.slice/user-9.slice/session-c1.scope"
    service = back("ExecStart=/bin/su - app -c 'uvicorn a --port 81'", show=SHOW.format("back.service", "active", 9), running=[
        process(9, ["/bin/su", "-", "app", "-c", "uvicorn a --port 81"], cgroup=opened),
        process(10, ["/usr/bin/python3", "/usr/bin/uvicorn", "a", "--port", "81"], ppid=9, cgroup=opened)])
    assert service.pids == (9, 10)
