"""What nginx says of itself in a handshake with a backend: directives in force, as they are inherited."""

from __future__ import annotations

import pytest

from fixer.model.nginx_config import BackendTls
from tests.nginx.config_builders import read

NAMED = "proxy_ssl_server_name on; proxy_ssl_name shop.internal;"


def told(http: str = "", server: str = "", location: str = "", kind: str = "proxy_pass https") -> BackendTls:
    text = f"{http} server {{ {server} location / {{ {location} {kind}://127.0.0.1:8443; }} }}"
    return read(text.encode()).routes[0].tls


@pytest.mark.parametrize(("http", "server", "location"), [(NAMED, "", ""), ("", NAMED, ""), ("", "", NAMED)])
def test_a_location_inherits_them(http: str, server: str, location: str) -> None:
    assert told(http, server, location) == BackendTls(sends_name=True, name="shop.internal")


def test_the_inner_block_wins() -> None:
    assert told(NAMED, "proxy_ssl_server_name off;", "proxy_ssl_name other.internal;") == BackendTls(name="other.internal")


def test_nothing_is_said() -> None:
    assert told() == BackendTls()


@pytest.mark.parametrize(("server", "location", "host"), [
    ("proxy_set_header Host shop.internal;", "", "shop.internal"), ("", "proxy_set_header host 'a.b';", "a.b"),
    ("proxy_set_header Host shop.internal;", "proxy_set_header X-Real-IP $remote_addr;", ""),
    ("proxy_set_header Host shop.internal;", "proxy_ssl_server_name on;", "shop.internal"),
])
def test_headers_are_inherited_only_by_a_block_without_its_own(server: str, location: str, host: str) -> None:
    assert told("", server, location).host == host


@pytest.mark.parametrize("kind", ["proxy", "grpc"])
def test_each_family_has_its_own_directives(kind: str) -> None:
    said = f"{kind}_ssl_server_name on; {kind}_ssl_certificate /c.pem; {kind}_ssl_certificate_key /c.key;"
    scheme = {"proxy": "https", "grpc": "grpcs"}
    assert told(said, kind=f"{kind}_pass {scheme[kind]}") == BackendTls(
        sends_name=True, certificate="/c.pem", key="/c.key")
    other = "grpc" if kind == "proxy" else "proxy"
    assert told(said, kind=f"{other}_pass {scheme[other]}") == BackendTls()
