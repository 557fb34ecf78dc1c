"""What is said where no cause is proven, and what cannot be judged by a plain request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import UNEXPLAINED
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Listen, Span
from fixer.model.snapshot import ProbeResult, UnitValue
from tests.causes.crash_dependency_down.waiting_script_builders import DATABASE, postgres, told, waiting
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    NOW,
    REFUSED,
    SITE,
    Scene,
    at_level,
    causes_of,
    container_service,
    failed_service,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    stopped_service,
)

CLOSED = replace(probe(error="closed"), phase="head")


def test_a_failing_route_without_a_cause_says_what_nginx_logs_and_where_it_leads() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.endpoint(http=Known(probe(400)))
    scene.logs("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)", None,
               "SSL handshaking to upstream")
    diagnosis = diagnose(scene.snapshot())
    assert (diagnosis.verdict, causes_of(diagnosis)) == ("broken", [])
    [note] = diagnosis.notes
    assert "no cause proven for / on 0.0.0.0:80, which answers 502" in note
    assert "127.0.0.1:8000 (backend.service) answers 400 without nginx" in note
    assert note.endswith("nginx logs: SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) "
                         "while SSL handshaking to upstream")


LOGIN = replace(BAD_GATEWAY, page="/login")


@pytest.mark.parametrize(("direct", "told"), [
    (replace(CLOSED, page="/login"), "(backend.service) without nginx for /login: closed"),
    (probe(200, page="/login"), "(backend.service) answers 200 for /login without nginx"),
    (None, "(backend.service) answers 303 for / without nginx (it was not asked for /login)"),
])
def test_what_is_answered_without_nginx_is_told_of_the_page_that_failed(direct: ProbeResult | None, told: str) -> None:
    scene = healthy_scene().answers(probe(303, location="/login"), LOGIN).endpoint(http=Known(probe(303, location="/login")))
    scene.direct = {} if direct is None else {0: direct}
    [note] = diagnose(scene.snapshot()).notes
    assert note.endswith(f"answers 502 for /login (1 of 1 requests): 127.0.0.1:8000 {told}")


@pytest.mark.parametrize(("http", "told"), [
    (probe(200), "answers 200 for /other without nginx"),
    (probe(error="slow"), "without nginx: slow"),       # no connection: it is so for each page
])
def test_a_page_that_another_route_asked_a_shared_server_for_is_named(http: ProbeResult, told: str) -> None:
    scene = healthy_scene().answers(BAD_GATEWAY).endpoint(http=Known(http), path="/other?a=b")
    assert f"127.0.0.1:8000 (backend.service) {told}" in " ".join(diagnose(scene.snapshot()).notes)


def test_what_nginx_says_of_itself_is_told_where_it_says_nothing_of_an_upstream() -> None:
    scene = healthy_scene().answers(CLOSED).logs('could not allocate node in zone "one"', None, "")
    scene.events = [at_level(event, "alert") for event in scene.events]
    assert diagnose(scene.snapshot()).notes[0].endswith("nginx logs: could not allocate node in zone \"one\"")


def test_a_server_that_answers_and_is_marked_down_is_said_to_be() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY).endpoint(down=True)
    assert "answers 200 without nginx, and is marked `down` at /etc/nginx" in " ".join(diagnose(scene.snapshot()).notes)


def test_a_program_that_hands_on_is_said_to_where_it_answers_with_an_error() -> None:
    scene = Scene().with_service(service("lb.service", gateway="haproxy", is_app_server=False), listener(8000, 200))
    scene.endpoint(http=Known(probe(503))).answers(probe(503, body="<h1>503 Service Unavailable</h1>"))
    told = " ".join(diagnose(scene.snapshot()).notes)
    assert "127.0.0.1:8000 (lb.service) answers 503 without nginx" in told and "haproxy's configuration and log" in told


@pytest.mark.parametrize(("held", "told"), [
    (("127.0.0.1",), True), (("0.0.0.0",), True), (("127.0.0.1", "::1"), False), (("::",), False),
])
def test_a_name_of_two_addresses_with_one_socket_is_said_to_be(held: tuple[str, ...], told: bool) -> None:
    lines = (listener(8000, 200, address) for address in held)
    scene = Scene("localhost:8000").with_service(service(), *lines).answers(BAD_GATEWAY, GOOD)
    scene.endpoint(addresses=Known(("127.0.0.1", "::1")), http=Known(GOOD))
    notes = " ".join(diagnose(scene.snapshot()).notes)
    assert ("localhost resolves to 127.0.0.1 and ::1, nginx alternates between them, and nothing listens on ::1" in notes) is told


def test_servers_that_no_route_asks_are_named_where_nothing_is_proven_and_never_offered() -> None:
    """Somebody's program in a terminal: whether it is the one that is meant, a person sees at once."""
    scene = Scene("127.0.0.1:8001").refused()
    made = service("uvicorn[200]", unit=None, manager="none", bindings=Known(()))
    scene.with_service(made, listener(8000, 200))
    scene.processes[-1] = replace(scene.processes[-1], ppid=90, uid=1001)
    diagnosis = diagnose(scene.snapshot())
    assert not causes_of(diagnosis)
    assert "no route uses these servers on the node of 127.0.0.1:8001, perhaps another user's: uvicorn[200] (pid 200, uid 1001) on 127.0.0.1:8000" in " ".join(
        diagnosis.notes)


