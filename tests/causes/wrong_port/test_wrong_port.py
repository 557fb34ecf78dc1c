"""wrong-port: an empty address whose service listens elsewhere, and everything that only looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import Listener, Service
from fixer.planner import RepairPolicy, plan
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    binding,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    site,
    stat,
    stopped_service,
    supervised_service,
    unit,
    verdict_of,
    wrong_port_scene,
)
from tests.causes.wrong_port.wrong_port_builders import containers, group

CAUSE = "wrong-port"
TRACEBACK = (
    "Traceback (most recent call last):", '  File "/srv/shop/app/settings.py", line 7, in <module>',
    "    SECRET = os.environ['SECRET_KEY']", '  File "<frozen os>", line 685, in __getitem__', "KeyError: 'SECRET_KEY'",
)


def test_hit_the_route_is_pointed_at_the_units_own_socket() -> None:
    diagnosis = diagnose(wrong_port_scene().snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.service, found.routes) == (
        "wrong-port", "certain", "backend.service", ("r1",))
    assert found.evidence[0].where == "/etc/nginx/sites-enabled/shop:3"
    (repair,) = found.repairs
    assert (repair.id, repair.risk) == ("point-route-at-listener", "safe")
    write, check, reload = repair.steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert write.path == "/etc/nginx/sites-available/shop"
    assert write.before is not None and write.after == write.before.replace(b":8001", b":8000")
    assert diagnosis.verdict == "broken"


def test_miss_a_healthy_host_is_left_alone() -> None:
    diagnosis = diagnose(healthy_scene().snapshot())
    assert diagnosis.verdict == "healthy" and diagnosis.findings == ()
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_unknown_nobody_could_look_whether_something_listens() -> None:
    scene = wrong_port_scene().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"), http=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_a_service_that_another_route_relies_on_is_nobody_elses() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:9000").refused()
    scene.route[1] = {"server_index": 1}
    scene.with_service(service("admin.service", 9000, 300), listener(9000, 300))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [] and diagnosis.verdict == "degraded"
    assert isinstance(verdict_of(diagnosis, CAUSE), Undetermined)


def test_what_serves_the_same_site_is_only_offered_as_a_choice() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:9000").refused()
    scene.with_service(service("admin.service", 9000, 300), listener(9000, 300))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.confidence == "possible" and found.repairs[0].steps == ()
    assert found.repairs[0].needs[0].choices == ("127.0.0.1:9000",)


def test_a_server_of_a_group_is_a_copy_of_the_others_and_no_other_application() -> None:
    """The only application beside a group with a dead server was offered in its place: pages of the wrong one."""
    scene = Scene("127.0.0.1:8001", "127.0.0.1:9000", "127.0.0.1:8000").refused()
    scene.with_service(service("admin.service", 9000, 300), listener(9000, 300)).with_service(service(), listener(8000, 200))
    seen = scene.snapshot()
    group = replace(seen.routes[0], endpoints=(seen.routes[0].endpoints[0], seen.routes[2].endpoints[0]))
    diagnosis = diagnose(replace(seen, routes=(group, seen.routes[1])))
    assert CAUSE not in roots(diagnosis) and isinstance(verdict_of(diagnosis, CAUSE), Undetermined)


def test_an_application_is_left_to_the_address_whose_name_it_has() -> None:
    """It was the only one offered for the other address, too, although the site has a second application."""
    scene = Scene("127.0.0.1:8010", "127.0.0.1:8002", "127.0.0.1:8001").refused().refused(1)
    scene.route[0], scene.route[1] = {"location": "/ws"}, {"location": "/reports/"}
    scene.with_service(service("reports.service", 8012, 300), listener(8012, 300)).with_service(service(port=8001), listener(8001, 200))
    repairs = {one.routes: one.repairs[0] for one in diagnose(scene.snapshot()).findings if one.cause == CAUSE}
    assert {routes: repair.needs[0].choices for routes, repair in repairs.items()} == {
        ("r1",): ("127.0.0.1:8001",), ("r2",): ("127.0.0.1:8012",)}


def test_a_strangers_process_is_never_a_candidate() -> None:
    stranger = service("python3", 9999, 400, unit=None, manager="none", is_app_server=False, runtime="http.server")
    scene = wrong_port_scene().with_service(stranger, listener(9999, 400, "0.0.0.0"))
    assert finding_of(diagnose(scene.snapshot()), CAUSE).service == "backend.service"
    alone = Scene("127.0.0.1:8001").with_service(stranger, listener(9999, 400, "0.0.0.0")).refused()
    assert CAUSE not in roots(diagnose(alone.snapshot()))


def test_a_bare_server_counts_only_when_it_was_left_to_process_1() -> None:
    bare = service("uvicorn", 8000, 200, unit=None, manager="none")
    scene = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 200)).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    shell = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 200), ppid=77).refused()
    assert roots(diagnose(shell.snapshot())) == []
    managed = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 200)).with_service(stopped_service(port=8001)).refused()
    assert roots(diagnose(managed.snapshot())) == ["backend-down"]


def test_out_of_reach_is_no_candidate() -> None:
    for address in ("10.0.0.5", "::1"):
        scene = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200, address)).refused()
        assert roots(diagnose(scene.snapshot())) == []
    dual = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200, "::")).refused()
    assert roots(diagnose(dual.snapshot())) == []            # uvicorn on :: takes no IPv4
    node = Scene("127.0.0.1:8001").with_service(service(runtime="node"), listener(8000, 200, "::")).refused()
    assert roots(diagnose(node.snapshot())) == [CAUSE]


def test_the_same_port_on_another_address_is_something_else() -> None:
    scene = Scene("127.0.0.1:8000").with_service(service(), listener(8000, 200, "10.0.0.5")).refused()
    assert roots(diagnose(scene.snapshot())) == ["wrong-bind-address"]


def test_down_and_told_another_port_are_two_faults_and_nginx_meets_the_port_first() -> None:
    """Once it is started, nginx fails as before: it asks the same port. The start is still what a repair does first."""
    diagnosis = diagnose(Scene("127.0.0.1:8001").with_service(stopped_service(port=8000)).refused().snapshot())
    assert roots(diagnosis) == [CAUSE, "backend-down"]
    assert plan(diagnosis, RepairPolicy()).cause == "backend-down"
    (repair,) = finding_of(diagnosis, CAUSE).repairs
    assert repair.risk == "manual" and "first start backend.service" in repair.manual
    assert [e.where for e in finding_of(diagnosis, CAUSE).evidence][1] == "/etc/systemd/system/backend.service:6"


def test_where_a_unit_listens_whose_files_are_not_there_is_not_known() -> None:
    made = failed_service(port=8000, unit_changes={"result": "resources"})
    assert CAUSE not in roots(diagnose(Scene("127.0.0.1:8001").with_service(made).refused().snapshot()))


def test_a_stopped_relative_is_not_passed_over_for_a_running_stranger() -> None:
    scene = Scene("127.0.0.1:8001").refused()
    scene.with_service(failed_service("shop.service", bindings=Unknown("no command")))
    other = service("metrics.service", 9100, 300)
    assert other.unit is not None
    scene.with_service(
        replace(other, unit=replace(other.unit, working_directory="/opt/metrics", user="metrics")), listener(9100, 300))
    assert roots(diagnose(scene.snapshot())) == []


def test_a_container_is_known_by_its_name_and_edited_outside() -> None:
    found = finding_of(diagnose(containers().snapshot()), CAUSE)
    assert (found.variant, found.confidence, found.service) == ("container-wrong-port", "certain", "p-app-1")
    assert found.evidence[0].where == "web:/etc/nginx/sites-enabled/shop:3"
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile)
    assert (write.node, write.path, write.in_place) == ("engine", "/home/lab/files/shop", False)


def test_of_a_containers_two_sockets_the_one_it_is_told_to_open() -> None:
    found = finding_of(diagnose(containers(8001, 9090, 8000).snapshot()), CAUSE)
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b"app:8000" in write.after


def test_a_container_whose_other_port_answers_may_lack_a_second_listener() -> None:
    scene = Scene("app:8000", "app:8072", node="web", back="app")
    scene.with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    for index in (0, 1):
        scene.endpoint(index, addresses=Known(("172.18.0.2",)))
    scene.refused(1, configured_service=None)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "container-wrong-port"
    assert "nginx already hands / to app:8000: if p-app-1 should listen on 8072 as well" in found.detail[0]


def test_a_stale_mount_is_not_a_wrong_port() -> None:
    scene = wrong_port_scene()
    scene.files[0] = replace(scene.files[0], stat=stat(nlink=0))
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_a_refused_configuration_or_a_built_port_is_for_a_person() -> None:
    scene = wrong_port_scene()
    scene.nginx["test"] = Known((1, "[emerg] unexpected"))
    assert finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].risk == "manual"
    built = wrong_port_scene().endpoint(written="127.0.0.1:$port")
    assert finding_of(diagnose(built.snapshot()), CAUSE).repairs[0].risk == "manual"
    unread = wrong_port_scene()
    unread.files.clear()
    assert "could not be read" in finding_of(diagnose(unread.snapshot()), CAUSE).repairs[0].manual


def test_a_daemon_behind_the_port_is_another_services_port() -> None:
    scene = wrong_port_scene(8000)
    scene.written = ("127.0.0.1:6379",)
    page, scene.spots = site("127.0.0.1:6379")
    scene.files = [page]
    redis = service("redis.service", 6379, 500, is_app_server=False, runtime="", unit=unit("redis.service"))
    scene.with_service(redis, listener(6379, 500))
    held = scene.listeners[-1]
    scene.endpoint(listener=Known(held), tcp=Known(probe()), http=Known(probe(error="not-http")), listening_service=redis.id)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "wrong-port-other-service" and "something other than the backend" in found.summary


def _behind_a_daemon(backend: Service, name: str = "redis.service") -> Scene:
    """nginx asks a daemon's port; the backend does not run."""
    scene = wrong_port_scene(8000)
    page, scene.spots = site("127.0.0.1:6379")
    scene.written, scene.files = ("127.0.0.1:6379",), [page]
    scene.services.clear()
    scene.listeners.clear()
    scene.with_service(backend)
    daemon = service(name, 6379, 500, is_app_server=False, runtime="", argv=("/usr/bin/taker",),
                     unit=unit(name, working_directory="", user="taker", exec_start=("/usr/bin/taker",)))
    scene.with_service(daemon, listener(6379, 500))
    scene.endpoint(listener=Known(scene.listeners[-1]), tcp=Known(probe()), http=Known(probe(error="not-http")),
                   listening_service=daemon.id, configured_service=daemon.id)
    scene.route[0] = {"server_names": ("shop.example",)}
    return scene


