"""An nginx that was built by hand and is stopped: which of several is meant, what it reads, how it is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Command, FileAnswer, Probe, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.snapshot import Nginx
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import LOG_TAIL, log_query
from fixer.observe.nginx.nginx_masters import config_test_query as query_of_test
from fixer.observe.nginx.nginx_place import BUILT_BINARY, MAX_CONFIG_BYTES, MAX_CONFIG_FILES
from fixer.observe.nginx.sites import sites_of
from fixer.observe.view.node_view import views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes import snapshot_builders
from tests.observe.capture_builders import MASTER, NOW, capture, file, node, process, stat

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


# A deleted log while nginx runs: read by way of the process that holds it, and told.
DELETED_LOG_SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }\n"
LOG = "/var/log/nginx/error.log"
LINE = ("2027/01/15 08:00:00 [error] 41#41: *1 connect() failed (111: Connection refused) while connecting to upstream, "
        "client: 10.0.0.9, server: _, request: \"GET / HTTP/1.1\", upstream: \"http://127.0.0.1:8000/\", host: \"a\"\n")
GONE: dict[Query, Answer] = {log_query(LOG): Answer("absent", files=(FileAnswer(LOG, "absent"),))}


def held(fd: int, target: str) -> dict[Query, Answer]:
    path = f"/proc/40/fd/{fd}"
    made = replace(file(path, LINE), stat=stat("link", link=target, target=stat(mtime=NOW)))
    return {ReadFile(path, LOG_TAIL, tail=True): Answer("ok", files=(made,))}


def folder(status: str) -> dict[Query, Answer]:
    path = "/var/log/nginx"
    seen = FileAnswer(path, "ok", stat("dir")) if status == "ok" else FileAnswer(path, "absent")
    return {ReadFile(path, 0): Answer("ok", files=(seen,))}


def test_its_folder_and_what_the_master_holds_are_asked_for() -> None:
    asked = follow_up_queries(capture(node(GONE, site=DELETED_LOG_SITE)), ObserveOptions())["local"]
    assert ReadFile("/var/log/nginx", 0) in asked and ReadFile("/proc/40/fd/2", LOG_TAIL, tail=True) in asked
    well = follow_up_queries(capture(node(site=DELETED_LOG_SITE)), ObserveOptions())["local"]
    assert not any(isinstance(q, ReadFile) and "/fd/" in q.path for q in well)      # never where the log is there


def test_the_deleted_log_is_read_and_told() -> None:
    (nginx,) = build_snapshot(capture(node({**GONE, **held(2, f"{LOG} (deleted)"), **folder("ok")}, site=DELETED_LOG_SITE))).nginxes
    assert isinstance(nginx.errors, Known) and [e.errno for e in nginx.errors.value] == [111]
    assert nginx.lost_logs == (LOG,) and nginx.errors.value[0].where.startswith(f"{LOG} (deleted)")
    other = build_snapshot(capture(node({**GONE, **held(2, "/tmp/else (deleted)"), **held(3, "/dev/null")}, site=DELETED_LOG_SITE)))
    assert other.nginxes[0].lost_logs == () and not isinstance(other.nginxes[0].errors, Known)


def test_where_its_folder_is_gone_too_nginx_is_asked_whether_it_would_start() -> None:
    for status, is_asked in (("absent", True), ("ok", False)):
        made = capture(node({**GONE, **held(2, f"{LOG} (deleted)"), **folder(status)}, site=DELETED_LOG_SITE))
        (site,) = sites_of(views_of(made), ())
        assert (query_of_test(site.nginx) in follow_up_queries(made, ObserveOptions())["local"]) is is_asked


def test_the_note_and_the_advice() -> None:
    scene = snapshot_builders.healthy_scene()
    said = f'nginx: [emerg] open() "{LOG}" failed (2: No such file or directory)\n'
    scene.nginx.update(lost_logs=(LOG,), test=Known((1, said)))
    told = diagnose(scene.snapshot())
    assert told.verdict == "healthy" and any("deleted log" in note and LOG in note for note in told.notes)
    (found,) = told.findings
    assert found.role == "advice" and "create the folder /var/log/nginx again" in found.detail[0]


# Configurations larger than a first look reads: asked for whole, and unknown while a part of them was not read.
TREE = ReadTree("/etc/nginx")
LARGE_CONFIGURATION_SITE = "server {{ listen 80; server_name {0}; location / {{ proxy_pass http://127.0.0.1:{1}; }} }}\n"


def seen_with(answers: dict[Query, Answer], **change: object):  # type: ignore[no-untyped-def]
    made = node(site=LARGE_CONFIGURATION_SITE.format("a.example", 8000))
    tree = made.answers[TREE]
    files = tuple(replace(f, truncated=True) if f.path.startswith("/etc/nginx/sites") and change.get("cut") else f
                  for f in tree.files)
    return replace(made, answers={**made.answers, TREE: replace(tree, files=files, message=str(change.get("message", ""))), **answers}), files


def test_a_file_that_was_read_in_part_is_asked_for_whole_and_nothing_else_is_concluded() -> None:
    seen, files = seen_with({}, cut=True)
    path = next(f.path for f in files if f.truncated)
    again = ReadGlob((path,), MAX_CONFIG_BYTES, 1)
    asked = follow_up_queries(capture(seen), ObserveOptions())["local"]
    assert again in asked and not [q for q in asked if isinstance(q, Probe)]
    config = build_snapshot(capture(seen)).nginxes[0].config
    assert isinstance(config, Unknown) and "only its first" in config.reason and path in config.reason
    whole = next(f for f in files if f.truncated)
    read, _ = seen_with({again: Answer("ok", files=(replace(whole, truncated=False, data=whole.data + LARGE_CONFIGURATION_SITE.format("b.example", 8001).encode()),))}, cut=True)
    assert [r.route.server_names for r in build_snapshot(capture(read)).routes] == [("a.example",), ("b.example",)]
    beyond, _ = seen_with({again: Answer("ok", files=(whole,))}, cut=True)
    assert again not in follow_up_queries(capture(beyond), ObserveOptions()).get("local", [])
    assert isinstance(build_snapshot(capture(beyond)).nginxes[0].config, Unknown)


def test_what_would_not_fit_is_not_asked_for_and_the_configuration_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, files = seen_with({}, cut=True)
    path = next(f.path for f in files if f.truncated)
    monkeypatch.setattr("fixer.observe.nginx.nginx_place.MOST_CONFIG_BYTES", sum(len(f.data) for f in files) + 1)
    assert ReadGlob((path,), MAX_CONFIG_BYTES, 1) not in follow_up_queries(capture(seen), ObserveOptions()).get("local", [])
    config = build_snapshot(capture(seen)).nginxes[0].config
    assert isinstance(config, Unknown) and "only its first" in config.reason


def test_a_configuration_of_more_words_than_can_be_held_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixer.nginx.include.MOST_WORDS", 5)
    config = build_snapshot(capture(seen_with({})[0])).nginxes[0].config
    assert isinstance(config, Unknown) and "too large, and the rest was not read" in config.reason


def test_more_files_than_were_read_are_listed_to_the_end() -> None:
    seen, files = seen_with({}, message="more than 500 files")
    again = replace(TREE, max_files=MAX_CONFIG_FILES)
    assert again in follow_up_queries(capture(seen), ObserveOptions())["local"]
    config = build_snapshot(capture(seen)).nginxes[0].config
    assert isinstance(config, Unknown) and "more than 500 files" in config.reason
    read, _ = seen_with({again: Answer("ok", files=files)}, message="more than 500 files")
    assert again not in follow_up_queries(capture(read), ObserveOptions()).get("local", [])
    assert len(build_snapshot(capture(read)).routes) == 1
