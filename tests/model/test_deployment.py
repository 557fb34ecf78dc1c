"""Dependencies: their address as people write it, and the variables whose names tell of one."""

from __future__ import annotations

import re

import pytest

from fixer.model.deployment import DEPENDENCY_NAME_PATTERN, Dependency
from fixer.model.facts import Evidence


@pytest.mark.parametrize(("about", "address"), [
    ({"host": "db", "port": 5432}, "db:5432"), ({"host": "::1", "port": 6379}, "[::1]:6379"), ({"host": "db"}, "db"),
    ({"host": "::1"}, "[::1]"), ({"path": "/run/db.sock"}, "/run/db.sock"), ({"path": "/run/db.sock", "host": "db", "port": 1}, "/run/db.sock"),
])
def test_the_address_of_a_dependency(about: dict[str, object], address: str) -> None:
    assert Dependency(Evidence("unit", "a:1", ""), **about).address == address     # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "is_one"), [
    ("DATABASE_URL", True), ("SHOP_DB_HOST", True), ("PG_HOST", True), ("REDIS", True), ("CELERY_BROKER_URL", True),
    ("POSTGRESQL_PORT", True), ("MEMCACHED_SERVERS", True), ("DEBUG", False), ("FEEDBACK", False), ("HOST", False), ("database_url", False),
])
def test_names_of_variables_that_tell_of_a_dependency(name: str, is_one: bool) -> None:
    assert bool(re.fullmatch(DEPENDENCY_NAME_PATTERN, name)) is is_one