@pytest.mark.parametrize(("state", "told"), [("bad-setting", True), ("error", True), ("masked", False), ("loaded", False)])
def test_units_that_systemd_could_not_load_are_named(state: str, told: bool) -> None:
    about = {"load_state": state, "active_state": "inactive", "sub_state": "dead", "exec_start": ()}
    bare = service("shop.service", pid=None, is_app_server=False, argv=(), bindings=Known(()), unit_changes=about)
    diagnosis = diagnose(healthy_scene().with_service(bare).answers(BAD_GATEWAY).snapshot())
    assert ("systemd could not load shop.service" in " ".join(diagnosis.notes)) is told


HEADER = "upstream sent invalid header"


def test_an_answer_that_nginx_could_not_pass_on_for_another_page_is_a_failure_without_a_cause() -> None:
    scene = healthy_scene().logs(HEADER, None, "reading response header from upstream", path="/login?a=b", count=3)
    diagnosis = diagnose(scene.snapshot())
    [found] = diagnosis.findings
    assert (diagnosis.verdict, found.cause, found.role, found.repairs) == ("degraded", UNEXPLAINED, "contributing", ())
    [note] = diagnosis.notes
    assert "3 times" in note and "for /login:" in note and HEADER in note and "a=b" not in note


@pytest.mark.parametrize("scene", [
    healthy_scene().logs(HEADER, None, "reading response header from upstream", ago=4000),
    healthy_scene().logs("upstream prematurely closed connection", None, "reading response header from upstream"),
])
def test_old_lines_and_what_a_restart_heals_are_none(scene: Scene) -> None:
    assert not diagnose(scene.snapshot()).notes


def test_a_name_that_nginx_has_no_resolver_for_is_said() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY).logs("no resolver defined to resolve shop.lan", None, "")
    assert "no resolver defined to resolve shop.lan" in diagnose(scene.snapshot()).notes[0]


def test_what_a_program_said_that_failed_for_a_reason_of_its_own_is_told() -> None:
    words = ("Started backend.service - Office.", "Traceback (most recent call last):", "ValueError: 3 is no colour",
             "backend.service: Main process exited, code=exited, status=1/FAILURE", "Failed to start backend.service.")
    notes = diagnose(Scene().with_service(failed_service(log=log_lines(*words))).refused().snapshot()).notes
    assert notes[-1] == ("backend.service failed; its log ends with: Traceback (most recent call last): / "
                         "ValueError: 3 is no colour")


def test_where_a_cause_is_proven_nothing_is_added() -> None:
    assert not diagnose(Scene().with_service(stopped_service()).refused().snapshot()).notes


