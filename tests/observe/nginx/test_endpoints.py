"""Endpoints: resolution, listeners, owners and strangers, probes, and what they mean."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixer.analysis.route_verdict import is_closed
from fixer.model.capture import NodeCapture
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span, UpstreamServer
from fixer.model.query import Answer, Command, Probe, ReadFile
from fixer.model.snapshot import Endpoint, Snapshot
from fixer.observe.boot.boot_entries import ACCOUNTS, BOOT_ENTRY_FILES
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.nginx.endpoints import container_at, probe_result, with_services
from tests.causes.snapshot_builders import Scene, binding, container, container_service, listener
from tests.observe.capture_builders import capture, file, node, probe_answer, process, sockets, stat, tcp_row
from tests.observe.nginx.endpoints_builders import SHOW, unit

SITE = "server {{ listen 80; server_name shop.example; location / {{ proxy_pass {}; }} }}"
BACK = process(7, ["uvicorn", "a:b", "--port", "8000"], cgroup="/system.slice/back.service")


def look(target: str, **more: object) -> Snapshot:
    return build_snapshot(capture(node(site=SITE.format(target), **more)))  # type: ignore[arg-type]


def endpoint(target: str, **more: object) -> Endpoint:
    return look(target, **more).endpoints[0]


@pytest.mark.parametrize(("target", "addresses", "where"), [
    ("http://127.0.0.1:8000", ("127.0.0.1",), "local"), ("http://localhost:8000", ("127.0.0.1",), "local"),
    ("http://db:8000", ("10.0.0.7",), None), ("http://10.0.0.5:8000", ("10.0.0.5",), "local"),
    ("http://[::1]:8000", ("::1",), "local"),
])
def test_where_an_address_leads(target: str, addresses: tuple[str, ...], where: str | None) -> None:
    found = endpoint(target)
    assert isinstance(found.addresses, Known) and found.addresses.value == addresses and found.node == where


def test_names_that_only_a_resolver_knows() -> None:
    assert endpoint("http://api:8000").addresses == Unknown("api was not resolved")
    asked = Command("resolve", ("api",))
    found = endpoint("http://api:8000", answers={asked: Answer("ok", b"api 10.0.0.5\napi fe80::1\n")})
    assert isinstance(found.addresses, Known) and found.addresses.value == ("10.0.0.5", "fe80::1") and found.node == "local"
    gone = endpoint("http://api:8000", answers={asked: Answer("ok", b"")})
    assert isinstance(gone.addresses, Known) and gone.addresses.value == ()
    late = endpoint("http://api:8000", answers={asked: Answer("ok", b"", message="no answer in time for api")})
    assert isinstance(late.addresses, Unknown)


def test_an_address_in_a_variable() -> None:
    found = look("http://$backend").endpoints
    assert not found or isinstance(found[0].addresses, Unknown)


@pytest.mark.parametrize(("listening", "expected"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("10.0.0.5", None)])
def test_who_takes_a_connection(listening: str, expected: str | None) -> None:
    found = endpoint("http://127.0.0.1:8000", listening=sockets([tcp_row(listening, 8000, 5)], {5: [7]}))
    assert isinstance(found.listener, Known)
    assert (found.listener.value.address if found.listener.value else None) == expected
    assert found.listener.evidence


def test_a_version_six_wildcard_counts_unless_refused() -> None:
    row = "   0: " + "0" * 32 + ":1F40 " + "0" * 32 + ":0000 0A 00000000:00000000 00:00000000 00000000 0 0 5 1 0\n"
    listening = sockets([], {}, tcp6=row)
    asked = Probe("127.0.0.1", 8000, "/", host_header="shop.example")
    taken = endpoint("http://127.0.0.1:8000", listening=listening)
    refused = endpoint("http://127.0.0.1:8000", listening=listening, answers={asked: probe_answer(error="refused", errno=111, phase="connect")})
    assert isinstance(taken.listener, Known) and taken.listener.value
    assert isinstance(refused.listener, Known) and refused.listener.value is None


def test_unknown_sockets_are_no_absence() -> None:
    assert isinstance(endpoint("http://127.0.0.1:8000", listening=Answer("denied", message="no")).listener, Unknown)
    assert isinstance(endpoint("http://10.9.9.9:8000").listener, Unknown)


def test_unix_sockets() -> None:
    rows = "00: 00000002 00000000 00010000 0001 01 31 /run/app.sock\n"
    found = endpoint("http://unix:/run/app.sock:/", listening=sockets([], {31: [7]}, unix=rows), running=[BACK])
    assert found.unix == "/run/app.sock" and found.node == "local"
    assert isinstance(found.listener, Known) and found.listener.value and found.listener.value.family == "unix"
    gone = endpoint("http://unix:/run/gone.sock:/", listening=sockets([], {}, unix=rows))
    assert isinstance(gone.listener, Known) and gone.listener.value is None


def test_the_service_that_is_told_and_the_one_that_holds() -> None:
    shows = SHOW.format("back.service", "failed", 0) + SHOW.format("old.service", "active", 9)
    seen = look("http://127.0.0.1:8000", show=shows, units=[unit("back.service", 8000), unit("old.service", 9999)],
                running=[process(9, ["uvicorn", "old:app"], cgroup="/system.slice/old.service")],
                listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [9]}))
    (found,) = seen.endpoints
    assert (found.configured_service, found.listening_service) == ("local/back.service", "local/old.service")
    assert found.service_evidence[0].where == "/etc/systemd/system/back.service:2" and "8000" in found.service_evidence[0].text


def test_the_holder_when_nobody_is_told() -> None:
    strange = process(9, ["/usr/bin/thing"], cgroup="/user.slice/session-1.scope")
    found = endpoint("http://127.0.0.1:8000", running=[strange], listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [9]}))
    assert found.configured_service == found.listening_service == "local/thing[9]"


def test_nobody_told_and_nobody_there() -> None:
    found = endpoint("http://127.0.0.1:8001", show=SHOW.format("back.service", "active", 7), units=[unit("back.service", 8000)],
                     running=[BACK])
    assert (found.configured_service, found.listening_service) == (None, None)


def test_a_service_on_another_address_is_not_meant() -> None:
    text = "[Service]\nExecStart=/usr/bin/uvicorn a:b --host 10.0.0.5 --port 8000\n"
    found = endpoint("http://127.0.0.1:8000", show=SHOW.format("back.service", "active", 7),
                     units=[file("/etc/systemd/system/back.service", text)])
    assert found.configured_service is None


def probed(answer: Answer, target: str = "http://127.0.0.1:8000", kind: str = "/") -> Endpoint:
    tls = target.startswith("https")
    asked = Probe("127.0.0.1", 8000, kind, host_header="shop.example", tls=tls, sni="shop.example" if tls else "")
    return endpoint(target, answers={asked: answer})


def test_one_request_answers_for_the_connect_too() -> None:
    found = probed(probe_answer(503))
    assert isinstance(found.tcp, Known) and found.tcp.value.error is None and found.tcp.value.status is None
    assert isinstance(found.http, Known) and (found.http.value.status, found.http.value.server) == (503, "uvicorn")
    refused = probed(probe_answer(error="refused", errno=111, phase="connect"))
    assert isinstance(refused.tcp, Known) and refused.tcp.value.errno == 111


def test_no_answer_in_time_is_known_as_slow() -> None:
    found = probed(probe_answer(error="timeout", phase="head"))
    assert isinstance(found.http, Known) and found.http.value.error == "slow"
    assert isinstance(found.tcp, Known) and found.tcp.value.error is None


def test_tls_is_spoken_where_the_route_speaks_it() -> None:
    assert isinstance(probed(probe_answer(200), "https://127.0.0.1:8000").http, Known)


@pytest.mark.parametrize("answer", [
    None, Answer("no-tool", message="no python"), Answer("ok", b"{"), Answer("ok", b"[]"),
])
def test_a_probe_without_an_outcome_is_unknown(answer: Answer | None) -> None:
    assert isinstance(probe_result(answer), Unknown)


def test_a_hostile_outcome() -> None:
    found = probe_result(Answer("ok", json.dumps({"status": "x", "error": 5, "errno": "y", "ms": None, "head": None}).encode()))
    assert isinstance(found, Known) and (found.value.status, found.value.error, found.value.ms) == (None, None, 0.0)


@pytest.mark.parametrize(("data", "want"), [
    ({"arrived": 6, "growing": 1600.5}, (6, 1600.5)), ({"arrived": 6}, (6, None)), ({"arrived": 0, "growing": 0.0}, (0, None)),
    ({"arrived": "6", "growing": []}, (0, None)), ({"arrived": -1, "growing": 2}, (0, None)), ({"arrived": 6, "growing": "x"}, (6, None)),
])
def test_how_much_of_a_header_came(data: dict[str, object], want: tuple[int, float | None]) -> None:
    found = probe_result(Answer("ok", json.dumps({"phase": "head", "error": "timeout", "status": None, **data}).encode()))
    assert isinstance(found, Known) and (found.value.arrived, found.value.growing) == want


def containers(*, status: str = "running", ip: str = "10.9.0.3") -> Snapshot:
    def item(name: str, address: str, state: str, health: list[str]) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "uvicorn" if name == "api" else "nginx", "State": {"Status": state},
                "Config": {"Healthcheck": {"Test": health}},
                "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Aliases": [name, "backend"] if name == "api" else []}}}}

    items = [item("web1", "10.9.0.2", "running", []),
             item("api", ip, status, ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"])]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    asked = Probe("10.9.0.3", 8000, "/health", host_header="shop.example")
    web = node({asked: probe_answer(200)}, site=SITE.format("http://backend:8000"), name="web1", kind="container")
    rest: list[NodeCapture] = []
    if status == "running":
        rest.append(node(name="api", kind="container", nginx=False, running=[process(1, ["uvicorn", "a:b"])],
                         listening=sockets([tcp_row("0.0.0.0", 8000, 5)], {5: [1]})))
    return build_snapshot(capture(web, *rest, engine, kind="docker", address="web1"))


def test_a_name_on_a_docker_network() -> None:
    (found,) = containers().endpoints
    assert isinstance(found.addresses, Known) and found.addresses.value == ("10.9.0.3",) and found.node == "api"
    assert found.configured_service == found.listening_service == "api/api" and found.path == "/health"
    assert isinstance(found.http, Known) and found.http.value.status == 200


def test_an_ipv6_address_leads_to_its_container() -> None:
    """However it is written."""
    def item(name: str, six: str) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "uvicorn" if name == "api" else "nginx",
                "State": {"Status": "running"}, "Config": {},
                "NetworkSettings": {"Networks": {"net": {"IPAddress": "", "GlobalIPv6Address": six}}}}

    items = [item("web1", "fd00:5::2"), item("api", "fd00:5::9")]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    web = node(site=SITE.format("http://[FD00:5:0::9]:8000"), name="web1", kind="container")
    api = node(name="api", kind="container", nginx=False, running=[process(1, ["uvicorn", "a:b"])],
               listening=sockets([tcp_row("0.0.0.0", 8000, 5)], {5: [1]}))
    (found,) = build_snapshot(capture(web, api, engine, kind="docker", address="web1")).endpoints
    assert (found.node, found.configured_service) == ("api", "api/api")
    assert isinstance(found.listener, Known) and found.listener.value is None      # its socket takes IPv4 only


def test_of_several_containers_behind_a_name_the_one_that_is_called_so() -> None:
    def item(name: str, address: str, *names: str) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "nginx" if name == "web1" else "uvicorn",
                "State": {"Status": "running"}, "Config": {},
                "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Aliases": [name, *names]}}}}

    items = [item("web1", "10.9.0.2"), item("spare", "10.9.0.3", "till"), item("till", "10.9.0.4")]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    said = Answer("ok", b"till 10.9.0.3\ntill 10.9.0.4\n", returncode=0)
    web = node({Command("resolve", ("till",)): said}, site=SITE.format("http://till:8000"), name="web1", kind="container")
    others = [node(name=name, kind="container", nginx=False, running=[process(1, ["uvicorn", "a:b"])],
                   listening=sockets([tcp_row("0.0.0.0", port, 5)], {5: [1]})) for name, port in (("spare", 9000), ("till", 8000))]
    (found,) = build_snapshot(capture(web, *others, engine, kind="docker", address="web1")).endpoints
    assert (found.node, found.configured_service) == ("till", "till/till")


@pytest.mark.parametrize(("projects", "meant"), [
    (("shop", "shop"), True), (("shop", "till"), True), (("till", "till"), True), (("till", "desk"), False),
])
def test_several_stopped_services_of_one_name(projects: tuple[str, str], meant: bool) -> None:
    """On a network that projects share each may have an `api`: nginx's own project comes first, else nobody knows."""
    def item(name: str, project: str, service: str, address: str) -> dict[str, object]:
        labels = {"com.docker.compose.project": project, "com.docker.compose.service": service}
        return {"Id": name * 32, "Name": f"/{name}", "Path": "x", "State": {"Status": "running" if address else "exited"},
                "Config": {"Labels": labels}, "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Aliases": [service]}}}}

    items = [item("w1", "shop", "web", "10.9.0.2"), *(item(f"a{n}", project, "api", "") for n, project in enumerate(projects, 1))]
    engine = node({Command("docker-container", ("w1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    web = node(site=SITE.format("http://api:8000"), name="w1", kind="container")
    (found,) = build_snapshot(capture(web, engine, kind="docker", address="w1")).endpoints
    assert (found.configured_service is not None) is meant


@pytest.mark.parametrize(("at", "gateway", "meant"), [
    ("", "10.9.0.1", True), ("10.9.0.1", "10.9.0.1", True), ("127.0.0.1", "10.9.0.1", False), ("", "", False),
])
def test_what_is_published_where_containers_reach_their_host(at: str, gateway: str, meant: bool) -> None:
    """nginx in a container asks for the Docker host by its address; the application's container does not run."""
    def item(name: str, address: str, state: str) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "uvicorn" if name == "api" else "nginx", "State": {"Status": state},
                "HostConfig": {"PortBindings": {"9000/tcp": [{"HostIp": at, "HostPort": "8001"}]} if name == "api" else {}},
                "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Gateway": gateway if address else ""}}}}

    items = [item("web1", "10.9.0.2", "running"), item("api", "", "exited")]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    asked = Probe("10.9.0.1", 8001, "/", host_header="shop.example")
    web = node({asked: probe_answer(error="refused", phase="connect")}, site=SITE.format("http://10.9.0.1:8001"), name="web1", kind="container")
    (found,) = build_snapshot(capture(web, engine, kind="docker", address="web1")).endpoints
    assert ((found.configured_service, found.container_port) == ("api/api", 9000)) is meant
    if not meant:
        assert (found.configured_service, found.container_port) == (None, 0)


