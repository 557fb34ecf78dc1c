"""What is asked, when, and what is not; probes within their bounds; the loop that asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from fixer.errors import CannotObserve, NoNginx, Unreachable
from fixer.hosts.bundle import BundleTarget, ReplayAsker
from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Known, Unknown
from fixer.model.host import NodeClock
from fixer.model.query import (
    Answer,
    Command,
    FileAnswer,
    ListProcesses,
    Probe,
    Query,
    ReadFile,
    ReadGlob,
    ReadTree,
)
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import MOST_ROUNDS, collect
from fixer.observe.next_queries import first_queries, follow_up_queries
from fixer.observe.nginx.nginx_masters import later_log_query
from fixer.observe.nginx.probes import route_of_url
from fixer.observe.nginx.sites import sites_of
from fixer.observe.view.node_view import views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import (
    MASTER,
    NOW,
    capture,
    file,
    link,
    node,
    probe_answer,
    process,
    processes,
    recorded_capture,
    sockets,
    tcp_row,
)
from tests.observe.nginx.test_endpoints import SHOW

SITE = "server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8000; } }"
LISTENS = sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [7]})
ROUTE = Probe("127.0.0.1", 80, "/", host_header="a.example")
BACK = Probe("127.0.0.1", 8000, "/", host_header="a.example")
WELL = {ROUTE: probe_answer(200), BACK: probe_answer(200)}


def asked(seen: NodeCapture, options: ObserveOptions | None = None, name: str = "local") -> list[Query]:
    return follow_up_queries(capture(seen), options or ObserveOptions()).get(name, [])


def failure(seconds_ago: float, path: str = "/") -> str:
    import time

    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - seconds_ago))
    return (f'{stamp} [error] 41#41: *1 upstream timed out (110: Connection timed out) while reading response header from '
            f'upstream, client: 1.2.3.4, server: a.example, request: "GET {path} HTTP/1.1", upstream: "http://127.0.0.1:8000/", host: "a"\n')


def test_the_first_round() -> None:
    first = first_queries("web", "machine", TargetRef("compose", "shop"))
    assert ListProcesses() in first and ReadTree("/etc/nginx") in first and Command("systemctl-show") in first
    assert Command("systemctl-show") not in first_queries("web", "container", TargetRef("compose", "shop"))
    assert first_queries("engine", "machine", TargetRef("compose", "shop")) == [Command("docker-project", ("shop",))]
    assert first_queries("engine", "machine", TargetRef("docker", "web")) == [Command("docker-container", ("web",))]


def test_the_second_round_probes_and_then_all_is_said() -> None:
    seen = node(site=SITE, listening=LISTENS)
    assert asked(seen) == [BACK, ROUTE]
    assert asked(node(WELL, site=SITE, listening=LISTENS)) == []
    assert asked(seen, ObserveOptions(probe=False)) == []


@pytest.mark.parametrize(("path", "asked_again"), [
    ("/api/users/", "/api/users/"), ("/api/x", "/api/"), ("/other", "/"), ("/api/users/7?a=1", "/api/users/"),
])
def test_the_longest_location_of_the_failed_request_is_asked_again(path: str, asked_again: str) -> None:
    locations = "".join(f"location {at} {{ proxy_pass http://127.0.0.1:8000; }} " for at in ("/", "/api/", "/api/users/"))
    others = SITE.replace("a.example", "b.example").replace("location /", "location /api/users/7")
    site = f"server {{ listen 80; server_name a.example; {locations}}} {others}"
    first = [q for q in asked(node(site=site, listening=LISTENS)) if isinstance(q, Probe)]
    seen = node({probe: probe_answer(200) for probe in first}, site=site, listening=LISTENS, log=failure(30, path))
    again = {(q.host_header, q.path) for q in asked(seen, ObserveOptions(repeat=2)) if isinstance(q, Probe)}
    assert again == {("a.example", asked_again)}


def test_slower_probes_when_asked_to_wait() -> None:
    assert {q.timeout for q in asked(node(site=SITE, listening=LISTENS), ObserveOptions(wait=9)) if isinstance(q, Probe)} == {9}


def test_a_route_that_failed_just_now_is_asked_again() -> None:
    seen = node(WELL, site=SITE, listening=LISTENS, log=failure(30))
    again = asked(seen, ObserveOptions(repeat=4))
    assert [q.attempt for q in again if isinstance(q, Probe)] == [1, 2, 3]
    assert asked(node(WELL, site=SITE, listening=LISTENS, log=failure(500))) == []
    bad = node({**WELL, ROUTE: probe_answer(502)}, site=SITE, listening=LISTENS, log=failure(30))
    assert not [q for q in asked(bad) if isinstance(q, Probe)]
    repeated = {Probe("127.0.0.1", 80, "/", host_header="a.example", attempt=n): probe_answer(504) for n in (1, 2, 3)}
    told = Capture(TargetRef("local", ""), (node({**WELL, **repeated}, site=SITE, listening=LISTENS, log=failure(30)),), (),
                   ObserveOptions(repeat=4).pairs())
    probes = build_snapshot(told).routes[0].probes
    assert isinstance(probes, Known) and [p.status for p in probes.value] == [200, 504, 504, 504]


def test_a_failure_belongs_to_the_longest_location() -> None:
    site = ("server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8000; } "
            "location /api { proxy_pass http://127.0.0.1:8000; } }")
    api = Probe("127.0.0.1", 80, "/api", host_header="a.example")
    seen = node({**WELL, api: probe_answer(200)}, site=site, listening=LISTENS, log=failure(30, "/api/x"))
    assert {q.path for q in asked(seen) if isinstance(q, Probe)} == {"/api"}


def test_at_most_fifty_probes_distinct_endpoints_first() -> None:
    site = "server { listen 80; " + "".join(f"location /{n} {{ proxy_pass http://127.0.0.1:{9000 + n}; }} " for n in range(40)) + "}"
    probes = [q for q in asked(node(site=site)) if isinstance(q, Probe)]
    assert len(probes) == 50 and len({q.port for q in probes if q.port >= 9000}) == 40
    seen = build_snapshot(capture(node(site=site)))
    assert any("30 probes were left out" in note for note in seen.notes)
    assert isinstance(seen.routes[-1].probes, Unknown)


def test_hundreds_of_sites_before_one_backend_are_asked_through_nginx_too() -> None:
    sites = "".join(SITE.replace("a.example", f"s{n}.example") for n in range(300))
    probes = [q for q in asked(node(site=sites, listening=LISTENS)) if isinstance(q, Probe)]
    assert len(probes) == 50 and [q.port for q in probes].count(8000) == 1
    assert len({q.host_header for q in probes if q.port == 80}) == 49


def test_of_hundreds_of_backends_some_are_asked_through_nginx_and_what_failed_just_now_first() -> None:
    sites = "".join(SITE.replace("a.example", f"s{n}.example").replace("8000", str(9000 + n)) for n in range(300))
    quiet = [q for q in asked(node(site=sites, listening=LISTENS)) if isinstance(q, Probe)]
    assert len(quiet) == 50 and sum(q.port == 80 for q in quiet) == 10
    line = failure(5).replace("server: a.example", "server: s250.example")
    loud = [q for q in asked(node(site=sites, listening=LISTENS, log=line)) if isinstance(q, Probe)]
    assert {(q.port, q.host_header) for q in loud} >= {(9250, "s250.example"), (80, "s250.example")} and len(loud) == 50


def test_the_users_own_url_first() -> None:
    options = ObserveOptions(url="http://a.example/login?x=1")
    first = next(q for q in asked(node(site=SITE, listening=LISTENS), options) if isinstance(q, Probe) and q.port == 80)
    assert (first.path, first.host_header) == ("/login?x=1", "a.example")
    views = views_of(capture(node(site=SITE)))
    (site,) = sites_of(views, ())
    assert route_of_url(site, "http://a.example:80/") == "r1" and route_of_url(site, "nonsense") is None


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


def test_logs_that_the_configuration_names() -> None:
    site = SITE.replace("server {", "server { error_log /var/log/shop.log;")
    wanted = [q for q in asked(node(site=site, listening=LISTENS)) if isinstance(q, ReadFile)]
    assert all(q.tail for q in wanted)


UNITS = [file("/etc/systemd/system/back.service", "[Service]\nEnvironmentFile=/etc/e\nWorkingDirectory=/srv\nExecStart=/srv/run\n")]


def test_files_that_say_how_a_unit_starts() -> None:
    seen = node(WELL, site=SITE, listening=LISTENS, units=UNITS, show=SHOW.format("back.service", "active", 7))
    assert {q.path for q in asked(seen) if isinstance(q, ReadFile)} == {"/etc/e", "/srv/run"}
    shipped = SHOW.format("x.service", "active", 0).replace("/etc/systemd", "/usr/lib/systemd")
    assert asked(node(WELL, site=SITE, listening=LISTENS, show=shipped)) == []


def test_units_that_systemd_has_not_loaded() -> None:
    more = [*UNITS, file("/etc/systemd/system/systemd-x.service", ""), file("/etc/systemd/system/t@.service", "")]
    assert Command("systemctl-show", ("back.service",)) in asked(node(WELL, site=SITE, listening=LISTENS, units=more))


@pytest.mark.parametrize(("state", "listening", "journal"), [
    ("active", LISTENS, False), ("active", sockets([], {}), True), ("failed", LISTENS, True), ("inactive", LISTENS, True),
])
def test_a_journal_is_read_only_of_services_in_question(state: str, listening: Answer, journal: bool) -> None:
    unit = file("/etc/systemd/system/back.service", "[Service]\nExecStart=/usr/bin/uvicorn a:b\n")
    seen = node(WELL, site=SITE, listening=listening, units=[unit], show=SHOW.format("back.service", state, 0))
    found = [q for q in asked(seen) if isinstance(q, Command) and q.name == "journal"]
    assert bool(found) is journal


def test_the_journal_of_a_stopped_nginx() -> None:
    show = SHOW.format("nginx.service", "failed", 0).strip() + "\nExecStart={ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g x ; ignore_errors=no }\n"
    found = asked(node(site=SITE, nginx=False, show=show))
    assert any(isinstance(q, Command) and q.name == "journal" and q.args[0] == "nginx.service" for q in found)


def test_the_output_of_a_process_started_by_hand() -> None:
    seen = node(WELL, site=SITE, running=[process(7, ["uvicorn", "a"])])
    assert ReadFile("/proc/7/fd/1", 64 << 10, tail=True) in asked(seen)


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


class Scripted:
    """An asker that has every answer of a capture, counts its rounds and can fail."""

    def __init__(self, seen: NodeCapture, *, fails: bool = False) -> None:
        self.inner, self.fails, self.rounds = ReplayAsker(seen), fails, 0
        self.name, self.kind = seen.name, seen.kind

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        self.rounds += 1
        if self.fails:
            raise Unreachable("gone")
        return self.inner.ask(queries)

    def clock(self) -> NodeClock:
        return self.inner.clock()


class Scene(BundleTarget):
    """A target made of such askers."""

    def __init__(self, seen: Capture, *, failing: Sequence[str] = ()) -> None:
        super().__init__(seen.target, seen)
        self.made = tuple(Scripted(n, fails=n.name in failing) for n in seen.nodes)

    def askers(self) -> tuple[Scripted, ...]:  # type: ignore[override]
        return self.made


@pytest.mark.parametrize("name", ["machine", "compose"])
def test_collecting_again_gives_the_same_capture(name: str) -> None:
    seen = recorded_capture(name)
    scene = Scene(seen)
    again = collect(scene, ObserveOptions())
    assert build_snapshot(again) == build_snapshot(seen)
    assert max(a.rounds for a in scene.made) <= 4


class Endless(Scripted):
    """A node each of whose files includes one more, which is there too."""

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        more = {q: Answer("ok", files=tuple(file(path, f"include /srv/{int(path[5:-5]) + 1}.conf;") for path in q.patterns))
                for q in queries if isinstance(q, ReadGlob) and all(path[5:6].isdigit() for path in q.patterns)}
        return {**super().ask(queries), **more}


def test_the_rounds_are_bounded_and_what_was_not_read_is_no_absence() -> None:
    scene = Scene(capture(node(WELL, site="include /srv/1.conf;" + SITE)))
    scene.made = (Endless(scene.capture.nodes[0]),)
    config = build_snapshot(collect(scene, ObserveOptions())).nginxes[0].config
    assert scene.made[0].rounds == MOST_ROUNDS
    assert isinstance(config, Unknown) and "/srv/" in config.reason


def test_a_bundle_is_what_it_is() -> None:
    seen = recorded_capture("machine")
    assert collect(BundleTarget(TargetRef("bundle", "x"), seen), ObserveOptions(probe=False)) is seen


def test_a_node_that_fails_does_not_stop_the_others() -> None:
    seen = recorded_capture("compose")
    found = build_snapshot(collect(Scene(seen, failing=["backend"]), ObserveOptions()))
    assert "backend: gone" in found.notes and [n.name for n in found.nodes] == ["web"]
    with pytest.raises(Unreachable, match="gone"):
        collect(Scene(seen, failing=["backend", "web", "engine"]), ObserveOptions())


def test_no_nginx_anywhere() -> None:
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False))), ObserveOptions())
    assert raised.value.exit_code == 3 and "no /etc/nginx/nginx.conf" in raised.value.hint
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False, root=False))), ObserveOptions())
    assert "not root" in raised.value.hint


def test_a_stopped_container_is_named_where_no_nginx_was_found() -> None:
    item = [{"Id": "c" * 64, "Name": "/front", "State": {"Status": "exited"}}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(item).encode())}, name="engine", nginx=False)
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False, name="app", kind="container"), engine, kind="compose", address="shop")), ObserveOptions())
    assert "container front is exited" in raised.value.hint


def test_a_node_that_did_not_finish_answering_is_not_without_nginx() -> None:
    with pytest.raises(CannotObserve) as raised:
        collect(Scene(capture(node({ListProcesses(): Answer("timeout", message="the node did not finish answering")}, nginx=False))), ObserveOptions())
    assert not isinstance(raised.value, NoNginx) and "did not finish answering" in raised.value.message


@pytest.mark.parametrize(("labels", "hint"), [
    ({"com.docker.compose.project": "shop"}, "compose://shop"), ({}, "docker://web"), (None, "docker://" + "c" * 12),
])
def test_nginx_only_in_a_container_names_the_right_target(labels: dict[str, str] | None, hint: str) -> None:
    inner = "c" * 64
    own = processes(process(1, ["init"]), process(40, MASTER, comm="nginx", cgroup=f"/docker/{inner}"))
    item = [{"Id": inner, "Name": "/web", "Config": {"Labels": labels}}] if labels is not None else []
    seen = node({ListProcesses(): own, Command("docker-container", (inner,)): Answer("ok", json.dumps(item).encode())})
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(seen)), ObserveOptions())
    assert hint in raised.value.hint


def test_a_container_that_starts_nginx_and_cannot_be_started_is_named_with_its_reason() -> None:
    """A file that it mounts became a folder: it does not start, and nothing of its image can be copied out."""
    error = "runc create failed: unable to start container process: error during container init: error mounting \"/srv/a.conf\""
    boxes = [{"Id": "a" * 64, "Name": "/app", "Path": "uvicorn", "State": {"Status": "exited"}},
             {"Id": "b" * 64, "Name": "/web", "Path": "nginx", "State": {"Status": "exited", "Error": error}}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(boxes).encode())}, name="engine", nginx=False)
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False, name="app", kind="container"), engine, kind="compose", address="shop")), ObserveOptions())
    assert "container web starts nginx" in raised.value.hint and "error mounting" in raised.value.hint


def test_several_containers_are_all_named() -> None:
    first, second = "c" * 64, "d" * 64
    own = processes(process(1, ["init"]), process(40, MASTER, comm="nginx", cgroup=f"/docker/{first}"),
                    process(50, MASTER, comm="nginx", cgroup=f"/docker/{second}"))
    seen = node({
        ListProcesses(): own,
        Command("docker-container", (first,)): Answer("ok", json.dumps([{"Id": first, "Name": "/web"}]).encode()),
        Command("docker-container", (second,)): Answer("ok", json.dumps([{
            "Id": second, "Name": "/box", "Path": "/sbin/init",
            "Config": {"Labels": {"com.docker.compose.project": "shop"}}}]).encode()),
    })
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(seen)), ObserveOptions())
    assert raised.value.hint == "try: fixer diagnose docker://web or fixer diagnose docker://box"


def test_units_that_systemd_forgot_are_looked_up_where_nobody_serves() -> None:
    listing, nginx = Command("systemctl-units"), Command("systemctl-show", ("nginx.service",))
    dead = node(site=SITE)
    assert listing in asked(dead) and nginx not in asked(dead)
    assert nginx in asked(node(site=SITE, nginx=False))
    assert listing not in asked(node(site=SITE, listening=LISTENS))
    told = Answer("ok", b"a.service loaded\n--\nshop.service disabled enabled\nx@.service disabled enabled\n"
                        b"lib.service static -\nsystemd-x.service enabled enabled\n")
    assert Command("systemctl-show", ("shop.service",)) in asked(node({listing: told}, site=SITE))


def test_what_a_mask_hides_is_read_where_an_address_is_empty() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    hidden = ReadFile("/usr/lib/systemd/system/shop.service", 64 << 10)
    assert hidden in asked(node(site=SITE, show=show))
    assert hidden not in asked(node(site=SITE, show=show, listening=LISTENS))
    text = file(hidden.path, "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 8000\n")
    seen = build_snapshot(capture(node({hidden: Answer("ok", files=(text,))}, site=SITE, show=show)))
    assert seen.endpoints[0].configured_service == "local/shop.service"


def test_whether_a_masked_unit_would_start_at_boot_is_asked_once_its_file_is_known() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    hidden = ReadFile("/usr/lib/systemd/system/shop.service", 64 << 10)
    text = file(hidden.path, "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 8000\n[Install]\nWantedBy=multi-user.target\n")
    start = ReadFile("/etc/systemd/system/multi-user.target.wants/shop.service", 64 << 10)
    answers = {hidden: Answer("ok", files=(text,))}
    assert start in asked(node(answers, site=SITE, show=show))
    gone = node({**answers, start: Answer("ok", files=(FileAnswer(start.path, "absent"),))}, site=SITE, show=show)
    seen = build_snapshot(capture(gone)).services[0].settings
    assert [(s.key, s.value, s.present) for s in seen] == [("WantedBy", "multi-user.target", False)]


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


def _template(text: str, path: str = "/etc/systemd/system/api@.service") -> FileAnswer:
    return file(path, f"[Service]\n{text}\n")


@pytest.mark.parametrize(("text", "instance"), [
    ("ExecStart=/usr/bin/uvicorn a:b --port %i", "api@8000.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --port=80%i", "api@00.service"),
    ("Environment=PORT=%I\nExecStart=/srv/run", "api@8000.service"),
    ("ExecStart=/usr/bin/gunicorn -b 127.0.0.1:%i a:b", "api@8000.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --port 9%i", None),
    ("ExecStart=/usr/bin/uvicorn a:b --root-path /%i --port 8000", None),
])
def test_a_stopped_instance_of_a_template_is_asked_for_where_its_port_is_empty(text: str, instance: str | None) -> None:
    shown = [q for q in asked(node(site=SITE, units=[_template(text)])) if isinstance(q, Command) and "api@" in str(q.args)]
    assert shown == ([Command("systemctl-show", (instance,))] if instance else [])
    assert not [q for q in asked(node(site=SITE, units=[_template(text)], listening=LISTENS)) if "api@" in str(q)]


@pytest.mark.parametrize(("text", "held", "instance"), [
    ("ExecStart=/usr/bin/python3 server.py %i", (8001, "8001"), "api@8000.service"),
    ("ExecStart=/usr/bin/python3 server.py \"80%i\" --quiet", (8001, "01"), "api@00.service"),
    ("ExecStart=/usr/bin/python3 worker.py %i", (8001, "2"), None),        # its number is no port
    ("ExecStart=/usr/bin/python3 worker.py %i", (0, "8001"), None),         # it listens nowhere
    ("ExecStart=/usr/bin/python3 server.py --name=%i", (8001, "8001"), None),
])
def test_a_stopped_instance_whose_bare_word_is_the_port_of_others(text: str, held: tuple[int, str], instance: str | None) -> None:
    port, name = held
    sibling = process(70, ["python3", "server.py"], cgroup=f"/system.slice/system-api.slice/api@{name}.service")
    listening = sockets([tcp_row("127.0.0.1", port, 5)], {5: [70]}) if port else sockets([], {})
    seen = node(site=SITE, units=[_template(text)], listening=listening, running=[sibling])
    shown = [q.args for q in asked(seen) if isinstance(q, Command) and q.name == "systemctl-show" and "api@" in str(q.args)]
    assert [names for names in shown if f"api@{name}.service" not in names] == ([(instance,)] if instance else [])


SOCKET_SITE = "server { listen 80; server_name a.example; location / { proxy_pass http://unix:/run/shop/blue.sock:/; } }"
HEARD = sockets([], {}, unix="00: 00000002 00000000 00010000 0001 01 31 /run/shop/blue.sock\n")


@pytest.mark.parametrize(("text", "instance"), [
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/shop/%i.sock", "api@blue.service"),
    ("ExecStart=/usr/bin/gunicorn --bind=unix:%t/shop/%i.sock a:b", "api@blue.service"),
    ("Environment=\"SOCKET=/run/shop/%I.sock\"\nExecStart=/srv/run", "api@blue.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/%i/blue.sock --root-path /%i", "api@shop.service"),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/%i/%i.sock", None),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/shop/%n-%i.sock", None),
    ("ExecStart=/usr/bin/uvicorn a:b --uds /run/other/%i.sock", None),
])
def test_a_stopped_instance_of_a_template_is_asked_for_by_its_socket(text: str, instance: str | None) -> None:
    shown = [q for q in asked(node(site=SOCKET_SITE, units=[_template(text)])) if isinstance(q, Command) and "api@" in str(q.args)]
    assert shown == ([Command("systemctl-show", (instance,))] if instance else [])
    assert not [q for q in asked(node(site=SOCKET_SITE, units=[_template(text)], listening=HEARD)) if "api@" in str(q)]


@pytest.mark.parametrize(("text", "instance"), [
    ("--uds /run/shop/%I.sock", r"api@back\x2doffice.service"), ("--uds /run/shop/%i.sock", "api@back-office.service"),
])
def test_an_instance_is_named_by_its_escaped_text(text: str, instance: str) -> None:
    """Another instance than the one that was meant was enabled and started: `%I` of back-office is back/office."""
    site = SOCKET_SITE.replace("blue.sock", "back-office.sock")
    shown = [q for q in asked(node(site=site, units=[_template(f"ExecStart=/usr/bin/uvicorn a:b {text}")]))
             if isinstance(q, Command) and "api@" in str(q.args)]
    assert shown == [Command("systemctl-show", (instance,))]


def test_units_that_systemd_forgot_or_a_mask_hides_are_looked_up_where_nobody_listens_on_a_socket() -> None:
    listing = Command("systemctl-units")
    assert listing in asked(node(site=SOCKET_SITE)) and listing not in asked(node(site=SOCKET_SITE, listening=HEARD))
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    hidden = ReadFile("/usr/lib/systemd/system/shop.service", 64 << 10)
    text = file(hidden.path, "[Service]\nExecStart=/usr/bin/uvicorn a:b --uds /run/shop/blue.sock\n")
    seen = build_snapshot(capture(node({hidden: Answer("ok", files=(text,))}, site=SOCKET_SITE, show=show)))
    assert hidden in asked(node(site=SOCKET_SITE, show=show)) and seen.endpoints[0].configured_service == "local/shop.service"


def test_the_instance_whose_file_of_variables_names_the_empty_port() -> None:
    unit = _template("EnvironmentFile=/etc/api/%i.env\nExecStart=/usr/bin/uvicorn a:b --port ${PORT}")
    listing = ReadGlob(("/etc/api/*.env",), 512, 60)
    assert listing in asked(node(site=SITE, units=[unit]))
    files = (file("/etc/api/blue.env", "# PORT=8000\nPORT=8001\n"), file("/etc/api/green.env", "PORT=8000\n"))
    answers = {listing: Answer("ok", files=files)}
    assert Command("systemctl-show", ("api@green.service",)) in asked(node(answers, site=SITE, units=[unit]))
    show = SHOW.format("api@green.service", "inactive", 0).replace("system/api@green", "system/api@")
    named = {**answers, Command("systemctl-show", ("api@green.service",)): Answer("ok", show.encode()),
             ReadFile("/etc/api/green.env", 64 << 10): Answer("ok", files=files[1:])}
    assert build_snapshot(capture(node(named, site=SITE, units=[unit]))).endpoints[0].configured_service == "local/api@green.service"


def test_a_mask_also_hides_what_the_administrator_installed() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    own = _template("ExecStart=/usr/bin/uvicorn a:b --port 8000", "/usr/local/lib/systemd/system/shop.service")
    assert build_snapshot(capture(node(site=SITE, show=show, units=[own]))).endpoints[0].configured_service == "local/shop.service"


def test_drop_ins_of_a_masked_unit_count_though_systemd_tells_none_of_them() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    own = _template("ExecStart=/usr/bin/uvicorn a:b --port 7000", "/usr/local/lib/systemd/system/shop.service")
    folder = "systemd/system/shop.service.d"
    drops = [_template(f"ExecStart=\nExecStart=/usr/bin/uvicorn a:b --port {port}", f"{where}/{folder}/{name}.conf")
             for where, name, port in (("/run", "50-port", 7001), ("/etc", "50-port", 8000), ("/etc", "10-port", 7002))]
    seen = build_snapshot(capture(node(site=SITE, show=show, units=[own, *drops])))
    assert seen.endpoints[0].configured_service == "local/shop.service"
    bindings = seen.services[0].bindings
    assert isinstance(bindings, Known) and [b.port for b in bindings.value] == [8000]


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
