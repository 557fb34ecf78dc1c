"""A socket that nginx in a container was denied, as only the engine's log of that container tells."""

from __future__ import annotations

import json
import time

import pytest

from fixer.model.query import Answer, Command, FileAnswer, Query, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.error_queries import ACCOUNTS_LIMIT, RESOLV_CONF_LIMIT
from fixer.observe.nginx.nginx_masters import log_query
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, link, node
from tests.observe.services_builders import SITE

DENIED_PATHS_SITE = "server { listen 80; location / { proxy_pass http://unix:/sock/app.sock; } }"
LOGS = Command("docker-logs", ("web", "200"))
ACCOUNTS = {ReadFile(path, ACCOUNTS_LIMIT): Answer("ok", files=(file(path, data),)) for path, data in (
    ("/etc/passwd", "www-data:x:33:33::/var/www:/bin/false\n"), ("/etc/group", "www-data:x:33:\n"))}


def stack(answers: dict[Query, Answer], ago: float, errno: str = "13: Permission denied"):
    device: FileAnswer = link("/var/log/nginx/error.log", "/dev/stderr")
    web = node({log_query("/var/log/nginx/error.log"): Answer("ok", files=(device,)), **answers}, site=DENIED_PATHS_SITE, name="web",
               kind="container")
    item = {"Id": "w" * 64, "Name": "/web", "Path": "nginx", "State": {"Status": "running"}}
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - ago))
    line = (f"2027-01-15T08:00:00.5Z {stamp} [crit] 41#41: *1 connect() to unix:/sock/app.sock failed ({errno}) while "
            'connecting to upstream, client: 1.2.3.4, server: , request: "GET / HTTP/1.1", upstream: '
            '"http://unix:/sock/app.sock:/", host: "a"\n')
    engine = node({Command("docker-container", ("web",)): Answer("ok", json.dumps([item]).encode()),
                   LOGS: Answer("ok", b"", stderr=line.encode())}, name="engine", nginx=False)
    return capture(web, engine, kind="docker", address="web")


@pytest.mark.parametrize(("ago", "errno", "looked_at"), [
    (30, "13: Permission denied", True), (3000, "13: Permission denied", False), (30, "113: No route to host", False),
])
def test_the_way_to_it_and_the_accounts_are_asked_for(ago: float, errno: str, looked_at: bool) -> None:
    wanted = follow_up_queries(stack({}, ago, errno), ObserveOptions())["web"]
    for query in (ReadFile("/sock", 1), ReadFile("/sock/app.sock", 1), *ACCOUNTS):
        assert (query in wanted) is looked_at


def test_both_lists_of_accounts_are_kept() -> None:
    seen = build_snapshot(stack(ACCOUNTS, 30))
    assert {f.path for f in seen.files if f.node == "web"} >= {"/etc/passwd", "/etc/group"}


@pytest.mark.parametrize(("errno", "asked"), [("2: No such file or directory", True), ("111: Connection refused", False)])
def test_of_one_that_is_not_there_whether_its_folder_is(errno: str, *, asked: bool) -> None:
    """A service that is told another folder, which is not there, was told to have that one back."""
    wanted = follow_up_queries(stack({}, 30, errno), ObserveOptions())["web"]
    assert (ReadFile("/sock", 0) in wanted) is asked and ReadFile("/etc/passwd", ACCOUNTS_LIMIT) not in wanted


def test_of_one_that_refuses_whether_it_is_a_socket() -> None:
    for errno, is_asked in (("111: Connection refused", True), ("2: No such file or directory", False)):
        wanted = follow_up_queries(stack({}, 30, errno), ObserveOptions())["web"]
        assert (ReadFile("/sock/app.sock", 1) in wanted) is is_asked


def crit(message: str, ago: float = 5.0, level: str = "crit") -> str:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - ago))
    return f'{stamp} [{level}] 41#41: *1 {message}, client: 1.2.3.4, server: a, request: "POST / HTTP/1.1", host: "a"\n'


