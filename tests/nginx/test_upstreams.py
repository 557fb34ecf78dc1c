"""`upstream` blocks: their servers, parameters and spans, and what nginx refuses about them."""

from __future__ import annotations

import pytest

from tests.nginx.config_builders import read


def test_unknown_parameters_and_odd_upstreams_are_silent():
    config = read(b"upstream u { server a:1 weight=x fail_timeout=zz slow_start=3 route=b; zone z 1m; }"
                  b"upstream v { state /x; } upstream; upstream w x { }")
    assert {problem.kind for problem in config.problems} == {"arguments", "unexpected"}


@pytest.mark.parametrize("text", [
    "upstream u { server unix:///run/a.sock; } server { location / { uwsgi_pass u; } }",      # as uWSGI's guide writes it
    "server { location / { proxy_pass http://unix:///run/a.sock:/x; } }",
    "server { location / { proxy_pass http://unix:/run/a.sock; } }",
])
def test_a_socket_is_its_path_however_many_slashes_begin_it(text):
    assert read(text.encode()).routes[0].servers[0].unix == "/run/a.sock"


def test_an_upstream_whose_servers_were_not_read_is_not_called_empty():
    config = read(b"upstream u { include /etc/nginx/pool/*.conf; }")
    assert (config.problems, config.missing) == ((), ("/etc/nginx/pool/*.conf",))


def servers_of(inner: bytes):
    return read(b"upstream u { " + inner + b" } server { location / { proxy_pass http://u; } }").routes[0].servers


def test_the_parameters_of_a_server() -> None:
    first, second = servers_of(b"server a:1 weight=3 max_fails=0 max_conns=7 fail_timeout=1m backup; server b down resolve;")
    assert (first.weight, first.max_fails, first.max_conns, first.fail_timeout, first.backup, first.down) == (3, 0, 7, 60.0, True, False)
    assert (second.weight, second.max_fails, second.max_conns, second.fail_timeout) == (1, 1, 0, 10.0)
    assert (second.down, second.resolves, second.port, second.group) == (True, True, 80, "u")


@pytest.mark.parametrize(("written", "host", "port", "unix", "port_text"), [
    ("127.0.0.1:8000", "127.0.0.1", 8000, None, "8000"), ("[::1]:8000", "::1", 8000, None, "8000"),
    ("[::1]", "::1", 80, None, None), ("app", "app", 80, None, None), ("unix:/run/a.sock", "", 0, "/run/a.sock", None),
    ("app:x", "app", 0, None, None),
])
def test_the_address_of_a_server_and_its_places(written, host, port, unix, port_text) -> None:
    text = f"upstream u {{ server {written}; }} server {{ location / {{ proxy_pass http://u; }} }}".encode()
    (server,) = read(text).routes[0].servers
    data = b"events {}\nhttp {\n" + text
    assert (server.host, server.port, server.unix) == (host, port, unix)
    assert data[server.span.start : server.span.end].decode() == written.removeprefix("unix:")
    digits = server.port_span
    assert (None if digits is None else data[digits.start : digits.end].decode()) == port_text


@pytest.mark.parametrize(("text", "kind", "message"), [
    (b"upstream u { }", "empty-upstream", "no servers are inside upstream"),
    (b"upstream u { keepalive 8; }", "empty-upstream", "no servers are inside upstream"),
    (b"upstream u { server a; } upstream U { server b; }", "duplicate-upstream", 'duplicate upstream "U"'),
    (b"upstream u { server a:70000; }", "invalid-port", 'invalid port in upstream "a:70000"'),
    (b"upstream u { server a:1\nkeepalive 8; }", "missing-semicolon", 'invalid parameter "keepalive"'),
])
def test_what_nginx_refuses_about_a_group(text: bytes, kind: str, message: str) -> None:
    assert [(problem.kind, problem.message) for problem in read(text).problems] == [(kind, message)]


def test_the_first_of_two_groups_of_one_name_stays() -> None:
    config = read(b"upstream u { server a:1; } upstream u { server b:2; } server { location / { proxy_pass http://U; } }")
    assert [(server.host, server.port) for server in config.routes[0].servers] == [("a", 1)]


@pytest.mark.parametrize("address", ["http://flask:5000", "app:8000/", "app?x"])
def test_a_server_with_a_scheme_or_a_path_is_refused_and_no_address(address: str) -> None:
    config = read(f"upstream u {{ server {address}; server b:1; }} server {{ location / {{ proxy_pass http://u; }} }}".encode())
    assert [(p.kind, p.message) for p in config.problems] == [("invalid-host", f'invalid host in upstream "{address}"')]
    assert [server.host for server in config.routes[0].servers] == ["b"]


def test_an_empty_upstream_is_refused_at_its_closing_brace() -> None:
    config = read(b"upstream u {\n  keepalive 8;   # }\n}\nserver { }")
    assert [(p.message, p.line) for p in config.problems] == [("no servers are inside upstream", 5)]
