"""What a shell waits for before its server: the conditions of its loops, and the programs that only wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.shell_words import literal_word
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from fixer.model.query import ReadFile
from fixer.observe.bare_services import bare_services
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.startup_waits import (
    checked_dependency,
    command_of_shell,
    shell_queries,
    waits_in_script,
    waits_of,
)
from tests.observe.capture_builders import file, process, view

SERVER = "exec /usr/bin/uvicorn app.main:app --port 8000\n"


def told(**env: str) -> ServiceCommand:
    command = tuple(literal_word(word) for word in ("/usr/bin/uvicorn", "app.main:app", "--port", "8000"))
    return ServiceCommand(command, {k: literal_word(v) for k, v in env.items()}, Evidence("unit", "u:1", "x"), "shell", "/srv/shop")


def read(text: str, **env: str) -> list[Dependency]:
    return list(waits_in_script(f"#!/bin/sh\n{text}\n{SERVER}", "/srv/run", "/srv/run", told(**env)))


@pytest.mark.parametrize(("text", "address", "wanted"), [
    ("until pg_isready -q -h 10.0.0.7 -p 5433; do sleep 1; done", "10.0.0.7:5433", True),
    ("until pg_isready; do sleep 1; done", "localhost:5432", True),
    ("while ! pg_isready -h \"$DB_HOST\" >/dev/null 2>&1; do sleep 1; done", "db:5432", True),
    ("while ! nc -z -w 5 127.0.0.1 7711; do sleep 1; done", "127.0.0.1:7711", True),
    ("until timeout 1 bash -c '</dev/tcp/db/5432'; do sleep 1; done", "db:5432", True),
    ("until (echo > /dev/tcp/127.0.0.1/7711) >/dev/null 2>&1; do sleep 1; done", "127.0.0.1:7711", True),
    ("until curl -sf http://127.0.0.1:9000/health; do sleep 1; done", "127.0.0.1:9000", True),
    ("until redis-cli -h cache ping | grep -q PONG; do sleep 1; done", "cache:6379", True),
    ("until mysqladmin --host=db -P 3307 ping; do sleep 1; done", "db:3307", True),
    ("for i in 1 2 3; do nc -z db 5432 && break; sleep 1; done", "db:5432", True),
    ("/opt/wait-for-it.sh -t 0 db:5432", "db:5432", True), ("dockerize -wait tcp://db:5432", "db:5432", True),
    ("until [ -f /run/keys/shop ]; do sleep 1; done", "/run/keys/shop", True),
    ("while [ ! -e ready ]; do sleep 1; done", "/srv/shop/ready", True),
    ("while ! test -S /run/db.sock; do sleep 1; done", "/run/db.sock", True),
    ("while [ -f /run/upgrade.lock ]\ndo\n  sleep 1\ndone", "/run/upgrade.lock", False),
    ("until [ ! -f /run/upgrade.lock ]; do sleep 1; done", "/run/upgrade.lock", False),
    ("until pg_isready -h /var/run/postgresql; do sleep 1; done", "/var/run/postgresql/.s.PGSQL.5432", True),
])
def test_what_a_loop_waits_for(text: str, address: str, *, wanted: bool) -> None:
    (one,) = read(text, DB_HOST="db")
    assert (one.address, one.wanted) == (address, wanted) and one.source.where.startswith("/srv/run:2")


@pytest.mark.parametrize("text", [
    "if [ -f /etc/default/shop ]; then . /etc/default/shop; fi", "curl -s http://127.0.0.1:9000/settings > x.json",
    "nc -z db 5432 || echo careful", "sleep 30", "until true; do sleep 1; done", "until nc -z $A $B; do sleep 1; done",
    "# until nc -z db 5432; do sleep 1; done", "until [ -f \"$MARK\" ]; do sleep 1; done", "while read -r x; do echo; done",
])
def test_what_is_no_wait(text: str) -> None:
    assert read(text) == []


def test_only_what_stands_before_the_server_counts_and_no_secret_is_told() -> None:
    assert list(waits_in_script(f"{SERVER}until nc -z db 5432; do :; done", "/r", "/r", told())) == []
    (one,) = read("until PGPASSWORD=hush1234 psql postgresql://shop:hush1234@db/shop; do sleep 1; done")
    assert one.address == "db:5432" and "hush1234" not in one.source.text


@given(st.text(alphabet="until while![]-f/$\"'();\n&|dopg_isready nc:5432 ", max_size=80))
def test_any_text_is_read(text: str) -> None:
    assert all(one.source.where for one in read(text))
    checked_dependency([literal_word(word) for word in text.split()])


def shell(script: str, *argv: str) -> object:
    return view(file("/srv/run", f"#!/bin/sh\n{script}\n{SERVER}"), file("/run/there", ""),
                running=[process(70, argv or ("/bin/sh", "/srv/run"), cwd="/srv"), process(71, ("sleep", "1"), ppid=70)])


def test_a_shell_that_is_on_its_way_is_a_service_that_nobody_manages() -> None:
    made = shell("until [ -f /run/there ]; do sleep 1; done")
    assert ReadFile("/srv/run", 64 << 10) in list(shell_queries(made))  # type: ignore[arg-type]
    (one,) = [s for s in bare_services(made, set()) if s.name == "run[70]"]  # type: ignore[arg-type]
    assert [b.port for b in one.bindings.value] == [8000] and one.pids == (70, 71)  # type: ignore[union-attr]
    assert [(w.path, w.present) for w in one.startup_waits] == [("/run/there", True)]
    busy = view(file("/srv/run", f"#!/bin/sh\n{SERVER.removeprefix('exec ')}"), running=[
        process(70, ("/bin/sh", "/srv/run")), process(71, ("/usr/bin/python3", "/usr/bin/uvicorn", "app.main:app"), ppid=70)])
    assert [s.name for s in bare_services(busy, set())] == ["uvicorn[71]"]      # its server is there, and is the service


def test_a_shell_with_its_text_and_one_that_starts_no_server() -> None:
    made = shell("", "/bin/sh", "-c", "until nc -z db 5432; do sleep 1; done; exec uvicorn app.main:app --port 8000")
    found = command_of_shell(made.by_pid[70], made)  # type: ignore[attr-defined]
    assert found is not None and [w.ip for w in waits_of((70,), found, made)] == ["10.0.0.7"]  # type: ignore[arg-type]
    other = shell("", "/bin/sh", "-c", "until nc -z db 5432; do sleep 1; done; exec rsync a b")
    assert command_of_shell(other.by_pid[70], other) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", [
    "wait() {\n until python3 -c \"import socket; socket.create_connection(('$DB_HOST', ${DB_PORT:-5432}), 3)\"; do sleep 1; done\n}\nwait",
    "ready() {\npython << END\nimport psycopg2\npsycopg2.connect(dbname=\"x\", host=\"${DB_HOST}\", port=\"5432\")\nEND\n}\n"
    "until ready; do sleep 1; done",
    "is_up() {\n  nc -z \"$DB_HOST\" 5432\n}\nwhile ! is_up; do sleep 1; done",
    "function is_up() {\n python -c 'import psycopg; psycopg.connect(host=\"db\")'\n}\nuntil is_up\ndo\n sleep 1\ndone",
])
def test_an_address_that_a_program_of_the_loop_connects_to(text: str) -> None:
    (one,) = read(text, DB_HOST="db")
    assert (one.address, one.wanted, one.is_looped) == ("db:5432", True, True)


def test_where_only_the_script_names_the_server_its_first_server_ends_the_waits() -> None:
    entry = ServiceCommand((literal_word("/entrypoint.sh"), literal_word("web")), {}, Evidence("container", "c", "x"), "shell")
    text = "until nc -z db 5432; do sleep 1; done\ngunicorn app:app &\nuntil nc -z web 8000; do sleep 1; done\n"
    assert [one.address for one in waits_in_script(text, "/r", "/r", entry)] == ["db:5432"]


@pytest.mark.parametrize(("command", "address"), [
    ("wait-for-psql.py --db_host dbx --db_port 5432 --timeout=30", "dbx:5432"),
    ("/usr/bin/python3 /usr/local/bin/wait-for-psql.py --db_host=dbx --db_port=5433", "dbx:5433"),
    ("wait_for_redis.sh -h cache -p 6379", "cache:6379"), ("python3 /opt/wait-for-store.py store:7000", "store:7000"),
])
def test_a_program_that_waits_takes_its_address_as_options_too(command: str, address: str) -> None:
    found = checked_dependency([literal_word(word) for word in command.split()])
    assert found is not None and found.address == address
    assert [one.address for one in read(command)] == [address]


@pytest.mark.parametrize("command", ["wait-for-psql.py --db_port 5432", "wait -n", "waiter --host db --port 5432",
                                     "python3 /opt/serve.py --host 127.0.0.1 --port 7000"])
def test_a_program_that_does_not_wait_or_names_no_address(command: str) -> None:
    assert checked_dependency([literal_word(word) for word in command.split()]) is None
