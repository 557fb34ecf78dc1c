"""Tests of fixer/observe/docker/container_service.py."""

from __future__ import annotations

import json

import pytest

from fixer.model.deployment import ProxyVariable
from fixer.model.facts import Evidence, Known
from fixer.model.query import Answer, Command
from fixer.observe.docker.container_service import (
    container_service,
    own_log_queries,
    with_proxies_of_container,
)
from fixer.observe.files.log_files import log_file_query
from fixer.observe.view.node_view import containers_of, views_of
from tests.causes.snapshot_builders import service
from tests.observe.capture_builders import capture, node
from tests.observe.docker.compose_service_builders import inspect, shop

UVICORN = ["uvicorn", "a:b", "--port", "8000"]


@pytest.mark.parametrize(("argv", "told"), [
    (["sh", "-c", "exec uvicorn a:b --port $PORT"], ("uvicorn", "a:b", "--port", "8000")),
    (["/bin/bash", "-lc", "cd /srv && uvicorn a:b --key $KEY"], ("uvicorn", "a:b", "--key", "$KEY")),      # it may be a secret
    (["sh", "/srv/run.sh"], ("sh", "/srv/run.sh")), (["uvicorn", "a:b"], ("uvicorn", "a:b")),
])
def test_a_container_that_does_not_run_tells_what_its_shell_would(argv: list[str], told: tuple[str, ...]) -> None:
    item = inspect("api", argv, ip="1.1.1.1", status="exited", env=["PORT=8000", "KEY=k3y!"])
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    views = views_of(capture(engine))
    (container,) = containers_of(views)
    assert container_service(container, "api", views).argv == told


def test_where_a_start_of_a_stopped_container_listens_is_as_it_was_made() -> None:
    """Its files say what the next `up` would make of it: both are told, the files first."""
    words = ["sh", "-c", "exec uvicorn a:b --port $PORT"]
    body = "    command: sh -c 'exec uvicorn a:b --port $$PORT'\n    environment: {PORT: '${API_PORT}'}\n"
    found = shop(body, argv=words, env=["PORT=8000"], running=[["sleep", "9"]], files={"/srv/shop/.env": "API_PORT=9000\n"})
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]
    found = shop("    command: uvicorn a:b --port 9000\n", argv=UVICORN, running=[["sleep", "9"]])
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]


def test_a_proxy_of_the_files_or_of_the_engine_alone() -> None:
    body = "    command: uvicorn a:b --port 8000\n    environment:\n      HTTP_PROXY: http://joe:hush@proxy:3128\n"
    found = shop(body, argv=UVICORN, env=["HTTP_PROXY=http://old:1", "NO_PROXY=db"])
    assert [(v.name, v.value, v.source.where) for v in found.proxies] == [
        ("HTTP_PROXY", "proxy:3128", "/srv/shop/compose.yaml:5"), ("NO_PROXY", "db", "shop-api-1")]
    assert "hush" not in repr(found)


def test_what_a_container_runs_inherits_its_proxy() -> None:
    item = inspect("api", ["supervisord"], ip="1.1.1.1", env=["HTTP_PROXY=http://proxy:3128", "NO_PROXY=db"])
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    views = views_of(capture(engine))
    (container,) = containers_of(views)
    own = ProxyVariable("NO_PROXY", "cache", Evidence("program", "shop.conf:3", "NO_PROXY=cache"))
    got = with_proxies_of_container(service(proxies=(own,)), container, views["engine"])
    assert [(v.name, v.value) for v in got.proxies] == [("NO_PROXY", "cache"), ("HTTP_PROXY", "proxy:3128")]
    assert with_proxies_of_container(service(), None, views["engine"]).proxies == ()


def test_what_the_script_of_a_container_waits_for() -> None:
    text = "until nc -z \"$POSTGRES_HOST\" 5432; do sleep 1; done; exec uvicorn a:b --port 8000"
    words = ["sh", "-c", text]
    body = f"    command: {json.dumps(['sh', '-c', text.replace('$', '$$')])}\n    environment: {{POSTGRES_HOST: db}}\n"
    found = shop(body, argv=words, env=["POSTGRES_HOST=db"], running=[words, ["sleep", "1"]])
    assert [one.address for one in found.startup_waits] == ["db:5432"]
    assert [(one.host, one.source.where.partition(":")[0]) for one in found.dependencies] == [("db", "/srv/shop/compose.yaml")]
    serving = shop("    command: uvicorn a:b --port 8000\n    environment: {POSTGRES_HOST: db}\n", argv=UVICORN, running=[UVICORN])
    assert (serving.startup_waits, serving.dependencies) == ((), ())


def test_the_log_of_its_server_inside_is_asked_for() -> None:
    words = ["gunicorn", "--error-logfile", "log/error.log", "a:b"]
    item = inspect("api", words, ip="1.1.1.1")
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    views = views_of(capture(engine, node(name="api", nginx=False)))
    (container,) = containers_of(views)
    service = container_service(container, "api", views)
    assert list(own_log_queries(service, views)) == [log_file_query("/log/error.log")]
