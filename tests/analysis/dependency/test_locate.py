"""Tests of fixer/analysis/dependency/locate.py."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.diagnosis import Finding
from fixer.model.plan import WaitForListener
from tests.causes.crash_dependency_down.crash_dependency_down_builders import (
    NO_NAME,
    TRACE,
    composed,
    crashed,
    database,
    found,
    verbs,
)
from tests.causes.snapshot_builders import file, listener


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


def test_a_stopped_container_is_known_by_the_address_that_was_chosen_for_it() -> None:
    lines = (*TRACE, 'OperationalError: connection to server at "172.18.0.9", port 5432 failed: No route to host')
    def of(address: str) -> Finding:
        return found(composed(lines, status="exited", exit_code=0, networks=(("p_default", "", ("db",)),),
                              fixed_addresses=(("p_default", (address,)),)))

    one = of("172.18.0.9")
    assert (one.variant, one.repairs[0].id, one.node) == ("start-db-refused", "start-dependency", "db")
    assert of("172.18.0.8").repairs[0].risk == "manual"


def test_a_container_that_runs_and_is_not_found_by_its_name() -> None:
    one = found(composed(NO_NAME))
    assert one.variant == "start-db-dns-failure" and "runs, but the name db does not resolve" in one.summary
    back = (*TRACE, 'OperationalError: connection to server at "records" (172.18.0.9), port 5432 failed: Connection refused')
    assert found(composed(back)).repairs[0].id in ("start-service", "restart-service")


def test_a_socket_file_is_looked_for_among_the_sockets() -> None:
    end = 'OperationalError: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory'
    scene = crashed(*TRACE, end).with_service(database())
    assert ("start", "postgresql@17-main.service") in verbs(scene)
    waits = [s.unix for s in found(scene).repairs[0].steps if isinstance(s, WaitForListener)]
    assert waits[0] == "/var/run/postgresql/.s.PGSQL.5432"
    held = replace(listener(1, 400), family="unix", address="/run/postgresql/.s.PGSQL.5432", port=0)
    scene = crashed(*TRACE, end).with_service(database(pid=400), held)
    assert found(scene).repairs[0].id == "start-service"
