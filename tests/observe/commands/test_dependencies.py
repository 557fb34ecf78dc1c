"""Where a service's variables say that its systems are; and the limits that its start script sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.shell_words import literal_word
from fixer.model.capture import NodeCapture
from fixer.model.deployment import Dependency
from fixer.model.query import Answer, Command, Query
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.commands.dependencies import POSTGRES_CONFIGS, dependencies_of, proxy_variables_of
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, view
from tests.observe.files.application_code_builders import UNIT, logged
from tests.observe.nginx.endpoints_builders import SHOW


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


SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
JOURNAL = Command("journal", ("back.service", "200"))
LISTING = Command("systemctl-units")
REFUSED = 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused\n'


def asked(seen: NodeCapture) -> list[Query]:
    return follow_up_queries(capture(seen), ObserveOptions()).get("local", [])


def test_units_of_the_system_in_question_are_looked_up() -> None:
    seen = logged(REFUSED)
    wanted = asked(seen)
    assert LISTING in wanted and POSTGRES_CONFIGS in wanted
    seen.answers[LISTING] = Answer("ok", b"--\npostgresql.service disabled enabled\npostgresql@.service indirect -\n"  # type: ignore[index]
                                         b"redis-server.service enabled enabled\n")
    seen.answers[POSTGRES_CONFIGS] = Answer("ok", files=(file("/etc/postgresql/17/main/postgresql.conf", "port = 5432\n"),))  # type: ignore[index]
    assert Command("systemctl-show", ("postgresql.service", "postgresql@17-main.service")) in asked(seen)
    assert "/etc/postgresql/17/main/postgresql.conf" in {f.path for f in build_snapshot(capture(seen)).files}


@pytest.mark.parametrize(("port", "is_asked"), [("5432", True), ("54321", False), ("15432", False)])
def test_a_port_alone_names_a_system_only_as_a_whole_number(port: str, is_asked: bool) -> None:
    assert (POSTGRES_CONFIGS in asked(logged(f"OSError: [Errno 111] Connect call failed ('127.0.0.1', {port})\n"))) is is_asked


def test_the_journal_of_a_database_that_failed() -> None:
    seen = logged(REFUSED)
    more = seen.answers[Command("systemctl-show")].data.decode() + SHOW.format("postgresql@17-main.service", "failed", 0)
    seen.answers[Command("systemctl-show")] = Answer("ok", more.encode())  # type: ignore[index]
    assert Command("journal", ("postgresql@17-main.service", "200")) in asked(seen)


@pytest.mark.parametrize("text", ["all is well\n", "connection refused by somebody\n"])
def test_nobody_is_looked_up_without_a_complaint(text: str) -> None:
    assert not [q for q in asked(logged(text)) if q == POSTGRES_CONFIGS or (isinstance(q, Command) and q.name == "systemctl-units")]


def test_the_units_that_one_requires_are_looked_up_where_it_was_not_started_for_want_of_them() -> None:
    text = "Dependency failed for back.service - Office.\n"
    unit = file("/etc/systemd/system/back.service", UNIT.replace("[Service]", "[Unit]\nRequires=files other.service\n[Service]"))
    show = SHOW.format("back.service", "inactive", 0) + SHOW.format("files.service", "failed", 0)
    seen = node({JOURNAL: Answer("ok", f"1700000000.1 box systemd[1]: {text}".encode())}, site=SITE, show=show, units=[unit])
    wanted = asked(seen)
    assert Command("journal", ("files.service", "200")) in wanted
    assert Command("systemctl-show", ("other.service",)) in wanted
    calm = node({JOURNAL: Answer("ok", b"1700000000.1 box systemd[1]: Stopped\n")}, site=SITE, show=show, units=[unit])
    assert Command("journal", ("files.service", "200")) not in asked(calm)


def proxies(**env: str) -> list[tuple[str, str]]:
    return [(v.name, v.value) for v in proxy_variables_of({k: literal_word(v) for k, v in env.items()}, "shop.service")]


@pytest.mark.parametrize(("name", "value", "address"), [
    ("HTTP_PROXY", "http://proxy.corp.example:3128", "proxy.corp.example:3128"), ("https_proxy", "http://10.0.0.9:3128/", "10.0.0.9:3128"),
    ("ALL_PROXY", "socks5h://[::1]:1080", "[::1]:1080"), ("http_proxy", "proxy", "proxy:80"),
    ("HTTP_PROXY", "http://joe:hush@proxy:3128", "proxy:3128"), ("HTTP_PROXY", "[masked 3]", ""),
    ("NO_PROXY", "localhost,.intern.example,10.0.0.0/8", "localhost,.intern.example,10.0.0.0/8"), ("no_proxy", "a;b", ""),
])
def test_the_address_is_read_without_its_account(name: str, value: str, address: str) -> None:
    assert proxies(**{name: value}) == [(name, address)]
    (one,) = proxy_variables_of({name: literal_word(value)}, "shop.service")
    assert "hush" not in one.source.text and one.source.where == "shop.service"
    assert one.is_exception is (name.lower() == "no_proxy")


def test_other_variables_lead_to_no_proxy() -> None:
    assert proxies(HTTP_PROXY="", FTP_PROXY="http://a:1", PROXY="http://a:1", Http_Proxy="http://a:1") == []


@given(st.text(max_size=60))
def test_any_value_is_proxies(value: str) -> None:
    proxies(HTTP_PROXY=value, NO_PROXY=value)