def test_behind_a_daemons_port_what_is_down_is_told_with_the_port() -> None:
    diagnosis = diagnose(_behind_a_daemon(stopped_service("shop.service")).snapshot())
    down, port = finding_of(diagnosis, "backend-down"), finding_of(diagnosis, CAUSE)
    assert "redis.service, another program, listens at 127.0.0.1:6379" in down.summary
    assert (down.service, down.repairs[0].id) == ("shop.service", "start-service")
    assert port.variant == "wrong-port-other-service" and port.repairs[0].risk == "manual"


def test_behind_a_daemons_port_a_crash_is_told() -> None:
    crashed = failed_service("shop.service", log=log_lines(*TRACEBACK))
    found = finding_of(diagnose(_behind_a_daemon(crashed).snapshot()), "crash-missing-env")
    assert (found.service, found.variant) == ("shop.service", "start-env-var-missing")


@pytest.mark.parametrize(("backend", "daemon"), [
    ("blog.service", "redis.service"),       # of another name than the site's
    ("shop.service", "shop-feed.service"),   # what listens there is the site's as well
])
def test_behind_a_port_that_may_be_meant_nothing_is_started(backend: str, daemon: str) -> None:
    stopped_one = stopped_service(backend, argv=("/usr/bin/uvicorn", "app.main:app", "--port", "8000"))
    plain = replace(stopped_one, unit=replace(stopped_one.unit or unit(backend), working_directory="", user=""))
    diagnosis = diagnose(_behind_a_daemon(plain, daemon).snapshot())
    assert not [f for f in diagnosis.findings if f.service == backend]


