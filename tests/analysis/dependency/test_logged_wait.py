"""What a start script's own last lines say that it waits for."""

from __future__ import annotations

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.dependency.logged_wait import logged_wait
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from tests.causes.snapshot_builders import Scene, log_lines, service

FILE = Evidence("file", "/srv/.env:3", "…")
DATABASE = Dependency(FILE, host="db", port=5432, engine="postgresql")
CACHE = Dependency(FILE, host="cache", port=6379, engine="redis")


def waited(*texts: str, known: tuple[Dependency, ...] = (DATABASE, CACHE)) -> Dependency | None:
    made = service(log=log_lines(*texts), dependencies=known)
    scene = Scene().with_service(made)
    return logged_wait(open_case(scene.snapshot(), {}), made)


@pytest.mark.parametrize(("text", "address"), [
    ("PostgreSQL not running on the db yet, waiting...", "db:5432"),
    ("Waiting for PostgreSQL to become available...", "db:5432"),
    ("[2026-11-30 16:20:11] Database unavailable, waiting 1 second...", "db:5432"),
    ("db:5432 - no response", "db:5432"), ("wait-for-it.sh: waiting 15 seconds for store:7000", "store:7000"),
    ("Waiting for host: tcp://10.0.0.7:5433 ...", "10.0.0.7:5433"), ("Redis is not ready, sleeping", "cache:6379"),
    ("cannot reach broker port 7001, retrying", "broker:7001"), ("waiting for store (10.0.0.7) port 7000", "store:7000"),
])
def test_a_line_that_says_what_is_waited_for(text: str, address: str) -> None:
    found = waited(text, text)
    assert found is not None and (found.address, found.is_looped) == (address, True)
    assert text in found.source.text


@pytest.mark.parametrize("text", [
    "INFO:     Waiting for application startup.", "waiting for connections on 127.0.0.1:8000", "Listening at db:5432",
    "waiting for the moon", "Waiting for 0.0.0.0:8000", "the dbx is not ready", "Applied 12 migrations, retrying nothing",
])
def test_a_line_that_names_no_system_that_is_waited_for(text: str) -> None:
    assert waited(text) is None


def test_of_several_systems_none_is_named() -> None:
    other = Dependency(FILE, host="db2", port=5432, engine="postgresql")
    assert waited("waiting for the database", known=(DATABASE, other)) is None
    named = waited("waiting for the database db2", known=(DATABASE, other))
    assert named is not None and named.host == "db2" and not named.is_looped      # said once: it may be the first try


def test_lines_before_the_last_ones_are_over() -> None:
    assert waited("waiting for db:5432", "migrating", "collecting", "loading") is None
