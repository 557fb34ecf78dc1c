"""Gateways that nginx stands before and that do not run: who they are, and where they would listen."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Command, Query, ReadFile, ReadTree
from fixer.model.snapshot import Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.other_proxies import PACKAGED_UNITS, gateway_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, sockets, tcp_row
from tests.observe.nginx.other_proxies_builders import show

OTHER_PROXIES_SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:9000; } }"
LIMIT = 1 << 18


def unit_of(name: str, command: str, answers: dict[Query, Answer] | None = None, **changes: str) -> Service:
    seen = capture(node(answers, site=OTHER_PROXIES_SITE, show=show(name, command, **changes)))
    return next(s for s in build_snapshot(seen).services if s.name == name)


def told(service: Service) -> list[tuple[str, int, str | None]]:
    assert isinstance(service.bindings, Known), service.bindings
    return [(b.host, b.port, b.unix) for b in service.bindings.value]


@pytest.mark.parametrize(("command", "name"), [
    (["/usr/sbin/haproxy", "-Ws"], "haproxy"), (["/opt/web/sbin/angie", "-p", "/opt/web"], "nginx"),
    (["/usr/local/openresty/nginx/sbin/openresty"], "nginx"), (["/usr/bin/uvicorn", "app:app"], ""), ([], ""),
])
def test_what_only_hands_on(command: list[str], name: str) -> None:
    assert gateway_of(command) == name


def test_they_are_asked_for_only_where_nobody_listens() -> None:
    asked = follow_up_queries(capture(node(site=OTHER_PROXIES_SITE)), ObserveOptions(probe=False))["local"]
    assert Command("systemctl-show", PACKAGED_UNITS) in asked
    held = sockets([tcp_row("127.0.0.1", 9000, 77)], {})
    well = follow_up_queries(capture(node(site=OTHER_PROXIES_SITE, listening=held)), ObserveOptions(probe=False)).get("local", [])
    assert Command("systemctl-show", PACKAGED_UNITS) not in well


def test_haproxy_by_its_file() -> None:
    conf = "frontend f\n  bind 127.0.0.1:9000,:9443\n# bind :1\nlisten stats\n  bind *:8404 ssl\n"
    path = "/etc/haproxy/haproxy.cfg"
    command = "/usr/sbin/haproxy -Ws -f $CONFIG -p /run/haproxy.pid"
    seen = unit_of("haproxy.service", command, {ReadFile(path, LIMIT): Answer("ok", files=(file(path, conf),))})
    assert told(seen) == [("127.0.0.1", 9000, None), ("0.0.0.0", 9443, None), ("0.0.0.0", 8404, None)]
    asked = follow_up_queries(capture(node(site=OTHER_PROXIES_SITE, show=show("haproxy.service", command))), ObserveOptions(probe=False))
    assert ReadFile(path, LIMIT) in asked["local"]
    assert isinstance(unit_of("haproxy.service", command).bindings, Unknown)
    strange = show("haproxy.service", "/usr/sbin/haproxy -f /srv/edge.cfg")
    more = follow_up_queries(capture(node(site=OTHER_PROXIES_SITE, show=strange)), ObserveOptions(probe=False))["local"]
    assert not any(isinstance(query, ReadFile) and query.path == "/srv/edge.cfg" for query in more)


def test_another_nginx_by_its_own_files() -> None:
    conf = "/opt/web/conf/nginx.conf"
    tree = Answer("ok", files=(file(conf, "events {}\nhttp { server { listen 127.0.0.1:9000; listen unix:/run/w.sock; } }\n"),))
    command = "/usr/sbin/nginx -p /opt/web -c conf/nginx.conf"
    seen = unit_of("inner.service", command, {ReadTree("/opt/web/conf"): tree})
    assert told(seen) == [("127.0.0.1", 9000, None), ("", 0, "/run/w.sock")] and not seen.is_app_server
    asked = follow_up_queries(capture(node(site=OTHER_PROXIES_SITE, show=show("inner.service", command))), ObserveOptions(probe=False))
    assert ReadTree("/opt/web/conf") in asked["local"]


@pytest.mark.parametrize(("name", "command", "places"), [
    ("relay.service", "/usr/bin/socat TCP-LISTEN:9000,bind=127.0.0.1,fork TCP:127.0.0.1:8000", [("127.0.0.1", 9000, None)]),
    ("relay.service", "/usr/bin/socat UNIX-LISTEN:/run/a.sock,fork TCP:127.0.0.1:8000", [("0.0.0.0", 0, "/run/a.sock")]),
    ("varnish.service", "/usr/sbin/varnishd -a :6081 -a 127.0.0.1:8443,PROXY -T localhost:6082",
     [("0.0.0.0", 6081, None), ("127.0.0.1", 8443, None)]),
])
def test_told_by_the_command(name: str, command: str, places: list[tuple[str, int, str | None]]) -> None:
    assert told(unit_of(name, command)) == places


def test_a_socket_of_systemds_proxy() -> None:
    path = "/etc/systemd/system/front.socket"
    written = {ReadFile(path, LIMIT): Answer("ok", files=(file(path, "[Socket]\nListenStream=127.0.0.1:9000\n"),))}
    seen = unit_of("front.service", "/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8000", written)
    assert told(seen) == [("127.0.0.1", 9000, None)]
    socket = "Id=front.socket\nLoadState=loaded\nActiveState=inactive\nListen=127.0.0.1:9000 (Stream)\n"
    written[Command("systemctl-show", ("front.socket",))] = Answer("ok", socket.encode())
    seen = unit_of("front.service", "/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8000", written)
    assert seen.socket is not None and seen.socket.name == "front.socket"


def test_one_whose_files_are_not_understood_is_unknown_and_a_running_one_is_as_ever() -> None:
    assert isinstance(unit_of("caddy.service", "/usr/bin/caddy run").bindings, Unknown)
    assert isinstance(unit_of("caddy.service", "/usr/bin/caddy run", ActiveState="active", MainPID="77").bindings, Known)


def test_a_program_made_from_nginx_is_no_application() -> None:
    assert not unit_of("angie.service", "/opt/web/sbin/angie -p /opt/web -c conf/angie.conf").is_app_server
