"""Which nginx runs, what it reads, when it loaded that, what its logs hold."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import PIPE
from fixer.model.query import Answer, Command, FileAnswer, ListProcesses, Query, ReadFile, ReadTree
from fixer.model.snapshot import Nginx
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx import nginx_masters
from fixer.observe.nginx.nginx_masters import (
    TEST_NEVER_ENDS,
    TEST_NOT_ALLOWED,
    config_of,
    containers_with_nginx,
    error_log_paths,
    find_nginxes,
    log_query,
    needs_config_test,
)
from fixer.observe.nginx.nginx_masters import (
    config_test_query as query_of_test,
)
from fixer.observe.unit_queries import SERVICE_FILE_LIMIT
from fixer.observe.view.node_view import view_of
from fixer.observe.view.observe_options import ObserveOptions
from lab.stack import images
from tests.contract.sshd_machines import SYSTEMD_OPTIONS, docker, unique_name
from tests.observe.capture_builders import (
    BOOT,
    MASTER,
    NGINX,
    NOW,
    WORKER,
    capture,
    file,
    link,
    node,
    probe_answer,
    process,
    processes,
    stat,
)
from tests.observe.next_queries_builders import BACK, ROUTE, SITE, asked

NGINX_MASTERS_SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
LINE = ('2027/01/15 07:{:02}:00 [error] 41#41: *1 connect() failed (111: Connection refused) while connecting to upstream, '
        'client: 1.2.3.4, server: _, request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:8000/", host: "x"\n')


def only(**more: object) -> Nginx:
    (found,) = build_snapshot(capture(node(site=NGINX_MASTERS_SITE, **more))).nginxes  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(("title", "exe", "expected"), [
    ("/usr/sbin/nginx -g daemon on;", "/usr/sbin/nginx", ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/usr/share/nginx", False)),
    ("nginx -c /srv/n.conf", "/usr/sbin/nginx", ("/usr/sbin/nginx", "/srv/n.conf", "/usr/share/nginx", True)),
    ("nginx -p /srv -c conf/n.conf", "/usr/sbin/nginx (deleted)", ("/usr/sbin/nginx", "/srv/conf/n.conf", "/srv", True)),
    ("nginx", None, ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/usr/share/nginx", False)),
    ("/opt/n/sbin/nginx -c/x.conf", None, ("/opt/n/sbin/nginx", "/x.conf", "/opt/n", True)),
    ("/opt/n/sbin/nginx", None, ("/opt/n/sbin/nginx", "/opt/n/conf/nginx.conf", "/opt/n", False)),
])
def test_what_a_master_was_started_with(title: str, exe: str | None, expected: tuple[str, str, str, bool]) -> None:
    own = processes(process(40, [f"nginx: master process {title}"], comm="nginx", exe=exe))
    (place,) = find_nginxes(view_of(node({ListProcesses(): own}, site=NGINX_MASTERS_SITE)))
    assert (place.binary, place.conf, place.prefix, place.explicit) == expected


def test_workers_and_the_time_of_loading() -> None:
    own = processes(process(40, MASTER, comm="nginx", started=BOOT + 1), process(41, WORKER, comm="nginx", ppid=40, started=BOOT + 50),
                    process(42, WORKER, comm="nginx", ppid=40, started=BOOT + 300),
                    process(43, ["nginx: worker process is shutting down"], comm="nginx", ppid=40, started=BOOT + 5),
                    process(44, ["nginx: cache manager process"], comm="nginx", ppid=40),
                    process(45, WORKER, comm="nginx", ppid=40, started=BOOT + 2, state="Z"))
    (found,) = build_snapshot(capture(node({ListProcesses(): own}, site=NGINX_MASTERS_SITE))).nginxes
    assert found.worker_pids == (41, 42) and isinstance(found.loaded_at, Known)
    assert found.loaded_at.value == pytest.approx(BOOT + 50, abs=0.02)


def test_a_master_without_workers_and_a_single_process() -> None:
    alone = processes(process(40, MASTER, comm="nginx", started=BOOT + 7))
    (found,) = build_snapshot(capture(node({ListProcesses(): alone}, site=NGINX_MASTERS_SITE))).nginxes
    assert isinstance(found.loaded_at, Known) and found.loaded_at.value == pytest.approx(BOOT + 7, abs=0.02)
    single = processes(process(40, ["nginx", "-g", "master_process off;"], comm="nginx", exe="/usr/sbin/nginx"))
    assert find_nginxes(view_of(node({ListProcesses(): single}, site=NGINX_MASTERS_SITE)))[0].master is not None


@pytest.mark.parametrize("options", ["-t", "-T", "-t -c /tmp/f.conf", "-tqc /tmp/f.conf", "-s reload", "-v"])
@pytest.mark.parametrize("runs", [False, True])
def test_a_test_of_a_configuration_is_no_nginx_that_runs(options: str, runs: bool) -> None:
    own = process(60, ["nginx", *options.split()], comm="nginx", exe="/usr/sbin/nginx")
    (place,) = find_nginxes(view_of(node(site=NGINX_MASTERS_SITE, nginx=runs, running=[own])))
    assert (place.master is not None, place.conf) == (runs, "/etc/nginx/nginx.conf")


def test_a_stopped_nginx() -> None:
    found = only(nginx=False)
    assert found.master_pid is None and found.conf_path == "/etc/nginx/nginx.conf"
    assert isinstance(found.config, Known) and isinstance(found.loaded_at, Unknown)
    show = ("Id=web.service\nLoadState=loaded\nActiveState=failed\nExecStart={ path=/opt/n/sbin/nginx ; "
            "argv[]=/opt/n/sbin/nginx -c /etc/nginx/nginx.conf ; ignore_errors=no }\n")
    named = only(nginx=False, show=show)
    assert named.binary == "/opt/n/sbin/nginx" and named.explicit and named.service and named.service.name == "web.service"


NGINX_ORG = "/usr/lib/systemd/system/nginx.service"
NGINX_ORG_SHOW = ("Id=nginx.service\nLoadState=loaded\nActiveState=inactive\nMainPID={pid}\nFragmentPath=" + NGINX_ORG + "\n"
                  "ExecStart={{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -c ${{CONFFILE}} ; ignore_errors=no }}\n")


@pytest.mark.parametrize(("more", "conf"), [("", "/etc/nginx/nginx.conf"), ("CONFFILE=/etc/nginx/own.conf\n", "/etc/nginx/own.conf")])
def test_a_stopped_nginx_whose_unit_names_its_file_by_a_variable(more: str, conf: str) -> None:
    """The unit of nginx.org's package; a running one shows the value in its title, and needs no file."""
    unit = ('[Service]\nEnvironment="CONFFILE=/etc/nginx/nginx.conf"\nEnvironmentFile=-/etc/default/nginx\n'
            "ExecStart=/usr/sbin/nginx -c ${CONFFILE}\n")
    files = {NGINX_ORG: unit, "/etc/default/nginx": more}
    stopped = node(site=NGINX_MASTERS_SITE, nginx=False, show=NGINX_ORG_SHOW.format(pid=0))
    assert ReadFile(NGINX_ORG, SERVICE_FILE_LIMIT) in asked(stopped)
    read = {ReadFile(path, SERVICE_FILE_LIMIT): Answer("ok", files=(file(path, text),)) for path, text in files.items()}
    (place,) = find_nginxes(view_of(replace(stopped, answers={**stopped.answers, **read})))
    assert (place.binary, place.conf) == ("/usr/sbin/nginx", conf)
    running = node(site=NGINX_MASTERS_SITE, show=NGINX_ORG_SHOW.format(pid=40))
    assert ReadFile(NGINX_ORG, SERVICE_FILE_LIMIT) not in asked(running)


