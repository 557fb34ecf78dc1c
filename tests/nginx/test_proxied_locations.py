"""Locations that pass requests on: their settings, what is inherited, and the path that reaches them."""

from __future__ import annotations

import re

import pytest

from fixer.nginx import proxied_locations
from fixer.nginx.directives import HTTP
from tests.nginx.config_builders import read


@pytest.mark.parametrize(("text", "seconds"), [("1", 1), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("250ms", 0.25), ("x", 60),
                                               ("1d", 86400), ("", 60), ("9" * 40, 0)])
def test_timeouts(text, seconds):
    config = read(f'server {{ proxy_read_timeout "{text}"; location / {{ proxy_pass http://127.0.0.1:1; }} }}'.encode())
    assert config.routes[0].read_timeout == seconds


def test_a_named_location_and_return_text():
    config = read(b'server { location @n { return "text"; } location /x { return 9999; } location /y { return; } }')
    assert [static.returns for static in config.statics] == [302, 302]


@pytest.mark.parametrize(("server", "path"), [
    (b"location / { try_files $uri @app; }", "/-"),                       # as the servers' own manuals write it
    (b"try_files $uri $uri/ @app;", "/-"),
    (b"location /shop { try_files $uri/index.html $uri @app; }", "/shop/-"),
    (b"location / { root /srv/www; error_page 403 404 = @app; }", "/-"),
    (b"location / { proxy_pass http://127.0.0.1:2; error_page 404 502 = @app; }", None),      # only once that fails
    (b"location / { try_files /closed.html $uri @app; }", "/-"),          # a page that may be there for all
    (b"location / { return 410; try_files $uri @app; }", None),
    (b"location / { try_files $uri @other; }", None),
])
def test_a_named_location_is_reached_by_a_path_that_is_no_file(server, path):
    config = read(b"server { %b location @app { proxy_pass http://127.0.0.1:1; } }" % server)
    assert [route.path for route in config.routes if route.location == "@app"] == [path]
    assert [route.shadowed for route in config.routes if route.location == "@app"] == [b"/closed.html" in server]


@pytest.mark.parametrize(("outer", "inner", "upgrades"), [
    (b"", b"proxy_set_header Upgrade $http_upgrade;", True),
    (b"proxy_set_header upgrade $http_upgrade;", b"", True),
    (b"proxy_set_header Upgrade $http_upgrade;", b"proxy_set_header Host $host;", False),   # none is taken from above
    (b"", b'proxy_set_header Upgrade "";', False),
    (b"", b"proxy_set_header Upgrade;", False),
])
def test_what_hands_on_a_change_of_protocol(outer, inner, upgrades):
    config = read(b"server { %b location / { %b proxy_pass http://127.0.0.1:1; } }" % (outer, inner))
    assert [route.upgrades for route in config.routes] == [upgrades]


@pytest.mark.parametrize(("outer", "inner", "said"), [
    (b"", b"", ""),
    (b"", b"proxy_next_upstream off;", "proxy_next_upstream off"),
    (b"proxy_next_upstream off;", b"proxy_next_upstream error timeout;", ""),
    (b"proxy_next_upstream http_502 http_503;", b"", "proxy_next_upstream http_502 http_503"),
    (b"", b"proxy_next_upstream_tries 1;", "proxy_next_upstream_tries 1"),
    (b"proxy_next_upstream_tries 2;", b"grpc_next_upstream off;", ""),      # that is of another kind of route
])
def test_what_keeps_nginx_from_asking_another_server(outer, inner, said):
    config = read(b"server { %b location / { %b proxy_pass http://127.0.0.1:1; } }" % (outer, inner))
    assert config.routes[0].one_try.partition(",")[0] == said


def test_what_is_asked_before_a_request_is_let_in():
    config = read(b"""server { listen 80; auth_request /_check;
      location / { proxy_pass http://127.0.0.1:1; }
      location /open { auth_request off; proxy_pass http://127.0.0.1:2; }
      location /own { auth_request /_own; proxy_pass http://127.0.0.1:3; }
      location = /_check { internal; auth_request off; proxy_pass http://127.0.0.1:4; }
      location = /_other { internal; proxy_pass http://127.0.0.1:5; } }
      server { listen 81; location = /_check { proxy_pass http://127.0.0.1:6; } }""")
    told = {r.pass_text[-1]: (r.auth, r.asked_first) for r in config.routes}
    assert told == {"1": ("/_check", False), "2": ("", False), "3": ("/_own", False), "4": ("", True),
                    "5": ("/_check", False), "6": ("", False)}


