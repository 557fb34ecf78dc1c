"""Which servers of a configuration get requests: defaults, hidden ones, and those without a usable name."""

from __future__ import annotations

import pytest

from fixer.model.nginx_config import Listen, Span
from tests.nginx.config_builders import read

SPAN = Span("/n.conf", 1, 0, 0)


@pytest.mark.parametrize(("address", "port", "text"), [
    ("0.0.0.0", 80, "0.0.0.0:80"), ("::1", 443, "[::1]:443"), ("unix:/run/a.sock", 0, "unix:/run/a.sock"),
])
def test_the_text_of_a_listen(address: str, port: int, text: str) -> None:
    assert str(Listen(address, port, False, False, False, SPAN)) == text


def test_a_route_is_shown_by_its_first_address() -> None:
    route = read(b"server { listen 443 ssl; listen 80; location / { proxy_pass http://127.0.0.1:1; } }").routes[0]
    assert (route.listen_text, route.listen_scheme) == ("0.0.0.0:443", "https")
    plain = read(b"server { listen 80; listen 443 ssl; location / { proxy_pass http://127.0.0.1:1; } }").routes[0]
    assert (plain.listen_text, plain.listen_scheme) == ("0.0.0.0:80", "http")


@pytest.mark.parametrize(("servers", "hidden"), [
    (b"server { server_name a; } server { server_name a; }", {1}),
    (b"server { server_name a; } server { server_name a b; }", set()),
    (b"server { server_name a b; } server { server_name b; }", {1}),
    (b"server { listen 80; server_name a; } server { listen 81; server_name a; }", set()),
    (b"server { listen 80; server_name a; } server { listen 81; server_name a; } server { listen 80; listen 81; server_name a; }", {2}),
    (b"server { server_name a; } server { listen 80 default_server; server_name a; }", set()),
    (b"server { } server { }", {1}),
])
def test_a_server_whose_names_and_addresses_others_have_is_hidden(servers: bytes, hidden: set[int]) -> None:
    assert read(servers).hidden_servers() == hidden


@pytest.mark.parametrize(("servers", "defaults"), [
    (b"server { listen 80; } server { listen 80; }", {0}),
    (b"server { listen 80; } server { listen 80 default_server; }", {1}),
    (b"server { listen 80; } server { listen 81; } server { listen 80; listen 81 default_server; }", {0, 2}),
    (b"", set()),
])
def test_the_default_of_an_address_is_marked_or_first(servers: bytes, defaults: set[int]) -> None:
    assert read(servers).default_servers() == defaults


@pytest.mark.parametrize(("servers", "nameless"), [
    (b"server { server_name a; } server { server_name _; }", {1}),
    (b"server { server_name a; } server { }", {1}),
    (b"server { server_name _; } server { server_name a; }", set()),          # the first is the default
    (b"server { server_name a; } server { server_name _ b; }", set()),
    (b"server { server_name a; } server { listen 81; server_name _; }", set()),
])
def test_a_server_without_a_name_that_is_no_default_gets_no_request(servers: bytes, nameless: set[int]) -> None:
    assert read(servers).nameless_servers() == nameless
