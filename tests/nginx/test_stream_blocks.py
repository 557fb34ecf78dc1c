"""`stream` servers of the same nginx that routes lead to: who is behind them is the routes' backend."""

from __future__ import annotations

import pytest

from fixer.model.nginx_config import NginxConfig
from fixer.nginx.config import read_config

SITE = "http { server { listen 80; location / { proxy_pass http://%s; } } }\n"


def read(stream: str, asked: str = "127.0.0.1:7300") -> NginxConfig:
    text = "events {}\n" + SITE % asked + "stream { " + stream + " }\n"
    return read_config({"/etc/nginx/nginx.conf": text.encode()}, "/etc/nginx/nginx.conf")


@pytest.mark.parametrize(("stream", "asked"), [
    ("server { listen 127.0.0.1:7300; proxy_pass 127.0.0.1:7311; }", "127.0.0.1:7300"),
    ("upstream led { server 127.0.0.1:7311; } server { listen 7300 reuseport; proxy_timeout 9s; proxy_pass led; }", "localhost:7300"),
    ("server { listen [::]:7300; proxy_pass 127.0.0.1:7311; }", "[::1]:7300"),
    ("server { listen unix:/run/led.sock; proxy_pass 127.0.0.1:7311; }", "unix:/run/led.sock"),
])
def test_a_plain_server_that_a_route_leads_to_is_a_route_behind_it(stream: str, asked: str) -> None:
    config = read(stream, asked)
    front, inner = config.routes
    assert (inner.id, inner.reached_from, inner.internal, inner.path) == ("r2", (front.id,), True, None)
    span = inner.servers[0].span
    assert inner.servers[0].port == 7311 and config.problems == ()
    assert ("events {}\n" + SITE % asked + "stream { " + stream + " }\n")[span.start:span.end] == "127.0.0.1:7311"


@pytest.mark.parametrize("stream", [
    "server { listen 7300; proxy_protocol on; proxy_pass 127.0.0.1:7311; }",
    "server { listen 7300 ssl; proxy_pass 127.0.0.1:7311; }",
    "proxy_ssl on; server { listen 7300; proxy_pass 127.0.0.1:7311; }",
    "map $ssl_preread_server_name $to { default 127.0.0.1:7311; } server { listen 7300; proxy_pass $to; }",
    "server { listen 7300 udp; proxy_pass 127.0.0.1:7311; }",
    "server { listen 10.0.0.5:7300; proxy_pass 127.0.0.1:7311; }",
    "server { listen 5433; proxy_pass 127.0.0.1:5432; }",           # no route leads there: nothing of it is asked
    "server { listen 7300; proxy_pass led; }",                      # no port
])
def test_what_changes_what_passes_or_serves_others_is_none(stream: str) -> None:
    assert len(read(stream).routes) == 1


@pytest.mark.parametrize(("port", "told"), [(443, True), (80, True), (5433, False)])
def test_one_that_visitors_come_in_by_is_a_route_of_its_own(port: int, told: bool) -> None:
    config = read(f"server {{ listen {port}; proxy_pass 127.0.0.1:7311; }}")
    assert [(r.location, r.reached_from, r.servers[0].port) for r in config.routes[1:]] == ([("stream", (), 7311)] if told else [])
