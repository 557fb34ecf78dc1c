"""Addresses and names of servers: every form of `listen`, and what nginx refuses about them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fixer.nginx.config import read_config
from fixer.nginx.listen import host_header, parse_listen, server_names, serving_server
from fixer.nginx.tree import parse
from tests.nginx.config_builders import read


def test_a_listen_over_several_lines_is_fine():
    assert read(b"server { listen 443\n ssl\n http2\n default_server; }").problems == ()


@pytest.mark.parametrize(("first", "second", "expected"), [
    ("listen 80 proxy_protocol;", "listen 80;", (False, True)), ("listen 443 ssl;", "listen 443;", (True, False)),
    ("listen [::]:443 ssl proxy_protocol;", "listen [::]:443;", (True, True)), ("listen 80 proxy_protocol;", "", (False, True)),
    ("listen 127.0.0.1:80 proxy_protocol;", "listen 80;", (False, False)),        # another address is another socket
    ("listen 443 quic;", "listen 443;", (False, False)),                            # and so is UDP
    ("listen unix:/run/front.sock proxy_protocol;", "listen unix:/run/front.sock;", (False, True)),
])
@pytest.mark.parametrize("turned", [False, True])
def test_how_an_address_is_spoken_to_holds_for_every_server_there(first, second, expected, turned):
    """nginx itself: "protocol options redefined", and the options of both hold."""
    pair = [f"server {{ {listen} location / {{ proxy_pass http://127.0.0.1:{port}; }} }}" for listen, port in ((first, 1), (second, 2))]
    text = f"events {{}} http {{ {' '.join(reversed(pair) if turned else pair)} }}"
    found = read_config({"/n.conf": text.encode()}, "/n.conf")
    (listen,) = next(route for route in found.routes if route.pass_text.endswith(":2")).listens
    assert (listen.tls, listen.proxy_protocol) == expected


def listens_of(text: str) -> list[str]:
    return [str(listen) for listen in parse_listen(parse(text.encode()).directives[0])]


@pytest.mark.parametrize(("text", "expected"), [
    ("listen 8080;", ["0.0.0.0:8080"]), ("listen *:81;", ["0.0.0.0:81"]), ("listen shop.example;", ["shop.example:80"]),
    ("listen LOCALHOST:82;", ["localhost:82"]), ("listen [::1];", ["[::1]:80"]), ("listen [::]:83;", ["[::]:83"]),
    ("listen unix:/run/Front.sock;", ["unix:/run/Front.sock"]),
    ("listen 8000-8002;", ["0.0.0.0:8000", "0.0.0.0:8001", "0.0.0.0:8002"]),
    ("listen [::1]:90-91;", ["[::1]:90", "[::1]:91"]), ("listen 91-90;", []), ("listen 99999;", ["0.0.0.0:0"]),
])
def test_the_address_in_every_form(text: str, expected: list[str]) -> None:
    assert listens_of(text) == expected


def test_a_wide_range_of_ports_is_bounded() -> None:
    assert len(listens_of("listen 1-65535;")) == 64


@pytest.mark.parametrize(("words", "expected"), [
    ("", (False, False, False)), ("ssl", (True, False, False)), ("quic", (True, False, False)),
    ("default_server", (False, True, False)), ("default", (False, True, False)), ("proxy_protocol", (False, False, True)),
])
def test_what_the_parameters_say(words: str, expected: tuple[bool, bool, bool]) -> None:
    (listen,) = parse_listen(parse(f"listen 443 {words};".encode()).directives[0])
    assert (listen.tls, listen.default_server, listen.proxy_protocol) == expected


def test_a_server_without_listen_is_on_port_80() -> None:
    config = read(b"server { server_name a; }")
    assert [str(listen) for listen in config.servers[0].listens] == ["0.0.0.0:80"]


def test_the_names_of_a_server_come_in_order() -> None:
    (server,) = parse(b"server { server_name a.ex *.b.ex; listen 80; server_name _; }").directives
    assert server_names(server) == ("a.ex", "*.b.ex", "_")


@pytest.mark.parametrize(("servers", "kinds"), [
    (b"server { listen 80; listen 80; }", ["duplicate-listen"]),
    (b"server { listen 80; listen 127.0.0.1:80; }", []),
    (b"server { listen 443 ssl; listen 443 quic; }", []),                  # TCP and UDP are two sockets
    (b"server { listen 80 default_server; } server { listen 80 default_server; }", ["duplicate-default-server"]),
    (b"server { listen 80 default_server; } server { listen 81 default_server; }", []),
    (b"server { listen 80 backlog=9; } server { listen 80 reuseport; }", ["duplicate-listen"]),
    (b"server { listen 80 backlog=9; } server { listen 80; }", []),
    (b"server { listen 80\n server_name a; }", ["missing-semicolon"]),
])
def test_what_nginx_refuses_about_addresses(servers: bytes, kinds: list[str]) -> None:
    assert [problem.kind for problem in read(servers).problems] == kinds


@pytest.mark.parametrize(("names", "asked"), [
    (("", "_", ".shop.test"), "shop.test"), (("*.shop.test",), "a.shop.test"), (("www.shop.*",), "www.shop.a"),
    ((r"~^(?<who>.+)\.shop\.test$", "shop.test"), "shop.test"), ((r"~^(?<who>.+)\.shop\.test$",), "a.shop.test"),
    ((r"~^(www|api)\.(?:[a-z0-9-]+)\.com$",), "www.a.com"), ((r"~^web\d+\.shop\.test$",), "web0.shop.test"),
    ((r"~\.shop\.test$",), "a.shop.test"), ((r"~^(?!old).+$",), "localhost"), (("_",), "localhost"), ((), "localhost"),
])
def test_the_name_by_which_a_server_is_asked(names: tuple[str, ...], asked: str) -> None:
    assert host_header(SimpleNamespace(server_names=names)) == asked     # type: ignore[arg-type]


SERVERS = ("legacy.example", "*.saas.example", ".shop.example", "mail.*", r"~^(?<tenant>[a-z]+)\.lan$", r"~\.lan$", r"~^\\p{L}+x$", "_")


@pytest.mark.parametrize(("host", "name"), [
    ("legacy.example", "legacy.example"), ("LEGACY.example", "legacy.example"), ("foo.saas.example", "*.saas.example"),
    ("saas.example", "default"), ("shop.example", ".shop.example"), ("a.b.shop.example", ".shop.example"),
    ("mail.saas.example", "*.saas.example"), ("mail.lan", "mail.*"), ("globex.lan", SERVERS[4]), ("a.b.lan", SERVERS[5]),
    ("10.0.0.9", "default"),
])
def test_the_server_that_nginx_chooses(host: str, name: str) -> None:
    """As nginx 1.26 chose for each of these."""
    made = " ".join(f'server {{ listen 80; server_name "{one}"; }}' for one in SERVERS)
    found = read(f"{made} server {{ listen 80 default_server; server_name default; }}".encode())
    index = serving_server(found, host, 80)
    assert index is not None and found.servers[index].names == (name,)


@pytest.mark.parametrize(("port", "expected"), [(80, 0), (81, 1), (8080, 0)])
def test_the_server_of_a_port(port: int, expected: int) -> None:
    """The first of a port is its default; a port that nobody has is published by a container."""
    found = read(b"server { listen 80; server_name a; } server { listen 81; server_name b; } server { listen 80; server_name c; }")
    assert serving_server(found, "x", port) == expected
    assert serving_server(read(b""), "x", 80) is None
