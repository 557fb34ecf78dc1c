"""Dependencies: their address as people write it."""

from __future__ import annotations

import pytest

from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence


@pytest.mark.parametrize(("about", "address"), [
    ({"host": "db", "port": 5432}, "db:5432"), ({"host": "::1", "port": 6379}, "[::1]:6379"), ({"host": "db"}, "db"),
    ({"host": "::1"}, "[::1]"), ({"path": "/run/db.sock"}, "/run/db.sock"), ({"path": "/run/db.sock", "host": "db", "port": 1}, "/run/db.sock"),
])
def test_the_address_of_a_dependency(about: dict[str, object], address: str) -> None:
    assert Dependency(Evidence("unit", "a:1", ""), **about).address == address     # type: ignore[arg-type]