def test_hostile_log_lines_choose_nothing() -> None:
    scene = wrong_port_scene()
    scene.events.clear()
    scene.logs('x" upstream: "http://127.0.0.1:6666/', 111, "connecting to upstream")
    write = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b"6666" not in write.after


def test_sockets_without_owners_count_where_the_service_is_told_to_open_them() -> None:
    scene = Scene("127.0.0.1:8001").with_service(service(), listener(8000, None)).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    other = Scene("127.0.0.1:8001").with_service(
        service(bindings=Known((binding(8002),))), listener(8000, None)).refused()
    assert CAUSE not in [f.cause for f in diagnose(other.snapshot()).findings if f.repairs]


def test_not_asked_but_empty_is_found_too() -> None:
    scene = wrong_port_scene()
    scene.probes[0] = Unknown("--no-probe")
    scene.endpoint(tcp=Unknown("--no-probe"), http=Unknown("--no-probe"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "broken"
    scene.route[0] = {"path": None}
    assert roots(diagnose(scene.snapshot())) == []


def test_unused_builders_stay_honest() -> None:
    assert process(5).started_at < NOW and file("/x", b"y").data == b"y"
    assert isinstance(verdict_of(diagnose(wrong_port_scene().snapshot()), CAUSE), Found)


def test_the_summary_names_locations_and_both_addresses() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:8001").with_service(service(port=8000), listener(8000, 200))
    scene.refused(0).refused(1)
    repair = finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0]
    assert repair.summary == "point / and /1 at 127.0.0.1:8000 instead of 127.0.0.1:8001"
    scene.route = {0: {"server_index": 1, "server_names": ("a.example",)}, 1: {"server_index": 2, "server_names": ("_",)}}
    summary = finding_of(diagnose(scene.snapshot()), "wrong-port").summary
    assert "/ of a.example and /1 of 0.0.0.0:80" in summary


def test_a_bare_process_is_never_certain() -> None:
    bare = service("uvicorn", 8000, 200, unit=None, manager="none")
    scene = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 200)).refused()
    scene.processes = [replace(p, uid=0) if p.pid == 200 else p for p in scene.processes]
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.confidence == "likely" and found.repairs[0].steps


