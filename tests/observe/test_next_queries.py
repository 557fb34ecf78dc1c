"""What is asked, when, and what is not; probes within their bounds; the loop that asks."""

from __future__ import annotations

import json

import pytest

from fixer.model.capture import NodeCapture
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, FileAnswer, ListProcesses, Probe, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import first_queries, follow_up_queries
from fixer.observe.nginx.nginx_masters import later_log_query
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, link, node, probe_answer, process, processes
from tests.observe.next_queries_builders import LISTENS, SITE, WELL, asked, failure
from tests.observe.nginx.endpoints_builders import SHOW

ROUTE = Probe("127.0.0.1", 80, "/", host_header="a.example")
BACK = Probe("127.0.0.1", 8000, "/", host_header="a.example")


def test_the_first_round() -> None:
    first = first_queries("web", "machine", TargetRef("compose", "shop"))
    assert ListProcesses() in first and ReadTree("/etc/nginx") in first and Command("systemctl-show") in first
    assert Command("systemctl-show") not in first_queries("web", "container", TargetRef("compose", "shop"))
    assert first_queries("engine", "machine", TargetRef("compose", "shop")) == [Command("docker-project", ("shop",))]
    assert first_queries("engine", "machine", TargetRef("docker", "web")) == [Command("docker-container", ("web",))]


def test_a_failure_belongs_to_the_longest_location() -> None:
    site = ("server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8000; } "
            "location /api { proxy_pass http://127.0.0.1:8000; } }")
    api = Probe("127.0.0.1", 80, "/api", host_header="a.example")
    seen = node({**WELL, api: probe_answer(200)}, site=site, listening=LISTENS, log=failure(30, "/api/x"))
    assert {q.path for q in asked(seen) if isinstance(q, Probe)} == {"/api"}


def test_names_are_resolved_where_nginx_is() -> None:
    site = SITE.replace("127.0.0.1:8000", "api:8000")
    assert Command("resolve", ("api",)) in asked(node(site=site))
    then = node({Command("resolve", ("api",)): Answer("ok", b"api 127.0.0.1\n")}, site=site, listening=LISTENS)
    assert BACK in asked(then)


def test_nginx_itself_is_asked_only_in_doubt() -> None:
    assert Command("nginx-test", ("/usr/sbin/nginx", "", "")) in asked(node(site=SITE, nginx=False))
    assert not [q for q in asked(node(site=SITE, listening=LISTENS)) if isinstance(q, Command)]


def test_includes_outside_of_the_tree() -> None:
    site = SITE + " include /srv/sites/*.conf; include /etc/nginx/none/*.conf;"
    wanted = [q for q in asked(node(site=site, listening=LISTENS)) if isinstance(q, ReadGlob)]
    assert wanted == [ReadGlob(("/srv/sites/*.conf",))]
    linked = Answer("ok", files=(file("/etc/nginx/nginx.conf", "http { include enabled/*; }"), link("/etc/nginx/enabled", "/srv/n")))
    assert ReadGlob(("/etc/nginx/enabled/*",)) in asked(node({ReadTree("/etc/nginx"): linked}, site=SITE))


def test_a_configuration_elsewhere() -> None:
    own = processes(process(40, ["nginx: master process nginx -c /opt/n/n.conf"], comm="nginx", exe="/usr/sbin/nginx"))
    wanted = asked(node({ListProcesses(): own}))
    assert ReadGlob(("/opt/n/n.conf",)) in wanted and ReadTree("/opt/n") in wanted


UNITS = [file("/etc/systemd/system/back.service", "[Service]\nEnvironmentFile=/etc/e\nWorkingDirectory=/srv\nExecStart=/srv/run\n")]


def test_files_that_say_how_a_unit_starts() -> None:
    seen = node(WELL, site=SITE, listening=LISTENS, units=UNITS, show=SHOW.format("back.service", "active", 7))
    assert {q.path for q in asked(seen) if isinstance(q, ReadFile)} == {"/etc/e", "/srv/run"}
    shipped = SHOW.format("x.service", "active", 0).replace("/etc/systemd", "/usr/lib/systemd")
    assert asked(node(WELL, site=SITE, listening=LISTENS, show=shipped)) == []


def test_units_that_systemd_has_not_loaded() -> None:
    more = [*UNITS, file("/etc/systemd/system/systemd-x.service", ""), file("/etc/systemd/system/t@.service", "")]
    assert Command("systemctl-show", ("back.service",)) in asked(node(WELL, site=SITE, listening=LISTENS, units=more))