def test_a_container_that_is_gone_is_still_the_one_meant() -> None:
    seen = containers(status="exited", ip="")
    (found,) = seen.endpoints
    assert isinstance(found.addresses, Unknown) and found.configured_service == "api/api" and found.node is None
    service = seen.service("api/api")
    assert service is not None and not service.running


def test_what_speaks_no_http_is_only_connected_to() -> None:
    site = "server { listen 80; location / { fastcgi_pass 127.0.0.1:9000; } }"
    asked = Probe("127.0.0.1", 9000, None, host_header="127.0.0.1")
    (found,) = build_snapshot(capture(node({asked: probe_answer()}, site=site))).endpoints
    assert isinstance(found.tcp, Known) and found.tcp.value.error is None and found.http == Unknown("the upstream protocol is not HTTP")


def published(*, status: str = "running", inside: int = 8000, holder: str = "docker-proxy") -> Snapshot:
    """nginx on the Docker host, the application in a container whose port 8000 is published as 8001."""
    where = {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8001"}]}
    item = {"Id": "a" * 64, "Name": "/app", "Path": "uvicorn", "Args": ["a:b"], "State": {"Status": status},
            "HostConfig": {"PortBindings": where}, "Config": {"Labels": {"com.docker.compose.service": "shop"}},
            "NetworkSettings": {"Ports": where if status == "running" else {},
                                "Networks": {"bridge": {"IPAddress": "172.17.0.2" if status == "running" else ""}}}}
    engine = node({Command("docker-published", ("8001",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    held = sockets([tcp_row("127.0.0.1", 8001, 5)], {5: [9]}) if holder else None
    more = {"running": [process(9, [holder], comm=holder)], "listening": held} if holder else {}
    asked = Probe("127.0.0.1", 8001, "/", host_header="shop.example")
    web = node({asked: probe_answer(error="reset" if holder else "refused", phase="read" if holder else "connect")},
               site=SITE.format("http://127.0.0.1:8001"), **more)  # type: ignore[arg-type]
    box = node(name="app", kind="container", nginx=False, running=[process(1, ["uvicorn", "a:b"])],
               listening=sockets([tcp_row("0.0.0.0", inside, 6)], {6: [1]}))
    return build_snapshot(capture(web, *([box] if status == "running" else []), engine))


def test_a_published_port_leads_into_the_container() -> None:
    (found,) = published().endpoints
    assert (found.node, found.container_port, found.configured_service, found.listening_service) == ("app", 8000, "app/shop", "app/shop")
    assert isinstance(found.listener, Known) and found.listener.value is not None and is_closed(found) is False
    (found,) = published(inside=9000).endpoints
    assert found.listener == Known(None, found.listener.evidence) and is_closed(found) is True   # type: ignore[union-attr]


def test_a_container_that_would_publish_the_port_is_the_one_meant() -> None:
    (found,) = published(status="exited", holder="").endpoints
    assert (found.container_port, found.configured_service) == (8000, "app/shop") and is_closed(found) is True


def test_a_program_of_the_host_is_not_passed_over() -> None:
    (found,) = published(status="exited", holder="stranger").endpoints
    assert (found.node, found.container_port) == ("local", 0)


def test_an_nginx_in_a_container_beside_is_another_targets() -> None:
    engine = node({Command("docker-published", ("8001",)): Answer("ok", b"[]")}, name="engine", nginx=False)
    seen = build_snapshot(capture(node(site=SITE.format("http://127.0.0.1:8001")), node(name="front", kind="container"), engine))
    assert [nginx.node for nginx in seen.nginxes] == ["local"]


@pytest.mark.parametrize(("started", "port", "asked"), [
    ("2027-01-15T07:59:00Z", 8000, True), ("2027-01-15T07:00:00Z", 8000, False), ("2027-01-15T07:59:00Z", 9000, False),
])
def test_who_may_have_got_an_old_address_is_asked_too(started: str, port: int, asked: bool) -> None:
    def item(name: str, address: str, at: str) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "uvicorn", "State": {"Status": "running", "StartedAt": at},
                "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Aliases": [name]}}}}

    items = [item("web1", "10.9.0.2", "2027-01-15T07:00:00Z"), item("api", "10.9.0.4", "2027-01-15T07:59:00Z"),
             item("feed", "10.9.0.3", started)]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    question = Probe("10.9.0.3", 8000, "/", host_header="shop.example")
    web = node({question: probe_answer(404)}, site=SITE.format("http://api:8000"), name="web1", kind="container")
    boxes = [node(name=name, kind="container", nginx=False, running=[process(1, ["uvicorn", "a:b"])],
                  listening=sockets([tcp_row("0.0.0.0", at, 5)], {5: [1]})) for name, at in (("api", 8000), ("feed", port))]
    seen = capture(web, *boxes, engine, kind="docker", address="web1")
    found = build_snapshot(seen).address_candidates
    assert [(s.node, s.address) for s in found] == ([("feed", "10.9.0.3")] if asked else [])
    assert all(isinstance(s.http, Known) and s.http.value.status == 404 for s in found)


@pytest.mark.parametrize(("own", "led"), [
    (b"127.0.0.1\n::1\n10.0.0.5\n", ("::1", "127.0.0.1")), (b"127.0.0.1\n::1\nfe80::5\n", ("::1",)), (b"", ("::1", "127.0.0.1")),
])
def test_a_machine_of_ipv6_gets_the_loopback_of_ipv6_alone(own: bytes, led: tuple[str, ...]) -> None:
    """As measured: with another address of IPv6 than the loopback's, nginx asks [::1] and nothing else."""
    hosts = {ReadFile("/etc/hosts"): Answer("ok", files=(file("/etc/hosts", "::1 localhost\n"),)),
             Command("ip-addresses"): Answer("ok", own)}
    found = endpoint("http://localhost:8000", answers=hosts).addresses
    assert isinstance(found, Known) and found.value == led


@pytest.mark.parametrize(("said", "at"), [
    (b"api 10.0.9.5\napi 10.0.9.6\n", ("10.0.9.5", "10.0.9.6")), (b"api 10.0.9.5\n", ("",)),
    (b"api 10.0.9.5\napi fe80::9\n", ("",)), (b"api 127.0.0.1\napi 10.0.9.6\n", ("",)),
    (b"api 10.0.9.5\napi fe80::9\napi 10.0.9.6\n", ("10.0.9.5", "10.0.9.6")),
])
def test_each_copy_behind_one_name_is_asked(said: bytes, at: tuple[str, ...]) -> None:
    found = look("http://api:8000", answers={Command("resolve", ("api",)): Answer("ok", said)})
    assert tuple(e.single_address for e in found.endpoints) == at and found.routes[0].endpoints == tuple(e.id for e in found.endpoints)
    assert len({(e.file, e.start) for e in found.endpoints}) == 1


def test_the_line_of_the_hosts_file_is_told() -> None:
    found = endpoint("http://db:8000").addresses
    assert isinstance(found, Known) and [(e.where, e.text) for e in found.evidence] == [("/etc/hosts:2", "10.0.0.7 db")]


def test_only_an_answer_that_sends_on_has_a_place_it_leads_to() -> None:
    for status, expected in ((303, "/login"), (201, "")):
        head = f"HTTP/1.1 {status} X\r\nServer: nginx\r\nLocation: /login"
        told = probe_result(Answer("ok", json.dumps({"status": status, "head": head, "phase": "done"}).encode()))
        assert isinstance(told, Known) and told.value.location == expected


@pytest.mark.parametrize(("error", "head", "kept"), [
    ("not-http", "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "x" * 40, "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "x" * 15),
    ("closed", "HTTP/1.1", ""), (None, "HTTP/1.1 200 OK", ""),
])
def test_the_first_bytes_of_what_is_no_http_are_kept(error: str | None, head: str, kept: str) -> None:
    result = probe_result(probe_answer(None if error else 200, error, phase="head", head=head))
    assert isinstance(result, Known) and result.value.first_bytes == kept


@pytest.mark.parametrize(("result", "owner"), [("success", "uvicorn[7]"), ("exit-code", "rc-local.service")])
def test_a_unit_that_had_only_to_start_the_server_is_not_its_owner(result: str, owner: str) -> None:
    """`rc-local.service` is done once the line of rc.local runs: what listens there now is that server."""
    show = (f"Id=rc-local.service\nNames=rc-local.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nMainPID=0\n"
            f"Type=forking\nResult={result}\nFragmentPath=/usr/lib/systemd/system/rc-local.service\n"
            "ExecStart={ path=/etc/rc.local ; argv[]=/etc/rc.local start ; ignore_errors=no }\n\n")
    line = file("/etc/rc.local", "#!/bin/sh\nrunuser -u deploy -- uvicorn a:b --port 8000\n")
    script = replace(line, stat=replace(stat(), mode=0o100755))
    found = endpoint(
        "http://127.0.0.1:8000", show=show, running=[process(7, ["uvicorn", "a:b", "--port", "8000"], uid=1001)],
        listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [7]}),
        answers={ACCOUNTS: Answer("ok", files=(file(ACCOUNTS.path, "deploy:x:1001:1001::/home/deploy:/bin/sh\n"),)),
                 ReadFile("/etc/rc.local", 1 << 16): Answer("ok", files=(script,)),
                 BOOT_ENTRY_FILES: Answer("ok", files=(script,))})
    assert (found.listening_service, found.configured_service) == ("local/uvicorn[7]", f"local/{owner}")


