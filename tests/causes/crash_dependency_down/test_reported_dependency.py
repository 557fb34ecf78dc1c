"""Tests of fixer/causes/crash_dependency_down/reported_dependency.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.snapshot import Service
from tests.causes.crash_dependency_down.crash_dependency_down_builders import (
    CAUSE,
    FULL,
    NO_ENTRY,
    NO_NAME,
    TRACE,
    composed,
    crashed,
    database,
    env,
    found,
    verbs,
)
from tests.causes.snapshot_builders import (
    NOW,
    STOPPED,
    file,
    listener,
    service,
    stat,
    unit,
)


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
    assert one.confidence == "likely" and "rejected its account or database" in one.summary and "it only needs a start" in one.detail[-1]


def test_who_asks_again_and_again_is_turned_away_now() -> None:
    one = found(crashed(*NO_ENTRY, unit_changes={"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 9}))
    assert (one.confidence, len(one.detail)) == ("certain", 1) and "127.0.0.1:5432 rejects its account or database 'shop'" in one.summary


def test_one_that_has_no_connection_left() -> None:
    again = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 9}
    scene = crashed(*FULL, unit_changes=again).with_service(database(pid=400), listener(5432, 400))
    one = found(scene)
    assert (one.variant, one.confidence, one.role) == ("start-db-refused", "certain", "root")
    assert one.summary == "backend.service ends at once: postgresql@17-main.service at 127.0.0.1:5432 accepts no more connections"
    assert one.repairs[0].risk == "manual" and "pg_stat_activity" in one.repairs[0].manual
    ended = crashed(*FULL).with_service(database(pid=400), listener(5432, 400))      # nobody asks now: it may be over
    assert verbs(ended) == [("reset-failed", "backend.service"), ("start", "backend.service")]


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


OWN_PROGRAM = (*TRACE, '    STOCK = socket.create_connection(("127.0.0.1", 8127), 5)', '  File "/usr/lib/python3.13/socket.py", line 849',
               "    sock.connect(sa)", "ConnectionRefusedError: [Errno 111] Connection refused")


def stock(name: str = "stock.service", port: int = 8127, **changes: object) -> Service:
    about = {**STOPPED, "unit_file_state": "enabled", **changes}
    return service(name, port, None, is_app_server=False, runtime="python", unit=unit(name, **about))


def test_a_program_of_the_firm_that_is_configured_for_the_address_is_started() -> None:
    scene = crashed(*OWN_PROGRAM)
    old = stock("stock-old.service", unit_file_state="disabled")
    scene.services += [stock(), old, stock("other.service", 8128)]
    one = found(scene)
    assert one.summary == "backend.service ends at once: stock.service is stopped" and one.variant == "start-db-refused"
    assert verbs(scene)[0] == ("start", "stock.service")
    scene.services[1:] = [stock(), stock("stock-2.service")]       # two are configured for it: nobody is chosen
    assert "stock" not in " ".join(unit for _, unit in verbs(scene))
    scene.services[1:] = []     # nobody is: what the traceback quotes may be an older state of the code
    assert all(finding.cause != CAUSE for finding in diagnose(scene.snapshot()).findings)


NO_ANSWER = (*TRACE, '    socket.create_connection(("store", 5258), 5).close()', '  File "/usr/lib/python3.13/socket.py", line 977, in getaddrinfo',
             "    for res in _socket.getaddrinfo(host, port, family, type, proto, flags):",
             "socket.gaierror: [Errno -3] Temporary failure in name resolution")


def test_a_stopped_container_whose_name_only_the_traceback_quotes_is_started() -> None:
    box = {"networks": (("p_default", "", ("store",)),), "status": "exited", "exit_code": 0, "restart_policy": "always"}
    scene = composed(NO_ANSWER, **box)
    one = found(scene)
    assert (one.variant, one.service, one.confidence) == ("start-db-refused", "p-db-1", "certain")
    assert one.summary == "p-app-1 ends at once: p-db-1 is stopped"
    assert one.repairs[0].id == "start-dependency" and one.repairs[0].risk == "safe"
    stopped = found(composed(NO_ANSWER, **{**box, "exit_code": 137}))        # `docker stop` past its grace period
    assert stopped.summary == "p-app-1 ends at once: p-db-1 was stopped or killed by somebody" and stopped.repairs[0].risk == "safe"
    unknown = found(composed(NO_ANSWER, **{**box, "networks": ()}))      # the line may be of older code: it is not named
    assert unknown.variant == "start-db-dns-failure" and "the name of its dependency does not resolve" in unknown.summary
