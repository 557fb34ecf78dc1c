"""Which service belongs behind an address, by configuration, by topology, by names, and when nobody can tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.ownership.resolve import candidate_owners
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Listen, Span, StaticLocation
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Binding, LogLine, RouteFacts, Snapshot
from tests.analysis.ownership.resolve_builders import named
from tests.analysis.ownership.unloaded_site_owner_builders import LEFT, judged
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    SITE,
    Scene,
    causes_of,
    container_service,
    failed_service,
    finding_of,
    listener,
    probe,
    process,
    roots,
    service,
    stopped_service,
    unit,
    verdict_of,
    wrong_port_scene,
)


def test_told_to_listen_there() -> None:
    scene = Scene().with_service(stopped_service()).refused(configured_service=None)
    assert named(scene) == [("backend.service", "placed")]


def test_an_instance_that_nobody_ever_asked_for_belongs_nowhere() -> None:
    """Its template would make it of any port; another instance runs, and no route names the port of that."""
    made = stopped_service("web@8000.service", unit_changes={"unit_file_state": "disabled", "active_enter": 0.0, "inactive_enter": 0.0})
    runs = service("web@8080.service", 8080)
    scene = Scene().with_service(made, listener(8080, 200)).refused(configured_service=made.id)
    assert named(scene) == [("web@8000.service", "placed")]
    scene.services.append(runs)
    assert named(scene) == [("web@8080.service", "alone")]
    assert [f.cause for f in diagnose(scene.snapshot()).findings] == ["wrong-port"]
    ran = replace(made, log=Known((LogLine(None, "Stopped web@8000.service.", "journal"),)))
    for known in (ran, replace(made, unit=replace(unit("web@8000.service"), active_state="inactive", unit_file_state="enabled"))):
        scene.services[0] = known
        assert named(scene) == [("web@8000.service", "placed")]


def test_what_speaks_fastcgi_is_no_proxied_application() -> None:
    fpm = stopped_service("php-fpm.service", 9000, runtime="php-fpm", bindings=Known(()))
    assert named(Scene().with_service(fpm).refused(configured_service=None)) == []
    scene = Scene().with_service(fpm).refused(configured_service=None)
    scene.route[0] = {"kind": "fastcgi_pass"}
    assert named(scene) == [("php-fpm.service", "alone")]


def test_another_application_that_was_put_to_rest_is_nobodys_backend() -> None:
    told = Known((Binding("127.0.0.1", 9100, None, Evidence("file", "/srv/wiki/gunicorn.conf.py:1", "bind")),))
    rest = {"unit_file_state": "disabled", "working_directory": "/srv/wiki", "user": "app"}
    argv = ("/usr/bin/gunicorn", "-k", "uvicorn.workers.UvicornWorker", "main:app")
    for bindings, changes in ((told, {}), (Known(()), rest), (told, rest)):
        wiki = stopped_service("wiki.service", 9100, bindings=bindings, argv=argv, unit_changes={**rest, **changes})
        scene = Scene().with_service(wiki).refused(configured_service=None)
        scene.route[0] = {"server_names": ("shop.example.com",)}
        diagnosis = diagnose(scene.snapshot())
        assert named(scene) == [("wiki.service", "contested")] and roots(diagnosis) == []
        assert isinstance(verdict_of(diagnosis, "backend-down"), Undetermined)
    scene.route[0] = {"server_names": ("wiki.example.com",)}
    assert named(scene) == [("wiki.service", "alone")]


def test_a_snippet_speaks_for_the_site_that_includes_it() -> None:
    shop = service("shop.service", 8001, bindings=Known(()))
    scene = Scene("127.0.0.1:8000").with_service(shop, listener(8001, 200)).refused(configured_service=None)
    snippet = Span("/etc/nginx/snippets/handed-on.conf", 1, 0, 9)
    scene.route[0] = {"source": snippet}
    assert not finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].needs


@pytest.mark.parametrize(("parent", "found"), [
    (("CRON", 0, "/usr/sbin/CRON", "-f"), True), (("crond", 0, "/usr/sbin/crond", "-n"), True),
    (("crond", 1001, "/home/x/crond"), False),
    (("systemd", 1001, "/usr/lib/systemd/systemd", "--user"), True), (("bash", 1001, "-bash"), False),
])
def test_what_cron_or_a_users_systemd_began_may_be_meant(parent: tuple[Any, ...], found: bool) -> None:
    """Both stay the parents of what they start. Who that is for, a person says: any user may have such lines."""
    bare = service("uvicorn", 8000, 300, unit=None, manager="none", bindings=Known(()))
    scene = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 300)).refused(configured_service=None)
    comm, uid, *argv = parent
    above = replace(process(250, *argv, uid=uid, ppid=1), comm=comm)
    child = process(300, "/usr/bin/uvicorn", "a:b", uid=1001, ppid=250)
    scene.node_changes["local"] = {"processes": Known((above, child)), "kind": "machine"}
    assert dict(named(scene)).get("uvicorn") == ("contested" if found else None)


def test_a_unit_that_has_started_what_it_had_to_start_is_meant_only_where_its_place_is_told() -> None:
    """A packaged init script that found nothing to start is active, and nobody's backend."""
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0, "unit_file_state": "generated"}
    for bindings, expected in ((Known(()), []), (stopped_service(port=8000).bindings, [("backend.service", "placed")])):
        made = service(pid=None, bindings=bindings, unit_changes=left)
        assert named(Scene("127.0.0.1:8000").with_service(made).refused(configured_service=None)) == expected


