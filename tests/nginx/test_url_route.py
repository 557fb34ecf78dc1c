"""The route that serves a URL."""

from __future__ import annotations

import pytest

from fixer.model.nginx_config import Route
from fixer.nginx.url_route import UrlParts, route_at_url, url_parts
from tests.nginx.config_builders import read

SITE = b"""server { listen 80; server_name a.example;
  root /srv; location / { try_files $uri @app; } location @app { proxy_pass http://127.0.0.1:1; }
  location /api/ { proxy_pass http://127.0.0.1:2; } location = /api/ping { proxy_pass http://127.0.0.1:3; }
  location ~ ^/(v1|v2)/ { proxy_pass http://127.0.0.1:4; } location ^~ /v1/raw/ { proxy_pass http://127.0.0.1:5; }
  location ~ "^/[a-z]{2}(?:/|$)" { proxy_pass http://127.0.0.1:6; } location = /status { stub_status; }
  location /files/ { alias /srv/files/; } location /files/made/ { proxy_pass http://127.0.0.1:7; }
  location /auth { internal; proxy_pass http://127.0.0.1:8; } location ~* \\.jpe?g$ { proxy_pass http://127.0.0.1:9; }
}
server { listen 80; server_name b.example; location /only/ { proxy_pass http://127.0.0.1:10; } }
"""


def port_of(route: Route | None) -> int | None:
    return int(route.pass_text.rpartition(":")[2]) if route is not None else None


@pytest.mark.parametrize(("url", "port"), [
    ("http://a.example/", 1), ("http://a.example/login?next=/", 1), ("http://a.example/api/x", 2), ("http://a.example/api/ping", 3),
    ("http://a.example/v1/x", 4), ("http://a.example/v1/raw/x", 5), ("http://a.example/en", 6), ("http://a.example/eng", 1),
    ("http://a.example/status", None), ("http://a.example/files/x", None), ("http://a.example/files/made/x", 7),
    ("http://a.example/auth", 1), ("http://a.example/x/A.JPG", 9), ("http://b.example/only/x", 10), ("http://b.example/x", None),
    ("ftp://a.example/", None),
])
def test_the_route_of_a_url(url: str, port: int | None) -> None:
    config = read(SITE)
    assert port_of(route_at_url(config, config.routes, url)) == port


def test_without_a_configuration_the_names_of_routes_decide() -> None:
    routes = read(SITE).routes
    assert port_of(route_at_url(None, routes, "http://b.example/only/x")) == 10
    assert port_of(route_at_url(None, routes, "http://a.example/v2/")) == 4


def test_the_parts_of_a_url() -> None:
    assert url_parts("https://[::1]/x?y=1") == UrlParts("https", "::1", 443, "/x", "?y=1")
    assert url_parts("http://a:81") == UrlParts("http", "a", 81, "/", "") and url_parts("a/b") is None