def test_a_masked_unit_is_nginxs_own_though_it_tells_no_command() -> None:
    show = "Id=nginx.service\nNames=nginx.service\nLoadState=masked\nActiveState=inactive\nFragmentPath=/dev/null\n"
    seen = only(nginx=False, show=show)
    assert seen.service is not None and seen.service.unit is not None and seen.service.unit.load_state == "masked"


def test_no_nginx_at_all() -> None:
    assert find_nginxes(view_of(node(nginx=False))) == ()


def test_an_nginx_in_a_container_is_not_this_machines() -> None:
    inner = "b" * 64
    own = processes(process(1, ["init"]), process(40, MASTER, comm="nginx", cgroup=f"/docker/{inner}"),
                    process(41, WORKER, comm="nginx", ppid=40, cgroup=f"/docker/{inner}"))
    seen = view_of(node({ListProcesses(): own}))
    assert find_nginxes(seen) == () and containers_with_nginx(seen) == (inner,)


def test_a_configuration_that_cannot_be_read() -> None:
    seen = node({ReadTree("/etc/nginx"): Answer("ok", files=(FileAnswer("/etc/nginx/nginx.conf", "denied", stat()),))})
    (found,) = build_snapshot(capture(seen)).nginxes
    assert found.config == Unknown("/etc/nginx/nginx.conf: denied") and isinstance(found.config_mtime, Unknown)