def test_a_socket_path_belongs_to_who_is_told_it() -> None:
    told = Binding("", 0, "/run/shop.sock", Evidence("unit", "/x:1", "--uds"))
    made = stopped_service(bindings=Known((told,)))
    scene = Scene().with_service(made).refused(configured_service=None, unix="/run/shop.sock", host="", port=0)
    assert named(scene) == [("backend.service", "placed")]
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["backend-down"] and "unix:/run/shop.sock" in diagnosis.findings[0].summary


def test_a_unit_that_is_not_installed_owns_nothing() -> None:
    scene = Scene("127.0.0.1:8001").with_service(stopped_service(unit_changes={"load_state": "not-found"})).refused()
    assert named(scene) == []


def test_processes_nobody_could_list_make_no_owner() -> None:
    bare = service("uvicorn", 8000, 200, unit=None, manager="none")
    scene = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 200)).refused()
    scene.node_changes["local"] = {"processes": Unknown("denied")}
    assert named(scene) == []


@pytest.mark.parametrize(("others", "expected"), [
    (("/run/uwsgi/wiki-py3.sock",), [("backend.service", "related")]), (("/run/uwsgi/wiki-stats.sock",), []), (("/run/uwsgi/news.sock",), []),
    (("/run/other/wiki-py3.sock",), []), (("/run/uwsgi/wiki-py3.sock", "/run/uwsgi/wiki-2.sock"), []), (("/run/uwsgi/forum.sock",), []),
])
def test_a_socket_of_a_parent_of_several_sites_that_is_named_after_one(others: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    """The emperor serves the other site, so none of its sockets was thought of: the host was unexplained."""
    scene = Scene().with_service(service(runtime="uwsgi", bindings=Known(())))
    made = scene.refused(configured_service=None, unix="/run/uwsgi/wiki.sock", host="", port=0).snapshot()
    held = tuple(replace(listener(0, 200), family="unix", address=path, port=0) for path in ("/run/uwsgi/forum.sock", *others))
    forum = replace(made.endpoints[0], id="forum", unix="/run/uwsgi/forum.sock", listener=Known(held[0]), tcp=Known(GOOD), http=Known(GOOD),
                    listening_service="local/backend.service", configured_service="local/backend.service")
    one = replace(made.routes[0], route=replace(made.routes[0].route, server_names=("wiki.test",)))
    two = replace(one, route=replace(one.route, id="r2", server_index=1, server_names=("forum.test",)), endpoints=("forum",), probes=Known((GOOD,)))
    node = replace(made.nodes[0], listeners=Known(held))
    case = open_case(replace(made, routes=(one, two), endpoints=(*made.endpoints, forum), nodes=(node, *made.nodes[1:])), {})
    assert [(owner.service.name, owner.rule) for owner in candidate_owners(case, case.failing_addresses[0])] == expected


def test_same_site_only_of_the_same_server() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:9000").refused()
    scene.with_service(service("daemon.service", 9000, 300, is_app_server=False), listener(9000, 300))
    assert named(scene) == []


def test_a_failed_container_by_its_error() -> None:
    made = container_service(box={"status": "created", "error": "port is taken", "exit_code": 128}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert "backend-down" not in roots(diagnose(scene.snapshot()))
    fresh = container_service(box={"status": "created"}, pid=None)
    scene.services[0] = fresh
    assert roots(diagnose(scene.snapshot())) == ["backend-down"]
    scene.services[0] = container_service(box={"status": "removing"}, pid=None)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), "backend-down"), Undetermined)


