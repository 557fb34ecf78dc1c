"""Where a pass leads: literal addresses, groups, variables, and what nginx refuses about them."""

from __future__ import annotations

import pytest

from tests.nginx.config_builders import read


@pytest.mark.parametrize(("text", "variable"), [("http://$-x", "$-x"), ("$", "$"), ("unix:$x", "x"), ("http://$x.example", "x")])
def test_odd_variables(text, variable):
    route = read(f"server {{ location / {{ proxy_pass {text}; }} }}".encode()).routes[0]
    assert [server.variable for server in route.servers] == [variable]


@pytest.mark.parametrize(("second", "upstream"), [(b"a_pool", "a_pool"), (b"b_pool", ""), (b"127.0.0.1:3", "")])
def test_values_that_lead_to_several_groups_are_none(second: bytes, upstream: str):
    config = read(b"map $host $pool { default a_pool; b.ex " + second + b"; }\nupstream a_pool { server 127.0.0.1:1; }\n"
                  b"upstream b_pool { server 127.0.0.1:2; }\nserver { location / { proxy_pass http://$pool; } }")
    route = config.routes[0]
    assert (route.upstream, route.servers[0].group) == (upstream, "a_pool")


def route_of(inner: str, above: str = ""):
    return read(f"{above} server {{ location / {{ {inner} }} }}".encode()).routes[0]


def addresses(route) -> list[tuple[str, int]]:
    return [(server.host, server.port) for server in route.servers]


@pytest.mark.parametrize(("inner", "scheme", "expected"), [
    ("proxy_pass http://app;", "http", [("app", 80)]), ("proxy_pass https://app;", "https", [("app", 443)]),
    ("proxy_pass HTTPS://app:8443/x/;", "https", [("app", 8443)]), ("grpc_pass grpcs://app:50051;", "https", [("app", 50051)]),
    ("uwsgi_pass 127.0.0.1:3031;", "http", [("127.0.0.1", 3031)]), ("fastcgi_pass [::1]:9000;", "http", [("::1", 9000)]),
])
def test_a_literal_address(inner: str, scheme: str, expected: list[tuple[str, int]]) -> None:
    route = route_of(inner)
    assert (route.scheme, addresses(route), route.upstream) == (scheme, expected, "")


@pytest.mark.parametrize(("inner", "above", "expected"), [
    ("set $back 127.0.0.1:9; proxy_pass http://$back;", "", [("127.0.0.1", 9)]),
    ("set $url https://app/; proxy_pass $url;", "", [("app", 443)]),
    ("set $host_name app; proxy_pass http://$host_name:9000;", "", [("app", 9000)]),
    ("set $h app; set $p 9001; proxy_pass http://$h:$p/x;", "", [("app", 9001)]),
    ("proxy_pass http://$pool;", "map $host $pool { default a:1; x b:2; }", [("a", 1), ("b", 2)]),
    ("proxy_pass http://app:1$request_uri;", "", [("app", 1)]),
    ("proxy_pass $scheme://app;", "", [("app", 80)]),
    ("set $h 127.0.0.1; proxy_pass http://$h:80$is_args;", "", [("127.0.0.1", 80)]),
    ("set $up 127.0.0.1; uwsgi_pass $up:3031;", "", [("127.0.0.1", 3031)]),
    ("set $h app; set $p 9000; fastcgi_pass $h:$p;", "", [("app", 9000)]),
    ("set $b http://127.0.0.1; proxy_pass $b:8000;", "", [("127.0.0.1", 8000)]),
    ("set $p 3031; uwsgi_pass 127.0.0.1:$p;", "", [("127.0.0.1", 3031)]),
    ("set $a 127.0.0.1; set $b http://$a:8000; proxy_pass $b;", "", [("127.0.0.1", 8000)]),
    ("set $a 127.0.0.1; set $b $a:8000; proxy_pass http://$b;", "", [("127.0.0.1", 8000)]),
    ("proxy_pass http://127.0.0.1:8080$args;", "", [("127.0.0.1", 8080)]),
    ('set $suffix ""; if ($uri = /index.php) { set $suffix ?$query_string; } proxy_pass http://app$suffix;',
     "upstream app { server 127.0.0.1:8000; }", [("127.0.0.1", 8000)]),
    ("proxy_pass http://pool_$colour;", "map $host $colour { default a; } upstream pool_a { server 127.0.0.1:7; }", [("127.0.0.1", 7)]),
])
def test_an_address_in_variables(inner: str, above: str, expected: list[tuple[str, int]]) -> None:
    assert addresses(route_of(inner, above)) == expected


def test_the_port_stands_where_the_variable_is_set() -> None:
    text = b"server { set $p 9001; location / { proxy_pass http://app:$p; } }"
    span = read(text).routes[0].servers[0].port_span
    assert span is not None and (b"events {}\nhttp {\n" + text)[span.start : span.end] == b"9001"


def test_a_group_is_found_without_case_and_keeps_its_own_name() -> None:
    route = route_of("proxy_pass http://POOL;", "upstream Pool { server a:1; server b:2; }")
    assert (route.upstream, addresses(route)) == ("Pool", [("a", 1), ("b", 2)])


def test_combinations_of_variables_are_bounded() -> None:
    maps = "".join(f"map $host ${name} {{ {''.join(f'k{n} {name}{n};' for n in range(9))} }}" for name in ("x", "y"))
    assert len(route_of("proxy_pass http://$x.$y:80;", maps).servers) == 16