def asked(log: str) -> set[str]:
    questions = follow_up_queries(capture(node(site=SITE, log=log)), ObserveOptions())
    return {q.path for q in questions["local"] if isinstance(q, ReadFile) and q.limit == 1}


@pytest.mark.parametrize(("said", "wanted"), [
    ("app could not be resolved (110: Operation timed out)", True), ("no resolver defined to resolve app", True),
    ("connect() failed (111: Connection refused) while connecting to upstream", False),
])
def test_the_machines_own_name_servers_are_read_where_nginx_needs_one(said: str, *, wanted: bool) -> None:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - 30))
    line = f'{stamp} [error] 41#41: *1 {said}, client: 1.2.3.4, server: , request: "GET / HTTP/1.1", host: "a"\n'
    seen = capture(node(site=SITE, log=line))
    query = ReadFile("/etc/resolv.conf", RESOLV_CONF_LIMIT)
    assert (query in follow_up_queries(seen, ObserveOptions())["local"]) is wanted
    text = "# made\nnameserver 10.0.2.3\n nameserver fd00::3 # v6\nnameserver 10.0.2.3\nsearch a\nnameserver [masked 1]\n"
    known = build_snapshot(capture(node({query: Answer("ok", files=(file("/etc/resolv.conf", text),))}, site=SITE, log=line)))
    assert known.node("local").name_servers == ("10.0.2.3", "fd00::3")


def test_folders_that_nginx_could_not_write_to_are_looked_at() -> None:
    body = 'open() "/var/lib/nginx/body/0000000001" failed (13: Permission denied)'
    proxy = 'open() "/var/lib/nginx/proxy/1/00/0000000001" failed (13: Permission denied) while reading upstream'
    assert asked(crit(body) + crit(proxy)) == {"/var/lib/nginx/body", "/var/lib/nginx/proxy"}
    gone = 'mkdir() "/var/lib/nginx/proxy/1" failed (2: No such file or directory) while reading upstream'
    assert asked(crit(gone)) == {"/var/lib/nginx/proxy"}
    assert asked(crit(body, 900)) == set() and asked(crit(body, level="error")) == set()
    assert asked(crit('open() "/srv/x.html" failed (13: x)')) == set()


GROUP = "upstream shop {{ server 127.0.0.1:8000; {} }} server {{ listen 80; location / {{ {} proxy_pass http://shop; }} }}"
NGINX_V = Command("nginx-version", ("/usr/sbin/nginx",))


@pytest.mark.parametrize(("text", "said", "wanted"), [
    (GROUP.format("", ""), "upstream prematurely closed connection while reading response header from upstream", True),
    (GROUP.format("keepalive 8;", ""), "recv() failed (104: Connection reset by peer) while reading response header from upstream", True),
    (GROUP.format("keepalive 0;", ""), "upstream prematurely closed connection while reading response header from upstream", False),
    (GROUP.format("", "proxy_http_version 1.0;"), "upstream prematurely closed connection while reading response header from upstream", False),
    (GROUP.format("", ""), "connect() failed (111: Connection refused) while connecting to upstream", False),
])
def test_the_version_is_asked_where_only_that_decides(text: str, said: str, *, wanted: bool) -> None:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - 30))
    line = (f'{stamp} [error] 41#41: *1 {said}, client: 1.2.3.4, server: , request: "POST / HTTP/1.1", '
            'upstream: "http://127.0.0.1:8000/", host: "a"\n')
    assert (NGINX_V in follow_up_queries(capture(node(site=text, log=line)), ObserveOptions())["local"]) is wanted


@pytest.mark.parametrize(("answer", "version"), [
    (Answer("ok", stderr=b"nginx version: nginx/1.30.0\nbuilt by gcc\n"), (1, 30, 0)), (Answer("ok", stderr=b"Tengine"), ()),
    (Answer("failed", stderr=b"nginx version: nginx/1.30.0\n", returncode=1), ()),
])
def test_the_version_of_its_program(answer: Answer, version: tuple[int, ...]) -> None:
    (facts,) = build_snapshot(capture(node({NGINX_V: answer}, site=GROUP.format("", "")))).routes
    assert facts.nginx_version == version