def test_a_failed_and_unread_service_beside_a_running_one_leaves_it_open() -> None:
    scene = Scene("127.0.0.1:8001").refused()
    scene.with_service(failed_service("a.service", bindings=Unknown("no command"), unit_changes={"working_directory": "/opt/a"}))
    scene.with_service(service("b.service", 9000, 300, unit=unit("b.service", working_directory="/opt/b", user="b")),
                       listener(9000, 300))
    scene.services[0] = replace(scene.services[0], unit=replace(scene.services[0].unit, user="a"))   # type: ignore[type-var]
    assert len(named(scene)) == 2
    (repair,) = finding_of(diagnose(scene.snapshot()), "wrong-port").repairs
    assert repair.steps == () and repair.needs[0].choices == ("127.0.0.1:9000",)


def test_what_holds_a_named_address_is_not_left_over_for_another() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:8000").with_service(service(port=8000), listener(8000, 200)).refused()
    scene.answers(BAD_GATEWAY, route=1)          # nginx still counts its address as failed: it is its own all the same
    assert all(rule == "same-site" for _, rule in named(scene))
    assert finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].needs


def test_one_service_and_two_empty_addresses_is_a_choice() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:8002").with_service(service(port=9000), listener(9000, 200))
    scene.refused(0).refused(1)
    assert named(scene) == [("backend.service", "contested")]
    found = finding_of(diagnose(scene.snapshot()), "wrong-port")
    assert found.confidence == "possible" and found.repairs[0].needs and not found.repairs[0].steps


def test_a_stopped_service_beside_a_running_stranger_is_still_meant() -> None:
    scene = wrong_port_scene().with_service(stopped_service("real.service", 7000))
    assert [name for name, _ in named(scene)] == ["backend.service", "real.service"]
    assert not finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].steps


def test_a_managed_service_that_listens_there_owns_the_address_whatever_its_program_is() -> None:
    """A stopped application of a known name beside it changes nothing. A program that hangs up may only hold the port."""
    camera = service("camera.service", 8080, is_app_server=False, bindings=Known(()))
    held = listener(8080, 200)
    scene = Scene("127.0.0.1:8080").with_service(camera, held).with_service(stopped_service("gunicorn.service", 8000))
    scene.answers(probe(error="slow", ms=2000.0))
    scene.endpoint(tcp=Known(probe()), http=Known(probe(error="slow")), listener=Known(held), listening_service=camera.id, configured_service=None)
    assert named(scene) == [("camera.service", "placed")]
    scene.answers(BAD_GATEWAY).logs("upstream prematurely closed connection", None, "reading response header from upstream")
    scene.endpoint(http=Known(probe(error="closed")))
    assert named(scene) == [("gunicorn.service", "alone")]