@pytest.mark.parametrize(("inner", "kind", "message"), [
    ("proxy_pass app:80;", "invalid-url", "invalid URL prefix"),
    ("proxy_pass http:///x;", "invalid-url", 'no host in upstream "/x"'),
    ("proxy_pass http://app:0;", "invalid-port", 'invalid port in upstream "app:0"'),
    ("proxy_pass http://pool:81;", "upstream-port", 'upstream "pool" may not have port 81'),
    ("uwsgi_pass http://flask;", "invalid-host", 'invalid host in upstream "http://flask"'),
    ("fastcgi_pass http://127.0.0.1:9000;", "invalid-host", 'invalid host in upstream "http://127.0.0.1:9000"'),
    ("proxy_pass uwsgi://app:1;", "invalid-url", "invalid URL prefix"),
    ("proxy_pass grpc://app:1;", "invalid-url", "invalid URL prefix"),
    ("grpc_pass grpc://app:1/x;", "invalid-host", 'invalid host in upstream "app:1/x"'),
    ("fastcgi_pass app;", "invalid-port", 'no port in upstream "app"'),
])
def test_what_nginx_refuses_about_an_address(inner: str, kind: str, message: str) -> None:
    config = read(f"upstream pool {{ server a:1; }} server {{ location / {{ {inner} }} }}".encode())
    assert [(problem.kind, problem.message) for problem in config.problems] == [(kind, message)]


def test_every_value_is_a_server_and_what_is_unknown_too() -> None:
    route = route_of("proxy_pass http://$back;", "map $host $back { default 127.0.0.1:1; ~^(?<n>.+)[.]ex $n:80; b.ex 127.0.0.1:2; }")
    assert [(server.host, server.port, server.variable, server.chosen_by) for server in route.servers] == [
        ("127.0.0.1", 1, "", "config"), ("127.0.0.1", 2, "", "config"), ("", 80, "back", "")]


@pytest.mark.parametrize(("listens", "chosen"), [("80", "config"), ("80 default_server", "config"), ("81", "never")])
def test_a_host_of_another_server_never_leads_here(listens: str, chosen: str) -> None:
    """One map for all sites, and each has its own names. A default server gets any name."""
    sites = ("map $host $back { a.ex 127.0.0.1:1; b.ex 127.0.0.1:2; } server { listen 81; server_name c.ex; }"
             f"server {{ listen {listens}; server_name a.ex; location / {{ proxy_pass http://$back; }} }}")
    assert [server.chosen_by for server in read(sites.encode()).routes[0].servers] == ["config", chosen]


@pytest.mark.parametrize(("inner", "socket"), [
    ("set $p /run/a.sock; proxy_pass http://unix:$p;", "/run/a.sock"), ("set $p /run/a.sock; uwsgi_pass unix:$p;", "/run/a.sock"),
    ("set $s unix:/run/b.sock; proxy_pass http://$s;", "/run/b.sock"), ("set $n app; uwsgi_pass unix:/run/$n.sock;", "/run/app.sock"),
])
def test_a_socket_in_variables(inner: str, socket: str) -> None:
    assert [(server.host, server.port, server.unix, server.variable) for server in route_of(inner).servers] == [("", 0, socket, "")]


@pytest.mark.parametrize(("location", "target", "expected"), [
    ("~ ^/api(/.*)$", "http://127.0.0.1:8080$1", ("127.0.0.1", 8080, "")),
    ("~ ^/(?:v1|v2)/[(]?x(?<rest>/.+)?$", "http://app$rest", ("app", 80, "")),
    ("~ ^/app(\\d+)/", "http://127.0.0.1:80$1", ("", 0, "1")),              # digits, so the rest of a port
    ("~ ^/(a|b)(/.*)", "http://$1:81$2", ("", 0, "1")),
    ("/", "http://127.0.0.1:8080$1", ("", 0, "1")),
])
def test_a_path_that_the_location_captures_ends_the_address(location: str, target: str, expected: tuple[str, int, str]) -> None:
    config = read(f"server {{ location {location} {{ proxy_pass {target}; }} }}".encode())
    server = config.routes[0].servers[0]
    assert (server.host, server.port if not server.variable else 0, server.variable) == expected


def test_an_address_of_several_words_is_edited_where_each_part_stands() -> None:
    text = b"server { set $a 127.0.0.1; set $b $a:8000; location / { proxy_pass http://$b; } }"
    server = read(text).routes[0].servers[0]
    data = b"events {}\nhttp {\n" + text
    assert server.port_span is not None
    assert data[server.span.start : server.span.end] == server.written.encode() == b"$a:8000"
    assert data[server.port_span.start : server.port_span.end] == b"8000"


def test_one_value_that_is_unknown_does_not_hide_the_others() -> None:
    route = route_of("proxy_pass http://$h:80;", "map $host $h { default app; b.ex $http_x; }")
    assert [(server.host, server.variable) for server in route.servers] == [("app", ""), ("", "h")]


def test_deep_and_wide_variables_stay_bounded() -> None:
    maps = "".join(f"map $host $v{n} {{ {''.join(f'k{k} $v{n + 1}$v{n + 1}{k};' for k in range(40))} }}" for n in range(9))
    assert len(route_of("proxy_pass http://$v0:80;", maps).servers) <= 64


def test_a_missing_port_is_told_after_all_other_mistakes() -> None:
    config = read(b"server { location / { fastcgi_pass phpcgi; }\n location /b { listen 80; } }")
    assert [(p.message, p.line) for p in config.problems] == [
        ('"listen" directive is not allowed here', 4), ('no port in upstream "phpcgi"', 3)]
