"""What fixer asks of Docker's engine."""

from __future__ import annotations

from fixer.model.query import Command, ReadFile
from tests.observe.next_queries_builders import project


def test_the_engine_reads_compose_files_and_mounts() -> None:
    wanted = project()["engine"]
    assert {q.path for q in wanted if isinstance(q, ReadFile)} == {"/srv/shop/.env", "/srv/shop/api.env", "/srv/shop/site/shop"}
    assert not [q for q in wanted if isinstance(q, Command)]
