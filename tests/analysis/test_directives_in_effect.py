"""The directives that hold for a route: the nearest first, of its own file, its server and `http`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.directives_in_effect import (
    all_directives,
    cache_of,
    directives_for,
    directives_of,
    enclosing_directives,
)
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Listen, ServerBlock, Span
from fixer.nginx.tree import parse
from tests.causes.snapshot_builders import SITE, Scene, file, healthy_scene

CONF, SNIPPET = "/etc/nginx/nginx.conf", "/etc/nginx/snippets/app.conf"


def scene() -> Scene:
    """A main file, a site, and a snippet with the route."""
    made = healthy_scene()
    made.files = [
        file(CONF, "user x;\nhttp {\n    proxy_bind 10.0.0.3;\n    include sites-enabled/*;\n}\n"),
        file(SITE, "server {\n    proxy_bind 10.0.0.2;\n    include snippets/app.conf;\n}\n"),
        file(SNIPPET, "gzip on;\nlocation / {\n    proxy_bind 10.0.0.1;\n    proxy_pass http://127.0.0.1:8000;\n}\n"),
    ]
    start = made.files[2].data.index(b"proxy_pass")
    made.route[0] = {"source": Span(SNIPPET, 4, start, start + 10)}
    span = Span(SITE, 1, 0, 6)
    config = made.snapshot().nginxes[0].config
    assert isinstance(config, Known)
    server = ServerBlock((Listen("0.0.0.0", 80, False, False, False, span),), (), span, None)
    made.nginx["config"] = Known(replace(config.value, servers=(server,), files=(CONF, SITE, SNIPPET)))
    return made


def test_the_nearest_comes_first() -> None:
    snapshot = scene().snapshot()
    found = list(directives_for(snapshot, snapshot.nginxes[0], snapshot.routes[0].route))
    assert [(d.path, d.line) for d in found if d.words[0] == "proxy_bind"] == [(SNIPPET, 3), (SITE, 2), (CONF, 3)]
    assert [d.text for d in found][:3] == ["proxy_bind 10.0.0.1;", "proxy_pass http://127.0.0.1:8000;", "gzip on;"]


@pytest.mark.parametrize(("near", "far", "line"), [
    ("proxy_cache pages;", "", 3), ("", "proxy_cache pages;", 2), ("proxy_cache off;", "proxy_cache pages;", 0),
    ("uwsgi_cache pages;", "", 0), ("", "", 0),
])
def test_the_cache_of_a_route_is_the_nearest_of_its_protocol(near: str, far: str, line: int) -> None:
    made = scene()
    for number, text in ((2, near), (1, far)):
        made.files[number] = replace(made.files[number], data=made.files[number].data.replace(
            f"proxy_bind 10.0.0.{3 - number};".encode(), text.encode()))
    start = made.files[2].data.index(b"proxy_pass")
    made.route[0] = {"source": Span(SNIPPET, 4, start, start + 10)}
    snapshot = made.snapshot()
    found = cache_of(snapshot, snapshot.nginxes[0], snapshot.routes[0].route)
    assert (found.line if found is not None else 0) == line


def test_files_that_were_not_read_say_nothing() -> None:
    made = scene()
    made.files = []
    snapshot = made.snapshot()
    assert list(directives_for(snapshot, snapshot.nginxes[0], snapshot.routes[0].route)) == []
    made.nginx["config"] = Unknown("not root")
    snapshot = made.snapshot()
    assert list(all_directives(snapshot, snapshot.nginxes[0])) == []


def test_every_directive_of_every_file() -> None:
    snapshot = scene().snapshot()
    names = [d.words[0] for d in all_directives(snapshot, snapshot.nginxes[0])]
    assert names.count("proxy_bind") == 3 and names[0] == "user"


def test_what_encloses_an_offset() -> None:
    data = b"a { b { c; } } d;"
    tree = parse(data)
    assert [d.name for d in enclosing_directives(tree.directives, data.index(b"c"))] == [b"a", b"b", b"c"]
    assert list(enclosing_directives(tree.directives, -1)) == []


@pytest.mark.parametrize(("written", "shown"), [
    ('map  $uri $where {\n a b;\n}', "map $uri $where {"), ('add_header X "a; b";', 'add_header X "a; b";'),
    ("gzip  # why\n on;", "gzip on;"), ("gzip\n  on;", "gzip on;"),
])
def test_a_directive_is_shown_as_it_is_written(written: str, shown: str) -> None:
    assert next(iter(directives_of(written.encode(), SITE))).text == shown


def included(site: str, snippet: str, location: str) -> list[tuple[str, int]]:
    """Return the places of `proxy_bind` that hold for the location of a server that includes a snippet."""
    made = scene()
    made.files[1], made.files[2] = file(SITE, site), file(SNIPPET, snippet)
    origin = made.files[1 if "proxy_pass" in site else 2]
    start = origin.data.index(b"proxy_pass")
    line = origin.data[:start].count(b"\n") + 1
    made.route[0] = {"source": Span(origin.path, line, start, start + 10), "location": location}
    snapshot = made.snapshot()
    found = directives_for(snapshot, snapshot.nginxes[0], snapshot.routes[0].route)
    return [(d.path, d.line) for d in found if d.words[0] == "proxy_bind"]


def test_what_a_location_includes_holds_for_it() -> None:
    site = "server {\n    location / {\n        include /etc/nginx/snippets/*.conf;\n        proxy_pass http://a;\n    }\n}\n"
    assert included(site, "proxy_bind 10.0.0.1;\n", "/") == [(SNIPPET, 1), (CONF, 3)]
    assert included(site, "include snippets/app.conf;\nproxy_bind 10.0.0.1;\n", "/") == [(SNIPPET, 2), (CONF, 3)]


def test_a_location_holds_for_what_it_includes() -> None:
    """The same file is included in two locations: the route's own counts."""
    site = ("server {\n    location /a {\n        proxy_bind 10.0.0.1;\n        include snippets/app.conf;\n    }\n"
            "    location /b {\n        proxy_bind 10.0.0.2;\n        include snippets/app.conf;\n    }\n}\n")
    assert included(site, "proxy_connect_timeout 1s;\nproxy_pass  http://a;\n".replace("  ", " "), "/b")[0] == (SITE, 7)


def test_what_http_includes_holds_too() -> None:
    site = "include snippets/app.conf;\nserver {\n    location / {\n        proxy_pass http://a;\n    }\n}\n"
    assert included(site, "proxy_bind 10.0.0.9;\n", "/") == [(SNIPPET, 1), (CONF, 3)]