def test_an_nginx_that_hands_nothing_on_is_told_with_what_is_mounted_there() -> None:
    """A misspelt source of a mount is made as an empty folder: no site of the project is read."""
    scene = Scene("app:8000", node="web", back="app")
    shares = (("/srv/shop/confs", "/etc/nginx/conf.d"), ("/srv/shop/data", "/data"))
    scene.services.append(container_service("web", 80, is_app_server=False, box={"shares": shares}))
    made = scene.snapshot()
    (nginx,) = made.nginxes
    assert isinstance(nginx.config, Known)
    bare = replace(nginx, config=Known(replace(nginx.config.value, routes=())))
    (note,) = diagnose(replace(made, nginxes=(bare,), routes=(), endpoints=())).notes
    assert "proxies nothing" in note and "/etc/nginx/conf.d from /srv/shop/confs" in note and "/data" not in note


def test_the_line_of_the_hosts_file_that_leads_a_name_there_is_named() -> None:
    """Docker writes one for `--link`, and the container that is called so may have another address since."""
    said = Known(("172.17.0.3",), (Evidence("file", "/etc/hosts:8", "172.17.0.3 shed"),))
    made = container_service("squat", argv=("sleep", "9"), bindings=Known(()), is_app_server=False, runtime="")
    scene = Scene("shed:8000", node="web", back="squat").with_service(made).refused(addresses=said)
    scene.processes[-1] = replace(scene.processes[-1], argv=("sleep", "9"))
    assert any("shed:8000 (/etc/hosts:8: 172.17.0.3)" in note for note in diagnose(scene.snapshot()).notes)


def test_a_container_in_the_network_of_one_that_is_gone_is_named() -> None:
    made = container_service("app", 8000, box={"network_mode": "container:" + "0" * 64, "networks": ()})
    scene = Scene("pod:8000", node="web", back="pod").with_service(made).refused()
    scene.node_changes["app"] = {"addresses": ()}       # with them it would be a finding
    notes = diagnose(scene.snapshot()).notes
    assert any("p-app-1 uses the network of container 000000000000" in note for note in notes)


def test_a_manager_that_only_itself_tells_what_it_keeps_is_named() -> None:
    scene = Scene("127.0.0.1:8001").with_service(stopped_service(port=8000)).with_service(stopped_service("other.service", 9000)).refused()
    scene.processes.append(process(77, "PM2 v7.0.4: God Daemon (/root/.pm2)"))
    assert any("PM2 manages programs on local (pid 77" in note for note in diagnose(scene.snapshot()).notes)
    well = healthy_scene()
    well.processes.append(scene.processes[-1])
    assert diagnose(well.snapshot()).notes == ()


@pytest.mark.parametrize(("fragment", "told"), [("/etc/systemd/system/quote.service", True), ("/run/systemd/generator/quote.service", True),
                                                ("/usr/lib/systemd/system/podman.service", False)])
def test_containers_that_podman_keeps_are_not_looked_into_and_are_no_absence(fragment: str, told: bool) -> None:
    kept = stopped_service("quote.service", 80, is_app_server=False, runtime="", bindings=Known(()),
                   unit_changes={"exec_start": ("/usr/bin/podman", "start", "quote"), "fragment_path": fragment})
    scene = Scene().with_service(kept).refused()
    diagnosis = diagnose(scene.snapshot())
    assert (causes_of(diagnosis) == []) is told
    assert ("quote.service (inactive)" in " ".join(diagnosis.notes)) is told
    alone = Scene().refused()
    alone.processes.append(process(50, "/usr/bin/conmon", "-n", "quote", comm="conmon"))
    assert "container quote (pid 50)" in " ".join(diagnose(alone.snapshot()).notes)


