"""Where a service's variables say that its systems are; and the limits that its start script sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.shell_words import literal_word
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from fixer.observe.commands.dependencies import dependencies_of
from fixer.observe.commands.resolved_command import ServiceCommand, ulimits_of
from tests.observe.capture_builders import file, view


def read(**env: str) -> list[Dependency]:
    return list(dependencies_of({k: literal_word(v) for k, v in env.items()}, "shop.service", view()))


@pytest.mark.parametrize(("env", "address", "engine"), [
    ({"DATABASE_URL": "postgresql://shop:hush@127.0.0.1:5433/shop"}, "127.0.0.1:5433", "postgresql"),
    ({"DB_URL": "postgresql+asyncpg://shop@localhost/shop"}, "localhost:5432", "postgresql"),
    ({"DATABASE_URL": "postgresql:///shop?host=/run/postgresql"}, "/run/postgresql/.s.PGSQL.5432", "postgresql"),
    ({"SHOP_REDIS_URL": "redis://[::1]/0"}, "[::1]:6379", "redis"), ({"CELERY_BROKER_URL": "amqp://db//"}, "db:5672", "rabbitmq"),
    ({"PGHOST": "10.0.0.7"}, "10.0.0.7:5432", "postgresql"), ({"REDIS_HOST": "localhost", "REDIS_PORT": "6380"}, "localhost:6380", "redis"),
    ({"DB_HOST": "127.0.0.1", "DB_PORT": "3306"}, "127.0.0.1:3306", ""), ({"DB_HOST": "127.0.0.1:3306"}, "127.0.0.1:3306", ""),
    ({"POSTGRES_HOST": "/run/postgresql"}, "/run/postgresql/.s.PGSQL.5432", "postgresql"),
])
def test_an_address_in_a_variable(env: dict[str, str], address: str, engine: str) -> None:
    (one,) = read(**env)
    assert (one.address, one.engine) == (address, engine)
    assert "hush" not in one.source.text and one.source.where == "shop.service"


@pytest.mark.parametrize("env", [
    {"DATABASE_URL": "sqlite:///x.db"}, {"DB_HOST": "127.0.0.1"}, {"HOST": "0.0.0.0", "PORT": "8000"},
    {"DATABASE_URL": "postgresql://a,b/shop"}, {"DATABASE_URL": "postgresql://h:99999x/"}, {"PUBLIC_URL": "http://a/"},
    {"DB_PASSWORD": "postgresql://db/x"}, {"DATABASE_URL": ""},
])
def test_what_says_no_address(env: dict[str, str]) -> None:
    assert read(**env) == []


@given(st.text(max_size=60))
def test_any_value_is_read(value: str) -> None:
    read(DATABASE_URL=value, REDIS_HOST=value, DB_HOST=value, DB_PORT=value)


@pytest.mark.parametrize(("line", "found"), [
    ("ulimit -v 40000", ("ulimit -v", "40000")), ("ulimit -c 0; ulimit -Sv 50", ("ulimit -v", "50")),
    ("ulimit -S -d 70 || true", ("ulimit -d", "70")), ("ulimit -v unlimited", None), ("# ulimit -v 4", None),
    ("ulimit -n 4096", None), ("ulimit -v $LIMIT", None),
])
def test_a_limit_of_a_script(line: str, found: tuple[str, str] | None) -> None:
    text = f"#!/bin/sh\n{line}\nexec uvicorn a:b\n"
    told = ServiceCommand((), {}, Evidence("unit", "u", ""), "shell", script="/srv/run")
    said = ulimits_of(told, view(file("/srv/run", text)))
    assert [(one.key, one.value) for one in said] == ([found] if found else [])
    for one in said:
        assert one.argument is not None and text[one.argument.start:one.argument.end] == one.value