def strangers(told: int, argv: tuple[str, ...] = ()) -> Scene:
    """nginx asks for an empty 8001; a user's own process listens on 9000 and says by its command what it likes."""
    theirs = service("uvicorn[666]", told, 666, unit=None, manager="none")
    scene = Scene("127.0.0.1:8001").with_service(replace(theirs, argv=argv or theirs.argv), listener(9000, 666)).refused()
    scene.processes = [replace(p, uid=65534) if p.pid == 666 else p for p in scene.processes]
    return scene


@pytest.mark.parametrize("argv", [(), ("/srv/shop/venv/bin/uvicorn", "shop:app", "--port", "8001")])
@pytest.mark.parametrize("told", [8001, 9000])
def test_what_anybody_could_start_becomes_no_upstream_unasked(told: int, argv: tuple[str, ...]) -> None:
    diagnosis = diagnose(strangers(told, argv).snapshot())
    assert not [step for found in diagnosis.findings for repair in found.repairs for step in repair.steps]
    # beside the service of the place it is not even a choice
    both = strangers(told, argv).with_service(service(), listener(8000, 200)).snapshot()
    write = finding_of(diagnose(both), CAUSE).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b":8000" in write.after and b"9000" not in write.after


def test_a_person_may_still_name_it() -> None:
    given = finding_of(diagnose(strangers(9000).snapshot(), {"upstream": "127.0.0.1:9000"}), CAUSE).repairs[0]
    assert given.needs and isinstance(given.steps[0], WriteFile)


def of_shop(name: str, port: int, pid: int, **changes: Any) -> Service:
    """A service of the compose project `shop`, none of whose ports is published."""
    box = changes.pop("box", {})
    made = container_service(name, port, pid=pid, **changes)
    assert made.container is not None
    kept = replace(made.container, project="shop", service=name, name=f"shop-{name}-1", restart_policy="on-failure", **box)
    return replace(made, name=name, container=kept)


def beside(server: Service, *lines: Listener) -> Scene:
    """The site's application, and a script of the same project that serves something else."""
    aside = of_shop("aside", 8018, 9, runtime="python", argv=("python3", "/srv/beacond/aside.py"))
    return (Scene("127.0.0.1:8001").with_service(server, *lines)
            .with_service(aside, listener(8018, 9, "0.0.0.0", "aside")).refused(configured_service=None))