@pytest.mark.parametrize(("settings", "command", "words"), [
    ({"LogNamespace": "shop"}, ("/usr/bin/uvicorn", "main:app"), "journalctl --namespace=shop -u backend.service"),
    ({}, ("/usr/bin/flock", "-n", "/run/shop.lock", "/usr/bin/uvicorn", "main:app"), "another process holds /run/shop.lock"),
    ({"StandardError": "null"}, ("/usr/bin/uvicorn", "main:app"), "goes to null; start it by hand"),
    ({}, ("/usr/bin/uvicorn", "main:app"), "cd /srv/shop && sudo -u shop /usr/bin/uvicorn main:app"),
])
def test_a_service_that_failed_without_a_word_is_told_with_where_its_words_may_be(
    settings: dict[str, str], command: tuple[str, ...], words: str,
) -> None:
    values = tuple(UnitValue(key, value, "/etc/x.service", 3, 0, 0) for key, value in settings.items())
    made = failed_service(log=log_lines("Started backend.service."), unit_values=values,
                  unit_changes={"exec_main_status": 1, "exec_start": command})
    note = diagnose(Scene().with_service(made).refused().snapshot()).notes[-1]
    assert note.startswith("backend.service failed; it ended with status 1, and its log") and words in note


@pytest.mark.parametrize(("address", "asked", "is_said"), [
    ("127.0.0.1", 8090, True), ("0.0.0.0", 8090, False), ("127.0.0.1", 8091, False),
])
def test_a_server_of_the_same_nginx_that_nobody_asks_is_named(address: str, asked: int, *, is_said: bool) -> None:
    """Two hops on one machine: the inner one listens at another port than the outer one asks."""
    behind = service("shop.service", 8085, is_app_server=False)
    scene = Scene(f"127.0.0.1:{asked}", "127.0.0.1:8085").with_service(behind, listener(8085, 200))
    scene.with_service(service("other.service", 9000, 300)).with_service(service("third.service", 9001, 301))
    scene.listeners.append(listener(8091, NGINX_PID, address))
    inner = Listen(address, 8091, False, False, False, Span(SITE, 2, 0, 0))
    scene.route[1] = {"listens": (inner,)}
    if asked == 8090:
        scene.refused(0, configured_service=None)
    said = any("this nginx itself listens on 127.0.0.1:8091" in note for note in diagnose(scene.snapshot()).notes)
    assert said is is_said


SCRIPT = "/srv/shop/run.sh"


def test_a_users_own_shell_is_only_told() -> None:
    own = service("run.sh[300]", pid=300, unit=None, manager="none", argv=("/bin/bash", SCRIPT), startup_waits=(DATABASE,))
    scene = waiting(made=own)
    scene.services.append(postgres())
    said = told(scene)
    assert not roots(said)
    assert any("run.sh" in note and f"it waits for 127.0.0.1:5432 ({SCRIPT}:3)" in note for note in said.notes)


# What is told of routes to containers where no cause is proven.
NOBODY: dict[str, Any] = {"addresses": Known(()), "node": None, "configured_service": None, "tcp": Unknown("x"), "http": Unknown("x"),
                          "listener": Unknown("x"), "listening_service": None}


def front(scene: Scene) -> Scene:
    web = container_service("web", 80, pid=100, is_app_server=False)
    scene.services.append(web)
    scene.nginx["service"] = web
    return scene.answers(BAD_GATEWAY)


def notes(scene: Scene) -> str:
    return " ".join(diagnose(scene.snapshot()).notes)


def test_a_name_that_nobody_on_nginxs_networks_has_any_more_is_a_cause() -> None:
    scene = front(Scene("api:8000", node="web", back="app")).endpoint(**NOBODY)
    diagnosis = diagnose(scene.snapshot())
    (found,) = [f for f in diagnosis.findings if f.role == "root"]
    assert (found.cause, found.variant, found.confidence) == ("dns-unresolved", "docker-alias-lost", "likely")
    assert "api (for api:8000) no longer resolves" in found.summary
    assert "on the networks of p-web-1 (p_default)" in found.evidence[0].text
    for known in (Known(("172.18.0.9",)), Unknown("not asked")):
        scene.endpoint(addresses=known)
        assert all("no longer resolves" not in f.summary for f in diagnose(scene.snapshot()).findings)


