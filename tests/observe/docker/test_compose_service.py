"""Services of compose files: command, variables, places for new ones, several files, what is inside the image."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from tests.observe.docker.compose_service_builders import shop

UVICORN = ["uvicorn", "a:b", "--port", "8000"]


@pytest.mark.parametrize(("body", "style"), [
    ("    command: uvicorn a:b --port 8000\n", "yaml-string"), ("    command: [uvicorn, 'a:b', \"--port\", \"8000\"]\n", "yaml-flow"),
    ("    command:\n      - uvicorn\n      - a:b\n      - --port\n      - '8000'\n", "yaml-block"),
    ("    command: uvicorn a:b --port ${PORT:-8000}\n", "yaml-string"),
])
def test_ways_to_write_a_command(body: str, style: str) -> None:
    found = shop(body, argv=UVICORN)
    assert found.command_style == style and found.runtime == "uvicorn" and isinstance(found.bindings, Known)
    (binding,) = found.bindings.value
    text = f"services:\n  api:\n{body}"
    assert binding.file == "/srv/shop/compose.yaml" and text[binding.start : binding.end] == "8000"


def test_a_shell_in_a_command() -> None:
    body = "    command: sh -c \"exec uvicorn a:b --port $$PORT\"\n    environment:\n      PORT: 8000\n"
    found = shop(body, argv=["sh", "-c", "exec uvicorn a:b --port $PORT"], running=[UVICORN])
    assert isinstance(found.bindings, Known) and found.bindings.value[0].port == 8000
    place = found.bindings.value[0]
    assert f"services:\n  api:\n{body}"[place.start : place.end] == "8000"      # in environment:, where the shell takes it


def test_words_before_and_behind_a_doubled_dollar_are_where_the_file_has_them() -> None:
    """compose writes `$$` for the shell's `$`, so what is read is shorter than what the file has."""
    body = "    command: sh -c 'exec uvicorn a:b --port $$PORT --log-level info'\n    environment:\n      PORT: 8000\n"
    found = shop(body, argv=["sh", "-c", "exec uvicorn a:b --port $PORT --log-level info"], running=[UVICORN])
    places = {word.text: word for word in found.command}
    for text in ("a:b", "info"):
        assert f"services:\n  api:\n{body}"[places[text].start : places[text].end] == text
    assert found.bindings.or_else(())[0].port == 8000


@pytest.mark.parametrize(("line", "has_place"), [
    ("exec uvicorn --port $$PORT --workers $${COUNT:-2} a:b", True),
    ("exec uvicorn --port $$PORT --log-level ${LEVEL} a:b", True),
    ("exec uvicorn --port $$PORT ${LEVEL}:b", False),
])
def test_what_is_not_in_the_file_as_it_is_read_has_no_place(line: str, has_place: bool) -> None:
    body = f"    command: sh -c '{line}'\n    environment:\n      PORT: 8000\n"
    ran = line.replace("$$", "$").replace("${LEVEL}", "a")
    found = shop(body, argv=["sh", "-c", ran], running=[UVICORN], files={"/srv/shop/.env": "LEVEL=a\n"})
    place = {word.text: word for word in found.command}["a:b"]
    text = f"services:\n  api:\n{body}"
    assert text[place.start : place.end] == "a:b" if has_place else place.start is None


def test_a_command_inside_the_image() -> None:
    found = shop("    image: x\n", argv=["/entry.sh"], running=[UVICORN])
    assert found.command_style == "" and isinstance(found.bindings, Known) and found.bindings.value[0].source.where == "pid 7"
    assert found.is_app_server and found.runtime == "uvicorn"
    dead = shop("    image: x\n", argv=["/entry.sh"], running=[["sleep", "1"]])
    assert isinstance(dead.bindings, Unknown)


def test_entrypoint_and_command() -> None:
    found = shop("    entrypoint: [uvicorn, 'a:b']\n    command: [--port, '8000']\n", argv=UVICORN)
    assert [w.text for w in found.command] == UVICORN and all(w.file for w in found.command)