def test_a_link_is_as_new_as_itself_and_its_end() -> None:
    ends = file("/etc/nginx/sites/shop", NGINX_MASTERS_SITE, kind="link", mtime=BOOT + 100, real="/srv/x", target=stat(mtime=BOOT + 700))
    tree = Answer("ok", files=(file("/etc/nginx/nginx.conf", NGINX, mtime=BOOT), ends))
    found = only(answers={ReadTree("/etc/nginx"): tree})
    assert found.config_mtime == Known(BOOT + 700)


@pytest.mark.parametrize(("mtime", "problem", "doubt"), [(NOW - 900, "", False), (NOW - 10, "", True), (NOW - 900, "x;", True)])
def test_when_nginx_is_asked_itself(mtime: float, problem: str, doubt: bool) -> None:
    tree = Answer("ok", files=(file("/etc/nginx/nginx.conf", NGINX + problem.encode(), mtime=mtime),
                               file("/etc/nginx/sites/shop", NGINX_MASTERS_SITE, mtime=mtime)))
    seen = view_of(node({ReadTree("/etc/nginx"): tree}, site=NGINX_MASTERS_SITE))
    (place,) = find_nginxes(seen)
    assert needs_config_test(place, config_of(place, seen), seen) is doubt


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("linked", [True, False])
def test_a_pipe_that_is_included_is_told_at_once_and_nginx_is_not_left_waiting_at_it(runs: bool, linked: bool) -> None:
    main = file("/etc/nginx/nginx.conf", "events {} http { include conf.d/*.conf; }", mtime=NOW - 10)
    more = {"kind": "link", "target": stat("fifo"), "real": "/srv/p"} if linked else {"kind": "fifo"}
    tree = Answer("ok", files=(file("/etc/nginx/conf.d/later.conf", b"", **more), main))
    seen = capture(node({ReadTree("/etc/nginx"): tree}, nginx=runs))
    (found,) = build_snapshot(seen).nginxes
    assert isinstance(found.config, Known) and found.test == Unknown(TEST_NEVER_ENDS)
    assert [(p.kind, p.file, p.line, p.fatal) for p in found.config.value.problems] == [(PIPE, "/etc/nginx/nginx.conf", 1, True)]
    asked = follow_up_queries(seen, ObserveOptions()).get("local", ())
    assert not [query for query in asked if isinstance(query, Command) and query.name == "nginx-test"]


@pytest.mark.parametrize("exe", ["/usr/bin/perl", "/usr/bin/bash", "/tmp/sleep", "/usr/bin/python3.13 (deleted)"])
@pytest.mark.parametrize("comm", ["perl", "nginx"])
def test_a_program_that_only_calls_itself_nginx_is_none(exe: str, comm: str) -> None:
    """`perl -t -c FILE` runs what stands in the file: nobody's title chooses what root runs."""
    fake = process(50, ["nginx: master process /usr/sbin/nginx -c /tmp/evil.conf"], comm=comm, exe=exe, uid=0)
    assert [place.conf for place in find_nginxes(view_of(node(site=NGINX_MASTERS_SITE, running=[fake])))] == ["/etc/nginx/nginx.conf"]
    assert [place.master for place in find_nginxes(view_of(node(site=NGINX_MASTERS_SITE, nginx=False, running=[fake])))] == [None]


STRANGE = ["nginx: master process /usr/sbin/nginx -c /tmp/evil.conf"]


def test_another_users_nginx_does_not_count_beside_the_machines_own() -> None:
    theirs = process(50, STRANGE, comm="nginx", exe="/usr/sbin/nginx", uid=1000)
    seen = build_snapshot(capture(node(site=NGINX_MASTERS_SITE, running=[theirs])))
    assert [nginx.conf_path for nginx in seen.nginxes] == ["/etc/nginx/nginx.conf"]
    assert any("pid 50 of uid 1000" in note for note in seen.notes)