@pytest.mark.parametrize(("name", "port", "container", "known"), [
    ("apis", 8000, "p-apis-1", True), ("apis", 9000, "p-apis-1", False), ("shed", 8000, "p-shed-1", False), ("shed", 8000, "api2", True),
])
def test_the_container_that_bears_nearly_the_name_on_that_very_port_is_meant(
    name: str, port: int, container: str, *, known: bool,
) -> None:
    """A service that was renamed in the compose file, its old container removed."""
    scene = front(Scene("api:8000", node="web", back="app"))
    scene.services[0] = replace(scene.services[0], container=replace(
        scene.services[0].container, mounts=(("/srv/conf", "/etc/nginx", True),)))      # type: ignore[type-var]
    made = container_service(name, port)
    made = replace(made, container=replace(made.container, name=container))      # type: ignore[type-var]
    scene.with_service(made, listener(port, 7, "0.0.0.0", name)).endpoint(**NOBODY)
    (repair,) = next(f for f in diagnose(scene.snapshot()).findings if f.cause == "dns-unresolved").repairs
    assert (not repair.needs, bool(repair.steps)) == (known, known)
    assert not known or f"write {name if name == 'apis' else container} instead of api" in repair.summary


def test_a_program_that_ended_without_a_log_is_told_with_its_exit_code() -> None:
    reason = "docker logs failed: invalid character"
    made = container_service(pid=None, box={"status": "exited", "exit_code": 1, "pid": 0, "finished_at": NOW - 60}, log=Unknown(reason))
    scene = front(Scene("app:8000", node="web", back="app").with_service(made))
    scene.endpoint(**{**NOBODY, "configured_service": made.id, "node": "app"})
    said = notes(scene)
    assert "p-app-1 ended with exit code 1 and its output cannot be read (docker logs failed" in said
    assert "docker start -a p-app-1" in said


@pytest.mark.parametrize("listens", [False, True])
def test_a_container_in_which_nothing_listens_is_told_with_what_runs_in_it(listens: bool) -> None:
    argv = ("sh", "-c", "uvicorn a:b --port 8000 & sleep 9999")
    made = container_service(argv=argv, box={"argv": argv, "started_at": NOW - 3600})
    other = (listener(9999, 8, "0.0.0.0", "app"),) if listens else ()
    scene = front(Scene("app:8000", node="web", back="app").with_service(made, *other))
    scene.endpoint(configured_service=made.id, node="app", tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None))
    scene.node_changes["app"] = {"processes": Known((process(7, *argv), process(8, "sleep", "9999")))}
    said = notes(scene)
    assert ("nothing listens in p-app-1, which runs `sh -c uvicorn" in said) is not listens


@pytest.mark.parametrize(("argv", "own", "told"), [
    (("caddy", "run"), (), True), (("/entrypoint.sh", "traefik", "--providers.docker"), (), True), (("postgres",), (), False),
    (("caddy", "run"), (("0.0.0.0", 80, 80),), False),
])
def test_a_proxy_that_takes_the_visitors_in_before_nginx_is_named(
    argv: tuple[str, ...], own: tuple[tuple[str, int, int], ...], told: bool,
) -> None:
    """All is well from nginx on: whether anybody gets there, is that proxy's."""
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    web = container_service("web", 80, pid=100, is_app_server=False, box={"published": own})
    scene.services += [web, container_service("edge", 8443, pid=None, is_app_server=False, argv=argv,
                                  box={"argv": argv, "published": (("127.0.0.1", 8443, 443),)})]
    scene.nginx["service"] = web
    diagnosis = diagnose(scene.answers(GOOD).snapshot())
    assert diagnosis.verdict == "healthy"
    assert ("visitors come in through p-edge-1" in " ".join(diagnosis.notes)) is told


def test_what_the_backend_logged_while_it_closed_the_connection_is_quoted() -> None:
    lines = ("Exception occurred during processing of request from ('127.0.0.1', 4242)", "Traceback (most recent call last):",
             '  File "/srv/shop/serve.py", line 9, in do_GET', "PermissionError: [Errno 13] Permission denied: '/srv/feed.json'")
    scene = Scene().with_service(service(log=log_lines(*lines, ago=5.0)), listener(8000, 200)).answers(BAD_GATEWAY)
    scene.logs("upstream prematurely closed connection", None, "reading response header from upstream")
    note = next(note for note in diagnose(scene.snapshot()).notes if note.startswith("no cause proven"))
    assert note.endswith(". backend.service has logged: PermissionError: [Errno 13] Permission denied: '/srv/feed.json'")
