"""An nginx that was built by hand and is stopped: which of several is meant, what it reads, how it is found."""

from __future__ import annotations

import pytest

from fixer.model.query import Answer, Command, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Nginx
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_place import BUILT_BINARY
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import MASTER, capture, file, node, process

BARE = "server { listen 80; root /var/www/html; }"
SERVES = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
SITE = f"events {{}} http {{ {SERVES} }}"
SHOW = ("Id={0}\nNames={0}\nLoadState=loaded\nActiveState={1}\nUnitFileState={2}\n"
        "ExecStart={{ path={3} ; argv[]={3}{4} ; ignore_errors=no }}\n\n")
PACKAGED = SHOW.format("nginx.service", "inactive", "disabled", "/usr/sbin/nginx", " -g daemon on;")
OWN = "/opt/edge/sbin/nginx"
VERSION = Command("nginx-version", (OWN,))
SAID = "nginx version: nginx/1.27\nconfigure arguments: --prefix=/opt/edge --conf-path=/etc/edge/edge.conf --with-threads\n"


def read(path: str, text: str = SITE) -> dict[Query, Answer]:
    return {ReadGlob((path,)): Answer("ok", files=(file(path, text),))}


def only(show: str, answers: dict[Query, Answer] | None = None, site: str = BARE) -> Nginx:
    (found,) = build_snapshot(capture(node({**(answers or {})}, site=site, show=show, nginx=False))).nginxes
    return found


def asked(show: str, answers: dict[Query, Answer] | None = None, **more: object) -> list[Query]:
    made = node({**(answers or {})}, **{"site": BARE, "show": show, "nginx": False, **more})     # type: ignore[arg-type]
    return follow_up_queries(capture(made), ObserveOptions()).get("local", [])


@pytest.mark.parametrize(("state", "file_state"), [("inactive", "enabled"), ("failed", "enabled"), ("failed", "disabled"),
                                                   ("inactive", "static"), ("inactive", "disabled")])
def test_its_unit_goes_before_a_packaged_one_that_was_put_to_rest(state: str, file_state: str) -> None:
    own = SHOW.format("web.service", state, file_state, OWN, " -c /etc/edge/edge.conf")
    for show in (PACKAGED + own, own + PACKAGED):
        found = only(show, read("/etc/edge/edge.conf"))
        assert (found.binary, found.conf_path) == (OWN, "/etc/edge/edge.conf")
        assert found.service is not None and found.service.name == "web.service"


@pytest.mark.parametrize(("words", "conf"), [
    (" -c /etc/edge/edge.conf", "/etc/edge/edge.conf"), (" -p /opt/edge -c conf/edge.conf", "/opt/edge/conf/edge.conf"),
])
def test_of_two_units_of_one_binary_the_one_whose_files_are_read_is_started(words: str, conf: str) -> None:
    own = SHOW.format("web.service", "inactive", "enabled", "/usr/sbin/nginx", words)
    for show in (PACKAGED + own, own + PACKAGED):
        found = only(show, read(conf), site=SERVES)
        assert found.conf_path == conf and found.service is not None and found.service.name == "web.service"


def test_a_packaged_one_that_serves_is_meant_before_one_that_was_put_to_rest() -> None:
    own = SHOW.format("web.service", "inactive", "disabled", OWN, "")
    served = PACKAGED.replace("=disabled", "=enabled")
    assert only(own + served, site=SERVES).binary == only(served + own, site=SERVES).binary == "/usr/sbin/nginx"


def test_it_is_asked_what_it_was_built_to_read() -> None:
    own = SHOW.format("web.service", "inactive", "enabled", OWN, "")
    assert VERSION in asked(own) and only(own).conf_path == "/opt/edge/conf/nginx.conf"
    known: dict[Query, Answer] = {VERSION: Answer("ok", b"", returncode=0, stderr=SAID.encode())}
    assert ReadGlob(("/etc/edge/edge.conf",)) in asked(own, known)
    found = only(own, {**known, **read("/etc/edge/edge.conf")})
    assert (found.conf_path, found.prefix, found.error_log_path) == (
        "/etc/edge/edge.conf", "/opt/edge", "/opt/edge/logs/error.log")
    denied: dict[Query, Answer] = {VERSION: Answer("denied", message="not run")}
    assert only(own, denied).conf_path == "/opt/edge/conf/nginx.conf"


def test_its_command_goes_before_what_it_was_built_with() -> None:
    own = SHOW.format("web.service", "inactive", "enabled", OWN, " -p /srv/edge -c my.conf")
    assert VERSION not in asked(own) and only(own).conf_path == "/srv/edge/my.conf"
    half = SHOW.format("web.service", "inactive", "enabled", OWN, " -p /srv/edge")
    found = only(half, {VERSION: Answer("ok", b"", returncode=0, stderr=SAID.encode())})
    assert (found.conf_path, found.prefix) == ("/etc/edge/edge.conf", "/srv/edge")


def test_where_no_unit_names_one_it_is_looked_for_beside_a_packaged_one_that_serves_nothing() -> None:
    look = ReadFile(BUILT_BINARY, 0)
    assert look in asked(PACKAGED) and look not in asked(PACKAGED, site=SERVES)
    there: dict[Query, Answer] = {look: Answer("ok", files=(file(BUILT_BINARY, ""),))}
    conf = "/usr/local/nginx/conf/nginx.conf"
    assert Command("nginx-version", (BUILT_BINARY,)) in asked(PACKAGED, there)
    found = only(PACKAGED, {**there, **read(conf)})
    assert (found.binary, found.conf_path, found.service) == (BUILT_BINARY, conf, None)
    assert only(PACKAGED, {**there, **read(conf, "events {} http { }")}).binary == "/usr/sbin/nginx"
    assert only(PACKAGED, {look: Answer("absent")}).binary == "/usr/sbin/nginx"


def test_of_one_that_runs_nothing_more_is_asked() -> None:
    title = [f"nginx: master process {OWN} -p /opt/edge"]
    running = [process(40, title, comm="nginx", exe=OWN)]
    queries = asked("", read("/opt/edge/conf/nginx.conf"), running=running)
    assert VERSION not in queries and VERSION in asked("", running=running)
    packaged = asked(PACKAGED, running=[process(40, MASTER, comm="nginx", exe="/usr/sbin/nginx")])
    assert not [q for q in packaged if q == ReadFile(BUILT_BINARY, 0)]
