"""A container whose processes nobody here can list: that is said, and nothing is said of what runs there."""

from fixer.model.query import Answer, ListProcesses
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import _no_nginx_hint
from fixer.observe.view.node_view import views_of
from tests.observe.capture_builders import capture, node

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:9000; } }"
UNSEEN = Answer("no-tool", message="the container has no shell, and only root sees it")


def test_it_is_a_note() -> None:
    seen, unseen = (capture(node(answers, site=SITE, kind="container", name="web")) for answers in ({}, {ListProcesses(): UNSEEN}))
    assert build_snapshot(seen).notes == ()
    assert build_snapshot(unseen).notes == ("web: the container has no shell, and only root sees it",)


def test_that_no_nginx_is_there_is_known_only_to_who_saw_what_runs() -> None:
    seen, unseen = (views_of(capture(node(answers, kind="container", nginx=False))) for answers in ({}, {ListProcesses(): UNSEEN}))
    assert _no_nginx_hint((), seen).startswith("nothing that runs is nginx")
    assert _no_nginx_hint((), unseen) == "what runs there was not seen: the container has no shell, and only root sees it"
