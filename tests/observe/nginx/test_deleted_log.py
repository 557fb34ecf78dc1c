"""A log that was deleted while nginx runs: read by way of the process that holds it, and told."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.query import Answer, FileAnswer, Query, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import LOG_TAIL, log_query
from fixer.observe.nginx.nginx_masters import config_test_query as query_of_test
from fixer.observe.nginx.sites import sites_of
from fixer.observe.view.node_view import views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes import snapshot_builders
from tests.observe.capture_builders import NOW, capture, file, node, stat

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }\n"
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
    asked = follow_up_queries(capture(node(GONE, site=SITE)), ObserveOptions())["local"]
    assert ReadFile("/var/log/nginx", 0) in asked and ReadFile("/proc/40/fd/2", LOG_TAIL, tail=True) in asked
    well = follow_up_queries(capture(node(site=SITE)), ObserveOptions())["local"]
    assert not any(isinstance(q, ReadFile) and "/fd/" in q.path for q in well)      # never where the log is there


def test_the_deleted_log_is_read_and_told() -> None:
    (nginx,) = build_snapshot(capture(node({**GONE, **held(2, f"{LOG} (deleted)"), **folder("ok")}, site=SITE))).nginxes
    assert isinstance(nginx.errors, Known) and [e.errno for e in nginx.errors.value] == [111]
    assert nginx.lost_logs == (LOG,) and nginx.errors.value[0].where.startswith(f"{LOG} (deleted)")
    other = build_snapshot(capture(node({**GONE, **held(2, "/tmp/else (deleted)"), **held(3, "/dev/null")}, site=SITE)))
    assert other.nginxes[0].lost_logs == () and not isinstance(other.nginxes[0].errors, Known)


def test_where_its_folder_is_gone_too_nginx_is_asked_whether_it_would_start() -> None:
    for status, is_asked in (("absent", True), ("ok", False)):
        made = capture(node({**GONE, **held(2, f"{LOG} (deleted)"), **folder(status)}, site=SITE))
        (site,) = sites_of(views_of(made), ())
        assert (query_of_test(site.nginx) in follow_up_queries(made, ObserveOptions())["local"]) is is_asked


def test_the_note_and_the_advice() -> None:
    scene = snapshot_builders.healthy_scene()
    said = f'nginx: [emerg] open() "{LOG}" failed (2: No such file or directory)\n'
    scene.nginx.update(lost_logs=(LOG,), test=Known((1, said)))
    told = diagnose(scene.snapshot())
    assert told.verdict == "healthy" and any("log that was deleted" in note and LOG in note for note in told.notes)
    (found,) = told.findings
    assert found.role == "advice" and "make the folder /var/log/nginx again" in found.detail[0]