def test_what_listens_to_itself_only_is_still_the_application_not_the_script_beside_it() -> None:
    """The script was published at the site's address, and what it answered was taken for the page."""
    found = finding_of(diagnose(beside(of_shop("app", 8000, 7, runtime="uvicorn"), listener(8000, 7, "::1", "app")).snapshot()), CAUSE)
    assert (found.variant, found.service) == ("docker-port-not-published", "app")
    assert found.repairs[0].risk == "manual" and "on all addresses" in found.repairs[0].manual
    assert "127.0.0.1:8001:8000" in found.repairs[0].manual


def test_an_application_that_does_not_run_hands_its_place_to_nobody() -> None:
    gone = of_shop("app", 8000, 7, runtime="uvicorn", pids=(), box={"status": "exited"})
    verdict = verdict_of(diagnose(beside(gone).snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "whether app belongs" in str(verdict)


def test_a_socket_that_systemd_holds_is_where_its_service_listens() -> None:
    """It starts the service when somebody connects: the service rests, and is not down."""
    socket = unit("backend.socket", sub_state="listening", listen=("127.0.0.1:8001",), main_pid=0)
    scene = Scene().with_service(stopped_service(port=8001, socket=socket, unit_changes={"unit_file_state": "static"}))
    scene.listeners.append(listener(8001, 1))
    scene.processes.append(process(1, "/lib/systemd/systemd"))
    diagnosis = diagnose(scene.refused().snapshot())
    assert roots(diagnosis) == [CAUSE]
    assert b":8001;" in (next(s for s in diagnosis.findings[0].repairs[0].steps if isinstance(s, WriteFile)).after or b"")
    scene.services[0] = replace(scene.services[0], socket=replace(socket, active_state="inactive"))
    assert roots(diagnose(scene.snapshot())) == [CAUSE, "backend-down"]


def test_a_service_whose_own_files_name_nginx_port_is_no_certain_case() -> None:
    """It may only not have been started since they were edited: seconds ago no clock tells."""
    scene = wrong_port_scene()
    scene.services = [replace(scene.services[0], bindings=Known((binding(8001), binding(8000))))]
    assert finding_of(diagnose(scene.snapshot()), CAUSE).confidence == "likely"


def test_a_program_that_hands_on_is_nothing_to_go_past() -> None:
    """systemd-socket-proxyd hangs up while nobody is behind it: the backend that listens elsewhere is missed there."""
    scene = Scene("127.0.0.1:8001").with_service(service("shop.service", 8003), listener(8003, 200)).answers(BAD_GATEWAY)
    argv = ("/usr/lib/systemd/systemd-socket-proxyd", "127.0.0.1:8002")
    front = service("shop-proxy.service", 8001, 300, is_app_server=False, runtime="", gateway="systemd-socket-proxyd",
                    argv=argv, bindings=Known(()))
    scene.with_service(front, listener(8001, 300))
    scene.endpoint(http=Known(probe(error="reset")), configured_service=front.id, listening_service=front.id)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "broken" and not diagnosis.findings
    told = " ".join(diagnosis.notes)
    assert "shop-proxy.service forwards to 127.0.0.1:8002, where nothing listens" in told


def test_what_tells_a_supervisor_what_to_do_is_no_application() -> None:
    argv = ("/usr/bin/python3", "/usr/bin/circusd", "/etc/circus.ini")
    scene = Scene("127.0.0.1:8001").with_service(service("circus.service", 5555, argv=argv), listener(5555, 200)).refused()
    scene.services[0] = replace(scene.services[0], bindings=Known(()), runtime="python")
    diagnosis = diagnose(scene.snapshot())
    assert CAUSE not in roots(diagnosis) and "circusctl status" in " ".join(diagnosis.notes)


def test_miss_the_process_of_a_program_that_is_told_this_very_port() -> None:
    """One process of three was stopped, and nginx was sent to another's port in its place, for certain."""
    scene = group(8001, 8002, told=(8001, 8002), held=(8001,), program=True)
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_a_program_on_another_port_is_pointed_at() -> None:
    made = supervised_service("RUNNING", 8001)
    moved = Scene().with_service(made, listener(8001, 300)).refused()
    assert roots(diagnose(moved.snapshot())) == ["wrong-port"]