def test_a_command_that_the_image_begins() -> None:
    found = shop("    command: ['a:b', --port, '8000']\n", argv=UVICORN)
    assert [w.text for w in found.command] == UVICORN and [bool(w.file) for w in found.command] == [False, True, True, True]


def test_what_runs_differs_from_the_file() -> None:
    found = shop("    command: uvicorn a:b --port 9000\n", argv=UVICORN)
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]


@pytest.mark.parametrize(("body", "expected"), [
    ("    environment:\n      A: 1\n", [("/srv/shop/compose.yaml", "yaml-map", "\n      {name}: {value}")]),
    ("    environment:\n    - A=1\n", [("/srv/shop/compose.yaml", "yaml-list", "\n    - {name}={value}")]),
    ("    environment: {A: 1}\n", [("/srv/shop/compose.yaml", "yaml-map", ", {name}: {value}")]),
    ("    environment: {A: 1, }\n", [("/srv/shop/compose.yaml", "yaml-map", "{name}: {value}, ")]),
    ("    environment: [A=1]\n", [("/srv/shop/compose.yaml", "yaml-list", ', "{name}={value}"')]),
    ("    image: x\n", [("/srv/shop/compose.yaml", "yaml-map", "\n    environment:\n      {name}: {value}")]),
    ("    env_file: [a.env, {path: gone.env}]\n", [("/srv/shop/a.env", "dotenv", "\n{name}={value}\n"),
     ("/srv/shop/compose.yaml", "yaml-map", "\n    environment:\n      {name}: {value}")]),
    ("    environment:\n      K: ${K}\n", [("/srv/shop/.env", "dotenv", "{name}={value}\n"),
                                          ("/srv/shop/compose.yaml", "yaml-map", "\n      {name}: {value}")]),
    ("    environment:\n      - K\n", [("/srv/shop/.env", "dotenv", "{name}={value}\n"),
                                       ("/srv/shop/compose.yaml", "yaml-list", "\n      - {name}={value}")]),
])
def test_places_for_a_new_variable(body: str, expected: list[tuple[str, str, str]]) -> None:
    found = shop(body, argv=UVICORN, files={"/srv/shop/a.env": "X=1", "/srv/shop/.env": "Y=1\n"})
    assert [(s.file, s.style, s.template) for s in found.env_slots] == expected
    assert all(s.only_for == (("K",) if s.file.endswith("/.env") else ()) for s in found.env_slots)
    assert found.env_files == tuple(dict.fromkeys(place[0] for place in expected))


def test_an_inherited_environment_is_no_place_to_write() -> None:
    body = "    environment: *shared\n    image: x\n"
    text = "x-env: &shared\n  A: 1\nservices:\n  api:\n" + body
    found = shop(body, argv=UVICORN, files={"/srv/shop/compose.yaml": text})
    assert found.env_slots == () and "A" in [e.name for e in found.env]


def test_where_variables_are_said() -> None:
    found = shop("    env_file: a.env\n    environment:\n      B: ${B:-x}\n      E:\n", argv=UVICORN, env=["A=1", "P=2"],
                 files={"/srv/shop/a.env": "A=1\n"})
    said = {e.name: e.defined_in for e in found.env}
    assert said["A"] == "/srv/shop/a.env:1" and said["B"] == "/srv/shop/compose.yaml:5" and said["P"] == "shop-api-1"
    assert {e.name: e.empty for e in found.env}["E"]


def test_databases_are_no_applications() -> None:
    assert not shop("    image: x\n", argv=["docker-entrypoint.sh", "postgres"], running=[["postgres"]], image="postgres:17").is_app_server
    assert not shop("    image: x\n", argv=["serve"], image="registry.local/redis:7", running=[["serve"]]).is_app_server