def test_where_it_is_the_only_one_it_is_looked_at_and_not_tried_as_root() -> None:
    theirs = process(50, STRANGE, comm="nginx", exe="/usr/sbin/nginx", uid=1000)
    seen = node(site=NGINX_MASTERS_SITE, nginx=False, running=[theirs])
    (found,) = build_snapshot(capture(seen)).nginxes
    assert found.conf_path == "/tmp/evil.conf" and found.test == Unknown(TEST_NOT_ALLOWED)
    asked = follow_up_queries(capture(seen), ObserveOptions()).get("local", ())
    assert not [query for query in asked if isinstance(query, Command) and query.name == "nginx-test"]
    # in a container all belongs to the application
    inside = node(site=NGINX_MASTERS_SITE, nginx=False, running=[theirs], kind="container", root=False)
    assert [query for query in follow_up_queries(capture(inside), ObserveOptions())["local"] if isinstance(query, Command) and query.name == "nginx-test"]


def test_a_unit_may_run_it_as_a_user() -> None:
    show = "Id=web.service\nNames=web.service\nLoadState=loaded\nActiveState=active\nExecStart={ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -c /srv/web.conf ; ignore_errors=no }\n"
    units = process(50, ["nginx: master process /usr/sbin/nginx -c /srv/web.conf"], comm="nginx", exe="/usr/sbin/nginx", uid=33, cgroup="/system.slice/web.service")
    both = build_snapshot(capture(node(site=NGINX_MASTERS_SITE, running=[units], show=show))).nginxes
    assert {nginx.conf_path for nginx in both} == {"/etc/nginx/nginx.conf", "/srv/web.conf"}
    faked = process(50, STRANGE, comm="nginx", exe="/usr/sbin/nginx", uid=1000, cgroup="/user.slice/user-1000.slice/user@1000.service/app.slice/web.service")
    assert [nginx.conf_path for nginx in build_snapshot(capture(node(site=NGINX_MASTERS_SITE, running=[faked], show=show))).nginxes] == ["/etc/nginx/nginx.conf"]


def test_what_nginx_itself_says() -> None:
    asked = Command("nginx-test", ("/usr/sbin/nginx", "", ""))
    found = only(answers={asked: Answer("failed", stderr=b"nginx: [emerg] unexpected\n", returncode=1)})
    assert isinstance(found.test, Known) and found.test.value[0] == 1 and "emerg" in found.test.value[1]
    assert isinstance(only(answers={asked: Answer("no-tool", message="no nginx")}).test, Unknown)
    own = processes(process(40, ["nginx: master process nginx -c /etc/nginx/nginx.conf -p /p"], comm="nginx"))
    (place,) = find_nginxes(view_of(node({ListProcesses(): own}, site=NGINX_MASTERS_SITE)))
    assert query_of_test(place).args == ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/p")


def test_the_error_log_in_order_of_time() -> None:
    site = f"error_log /var/log/nginx/b.log;\n{NGINX_MASTERS_SITE}"
    found = only(answers={log_query("/var/log/nginx/b.log"): Answer("ok", files=(file("/b", LINE.format(5) + LINE.format(3)),))})
    assert found.error_log_path == "/var/log/nginx/error.log" and found.errors == Known(())
    with_site = node({log_query("/var/log/nginx/b.log"): Answer("ok", files=(file("/b", LINE.format(5) + LINE.format(3)),))}, site=site)
    (nginx,) = build_snapshot(capture(with_site)).nginxes
    assert isinstance(nginx.errors, Known)
    assert [e.errno for e in nginx.errors.value] in ([111, 111], []) and sorted(e.at for e in nginx.errors.value) == [
        e.at for e in nginx.errors.value]


def test_a_log_that_cannot_be_read_is_unknown() -> None:
    denied = Answer("denied", files=(FileAnswer("/var/log/nginx/error.log", "denied"),))
    found = only(answers={log_query("/var/log/nginx/error.log"): denied})
    assert found.errors == Unknown("/var/log/nginx/error.log: denied")
    pipe = Answer("ok", files=(link("/var/log/nginx/error.log", "/dev/stderr"),))
    found = only(answers={log_query("/var/log/nginx/error.log"): pipe})       # there, and nothing that could be read
    assert found.errors == Unknown("/var/log/nginx/error.log: it is no file")


