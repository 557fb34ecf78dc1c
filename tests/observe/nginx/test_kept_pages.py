"""Tests of fixer/observe/nginx/kept_pages.py: pages that nginx keeps as an error in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.capture import Capture, NodeCapture
from fixer.model.query import Answer, Probe, Query, ReadTree
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.masked_capture import redact_capture
from fixer.observe.nginx.kept_pages import MOST_FILES, MOST_PAGES
from fixer.observe.view.node_view import PEEK_BYTES
from tests.causes.snapshot_builders import roots
from tests.observe.capture_builders import NOW, file, node, probe_answer
from tests.observe.next_queries_builders import BACK, LISTENS, ROUTE, WELL, asked

SITE = ("proxy_cache_path /var/cache/shop keys_zone=shop:1m; server { listen 80; server_name a.example; location / "
        "{ proxy_pass http://127.0.0.1:8000; proxy_cache shop; proxy_cache_valid any 1d; } }")
CACHE = ReadTree("/var/cache/shop", PEEK_BYTES, MOST_FILES, 4)
PAGE, NEAR = replace(ROUTE, path="/cart"), replace(BACK, path="/cart")


def kept(*pages: tuple[str, int], body: str = "", until: float = 0.0) -> Answer:
    """The files of a cache, with what nginx writes before the answer."""
    begin = b"\x05" + b"\0" * 7 + int(until).to_bytes(8, "little") + b"\0" * 320
    return Answer("ok", files=tuple(file(
        f"/var/cache/shop/{number:032x}", begin + f"\nKEY: http127.0.0.1:8000{path}\nHTTP/1.1 {status} x\r\n{body}".encode())
        for number, (path, status) in enumerate(pages)))


def host(answers: Mapping[Query, Answer], site: str = SITE) -> NodeCapture:
    return node({**WELL, **answers}, site=site, listening=LISTENS)


def further(answers: Mapping[Query, Answer], site: str = SITE) -> list[str | None]:
    return [query.path for query in asked(host(answers, site)) if isinstance(query, Probe)]


@pytest.mark.parametrize(("site", "looks"), [
    (SITE, True), (SITE.replace("any 1d", "200 1d"), False), (SITE.replace("proxy_cache_valid any 1d;", ""), False),
    (SITE.replace("any 1d", "500 1s"), True), ("server { listen 80; }", False),
])
def test_a_cache_is_read_where_the_configuration_keeps_errors(site: str, looks: bool) -> None:
    assert (CACHE in asked(host({}, site))) is looks


def test_of_a_stopped_nginx_no_cache_is_read() -> None:
    assert CACHE not in asked(node(WELL, site=SITE, listening=LISTENS, nginx=False))


def test_a_relative_folder_begins_at_nginxs_prefix() -> None:
    (query,) = [q for q in asked(host({}, SITE.replace("/var/cache/shop", "shop"))) if isinstance(q, ReadTree)]
    assert query.root == "/usr/share/nginx/shop"


def test_a_page_with_a_kept_error_is_asked_for() -> None:
    assert further({CACHE: kept(("/cart", 500), ("/well", 200), ("/gone", 404))}) == ["/cart"]
    assert further({CACHE: kept(*((f"/{n}", 502) for n in range(9)))}) == [f"/{n}" for n in range(MOST_PAGES)]
    assert further({CACHE: kept(("/a$(id)", 500), ("/x?token=y", 500), ("/", 500))}) == ["/x"]
    assert further({CACHE: kept(("/cart", 500)), PAGE: probe_answer(500)}) == ["/cart"], "now the backend itself"


def test_only_an_error_that_the_backend_does_not_give_is_the_caches() -> None:
    """The first page that fixer asks is well, and no log tells of the other one."""
    seen = {CACHE: kept(("/cart", 500)), PAGE: probe_answer(500)}
    for direct, causes in ((401, ["cached-error"]), (500, [])):
        snapshot = build_snapshot(Capture(TargetRef("local", ""), (host({**seen, NEAR: probe_answer(direct)}),), ()))
        assert roots(diagnose(snapshot)) == causes


def test_a_bundle_holds_the_page_and_the_status_and_nothing_else_of_a_kept_answer() -> None:
    answer = kept(("/cart", 500), body="Set-Cookie: session=4f9s8d7f6s5d4f\r\n\r\nDear Ms. Example")
    (masked,) = redact_capture(Capture(TargetRef("local", ""), (host({CACHE: answer}),), ())).nodes
    assert [f.data for f in masked.answers[CACHE].files] == [b"\nKEY: /cart\nHTTP/1.1 500\r\n"]
    assert further({CACHE: masked.answers[CACHE]}) == ["/cart"], "who reads the bundle asks for the same page"


def verdict_of(answers: Mapping[Query, Answer]) -> tuple[str, list[str]]:
    """The verdict and the causes; a bundle of the same host gives both, too."""
    seen = Capture(TargetRef("local", ""), (host(answers),), ())
    told = [diagnose(build_snapshot(capture)) for capture in (seen, redact_capture(seen))]
    assert told[0].verdict == told[1].verdict and roots(told[0]) == roots(told[1])
    return told[0].verdict, roots(told[0])


def test_an_error_that_a_file_still_holds_is_not_well_although_our_request_is() -> None:
    """Its key has more parts than the page: others get it."""
    valid = kept(("/cart", 500), until=NOW + 60)
    assert verdict_of({CACHE: valid, PAGE: probe_answer(200)}) == ("degraded", ["cached-error"])
    assert verdict_of({CACHE: kept(("/cart", 500), until=NOW - 60), PAGE: probe_answer(200)}) == ("healthy", [])
    assert verdict_of({CACHE: kept(("/cart", 500)), PAGE: probe_answer(200)}) == ("healthy", []), "who knows until when?"
    assert verdict_of({CACHE: kept(("/", 500), until=NOW + 60)}) == ("degraded", ["cached-error"])
