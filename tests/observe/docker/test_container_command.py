"""The server in a container's image: by its start script, and by uWSGI's own file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.snapshot import Binding, Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.docker.container_command import command_queries
from tests.observe.capture_builders import capture, file, node, process, view
from tests.observe.docker.compose_service_builders import SITE, inspect

SCRIPT = "#!/bin/sh\nset -e\necho Starting\nexec gunicorn app.wsgi --bind ${APP_BIND:-0.0.0.0:8000} --workers 3 \"$@\"\n"
GUNICORN = ["python3", "/usr/bin/gunicorn", "app.wsgi", "--bind", "127.0.0.1:8000", "--workers", "3"]
COMPOSE = "services:\n  api:\n    image: img\n    environment:\n      APP_BIND: 127.0.0.1:8000\n"


def seen(compose: str, *, env: list[str], files: dict[str, str], running: list[str], argv: tuple[str, ...] = ("/start.sh",)) -> Service:
    project = Command("docker-project", ("shop",))
    items = [inspect("web", ["nginx"], ip="10.9.0.2"), inspect("api", list(argv), ip="10.9.0.3", env=env)]
    engine = node({ReadFile("/srv/shop/compose.yaml"): Answer("ok", files=(file("/srv/shop/compose.yaml", compose),)),
                   project: Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    read: dict[Any, Answer] = {ReadFile(path): Answer("ok", files=(file(path, text),)) for path, text in files.items()}
    api = node(read, name="api", kind="container", nginx=False, running=[process(7, running, comm="python3")])
    made = build_snapshot(capture(node(site=SITE, name="web", kind="container"), api, engine, kind="compose", address="shop"))
    return next(service for service in made.services if service.name == "api")


def first_binding(service: Service) -> Binding:
    assert isinstance(service.bindings, Known)
    return service.bindings.value[0]


def test_the_address_that_a_script_of_the_image_takes_from_a_variable_stands_in_the_compose_file() -> None:
    service = seen(COMPOSE, env=["APP_BIND=127.0.0.1:8000"], files={"/start.sh": SCRIPT}, running=GUNICORN)
    one = first_binding(service)
    assert (one.host, one.port, one.file) == ("127.0.0.1", 8000, "/srv/shop/compose.yaml")
    word = service.command[service.command.index(next(w for w in service.command if w.text == "--bind")) + 1]
    assert word.file == "/srv/shop/compose.yaml" and COMPOSE[word.start:word.end] == "127.0.0.1:8000"


def test_what_stands_in_the_script_itself_is_no_place_to_edit() -> None:
    service = seen(COMPOSE.partition("    environment")[0], env=[], files={"/start.sh": SCRIPT}, running=[*GUNICORN[:4], "0.0.0.0:8000"])
    one = first_binding(service)
    assert (one.host, one.port, one.file) == ("0.0.0.0", 8000, None)
    assert one.source.where == "shop-api-1" and "/start.sh:4" in one.source.text
    assert all(word.file is None for word in service.command)


def test_the_socket_that_uwsgis_file_in_the_image_takes_from_a_variable() -> None:
    ini = "[uwsgi]\nmaster = true\nsocket = $(APP_SOCKET)\nchmod-socket = 660\n"
    running = ["uwsgi", "--ini", "/srv/app/uwsgi.ini"]
    compose = COMPOSE.replace("APP_BIND: 127.0.0.1:8000", "APP_SOCKET: /srv/sock/app.sock")
    service = seen(compose, env=["APP_SOCKET=/srv/sock/app.sock"], files={"/srv/app/uwsgi.ini": ini}, running=running)
    assert (first_binding(service).unix, first_binding(service).file) == ("/srv/sock/app.sock", None)
    unknown = seen(compose, env=[], files={"/srv/app/uwsgi.ini": ini.replace("APP_", "OTHER_")}, running=running)
    assert unknown.bindings.or_else(()) == ()


def test_what_is_asked_of_a_container() -> None:
    service = seen(COMPOSE, env=[], files={}, running=["uwsgi", "--ini", "/srv/app/uwsgi.ini"])
    here = view(running=[process(7, ["uwsgi", "--ini", "/srv/app/uwsgi.ini"])])
    assert [query.path for query in command_queries(service, here) if isinstance(query, ReadFile)] == ["/start.sh", "/srv/app/uwsgi.ini"]
    direct = seen(COMPOSE, env=[], files={}, running=GUNICORN, argv=("gunicorn", "app.wsgi"))
    assert list(command_queries(direct, view(running=[process(7, GUNICORN)]))) == []


def test_a_script_that_hands_over_to_another_one() -> None:
    files = {"/init.sh": "#!/bin/sh\nset -e\nexec \"$@\"\n", "/start.sh": SCRIPT}
    service = seen(COMPOSE, env=["APP_BIND=127.0.0.1:8000"], files=files, running=GUNICORN, argv=("/init.sh", "/start.sh"))
    assert first_binding(service).file == "/srv/shop/compose.yaml"
    asked = [query.path for query in command_queries(service, view()) if isinstance(query, ReadFile)]
    assert asked == ["/init.sh", "/start.sh"]


def test_a_host_and_a_port_of_two_variables_are_each_edited_on_their_own_line() -> None:
    """The script of the image joins them: `--bind ${WEB_ADDR}:${WEB_PORT}`."""
    compose = "services:\n  api:\n    image: img\n    environment:\n      WEB_ADDR: 127.0.0.1\n      WEB_PORT: 8000\n"
    script = SCRIPT.replace("${APP_BIND:-0.0.0.0:8000}", '"${WEB_ADDR}:${WEB_PORT}"')
    service = seen(compose, env=["WEB_ADDR=127.0.0.1", "WEB_PORT=8000"], files={"/start.sh": script}, running=GUNICORN)
    one = first_binding(service)
    assert one.start is not None and compose[one.start:one.end] == "8000" and one.source.where.endswith("compose.yaml:6")
    place = one.host_place
    assert place is not None and place.line == 5 and compose[place.start:place.end] == "127.0.0.1"


@pytest.mark.parametrize(("address", "name"), [("${APP_BIND:-127.0.0.1:8000}", "APP_BIND"), ("${HOST:-127.0.0.1}:${PORT:-8000}", "HOST")])
def test_a_default_of_the_script_is_set_as_a_variable_of_the_compose_file(address: str, name: str) -> None:
    """The script is in the image, where nothing can be edited: what it falls back to is the variable's value."""
    script = SCRIPT.replace("${APP_BIND:-0.0.0.0:8000}", address)
    service = seen(COMPOSE.partition("    environment")[0], env=[], files={"/start.sh": script}, running=GUNICORN)
    one, word = first_binding(service), service.command[[w.text for w in service.command].index("--bind") + 1]
    assert (one.host, one.port, one.file) == ("127.0.0.1", 8000, None)
    named = one.host_place.default_of if one.host_place is not None else word.default_of
    assert named == name and word.start is None


def test_a_variable_that_is_set_is_no_default() -> None:
    service = seen(COMPOSE, env=["APP_BIND=127.0.0.1:8000"], files={"/start.sh": SCRIPT}, running=GUNICORN)
    assert all(not word.default_of for word in service.command) and first_binding(service).host_place is None