def test_a_log_that_goes_to_the_engine() -> None:
    device = link("/var/log/nginx/error.log", "/dev/stderr")
    web = node({log_query("/var/log/nginx/error.log"): Answer("ok", files=(device,))}, site=NGINX_MASTERS_SITE, name="web", kind="container")
    item = {"Id": "w" * 64, "Name": "/web", "Path": "nginx", "State": {"Status": "running"}}
    logs = "".join(f"2027-01-15T08:0{n}:00.5Z {LINE.format(n)}" for n in (1, 2))
    engine = node({Command("docker-container", ("web",)): Answer("ok", json.dumps([item]).encode()),
                   Command("docker-logs", ("web", "200")): Answer("ok", b"", stderr=logs.encode())}, name="engine", nginx=False)
    (nginx,) = build_snapshot(capture(web, engine, kind="docker", address="web")).nginxes
    assert isinstance(nginx.errors, Known) and [e.where for e in nginx.errors.value] == ["docker logs web"] * 2
    assert nginx.service and nginx.service.id == "web/web"


def test_two_masters_have_routes_of_their_own() -> None:
    own = processes(process(40, MASTER, comm="nginx", exe="/usr/sbin/nginx"),
                    process(50, ["nginx: master process nginx -c /etc/nginx/nginx.conf"], comm="nginx", exe="/usr/sbin/nginx"))
    seen = build_snapshot(capture(node({ListProcesses(): own}, site=NGINX_MASTERS_SITE)))
    assert [n.master_pid for n in seen.nginxes] == [40, 50] and [r.route.id for r in seen.routes] == ["r1", "r2"]
    assert [e.id for e in seen.endpoints] == ["e1", "e2"] and seen.routes[1].endpoints == ("e2",)
    second = seen.nginxes[1].config
    assert isinstance(second, Known) and second.value.routes[0].id == "r2"


def test_the_log_option_of_the_command_line() -> None:
    own = processes(process(40, ["nginx: master process nginx -e /var/log/n.log"], comm="nginx"))
    seen = view_of(node({ListProcesses(): own}, site=NGINX_MASTERS_SITE))
    (place,) = find_nginxes(seen)
    assert error_log_paths(place, Unknown("x")) == ("/var/log/n.log",)


def test_relative_logs_count_from_the_prefix_and_includes_from_the_folder_of_the_main_file() -> None:
    conf = "error_log logs/error.log;\nevents {}\nhttp { include sites/*.conf; }\n"
    tree = Answer("ok", files=(file("/srv/conf/n.conf", conf), file("/srv/conf/sites/a.conf", NGINX_MASTERS_SITE)))
    own = processes(process(40, ["nginx: master process nginx -p /srv -c conf/n.conf"], comm="nginx", exe="/usr/sbin/nginx"))
    seen = view_of(node({ListProcesses(): own, ReadTree("/srv/conf"): tree}, site=NGINX_MASTERS_SITE))
    (place,) = find_nginxes(seen)
    config = config_of(place, seen)
    assert error_log_paths(place, config) == ("/srv/logs/error.log",) and isinstance(config, Known) and config.value.routes


@pytest.mark.parametrize(("line", "known"), [
    ("RootDirectory=/srv/root\n", False), ("RootImage=/srv/nginx.raw\n", False), ("RootDirectory=/\n", True), ("", True),
])
def test_what_an_nginx_with_a_root_of_its_own_reads_is_not_what_lies_at_its_paths(line: str, known: bool) -> None:
    unit = "/usr/lib/systemd/system/nginx.service"
    show = (f"Id=nginx.service\nNames=nginx.service\nLoadState=loaded\nActiveState=active\nFragmentPath={unit}\n"
            f"DropInPaths={DROP}\nExecStart={{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g daemon on; ; ignore_errors=no }}\n")
    units = [file(unit, "[Service]\nExecStart=/usr/sbin/nginx\n"), file(DROP, f"[Service]\n{line}")]
    seen = build_snapshot(capture(node(site=NGINX_MASTERS_SITE, show=show, units=units)))
    assert isinstance(seen.nginxes[0].config, Known) is known and bool(seen.routes) is known


DROP = "/etc/systemd/system/nginx.service.d/root.conf"

# nginx's errors in the journal: told to go to stderr or to the system's log, no file holds them.
FIRST, LATER = Command("journal", ("nginx.service", "400")), Command("journal", ("nginx.service", "399"))


def tree(*, log: str, site: str = SITE) -> dict[Query, Answer]:
    main: FileAnswer = file("/etc/nginx/nginx.conf", f"{log}\nhttp {{ include /etc/nginx/sites/*; }}\n")
    return {ReadTree("/etc/nginx"): Answer("ok", files=(main, file("/etc/nginx/sites/shop", site)))}