def test_a_socket_leads_to_no_container_by_name() -> None:
    alone = replace(container("web"), service=None, project=None, networks=())
    socket = UpstreamServer("/run/shop.sock", "", 80, "/run/shop.sock", Span("/etc/nginx/nginx.conf", 1, 0, 1))
    assert container_at(socket, (), (alone,), None) is None
    assert container_at(replace(socket, host="p-web-1", unix=None), (), (alone,), None) == alone


def test_a_socket_in_a_folder_of_two_containers_is_that_of_the_one_that_is_told_it() -> None:
    """They share a network, too: nginx's own container has the socket in its table, and no process that holds it."""
    shared, asked = (("/srv/shop/run", "/run/shop"),), "/run/shop/app.sock"
    web = container_service("web", 80, is_app_server=False, bindings=Known(()), box={"shares": shared})
    held = replace(listener(1, 0, node="web"), family="unix", address=asked, port=0, pids=Known(()))
    for path, found in ((asked, True), ("/run/shop/other.sock", False)):
        told = replace(binding(0), host="", unix=path)
        app = container_service("app", bindings=Known((told,)), box={"shares": (("/srv/shop/run", "/run/shop"),)})
        bare = Scene("127.0.0.1:8000", node="web", back="web").endpoint(
            unix=asked, host="", port=0, written=asked, configured_service=None, listener=Known(held)).snapshot().endpoints[0]
        assert with_services(bare, (web, app), None).configured_service == (app.id if found else None)
        closed = replace(bare, listener=Known(None))
        assert with_services(closed, (web, app), None).configured_service is None, "who is down there, other rules say"
