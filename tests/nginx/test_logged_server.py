"""Which `server` block wrote a line."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.nginx.config import read_config
from fixer.nginx.error_log import parse_error_log
from fixer.nginx.logged_server import has_logged, known_names, logged_names, may_have_logged

CONF = b"""events {}
http {
    server { listen 80; server_name _; location / { proxy_pass http://127.0.0.1:1; } }
    server { listen 81; location / { proxy_pass http://127.0.0.1:2; } }
    server { listen 82; server_name .Shop.example www.shop.example; location / { proxy_pass http://127.0.0.1:3; } }
}
"""
KNOWN = known_names(Known(read_config({"/etc/nginx/nginx.conf": CONF}, "/etc/nginx/nginx.conf")))


def wrote(server: str, names: tuple[str, ...], known: frozenset[str] = KNOWN) -> tuple[bool, bool]:
    line = (f'2026/11/30 13:35:52 [error] 1#1: *2 connect() failed (111: Connection refused) while connecting to upstream, '
            f'client: 10.0.0.1, server: {server}, request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:1/", host: "x"')
    (event,) = parse_error_log(line.encode(), where="l", utc_offset=0.0)
    return has_logged(event, logged_names(names), known), may_have_logged(event, logged_names(names), known)


def test_the_names_are_those_that_nginx_logs() -> None:
    assert {"_", "", "shop.example", "www.shop.example"} == KNOWN
    assert logged_names(("~^api", "*.a.example")) == {"^api", "*.a.example"} and known_names(Unknown("not read")) == frozenset()


@pytest.mark.parametrize(("server", "names", "strictly", "perhaps"), [
    ("_", ("_",), True, True), ("_", (), False, False), ("", (), True, True), ("", ("_",), False, False),
    ("shop.example", (".Shop.example",), True, True), ("shop.example", ("_",), False, False),
    ("gone.example", ("_",), False, True), ("gone.example", ("a.example",), False, False),
])
def test_a_line_is_of_the_block_whose_name_it_bears(server: str, names: tuple[str, ...], strictly: bool, perhaps: bool) -> None:
    assert wrote(server, names) == (strictly, perhaps)


def test_no_name_says_nothing_where_every_block_has_one() -> None:
    assert wrote("", ("a.example",), frozenset(("a.example",))) == (True, True)
