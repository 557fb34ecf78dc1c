"""crash-dependency-down: who is complained about, whether it is so, what starts it, and what is no proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.dependency.complaint import dependency_complaint
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, SignalProcess, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Connection, EnvAssignment, Service
from tests.causes.snapshot_builders import (
    FAILED,
    NOW,
    SLOW,
    STOPPED,
    Scene,
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
    stat,
    stopped_service,
    unit,
    verdict_of,
)

CAUSE = "crash-dependency-down"
STARTED = "Started backend.service - Office."
TRACE = (STARTED, "Traceback (most recent call last):", '  File "/srv/shop/app/settings.py", line 8, in <module>')
REFUSED = (*TRACE, 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused',
           "\tIs the server running on that host and accepting TCP/IP connections?", "")
NO_NAME = (*TRACE, 'psycopg2.OperationalError: could not translate host name "db" to address: Name or service not known')
NO_ENTRY = (*TRACE, 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: FATAL:  password '
            'authentication failed for user "shop"')


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(*(lines or REFUSED)), **changes)).refused()   # type: ignore[arg-type]


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def database(name: str = "postgresql@17-main.service", pid: int | None = None, **changes: object) -> Service:
    about = {"exec_start": ("/usr/bin/pg_ctlcluster", "17-main", "start"), "type": "forking",
             "unit_file_state": "enabled-runtime", **(STOPPED if pid is None else {"main_pid": pid}), **changes}
    return service(name, 1, pid, bindings=Known(()), is_app_server=False, runtime="", unit=unit(name, **about),
                   argv=("/usr/lib/postgresql/17/bin/postgres",))


def umbrella(**changes: object) -> Service:
    about = {"exec_start": ("/bin/true",), "type": "oneshot", "sub_state": "exited", "main_pid": 0, **changes}
    return service("postgresql.service", 1, None, bindings=Known(()), is_app_server=False, runtime="",
                   unit=unit("postgresql.service", **about), argv=("/bin/true",))


def verbs(scene: Scene) -> list[tuple[str, str]]:
    return [(s.verb, s.unit) for s in found(scene).repairs[0].steps if isinstance(s, UnitAction)]


def test_hit() -> None:
    scene = crashed().with_service(database()).with_service(umbrella())
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence, one.service) == ("start-db-refused", "certain", "postgresql@17-main.service")
    texts = [e.text for e in one.evidence]
    assert "Connection refused" in texts[0] and any("no socket listens" in text for text in texts)
    repair = one.repairs[0]
    assert (repair.id, repair.risk) == ("start-dependency", "safe")
    assert verbs(scene) == [("start", "postgresql@17-main.service"), ("reset-failed", "backend.service"),
                            ("start", "backend.service")]
    waits = [(s.host, s.port) for s in repair.steps if isinstance(s, WaitForListener)]
    assert waits == [("127.0.0.1", 5432), ("127.0.0.1", 8000)]


def test_the_loop_is_the_consequence() -> None:
    end = ("backend.service: Start request repeated too quickly.",)
    diagnosis = diagnose(crashed(*REFUSED, *end).with_service(database()).snapshot())
    assert [(f.cause, f.role) for f in diagnosis.findings] == [(CAUSE, "root"), ("crash-loop-gave-up", "consequence")]


def test_one_that_is_off_at_boot_is_enabled_by_the_unit_that_stands_for_it() -> None:
    off = {**STOPPED, "unit_file_state": "disabled", "sub_state": "dead"}
    scene = crashed().with_service(database()).with_service(umbrella(**off))
    assert verbs(scene)[:3] == [("enable", "postgresql.service"), ("start", "postgresql.service"),
                                ("start", "postgresql@17-main.service")]
    assert "enable it at boot" in found(scene).repairs[0].summary
    alone = crashed().with_service(umbrella(**off))
    assert verbs(alone)[:2] == [("enable", "postgresql.service"), ("start", "postgresql.service")]


def test_a_unit_that_only_stands_for_others_proves_nothing_while_it_is_active() -> None:
    scene = crashed().with_service(umbrella())
    one = found(scene)
    assert "nothing accepts at 127.0.0.1:5432" in one.summary and one.service == "backend.service"
    scene.files.append(file("/etc/postgresql/17/main/postgresql.conf", "port = 5432\n"))
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "the state of postgresql@17-main.service" in verdict.missing
    scene.files[-1] = file("/etc/postgresql/17/main/postgresql.conf", "port = 5433\n")
    assert found(scene).service == "backend.service"



def test_one_that_was_killed_is_started_and_one_that_failed_is_for_a_person() -> None:
    killed = {**FAILED, "result": "signal", "exec_main_status": 9}
    assert verbs(crashed().with_service(database(**killed)))[0] == ("reset-failed", "postgresql@17-main.service")
    broken = replace(database(**FAILED), log=log_lines("FATAL:  could not map shared memory"))
    repair = found(crashed().with_service(broken)).repairs[0]
    assert repair.risk == "manual" and "could not map shared memory" in repair.manual
    masked = database(load_state="masked")
    assert "masked" in found(crashed().with_service(masked)).repairs[0].manual


def test_of_several_clusters_the_port_tells() -> None:
    other = database("postgresql@15-old.service")
    scene = crashed().with_service(database()).with_service(other)
    assert found(scene).repairs[0].risk == "manual"
    assert "postgresql@17-main.service, postgresql@15-old.service" in found(scene).repairs[0].manual
    scene.files += [file("/etc/postgresql/17/main/postgresql.conf", "#port = 1\nport = 5432\n"),
                    file("/etc/postgresql/15/old/postgresql.conf", "port = 5433\n")]
    assert found(scene).repairs[0].risk == "safe" and found(scene).service == "postgresql@17-main.service"


def test_a_stopped_cluster_of_another_port_is_not_what_is_asked_for() -> None:
    scene = crashed().with_service(database())
    scene.files.append(file("/etc/postgresql/17/main/postgresql.conf", "port = 5439\n"))
    one = found(scene)
    assert one.repairs[0].risk == "manual" and "postgresql@17" not in one.summary
    assert not [s for r in one.repairs for s in r.steps]


def test_one_that_runs_on_another_port() -> None:
    scene = crashed().with_service(database(pid=400), listener(5433, 400))
    one = found(scene)
    assert "listens on port 5433" in one.summary and one.repairs[0].risk == "manual"
    assert "port 5433" in one.repairs[0].manual


def test_nobody_provides_it() -> None:
    one = found(crashed())
    assert one.service == "backend.service" and "no unit here is known to" in one.repairs[0].manual
    container = container_service(box={"status": "exited", "exit_code": 1, "started_at": NOW - 50}, pid=None, log=log_lines(*REFUSED))
    scene = Scene("app:8000", node="web", back="app").with_service(container).refused(configured_service=container.id)
    assert "inside of container" in found(scene).repairs[0].manual


def test_elsewhere_is_likely_at_most_and_for_a_person() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "db.corp.example" (10.1.2.3), port 5432 failed: timeout expired')
    one = found(crashed(*lines))
    assert (one.confidence, one.repairs[0].risk) == ("likely", "manual")
    assert "db.corp.example:5432" in one.repairs[0].manual


def test_it_answers_by_now() -> None:
    scene = crashed().with_service(database(pid=400), listener(5432, 400))
    repair = found(scene).repairs[0]
    assert (repair.id, repair.risk) == ("start-service", "safe")
    assert verbs(scene) == [("reset-failed", "backend.service"), ("start", "backend.service")]


def test_a_condition_that_was_not_met_since_comes_first() -> None:
    passed = stopped_service(log=log_lines(*REFUSED), unit_changes={"condition_result": False, "result": "exit-code"})
    for end in (passed, failed_service(log=log_lines(*REFUSED), unit_changes={**FAILED, "condition_result": False})):
        diagnosis = diagnose(Scene().with_service(end).refused().snapshot())
        assert roots(diagnosis) == ["backend-down"] and diagnosis.findings[0].variant == "start-condition-unmet"


def test_unknown_whether_anything_listens() -> None:
    scene = crashed()
    scene.node_changes["local"] = {"listeners": Unknown("no /proc/net/tcp")}
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "127.0.0.1:5432" in verdict.missing[0]
    blind = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)


@pytest.mark.parametrize("lines", [
    (*TRACE, "KeyError: 'SECRET_KEY'", "    os.environ['SECRET_KEY']"),
    (*REFUSED, "Traceback (most recent call last):", "ValueError: of its own"),
    (STARTED, "INFO:     Application startup complete.", *REFUSED[1:]),
    (*REFUSED, "INFO:     Application startup complete.", "Killed"),
    (STARTED, 'INFO: 1.2.3.4 - "GET /?q=connect ECONNREFUSED 127.0.0.1:5432 HTTP/1.1" 404'),
    (STARTED, "OSError: [Errno 98] address already in use"),
    (STARTED,),
])
def test_miss(lines: tuple[str, ...]) -> None:
    assert isinstance(verdict_of(diagnose(crashed(*lines).snapshot()), CAUSE), RuledOut)


def test_miss_on_a_healthy_host() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), CAUSE), RuledOut)


def composed(lines: tuple[str, ...], **db: object) -> Scene:
    about = {"status": "restarting", "exit_code": 1, "restart_count": 4, "restart_policy": "always", "started_at": NOW - 50}
    made = container_service(box=about, pid=None, log=log_lines(*lines[1:]))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    box = {"argv": ("serve",), "networks": (("p_default", "172.18.0.9", ("db", "records")),), **db}
    other = container_service("db", 5432, box=box, is_app_server=False, pid=None if db else 31, bindings=Known(()))
    scene.with_service(other, *([] if db else [listener(5432, 31, "0.0.0.0", node="db")]))
    return scene


def test_a_stopped_container_has_lost_its_name() -> None:
    scene = composed(NO_NAME, status="exited", exit_code=0)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.repairs[0].risk, one.node) == ("start-db-refused", "safe", "db")
    first, wait, second, _ = one.repairs[0].steps
    assert isinstance(first, ContainerAction) and (first.verb, first.name) == ("start", "p-db-1")
    assert isinstance(wait, WaitForListener) and (wait.node, wait.port) == ("db", 5432)
    assert isinstance(second, ContainerAction) and (second.verb, second.name) == ("restart", "p-app-1")


def test_a_stopped_container_is_known_by_the_address_that_was_chosen_for_it() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "172.18.0.9", port 5432 failed: No route to host')
    def of(address: str) -> Finding:
        return found(composed(lines, status="exited", exit_code=0, networks=(("p_default", "", ("db",)),),
                              fixed_addresses=(("p_default", (address,)),)))

    one = of("172.18.0.9")
    assert (one.variant, one.repairs[0].id, one.node) == ("start-db-refused", "start-dependency", "db")
    assert of("172.18.0.8").repairs[0].risk == "manual"


NAMELESS = ("INFO: Started", "FATAL: cannot reach the database, giving up")


def waiting_for(
    *lines: str, label: str = "db:service_started:false", status: str = "exited", restart_policy: str = "always",
    exposes: tuple[int, ...] = (), image: str = "db:1",
) -> Scene:
    scene = composed((STARTED, *lines), status=status, restart_policy=restart_policy, exposes=exposes, image=image)
    box = replace(scene.services[0].container, labels=(("com.docker.compose.depends_on", label),))  # type: ignore[type-var]
    scene.services[0] = replace(scene.services[0], container=box)
    return scene


def test_a_system_that_the_log_does_not_name_is_the_stopped_one_that_it_is_started_after() -> None:
    diagnosis = diagnose(waiting_for(*NAMELESS).snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence, one.node) == ("start-db-refused", "likely", "db")
    assert (one.repairs[0].id, one.repairs[0].risk) == ("start-dependency", "safe")


def test_what_its_image_says_it_listens_on_is_waited_for() -> None:
    steps = found(waiting_for(*NAMELESS, restart_policy="no", exposes=(6379,))).repairs[0].steps
    assert next((s.node, s.port) for s in steps if isinstance(s, WaitForListener)) == ("db", 6379)
    of_the_application = waiting_for(*NAMELESS, restart_policy="no", exposes=(8000,), image="img:1")
    box = of_the_application.services[0].container
    assert box is not None
    of_the_application.services[0] = replace(of_the_application.services[0], container=replace(box, image="img:1"))
    assert CAUSE not in roots(diagnose(of_the_application.snapshot()))       # a job, of the same image


@pytest.mark.parametrize(("lines", "changes"), [
    (("ValueError: the answer is 42",), {}),                                            # about nothing of that kind
    (NAMELESS, {"label": "db:service_completed_successfully:false"}),                   # a job
    (NAMELESS, {"restart_policy": "no"}),                                               # perhaps one
    (NAMELESS, {"label": "other:service_started:false"}),
    (NAMELESS, {"status": "running"}),
    (("KeyError: 'DATABASE'",), {}),
])
def test_miss_of_a_system_without_a_name(lines: tuple[str, ...], changes: dict[str, str]) -> None:
    scene = waiting_for(*lines, **changes)
    assert CAUSE not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("started", "network", "later"), [
    (NOW - 5, "p_default", True), (NOW - 900, "p_default", False), (NOW - 5, "elsewhere", False),
])
def test_a_database_that_was_started_after_the_last_try_has_its_name_by_now(started: float, network: str, later: bool) -> None:
    scene = composed(NO_NAME, started_at=started, networks=((network, "172.18.0.9", ("db",)),))
    scene.services[-1] = replace(scene.services[-1], pids=(31,))
    scene.with_service(service("x"), listener(5432, 31, "0.0.0.0", node="db"))
    own = scene.services[0].container
    assert own is not None
    ended = replace(own, status="exited", exit_code=1, restart_policy="on-failure", finished_at=NOW - 40)
    scene.services[0] = replace(scene.services[0], container=ended, log=log_lines(*NO_NAME[1:], ago=40))
    one = found(scene)
    assert ("runs by now, but nobody started" in one.summary) is later
    assert (one.repairs[0].id == "start-service", one.repairs[0].risk == "safe") == (later, later)


def test_one_that_was_caught_between_two_of_its_runs() -> None:
    scene = composed(NO_NAME, status="exited", exit_code=0)
    box = replace(scene.services[0].container, status="running", started_at=NOW - 3)   # type: ignore[type-var]
    scene.services[0] = replace(scene.services[0], container=box)
    scene.endpoint(listener=Unknown("not read"), tcp=Known(SLOW), http=Known(SLOW))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]
    scene.endpoint(tcp=Known(probe()))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_a_paused_container_goes_on_and_one_that_failed_does_not() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "db" (172.18.0.9), port 5432 failed: timeout expired')
    step = found(composed(lines, status="paused")).repairs[0].steps[0]
    assert isinstance(step, ContainerAction) and step.verb == "unpause"
    assert found(composed(lines, status="exited", exit_code=1)).repairs[0].risk == "manual"
    assert found(composed(lines, status="exited", exit_code=137)).repairs[0].risk == "safe"


def test_a_container_that_runs_and_is_not_found_by_its_name() -> None:
    one = found(composed(NO_NAME))
    assert one.variant == "start-db-dns-failure" and "runs, and is not found" in one.summary
    back = (*TRACE, 'OperationalError: connection to server at "records" (172.18.0.9), port 5432 failed: Connection refused')
    assert found(composed(back)).repairs[0].id in ("start-service", "restart-service")


def env(*names: str) -> tuple[EnvAssignment, ...]:
    return tuple(EnvAssignment(name, f"/etc/default/shop:{n}", False) for n, name in enumerate(names, 1))


def test_a_name_that_nobody_knows_is_asked_for() -> None:
    scene = crashed(*NO_NAME, env=env("PORT", "DATABASE_URL"))
    scene.files.append(file("/etc/default/shop", "PORT=1\nDATABASE_URL=postgresql://u:p@db/x\n"))
    one = found(scene)
    assert one.variant == "start-db-dns-failure" and "db" in one.summary
    repair, manual = one.repairs
    assert (repair.risk, repair.steps, repair.needs[0].key) == ("disruptive", (), "DATABASE_URL")
    assert repair.needs[0].kind == "secret" and manual.risk == "manual" and "DATABASE_URL" in manual.manual
    write = found(scene, DATABASE_URL="postgresql://u:p@127.0.0.1/x").repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after == b"PORT=1\nDATABASE_URL=postgresql://u:p@127.0.0.1/x\n"
    assert any(b"p@127.0.0.1" in hidden for hidden in write.mask)


@pytest.mark.parametrize(("end", "what"), [
    (NO_ENTRY[-1], "shop"),
    ('asyncpg.exceptions.InvalidCatalogNameError: database "zz" does not exist', "zz"),
    ("pymysql.err.OperationalError: (1045, \"Access denied for user 'a'@'localhost' (using password: YES)\")", "a"),
    ("pymysql.err.OperationalError: (1049, \"Unknown database 'zz'\")", "zz"),
    ("redis.exceptions.AuthenticationError: invalid username-password pair or user is disabled.", ""),
])
def test_one_that_does_not_let_it_in(end: str, what: str) -> None:
    scene = crashed(*TRACE, end, env=env("PORT", "DB_HOST", "DB_PASSWORD", "POSTGRES_USER"))
    scene.files.append(file("/etc/default/shop", "PORT=1\nDB_HOST=a\nDB_PASSWORD=b\nPOSTGRES_USER=c\n"))
    one = found(scene)
    assert one.variant == "start-db-auth-failed" and what in one.summary
    assert [r.needs[0].key for r in one.repairs[:-1]] == ["DB_PASSWORD", "POSTGRES_USER"]
    assert [r.needs[0].kind for r in one.repairs[:-1]] == ["secret", "value"]
    assert one.confidence == "likely" and "did not let it in" in one.summary and "only its start is left" in one.detail[-1]


def test_who_asks_again_and_again_is_turned_away_now() -> None:
    one = found(crashed(*NO_ENTRY, unit_changes={"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 9}))
    assert (one.confidence, len(one.detail)) == ("certain", 1) and "127.0.0.1:5432 does not let it in 'shop'" in one.summary


FULL = (*TRACE, 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: FATAL:  remaining connection '
        "slots are reserved for roles with the SUPERUSER attribute")


def test_one_that_has_no_connection_left() -> None:
    again = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 9}
    scene = crashed(*FULL, unit_changes=again).with_service(database(pid=400), listener(5432, 400))
    one = found(scene)
    assert (one.variant, one.confidence, one.role) == ("start-db-refused", "certain", "root")
    assert one.summary == "backend.service ends at once: postgresql@17-main.service at 127.0.0.1:5432 takes no more connections"
    assert one.repairs[0].risk == "manual" and "pg_stat_activity" in one.repairs[0].manual
    ended = crashed(*FULL).with_service(database(pid=400), listener(5432, 400))      # nobody asks now: it may be over
    assert verbs(ended) == [("reset-failed", "backend.service"), ("start", "backend.service")]


@pytest.mark.parametrize(("text", "kind", "address", "engine"), [
    ("asyncpg.exceptions.TooManyConnectionsError: sorry, too many clients already", "full", "its address", "postgresql"),
    ("pymysql.err.OperationalError: (1040, 'Too many connections')", "full", "its address", "mysql"),
    ("redis.exceptions.ConnectionError: max number of clients reached", "full", "its address", "redis"),
    ("ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)", "refused", "127.0.0.1:5432", "postgresql"),
    ("Error: connect ECONNREFUSED 127.0.0.1:6379", "refused", "127.0.0.1:6379", "redis"),
    ("Error: getaddrinfo ENOTFOUND pg", "name", "pg", ""),
    ("redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.", "refused",
     "localhost:6379", "redis"),
    ("pymongo.errors.ServerSelectionTimeoutError: localhost:27017: [Errno 111] Connection refused", "refused",
     "localhost:27017", "mongodb"),
    ('OperationalError: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory',
     "refused", "/var/run/postgresql/.s.PGSQL.5432", "postgresql"),
    ("FATAL:  the database system is starting up", "starting", "its address", ""),
    ("socket.gaierror: [Errno -2] Name or service not known", "name", "its address", ""),
    ("pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)\")",
     "refused", "127.0.0.1:3306", "mysql"),
])
def test_what_programs_say(text: str, kind: str, address: str, engine: str) -> None:
    said = dependency_complaint(log_lines(STARTED, text).value, 0.0)
    assert said is not None and (said.kind, said.address, said.engine) == (kind, address, engine)


def test_a_socket_file_is_looked_for_among_the_sockets() -> None:
    end = 'OperationalError: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory'
    scene = crashed(*TRACE, end).with_service(database())
    assert ("start", "postgresql@17-main.service") in verbs(scene)
    waits = [s.unix for s in found(scene).repairs[0].steps if isinstance(s, WaitForListener)]
    assert waits[0] == "/var/run/postgresql/.s.PGSQL.5432"
    held = replace(listener(1, 400), family="unix", address="/run/postgresql/.s.PGSQL.5432", port=0)
    scene = crashed(*TRACE, end).with_service(database(pid=400), held)
    assert found(scene).repairs[0].id == "start-service"


def test_a_bare_program_cannot_be_started_by_fixer() -> None:
    scene = crashed()
    scene.processes.append(process(400, "/usr/lib/postgresql/17/bin/postgres"))
    bare = replace(scene.services[0], unit=None, manager="none", pids=())
    scene.services[0] = bare
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def dialing(*connections: Connection, state: str = "S", **changes: object) -> Scene:
    """A unit that runs since a while, listens nowhere and has these connections."""
    scene = Scene().with_service(service(log=log_lines(STARTED), unit_changes={"active_enter": NOW - 20}, **changes), state=state)
    scene.refused().node_changes["local"] = {"connections": connections}
    return scene


def test_hit_one_that_waits_for_an_answer() -> None:
    scene = dialing(Connection("127.0.0.1", 5432, "dialing", 998, (200,))).with_service(
        database(pid=400), listener(5432, 400))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("startup-blocked-on-dependency", "certain")
    assert one.evidence[0].where == "connection to 127.0.0.1:5432" and "pid 200" in one.evidence[0].text
    assert one.repairs[0].risk == "manual" and "swallows the packets" in one.repairs[0].manual
    remote = finding_of(diagnose(dialing(Connection("10.1.2.3", 5432, "dialing", 998, (200,))).snapshot()), CAUSE)
    assert "another machine" in remote.repairs[0].manual


def test_hit_one_that_takes_the_connection_and_does_not_read() -> None:
    scene = dialing(Connection("127.0.0.1", 5999, "unread", 998, (200,))).with_service(
        database("dbproxy.service", pid=400), listener(5999, 400))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("startup-blocked-on-dependency", "likely")
    assert "dbproxy.service (127.0.0.1:5999) has taken the connection, and not what it was sent" in one.summary
    assert "what was sent is not taken" in one.evidence[0].text and "swallows" not in one.repairs[0].manual
    nameless = found(dialing(Connection("10.1.2.3", 5999, "unread", 998, (200,))))
    assert "what listens at 10.1.2.3:5999" in nameless.repairs[0].manual


@pytest.mark.parametrize(("line", "since"), [
    (Connection("127.0.0.1", 5999, "unread", 998, (200,)), NOW - 2),         # it may be about to read
    (Connection("127.0.0.1", 5999, "unread", 998, (300,)), NOW - 20),
    (Connection("127.0.0.1", 5432, "dialing", 998, (300,)), NOW - 20),       # somebody else's
    (Connection("127.0.0.1", 5432, "dialing", 0), NOW - 20),                 # nobody knows whose
    (Connection("127.0.0.1", 5432, "open", 998, (200,)), NOW - 20),          # it talks to it
    (Connection("127.0.0.1", 5432, "dialing", 998, (200,)), NOW - 1),        # it has just begun
    (Connection("10.1.2.3", 5432, "dialing", 998, (200,), 0.5), NOW - 1),    # and far away answers take their time
])
def test_miss_what_is_no_waiting(line: Connection, since: float) -> None:
    scene = dialing(line)
    scene.services[0] = service(log=log_lines(STARTED), unit_changes={"active_enter": since})
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_a_start_that_waits_for_its_own_machine_is_no_slow_start() -> None:
    scene = dialing(Connection("127.0.0.1", 5432, "dialing", 998, (200,), 0.5))
    scene.services[0] = service(log=log_lines(STARTED, ago=1), unit_changes={"active_enter": NOW - 1})
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_database_that_stands_still_goes_on() -> None:
    still = database(pid=400)
    scene = dialing(Connection("127.0.0.1", 5432, "open", 998)).with_service(still, listener(5432, 400), state="T")
    one = found(scene)
    assert "stands still" in one.summary and any("state T" in e.text for e in one.evidence)
    step = one.repairs[0].steps[0]
    assert isinstance(step, SignalProcess) and (step.pid, step.signal) == (400, "CONT")


def test_a_database_container_that_is_paused_goes_on() -> None:
    box = {"status": "paused", "networks": (("p_default", "172.18.0.9", ("db",)),)}
    made = container_service(log=log_lines("INFO: waiting"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.with_service(container_service("db", 5432, box=box, is_app_server=False, pid=31, bindings=Known(())))
    scene.node_changes["app"] = {"connections": (Connection("172.18.0.9", 5432, "open", 998),)}
    step = found(scene).repairs[0].steps[0]
    assert isinstance(step, ContainerAction) and (step.verb, step.name) == ("unpause", "p-db-1")


def test_no_answer_is_no_refusal() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection timed out')
    one = found(crashed(*lines).with_service(database(pid=400), listener(5432, 400)))
    assert (one.variant, one.repairs[0].id) == ("startup-blocked-on-dependency", "let-through")


UNMET = ("Dependency failed for backend.service - Office.",
         "backend.service: Job backend.service/start failed with result 'dependency'.")


def required(word: str = "Requires", *lines: str, **other: object) -> Scene:
    job = service("files.service", 1, None, bindings=Known(()), is_app_server=False, runtime="",
                  unit=unit("files.service", **{**FAILED, "type": "oneshot", **other}), argv=("/usr/bin/test",))
    made = service(pid=None, unit_changes=STOPPED, log=log_lines(*(lines or UNMET)))
    scene = Scene().with_service(made).with_service(replace(job, log=log_lines("test: no such folder"))).refused()
    scene.files.append(file("/etc/systemd/system/backend.service", f"[Unit]\n{word}=files.service other\n[Service]\n"))
    return scene


@pytest.mark.parametrize("word", ["Requires", "BindsTo", "Requisite"])
def test_hit_a_unit_that_it_requires_failed(word: str) -> None:
    diagnosis = diagnose(required(word).snapshot())
    assert roots(diagnosis) == [CAUSE]
    one = diagnosis.findings[0]
    assert (one.variant, one.confidence) == ("start-dependency-failed", "certain")
    assert any(e.where == "/etc/systemd/system/backend.service:2" for e in one.evidence)
    assert one.repairs[0].risk == "manual" and "no such folder" in one.repairs[0].manual


def test_what_the_required_unit_said_itself_goes_before_what_systemd_says_of_it() -> None:
    scene = required()
    lines = log_lines("cp: cannot stat '/mnt/share/a.conf'", "files.service: Main process exited, code=exited, status=1/FAILURE",
                "files.service: Failed with result 'exit-code'.", "Failed to start files.service - Files.")
    scene.services[1] = replace(scene.services[1], log=lines)
    one = found(scene)
    assert "its log ends with: cp: cannot stat '/mnt/share/a.conf'" in one.repairs[0].manual
    assert any("cannot stat" in e.text for e in one.evidence)


def test_a_unit_that_was_only_stopped_is_started_first() -> None:
    scene = required("Requires", active_state="inactive", result="success")
    assert verbs(scene) == [("start", "files.service"), ("start", "backend.service")]
    well = required("Requires", active_state="active", result="success")
    assert verbs(well) == [("start", "backend.service")] and found(well).confidence == "likely"


def test_miss_a_wanted_unit_or_a_later_start() -> None:
    later = required("Requires", *UNMET, "Started backend.service - Office.", "Stopped backend.service - Office.")
    assert roots(diagnose(later.snapshot())) == ["backend-down"]
    assert roots(diagnose(required("Requires", "Stopped backend.service - Office.").snapshot())) == ["backend-down"]


@pytest.mark.parametrize(("lines", "path", "first"), [
    (NO_ENTRY, "/etc/default/office", "start-service"), (NO_NAME, "/etc/default/office", "start-service"),
    (NO_NAME, "/etc/hosts", "start-service"), (NO_ENTRY, "/etc/hosts", "mend-dependency"),
])
def test_what_was_set_otherwise_after_the_refusal_is_tried_first(lines: tuple[str, ...], path: str, first: str) -> None:
    scene = crashed(*lines, env_files=("/etc/default/office",))
    scene.node_changes["local"] = {"files": (("/etc/hosts", stat(mtime=NOW - (5 if path == "/etc/hosts" else 900))),)}
    scene.files.append(file("/etc/default/office", "A=b\n", stat=stat(mtime=NOW - (900 if path == "/etc/hosts" else 5))))
    one = found(scene)
    assert (one.repairs[0].id == "start-service") is (first == "start-service")
    assert (f"{path} was changed after that" in one.summary) is (first == "start-service") and one.confidence == "likely"


def held_back(condition: str = "service_healthy", label: str | None = None, **other: object) -> Scene:
    """A backend that Compose made, and that waits for `store`."""
    box = {"status": "created", "started_at": 0.0, "pid": 0, "labels": (
        ("com.docker.compose.depends_on", label or f"store:{condition}:false"),)}
    made = container_service(pid=None, box=box, log=log_lines())
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    about = {"health": "unhealthy", "health_exit": 127, **other}
    return scene.with_service(container_service("store", 6379, box=about, is_app_server=False, pid=31, bindings=Known(())))


@pytest.mark.parametrize(("scene", "words", "confidence"), [
    (held_back(), "store, which is unhealthy, its last check ended with exit code 127", "certain"),
    (held_back(health_output='exec: "curl": executable file not found'), "code 127: exec: \"curl\": executable", "certain"),
    (held_back(health="starting"), "store, which is not healthy yet", "likely"),
    (held_back(status="exited", health=None), "store, which does not run", "likely"),
    (held_back("service_completed_successfully", status="exited", exit_code=3), "store, which ended with exit code 3",
     "certain"),
])
def test_a_container_that_compose_holds_back_is_not_started_by_itself(scene: Scene, words: str, confidence: str) -> None:
    one = found(scene)
    assert words in one.summary and one.confidence == confidence
    assert [r.risk for r in one.repairs] == ["manual"]


@pytest.mark.parametrize(("health", "said"), [("unhealthy", True), ("healthy", False)])
def test_one_that_has_run_is_started_and_what_the_next_up_waits_for_is_said(health: str, said: bool) -> None:
    box = {"status": "exited", "exit_code": 0, "started_at": NOW - 900, "finished_at": NOW - 60, "pid": 0,
           "labels": (("com.docker.compose.depends_on", "store:service_healthy:false"),)}
    made = container_service(pid=None, box=box, log=log_lines())
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.with_service(container_service("store", 6379, box={"health": health}, is_app_server=False, pid=31, bindings=Known(())))
    (one,) = [f for f in diagnose(scene.snapshot()).findings if f.cause == "backend-down"]
    assert [r.risk for r in one.repairs] == ["safe"]
    assert any("next docker compose up will not start it: it waits for store" in d for d in one.detail) is said


@pytest.mark.parametrize("scene", [held_back(health="healthy"), held_back("service_started"), held_back(label="x")])
def test_a_container_that_nothing_holds_back_is_only_stopped(scene: Scene) -> None:
    assert roots(diagnose(scene.snapshot())) == ["backend-down"]