def test_what_was_put_to_rest_is_not_woken_for_another_address() -> None:
    asleep = stopped_service("old.service", 7000, unit_changes={"unit_file_state": "disabled"})
    scene = Scene("127.0.0.1:8001", "127.0.0.1:8000").with_service(service(), listener(8000, 200)).refused()
    scene.with_service(asleep)
    assert ("old.service", "alone") not in named(scene)
    assert "backend-down" not in roots(diagnose(scene.snapshot()))


def test_a_service_of_a_socket_is_not_meant_by_a_port() -> None:
    told = Binding("", 0, "/run/shop.sock", Evidence("unit", "/x:1", "--uds"))
    scene = Scene("127.0.0.1:8001").with_service(stopped_service(bindings=Known((told,)))).refused()
    assert named(scene) == []


def test_what_serves_other_programs_is_a_choice() -> None:
    script = service("exporter.service", 9100, runtime="python", unit=unit("exporter.service", working_directory="/", user="x"))
    scene = Scene("127.0.0.1:8001").with_service(script, listener(9100, 200)).refused()
    assert named(scene) == [("exporter.service", "contested")]
    repair = finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0]
    assert repair.needs and not repair.steps
    for name in ("exporter.service", "shop-exporter.service"):       # the shop's, and not the shop
        scene.services[0] = service(name, 9100, runtime="python", unit=unit(name, working_directory="/srv/shop"))
        assert named(scene) == [(name, "contested")]
    scene.route[0] = {"server_names": ("metrics.example.com",)}
    scene.services[0] = service("metrics.service", 9100, runtime="python", unit=unit("metrics.service"))
    assert named(scene) == [("metrics.service", "alone")]


def test_a_socket_that_nginx_cannot_reach_is_named() -> None:
    scene = Scene("127.0.0.1:8000").with_service(service(), listener(8000, 200, "::1")).refused(configured_service="local/backend.service")
    verdict = verdict_of(diagnose(scene.snapshot()), "wrong-port")
    assert isinstance(verdict, Undetermined) and "[::1]:8000" in verdict.missing[0]


def test_an_application_of_another_name_is_asked_about_before_a_site_is_handed_to_it() -> None:
    """The site's own backend is gone, and the only application that runs is some tool: it answers, and is not meant."""
    made = unit("grafana.service", working_directory="/opt/grafana", user="grafana")
    scene = Scene("127.0.0.1:8000").with_service(service("grafana.service", 9000, unit=made), listener(9000, 200)).refused()
    found = finding_of(diagnose(scene.snapshot()), "wrong-port")
    assert (found.confidence, found.service) == ("possible", None)
    (repair,) = found.repairs
    assert not repair.steps and repair.needs[0].choices == ("127.0.0.1:9000",)
    meant = finding_of(diagnose(scene.snapshot(), {"upstream": "127.0.0.1:9000"}), "wrong-port")
    assert any(isinstance(step, WriteFile) for step in meant.repairs[0].steps)
    for name, folder in (("myshopd.service", "/opt/x1"), ("api.service", "/srv/app"), ("x1.service", "/srv/shop")):
        scene.services[0] = service(name, 9000, unit=unit(name, working_directory=folder, user="deploy"))
        assert finding_of(diagnose(scene.snapshot()), "wrong-port").confidence == "certain", name