@pytest.mark.parametrize(("rules", "closed"), [
    (b"deny all;", True), (b"deny 10.0.0.1; deny all; allow 10.0.0.2;", True), (b"allow 10.0.0.1; deny all;", False),
    (b"deny 10.0.0.1;", False), (b"satisfy any; deny all;", False), (b"", False),
])
def test_a_location_that_lets_nobody_in(rules: bytes, closed: bool):
    inner = read(b"server { location /a { " + rules + b" proxy_pass http://127.0.0.1:1; } }").routes[0]
    above = read(b"server { " + rules + b" location /a { proxy_pass http://127.0.0.1:1; } }").routes[0]
    opened = read(b"server { deny all; location /a { allow all; " + rules + b" proxy_pass http://127.0.0.1:1; } }").routes[0]
    assert (inner.denies_all, above.denies_all, opened.denies_all) == (closed, closed, False)
    assert (inner.path is None, above.path is None) == (closed, closed)


@pytest.mark.parametrize(("above", "outer", "inner", "included"), [
    (b"", b"", b"ssi on;", True), (b"", b"ssi on;", b"", True), (b"ssi on;", b"", b"", True),
    (b"", b"", b"add_after_body /part;", True),
    (b"", b"", b"", False), (b"", b"", b"ssi off;", False),
    (b"", b"ssi on;", b"mirror /part;", False),         # what it answers nobody sees
])
def test_an_internal_location_that_is_a_part_of_pages(above: bytes, outer: bytes, inner: bytes, included: bool):
    config = read(above + b"server { listen 80; " + outer + b" location / { " + inner + b" proxy_pass http://127.0.0.1:1; }\n"
                  b"location = /part { internal; proxy_pass http://127.0.0.1:2; } }\n"
                  b"server { listen 81; location = /part { internal; proxy_pass http://127.0.0.1:3; } }")
    assert [r.included for r in config.routes] == [False, included, bool(above)]


@pytest.mark.parametrize(("inner", "expected"), [
    (b"proxy_connect_timeout 1s;", (1.0, 7.0, 60.0)), (b"proxy_send_timeout 2s;", (60.0, 2.0, 60.0)),
    (b"grpc_send_timeout 9s;", (60.0, 7.0, 60.0)),          # of another kind of pass
])
def test_a_location_takes_the_timeouts_from_above_that_it_does_not_set(inner: bytes, expected: tuple[float, ...]) -> None:
    config = read(b"proxy_send_timeout 7s; server { location / { %b proxy_pass http://127.0.0.1:1; } }" % inner)
    route = config.routes[0]
    assert (route.connect_timeout, route.send_timeout, route.read_timeout) == expected


def test_the_sizes_of_buffers() -> None:
    config = read(b"server { location / { proxy_buffer_size 16k; proxy_buffers 4 32k; proxy_busy_buffers_size 64k; proxy_pass http://127.0.0.1:1; }"
                  b"location /b { proxy_pass http://127.0.0.1:1; } }")
    assert [(r.header_buffer, r.buffers, r.busy_buffers) for r in config.routes] == [(16384, (4, 32768), 65536), (0, (8, 4096), 0)]


def test_a_location_that_stands_twice_is_refused() -> None:
    config = read(b"server { location /a { return 200; } location /a { return 201; } }")
    assert [(p.kind, p.message) for p in config.problems] == [("duplicate-location", 'duplicate location "/a"')]


@pytest.mark.parametrize(("server", "expected"), [
    (b"location /a { proxy_pass http://127.0.0.1:1; }", "/a"),
    (b"location /a { if ($arg_x) { proxy_pass http://127.0.0.1:1; } }", None),
    (b"location / { if (!-f $request_filename) { proxy_pass http://127.0.0.1:1; break; } }", "/-"),
    (b"location /a { if ( !-e $request_filename ) { proxy_pass http://127.0.0.1:1; } }", "/a/-"),
    (b"location /a { if (-f $request_filename) { proxy_pass http://127.0.0.1:1; } }", None),
    (b"location /a { if (!-f $request_filename) { return 404; } proxy_pass http://127.0.0.1:1; }", "/a"),
    (b"location /a { if ($x) { limit_except GET { proxy_pass http://127.0.0.1:1; } } }", None),
    (b"location /a { internal; proxy_pass http://127.0.0.1:1; }", None),
    (b"return 301 /x; location /a { proxy_pass http://127.0.0.1:1; }", None),
    (b"location /a { return 200; proxy_pass http://127.0.0.1:1; }", None),
    (b"location /a { location /a/b { proxy_pass http://127.0.0.1:1; } }", "/a/b"),
])
def test_the_path_that_reaches_a_pass(server: bytes, expected: str | None) -> None:
    assert [route.path for route in read(b"server { " + server + b" }").routes] == [expected]


def test_locations_without_a_pass_answer_by_themselves() -> None:
    config = read(b"server { location /files { root /srv; } location /gone { return 410; } location /app { proxy_pass http://127.0.0.1:1; }"
                  b"location /maybe { if ($arg_x) { return 503; } proxy_pass http://127.0.0.1:1; } }")
    assert [(s.location, s.returns, s.conditional) for s in config.statics] == [
        ("/files", None, False), ("/gone", 410, False), ("/maybe", 503, True)]