def test_the_source_of_a_python_program() -> None:
    seen = node(WELL, site=SITE, running=[process(7, ["python3", "x.py"], cwd="/srv")], listening=LISTENS)
    assert ReadFile("/srv/x.py", 64 << 10) in asked(seen)


def project(*, status: str = "running", site: str = SITE) -> dict[str, list[Query]]:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.project.working_dir": "/srv/shop",
              "com.docker.compose.project.config_files": "/srv/shop/compose.yaml"}
    items = [{"Id": n * 20, "Name": f"/{n}", "Path": p, "State": {"Status": s}, "Config": {
                "Labels": {**labels, "com.docker.compose.service": n}},
              "Mounts": [{"Type": "bind", "Source": "/srv/shop/site", "Destination": "/etc/nginx/sites"}] if n == "web" else []}
             for n, p, s in (("web", "nginx", "running"), ("api", "uvicorn", status))]
    text = file("/srv/shop/compose.yaml", "services:\n  api:\n    env_file: api.env\n")
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode()),
                   ReadFile("/srv/shop/compose.yaml"): Answer("ok", files=(text,))}, name="engine", nginx=False)
    web = node(WELL, site=site, name="web", kind="container", listening=LISTENS)
    return follow_up_queries(capture(web, engine, kind="compose", address="shop"), ObserveOptions())


def test_the_engine_reads_compose_files_and_mounts() -> None:
    wanted = project()["engine"]
    assert {q.path for q in wanted if isinstance(q, ReadFile)} == {"/srv/shop/.env", "/srv/shop/api.env", "/srv/shop/site/shop"}
    assert not [q for q in wanted if isinstance(q, Command)]


def test_a_container_that_is_down_is_in_question() -> None:
    wanted = project(status="exited")["engine"]
    assert Command("docker-logs", ("api", "200")) in wanted and Command("compose-hash", ("shop", "*")) in wanted


@pytest.mark.parametrize("seen", [True, False])
def test_the_filter_of_a_container_that_an_address_leads_to_is_asked_where_it_is_a_node(seen: bool) -> None:
    """One that ends again and again has an address, and could not be asked itself."""
    networks = {"inside": {"IPAddress": "10.9.0.8", "IPPrefixLen": 24}}
    items = [{"Id": n * 20, "Name": f"/{n}", "Path": p, "State": {"Status": "running"}, "Config": {"Labels": {
                "com.docker.compose.project": "shop", "com.docker.compose.service": n}},
              "NetworkSettings": {"Networks": networks if n == "api" else {}}}
             for n, p in (("web", "nginx"), ("api", "uvicorn"))]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    site = "server { listen 80; location / { proxy_pass http://10.9.0.8:8000; } }"
    more = {probe: probe_answer(error="unreachable", errno=113, phase="connect") for port in (8000,)
            for probe in follow_up_queries(capture(node(site=site, name="web", kind="container", listening=LISTENS), engine,
                                           kind="compose", address="shop"), ObserveOptions())["web"]
            if isinstance(probe, Probe) and probe.port == port}
    web = node(more, site=site, name="web", kind="container", listening=LISTENS)
    api = node(name="api", kind="container", nginx=False) if seen else NodeCapture(
        "api", "container", NOW, False, {}, unreachable="container api is restarting")
    wanted = follow_up_queries(capture(web, api, engine, kind="compose", address="shop"), ObserveOptions())
    filters = [name for name, queries in wanted.items() if Command("nft-rules") in queries]
    assert more and sorted(filters) == (["api", "engine", "web"] if seen else ["engine", "web"])


CONDITIONS = """[Unit]
ConditionHost=old
ConditionHost=
ConditionPathExists=!/etc/off
ConditionFileNotEmpty=|/etc/shop/%i
ConditionPathExists=/etc/on
[Service]
ExecStart=/usr/bin/uvicorn a:b --port 8000
MemoryMax=1G
MemoryMax=90M
"""