START = "#!/bin/sh\nset -eu\nexport MODE=live\nexec gunicorn --bind unix:/run/shop/s.sock web:app\n"
MOUNT = {"Type": "bind", "Source": "/srv/shop/code", "Destination": "/app"}


@pytest.mark.parametrize(("command", "mounts", "sockets"), [
    ("sh /app/start.sh", [MOUNT], ["/run/shop/s.sock"]), ("[\"/app/start.sh\"]", [MOUNT], ["/run/shop/s.sock"]),
    ("sh /app/start.sh", [], []), ("sh /srv/shop/code/start.sh", [], []),      # a script of the image, whatever the host has there
])
def test_a_start_script_that_is_mounted_is_read_on_the_docker_host(command: str, mounts: list[dict[str, str]], sockets: list[str]) -> None:
    """A container that restarts again and again has no process that could tell where it listens."""
    files = {"/srv/shop/code/start.sh": START}
    made = shop(f"    command: {command}\n", argv=["sh", "/app/start.sh"], running=[["sh", "-c", "sleep 1"]], files=files, mounts=mounts)
    found = made.bindings.or_else(())
    assert [b.unix for b in found] == sockets
    assert all(b.source.where == "/srv/shop/code/start.sh:4" and b.file == "/srv/shop/code/start.sh" for b in found)


BESIDE = """#!/bin/sh
cd /srv/office
setpriv --reuid=app --init-groups uvicorn a:b --host 127.0.0.1 --port 8001 >>/var/log/office.log 2>&1 &
cd /srv/api
setpriv --reuid=app --init-groups uvicorn c:d --host 127.0.0.1 --port 8002 &
setpriv --reuid=nobody /usr/bin/python3 /usr/lib/spool/spool.py 127.0.0.1 9000 &
exec nginx -g 'daemon off;'
"""


def test_a_start_script_with_several_servers_side_by_side() -> None:
    """All of them run, so each address is configured; the first server is the application, and not the last program."""
    found = shop("    command: [/srv/start.sh]\n    volumes: ['./start.sh:/srv/start.sh']\n", argv=["/srv/start.sh"],
                 files={"/srv/shop/start.sh": BESIDE}, running=[["sh", "/srv/start.sh"]],
                 mounts=[{"Type": "bind", "Source": "/srv/shop/start.sh", "Destination": "/srv/start.sh"}])
    assert [word.text for word in found.command][-1] == "8001"
    assert isinstance(found.bindings, Known)
    told = [(b.port, b.source.where) for b in found.bindings.value]
    assert told[:2] == [(8001, "/srv/shop/start.sh:3"), (8002, "/srv/shop/start.sh:5")]


MOUNTED = [{"Type": "bind", "Source": "/srv/shop/start.sh", "Destination": "/start.sh"}]
FALLS_BACK = '#!/bin/sh\n: "${PORT:=8000}"\n: ${HOST:=127.0.0.1}\nexec uvicorn a:b --host $HOST --port ${PORT}\n'


@pytest.mark.parametrize("key", ["command", "entrypoint"])
def test_a_mounted_script_that_runs_itself_knows_the_variables_of_the_compose_file(key: str) -> None:
    """Its default was taken for the port, though the compose file sets the variable."""
    body = f"    {key}: [/start.sh]\n    environment:\n      PORT: 9000\n"
    ran = ["uvicorn", "a:b", "--host", "127.0.0.1", "--port", "9000"]
    found = shop(body, argv=["/start.sh"], running=[ran], files={"/srv/shop/start.sh": FALLS_BACK}, mounts=MOUNTED, env=["PORT=9000"])
    (one,) = found.bindings.or_else(())
    assert (one.port, one.source.where) == (9000, "/srv/shop/compose.yaml:5")
    host = next(word for word in found.command if word.text == "127.0.0.1")
    assert (host.file, host.default_of) == ("/srv/shop/start.sh", "HOST") and FALLS_BACK[host.start:host.end] == "127.0.0.1"