def test_a_new_name_fits_before_the_semicolon_of_the_last_server_name() -> None:
    text = b"server { server_name a.ex; server_name b.ex  ; } server { listen 81; }"
    first, second = read(text).servers
    data = b"events {}\nhttp {\n" + text
    assert first.names_span is not None and second.names_span is None
    place = first.names_span.start
    assert data[:place].endswith(b"server_name b.ex") and data[place:].startswith(b"  ;")


@pytest.mark.parametrize(("inner", "kinds", "statics"), [
    ("proxy_pass http://a:1; fastcgi_pass b:2;", ["fastcgi_pass"], 0), ("fastcgi_pass b:2; proxy_pass http://a:1;", ["proxy_pass"], 0),
    ("proxy_pass http://a:1; memcached_pass b:2;", [], 0), ("memcached_pass b:2; set $memcached_key x;", [], 0),
    ("proxy_pass http://a:1; if ($x) { uwsgi_pass b:2; }", ["proxy_pass", "uwsgi_pass"], 0), ("root /srv;", [], 1),
])
def test_of_several_handlers_nginx_uses_the_last(inner: str, kinds: list[str], statics: int) -> None:
    config = read(f"server {{ location / {{ {inner} }} }}".encode())
    assert ([route.kind for route in config.routes], len(config.statics)) == (kinds, statics)


_AROUND = (b"server { listen 8080; proxy_set_header Upgrade $http_upgrade; set $b x; proxy_read_timeout 9s; "
           b"location @n { proxy_pass http://127.0.0.1:3; } location /in { internal; proxy_pass http://127.0.0.1:2; } "
           b"location /kept { ",
           b"server { listen 8081; deny all; satisfy any; error_page 502 /e.html; auth_request /in; proxy_next_upstream off; "
           b"location /kept { ",
           b"server { listen 8082; deny all; ssi on; location /in { internal; proxy_pass http://127.0.0.1:2; } "
           b"location /kept { proxy_pass http://up; proxy_set_header Connection \"\"; ")
_UPSTREAM = b"upstream up { server 127.0.0.1:7; keepalive 4; } "
_WORDS = (b"on", b"off", b"1", b"all", b"/in", b"a b", b"$b y", b"502 @n", b"/x @n", b"1.1")


def test_a_directive_that_seems_to_change_nothing_changes_nothing(monkeypatch):
    """A location is read in a short way if no directive of it counts. The long way finds the same, whatever stands there."""
    names = [name for name in HTTP if not re.search(rb"^(?:location|server|lua_.*|.*_by_lua.*)$|_block$", name)]
    every = proxied_locations.CHANGES | HTTP.keys()
    for name in names:
        text = _UPSTREAM + b"".join(around + b"".join(
            b"location /kept/%d { %b %b; proxy_pass http://%b; } " % (number, name, words, end)
            for number, words in enumerate(_WORDS)) + b"} } " for around, end in zip(_AROUND, (b"$b:1", b"$b:1", b"up"), strict=True))
        short = read(text)
        with monkeypatch.context() as patch:
            patch.setattr(proxied_locations, "CHANGES", every)
            long = read(text)
        assert (short.routes, short.statics) == (long.routes, long.statics), name
        assert len(short.routes) >= 3 * len(_WORDS)


def test_an_argument_that_is_read_once_leads_to_the_same_at_every_place():
    passes = (b"http://127.0.0.1:1", b"http://127.0.0.1:1/x", b"https://a.example", b"http://unix:/run/a.sock", b"http://up", b"http://[::1]:2/")
    text = b"upstream up { server 127.0.0.1:7; server 127.0.0.1:8 backup; } server { %b }" % b"".join(
        b"location /%d { proxy_pass %b; }\nlocation /q%d { proxy_pass \"%b\"; }\n" % (number, value, number, value)
        for number, value in enumerate(passes * 2))
    config = read(text)
    half = len(config.routes) // 2
    data = b"events {}\nhttp {\n" + text + b"\n}\n"
    for first, again in zip(config.routes[:half], config.routes[half:], strict=True):
        assert (first.scheme, first.upstream, first.pass_text) == (again.scheme, again.upstream, again.pass_text)
        for one, other in zip(first.servers, again.servers, strict=True):
            assert (one.written, one.host, one.port, one.unix) == (other.written, other.host, other.port, other.unix)
            assert data[other.span.start:other.span.end] == other.written.encode()
            if other.port_span is not None:
                assert data[other.port_span.start:other.port_span.end] == str(other.port).encode()
            assert (one.span == other.span) is (first.upstream != "")