def test_paths_of_conditions_are_looked_at_only_where_one_was_not_met() -> None:
    show = SHOW.format("shop.service", "inactive", 0)
    unit = file("/etc/systemd/system/shop.service", CONDITIONS)
    on, off = (ReadFile(f"/etc/{name}", 64 << 10) for name in ("on", "off"))
    assert on not in asked(node(site=SITE, show=show, units=(unit,)))
    skipped = show.replace("Type=simple", "ConditionResult=no\nConditionTimestampMonotonic=9\nType=simple")
    questions = asked(node(site=SITE, show=skipped, units=(unit,)))
    assert on in questions and off in questions
    answers = {on: Answer("ok", files=(FileAnswer("/etc/on", "absent"),)),
               off: Answer("failed", files=(FileAnswer("/etc/off", "denied"),))}
    settings = build_snapshot(capture(node(answers, site=SITE, show=skipped, units=(unit,)))).services[0].settings
    assert [(s.key, s.value, s.present) for s in settings] == [
        ("ConditionPathExists", "!/etc/off", None), ("ConditionFileNotEmpty", "|/etc/shop/%i", None),
        ("ConditionPathExists", "/etc/on", False), ("MemoryMax", "90M", None),
    ]
    assert settings[0].source.where == "/etc/systemd/system/shop.service:4"


def test_the_socket_unit_of_a_stopped_application_is_asked_and_says_where_it_listens() -> None:
    show = SHOW.format("shop.service", "failed", 0).replace("Type=simple", "TriggeredBy=shop.socket x.timer\nType=simple")
    unit = file("/etc/systemd/system/shop.service", "[Service]\nExecStart=/usr/bin/uvicorn a:b --fd 3\n")
    query = Command("systemctl-show", ("shop.socket",))
    assert query in asked(node(site=SITE, show=show, units=(unit,)))
    told = b"Listen=127.0.0.1:8000 (Stream)\nListen=/run/shop.sock (Stream)\nListen=[::1]:9 (Datagram)\nId=shop.socket\nActiveState=failed\n"
    seen = build_snapshot(capture(node({query: Answer("ok", told)}, site=SITE, show=show, units=(unit,))))
    service = next(s for s in seen.services if s.name == "shop.service")
    assert service.socket is not None and service.socket.listen == ("127.0.0.1:8000", "/run/shop.sock")
    assert isinstance(service.bindings, Known)
    assert [(b.host, b.port, b.unix) for b in service.bindings.value] == [("127.0.0.1", 8000, None), ("", 0, "/run/shop.sock")]
    assert seen.endpoints[0].configured_service == "local/shop.service"


def test_each_port_that_a_variable_can_stand_for_is_an_address_of_its_own() -> None:
    site = ("map $host $port { default 8000; next.example 8001; }\n"
            "server { listen 80; location / { proxy_pass http://127.0.0.1:$port; } }\n")
    seen = build_snapshot(capture(node(site=site)))
    assert [(e.host, e.port) for e in seen.endpoints] == [("127.0.0.1", 8000), ("127.0.0.1", 8001)]
    assert seen.routes[0].endpoints == tuple(e.id for e in seen.endpoints)


def test_where_an_error_page_hides_failures_the_log_is_read_once_more() -> None:
    """The first reading was before our own request: what that met stands in no other place."""
    masked = SITE.replace("location /", "error_page 502 =200 /sorry.html; location /")
    later = later_log_query("/var/log/nginx/error.log")
    assert asked(node(WELL, site=masked, listening=LISTENS)) == [later]
    assert asked(node({**WELL, ROUTE: probe_answer(502)}, site=masked, listening=LISTENS, log=failure(30))) != [later]
    again = Answer("ok", files=(file("/var/log/nginx/error.log", failure(0)),))
    seen = build_snapshot(capture(node({**WELL, later: again}, site=masked, listening=LISTENS)))
    assert isinstance(seen.nginxes[0].errors, Known) and [e.errno for e in seen.nginxes[0].errors.value] == [110]


def test_a_later_reading_that_could_not_be_made_hides_no_log() -> None:
    """A collect script asks only once."""
    masked = SITE.replace("location /", "error_page 502 =200 /sorry.html; location /")
    later = later_log_query("/var/log/nginx/error.log")
    for none in (Answer("failed"), Answer("ok", files=(FileAnswer("/var/log/nginx/error.log", "absent"),))):
        seen = build_snapshot(capture(node({**WELL, later: none}, site=masked, listening=LISTENS, log=failure(30))))
        assert isinstance(seen.nginxes[0].errors, Known) and [e.errno for e in seen.nginxes[0].errors.value] == [110]