def journal(head: str) -> bytes:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW))
    return (f'{NOW:.6f} host nginx[41]: {head}{stamp} [error] 41#41: *1 connect() failed (111: Connection refused) while '
            'connecting to upstream, client: 127.0.0.1, server: a.example, request: "GET / HTTP/1.1", '
            'upstream: "http://127.0.0.1:8000/", host: "a.example"\n').encode()


@pytest.mark.parametrize(("log", "there"), [
    ("error_log stderr;", True), ("error_log syslog:server=unix:/dev/log,nohostname error;", True),
    ("error_log syslog:server=unix:/run/systemd/journal/dev-log;", True),
    ("error_log syslog:server=10.0.0.9:514;", False), ("error_log /var/log/nginx/error.log;", False),
])
def test_it_is_asked_for_where_the_errors_go_there(log: str, there: bool) -> None:
    assert (FIRST in asked(node(tree(log=log)))) is there


@pytest.mark.parametrize("head", ["", "host nginx: ", "nginx: "])
def test_its_lines_are_events_with_or_without_a_host_and_a_tag(head: str) -> None:
    answers = tree(log="error_log stderr;") | {FIRST: Answer("ok", journal(head))}
    errors = build_snapshot(capture(node(answers))).nginxes[0].errors
    assert isinstance(errors, Known)
    assert [(e.errno, e.request, e.where.partition(":")[0]) for e in errors.value] == [
        (111, "GET / HTTP/1.1", "journal nginx.service")]


def test_words_of_a_visitor_before_the_time_make_no_event_of_it() -> None:
    answers = tree(log="error_log stderr;") | {FIRST: Answer("ok", journal('"GET /x '))}
    errors = build_snapshot(capture(node(answers))).nginxes[0].errors
    assert isinstance(errors, Known) and errors.value == ()


@pytest.mark.parametrize(("page", "status"), [("=200 /soon.html", 200), ("/soon.html", 404)])
def test_it_is_read_once_more_where_an_error_page_hides_what_our_request_met(page: str, status: int) -> None:
    masked = SITE.replace("location", f"error_page 502 {page}; location")
    probes = {ROUTE: probe_answer(status), BACK: probe_answer(200)}
    answers = tree(log="error_log stderr;", site=masked) | probes | {FIRST: Answer("ok", b"")}
    assert LATER in asked(node(answers))
    answers |= {LATER: Answer("ok", journal(""))}
    errors = build_snapshot(capture(node(answers))).nginxes[0].errors
    assert isinstance(errors, Known) and len(errors.value) == 1


HELD_TEST = """
printf 'server { listen 8080; location / { proxy_pass http://127.0.0.1:9401; } }' >/etc/nginx/conf.d/site.conf
systemctl stop nginx
mkfifo /tmp/fifo.conf
setsid -f nginx -t -c /tmp/fifo.conf >/dev/null 2>&1 </dev/null
until pgrep -fx 'nginx -t -c /tmp/fifo.conf'; do sleep 0.1; done
"""


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_stopped_nginx_is_down_while_somebody_tests_a_configuration() -> None:
    image = images.ensure(lambda line: None)["machine"]
    name = unique_name("held-test")
    docker("run", "-d", "--label", "badgateway.test=observe", "--name", name, *SYSTEMD_OPTIONS, image)
    try:
        docker("exec", name, "bash", "-ec", "until systemctl is-active nginx; do sleep 0.2; done")
        docker("exec", name, "bash", "-ec", HELD_TEST)
        done = subprocess.run([sys.executable, "-m", "fixer", "diagnose", f"docker://{name}", "--json"], capture_output=True,
                              check=False)
        docker("exec", name, "pgrep", "-fx", "nginx -t -c /tmp/fifo.conf")      # it was held all the time
        report = json.loads(done.stdout)
        assert (report["findings"][0]["cause"], report["findings"][0]["confidence"], done.returncode) == ("nginx-down", "certain", 1)
        assert "fifo.conf" not in done.stdout.decode()
    finally:
        docker("rm", "-f", "-v", name)


def test_processes_are_searched_once_in_all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may have thousands of them."""
    seen = node(site="", running=[process(7, ["sleep", "1"])])
    found = find_nginxes(view_of(seen))
    monkeypatch.setattr(nginx_masters, "is_master", None)
    assert [place.master for place in find_nginxes(view_of(seen))] == [place.master for place in found]