def test_another_application_of_the_same_folder_and_user_is_asked_about() -> None:
    """`blog.service` in the shop's folder shares a word with the site, and is another program all the same."""
    def judged(name: str, target: str) -> str:
        argv = ("/opt/shop/venv/bin/uvicorn", target, "--port", "9000")
        made = unit(name, working_directory="/opt/shop", user="shop", exec_start=argv)
        scene = Scene("127.0.0.1:8000").with_service(service(name, 9000, unit=made, argv=argv), listener(9000, 200))
        scene.route[0] = {"server_names": ("shop.example.com",)}
        return finding_of(diagnose(scene.refused(configured_service=None).snapshot()), "wrong-port").confidence

    assert judged("blog.service", "blog:app") == "possible"
    assert judged("blog@2.service", "main:app") == "possible"
    for name, target in (("shop.service", "blog:app"), ("web.service", "blog:app"), ("orders.service", "shop.main:app"),
                         ("gunicorn.service", "config.asgi:application"), ("shopd.service", "main:app")):
        assert judged(name, target) == "certain", name


def test_several_applications_of_others_are_no_candidates() -> None:
    scene = Scene("127.0.0.1:9100").refused()
    for number, name in enumerate(("billing", "catalogue")):
        argv = ("/usr/bin/uvicorn", f"{name}:app")
        scene.with_service(service(f"{name}.service", 7000 + number, 300 + number, argv=argv, unit=unit(
            f"{name}.service", user="", working_directory=f"/srv/{name}", exec_start=argv)), listener(7000 + number, 300 + number))
    scene.route[0] = {"server_names": ("parking.example",)}
    assert causes_of(diagnose(scene.snapshot())) == []


