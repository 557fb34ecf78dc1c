"""Older states beside the file that nginx refuses are looked for where no tree shows them, and kept only if whole."""

from __future__ import annotations

import pytest

from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, FileAnswer, Query, ReadGlob
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import config_test_query as asked_test
from fixer.observe.nginx.nginx_masters import find_nginxes
from fixer.observe.nginx.nginx_place import NginxInstance
from fixer.observe.view.node_view import view_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, stat

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }\n"
SAID = b"nginx: [emerg] unknown directive in /srv/shop/site.conf:1\n"
BESIDE = ReadGlob(("/srv/shop/site.conf~", "/srv/shop/site.conf.*", "/srv/shop/site.conf-*", "/srv/shop/site.conf_*"))


def place() -> NginxInstance:
    return find_nginxes(view_of(node(site=SITE), home=True))[0]


def refused(said: bytes, *beside: FileAnswer) -> NodeCapture:
    answers: dict[Query, Answer] = {asked_test(place()): Answer("failed", stderr=said, returncode=1)}
    if beside:
        answers[BESIDE] = Answer("ok", files=beside)
    return node(answers, site=SITE)


def asked(seen: NodeCapture) -> list[Query]:
    return follow_up_queries(capture(seen), ObserveOptions()).get("local", [])


def test_a_refused_file_outside_of_the_tree_is_looked_beside() -> None:
    assert BESIDE in asked(refused(SAID))


@pytest.mark.parametrize("said", [
    SAID.replace(b"/srv/shop/site.conf", b"/etc/nginx/sites/shop"), SAID.replace(b"[emerg]", b"[warn]"), b"what?",
    SAID.replace(b"/site.conf", b"/a\\\\b"),
])
def test_nothing_is_asked_of_what_was_read_or_is_not_refused(said: bytes) -> None:
    assert not [q for q in asked(refused(said)) if isinstance(q, ReadGlob) and "~" in "".join(q.patterns)]


def test_wildcards_of_a_name_stand_for_themselves() -> None:
    found = asked(refused(SAID.replace(b"site.conf", b"*[1].conf")))
    assert ReadGlob(tuple(f"/srv/shop/[*][[]1].conf{end}" for end in ("~", ".*", "-*", "_*"))) in found


def test_only_whole_regular_files_are_kept() -> None:
    name = "/srv/shop/site.conf"
    cut = FileAnswer(f"{name}.old", "ok", stat(), b"server", truncated=True)
    pipe = FileAnswer(f"{name}.orig", "ok", stat("fifo"))
    through = FileAnswer(f"{name}.1", "ok", stat("link", target=stat()), SITE.encode())
    seen = refused(SAID, file(f"{name}.bak", SITE), cut, pipe, through, file(f"{name}.new", SITE))
    kept = {f.path for f in build_snapshot(capture(seen)).files if f.path.startswith("/srv/shop")}
    assert kept == {f"{name}.bak"}
