"""Tests of fixer/formats/settings_ports.py."""

from __future__ import annotations

import time

import pytest

from fixer.formats.settings_ports import listening_ports, settings_files


def ports(text: str, path: str = "/etc/shop/a.yaml") -> list[tuple[int, str]]:
    return [(b.port, b.source.where) for b in listening_ports(path, text.encode())]


@pytest.mark.parametrize(("text", "line"), [
    ("worker_listeners:\n  - type: http\n    port: 7301\n", 3), ("listeners:\n- port: 7301\n  type: http\n", 2),
    ("[server]\nhttp_port = 7301\n", 2), ("[server]\nHTTP_ADDR=127.0.0.1:7301 ; ours\n", 2), ("port: 7301   # ours\n", 1),
    ('[web]\nbind = "[::1]:7301"\n', 2), ('{\n  "web": {\n    "listen": "127.0.0.1:7301",\n    "x": 1\n  }\n}\n', 3),
    ("web:\n  listen:\n    - 127.0.0.1:7301\n", 3), ("web:\n  bind:\n  - '*:7301'\n", 3), ("server.port=7301\n", 1),
    ("[[web]]\naddress = 'tcp://0.0.0.0:7301'\n", 2),
])
def test_the_port_at_which_a_program_listens(text: str, line: int) -> None:
    assert ports(text) == [(7301, f"/etc/shop/a.yaml:{line}")]


@pytest.mark.parametrize("text", [
    "database:\n  port: 7301\n", "[redis]\nport = 7301\n", "db_port = 7301\n", "smtp:\n  relay:\n    port: 7301\n", "# port: 7301\n",
    '{\n "broker": {\n  "port": 7301\n }\n}\n', "report: 7301\n", "port: 73011111\n", "port: 99999\n", "listen: $PORT\n", "ports_open: 7301\n",
    "url: http://127.0.0.1:7301\n", "timeouts:\n  - 7301\n", "support: 7301\n",
])
def test_what_names_no_port_of_its_own(text: str) -> None:
    assert not ports(text)


def test_which_files_a_command_names() -> None:
    words = ["/srv/shop", "--config=shop.yaml", "-c", "/etc/shop/web.toml", "--log", "/var/log/x.log", "http://x/a.json", "--db.conf"]
    assert settings_files(words, "/srv/a") == ("/srv/a/shop.yaml", "/etc/shop/web.toml")
    assert settings_files(["/etc/own.conf"], "/") == ()
    for daemon in ("/usr/sbin/haproxy", "/opt/haproxy/haproxy", "/usr/bin/redis-server", "/usr/sbin/mosquitto"):
        assert settings_files([daemon, "-f", "/srv/edge.cfg"], "/") == ()


def test_a_hostile_file_takes_no_time() -> None:
    before = time.monotonic()
    for text in ("- " * 60000, "a" * 60000, ("port:" + " " * 290 + "\n") * 4000, "[" * 60000, "a:\n" * 20000, " " * 60000 + "x:1"):
        assert not ports(text)
    assert time.monotonic() - before < 5