def dead(count: int) -> Snapshot:
    scene = Scene(*(f"127.0.0.1:{1000 + number}" for number in range(count))).with_service(stopped_service("other.service", 1050))
    for number in range(count):
        scene.endpoint(number, listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
        scene.answers(BAD_GATEWAY, route=number)
    return scene.snapshot()


def cost(seen: Snapshot) -> float:
    began = time.process_time()
    diagnose(seen)
    return time.process_time() - began


def test_very_many_dead_addresses_cost_no_more_each_than_a_few() -> None:
    few, many = dead(100), dead(1000)
    diagnose(few)       # imports what it needs
    # ten times as many; where each looked at all of the others it was 50 times as much
    assert min(cost(many) for _ in range(3)) < 25 * min(cost(few) for _ in range(3))
    found = diagnose(many)
    assert found.verdict == "broken" and [f.service for f in found.findings if f.cause == "backend-down"] == ["other.service"]


def test_what_fails_is_not_compared_with_all_routes_for_each_of_them() -> None:
    """Ten thousand locations of a dead backend took a second more than of a live one."""
    class Walked(tuple[RouteFacts, ...]):
        times = 0

        def __iter__(self) -> Iterator[RouteFacts]:
            Walked.times += 1
            return super().__iter__()

    seen = dead(40)
    case = open_case(replace(seen, routes=Walked(seen.routes)), {})
    assert len(case.failing_addresses) == 40 and Walked.times < 10


def test_what_belongs_behind_a_page_of_maintenance_is_nobody_elses() -> None:
    """Its own site answers 503 before anybody is asked: it was started for another site, whose own was gone."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8005").with_service(stopped_service()).refused(0).refused(1)
    scene.statics = (StaticLocation(0, "server", 503, Span(SITE, 3, 0, 0), conditional=True),)
    scene.answers(probe(503, body="<center>nginx</center>"), route=0)
    diagnosis = diagnose(scene.snapshot())
    assert all(finding.role == "advice" for finding in diagnosis.findings)


# A route whose address is a `stream` server of the same nginx: the fault is behind that, and nginx no stranger.


def handed(scene: Scene, *, plain: bool = True) -> Scene:
    """Route 0 leads to nginx's own port 7300, and route 1 is what hands it on."""
    front = service("nginx.service", 7300, 100, is_app_server=False, runtime="", bindings=Known(()))
    scene.services.append(front)
    scene.listeners.append(listener(7300, 100))
    scene.endpoint(configured_service=None, listening_service=front.id, http=Known(probe(error="reset"))).answers(BAD_GATEWAY)
    if plain:
        scene.route[1] = {"location": "stream", "path": None, "internal": True, "reached_from": ("r1",)}
    return scene


def test_the_port_behind_it_is_wrong() -> None:
    made = Scene("127.0.0.1:7300", "127.0.0.1:7311").with_service(service(port=7301), listener(7301, 200))
    found = finding_of(diagnose(handed(made.refused(1)).snapshot()), "wrong-port")
    assert found.variant == "wrong-port" and "127.0.0.1:7311" in found.summary and found.routes[0] == "r1"


def test_who_should_be_behind_it_is_down() -> None:
    made = Scene("127.0.0.1:7300", "127.0.0.1:7301").with_service(stopped_service(port=7301))
    assert finding_of(diagnose(handed(made.refused(1)).snapshot()), "backend-down").routes[0] == "r1"


def test_an_nginx_that_hands_on_in_its_own_way_is_no_stranger_there() -> None:
    made = Scene("127.0.0.1:7300").with_service(service(port=7301), listener(7301, 200))
    assert "wrong-port" not in roots(diagnose(handed(made, plain=False).snapshot()))


@pytest.mark.parametrize(("listens", "written"), [
    (("127.0.0.1", 7300), "127.0.0.1:7300"), (("0.0.0.0", 7300), "localhost:7300"),
])
def test_while_nginx_is_down_nobody_is_missed_where_it_listens_itself(listens: tuple[str, int], written: str) -> None:
    """One server of it hands on to another: the port is empty as long as nginx does not run."""
    made = Scene(written, "127.0.0.1:7301").with_service(service(port=7301), listener(7301, 200)).refused(configured_service=None)
    own = Listen(*listens, False, False, False, Span("/etc/nginx/sites-enabled/shop", 9, 0, 0))
    made.route[1] = {"listens": (own,)}
    made.nginx.update(master_pid=None, worker_pids=())
    assert roots(diagnose(made.snapshot())) == ["nginx-down"]


@pytest.mark.parametrize("told", [False, True])
def test_a_stream_that_visitors_come_in_by_and_that_leads_nowhere_is_no_health(told: bool) -> None:
    """The pages behind it are well, and nobody gets there. What belongs there is known only where something is told."""
    made = Scene("127.0.0.1:7301", "127.0.0.1:7311").with_service(service(port=7301), listener(7301, 200))
    if told:
        made.with_service(stopped_service("gate.service", 7311))
    made.route[1] = {"location": "stream", "path": None, "internal": True}
    made.refused(1)
    made.probes[1] = Known(())
    diagnosis = diagnose(made.snapshot())
    assert diagnosis.verdict == "degraded" and roots(diagnosis) == (["backend-down"] if told else [])
    assert told or "no cause proven for stream on 0.0.0.0:80, which passes connections to where nothing" in diagnosis.notes[0]
    made.nginx.update(master_pid=None, worker_pids=())
    assert roots(diagnose(made.snapshot()))[:1] == ["nginx-down"]


# A site that nginx does not load: its backend is no other site's, and a request for its name falls to the default.
FILE = "/etc/nginx/sites-enabled/other"


def test_the_one_left_over_is_a_choice_where_a_site_that_is_not_loaded_names_it() -> None:
    found = finding_of(judged(wrong_port_scene(), LEFT), "wrong-port")
    assert (found.confidence, found.repairs[0].steps) == ("possible", ())
    assert any(e.where == f"{FILE}:5" and "not loaded" in e.text for e in found.evidence)


def test_a_copy_of_the_very_site_proves_nothing_against_it() -> None:
    found = finding_of(judged(wrong_port_scene(), replace(LEFT, names=("_",))), "wrong-port")
    assert found.confidence == "certain" and found.repairs[0].steps


def test_one_that_leads_elsewhere_does_not_count() -> None:
    assert finding_of(judged(wrong_port_scene(), replace(LEFT, port=8123)), "wrong-port").confidence == "certain"
