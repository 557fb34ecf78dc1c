"""Files that a compose project names as env_file: which are asked for, which are gone, and what lies beside them."""

from __future__ import annotations

import json

import pytest

from fixer.model.query import Answer, Command, FileAnswer, Query, ReadFile, ReadGlob
from fixer.observe.docker.compose_missing import missing_env_files, missing_file_queries
from fixer.observe.view.node_view import containers_of, views_of
from tests.observe.capture_builders import capture, file, node
from tests.observe.docker.compose_service_builders import inspect, shop

TEXT = "services:\n  web: {image: x}\n  api:\n    image: y\n"
HERE = "/srv/shop"


def asked(*answers: tuple[Query, Answer], text: str = TEXT, everyone: bool = False) -> tuple[list[Query], list[tuple[str, str, tuple[str, ...]]]]:
    """What is to be asked, and the files that are gone: service, path, what lies beside it."""
    items = [inspect("web", ["nginx"], ip="10.9.0.2"), *([inspect("api", UVICORN, ip="10.9.0.3")] if everyone else [])]
    known: dict[Query, Answer] = {
        Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode()),
        ReadFile(f"{HERE}/compose.yaml"): Answer("ok", files=(file(f"{HERE}/compose.yaml", text),)), **dict(answers),
    }
    views = views_of(capture(node(known, name="engine", nginx=False), kind="compose", address="shop"))
    containers = containers_of(views)
    engine = views["engine"]
    queries = [q for q in missing_file_queries("shop", containers, engine) if q not in known]
    return queries, [(one.service, one.path, one.copies) for one in missing_env_files(containers[0], engine)]


def absent(path: str) -> tuple[Query, Answer]:
    return ReadFile(path, 64 << 10), Answer("absent", files=(FileAnswer(path, "absent"),))


@pytest.mark.parametrize(("written", "path"), [
    ("    env_file: app.env\n", f"{HERE}/app.env"), ("    env_file: [../x/app.env]\n", "/srv/x/app.env"),
    ("    env_file:\n      - path: ./app.env\n        required: true\n", f"{HERE}/app.env"),
    ("    env_file:\n      - path: ./app.env\n        required: false\n", ""), ("    env_file: ${NOWHERE}/app.env\n", ""), ("", ""),
    ("    env_file: ${NOWHERE:-app}.env\n", f"{HERE}/app.env"), ("    env_file: app.env\n    profiles: [night]\n", ""),
])
def test_which_files_are_asked_for(written: str, path: str) -> None:
    assert asked(text=TEXT + written)[0] == ([ReadFile(path, 64 << 10)] if path else [])
    assert asked(text=TEXT + written, everyone=True)[0] == []       # nobody needs an `up`


def test_what_lies_beside_one_that_is_gone() -> None:
    path, text = f"{HERE}/app.env", TEXT + "    env_file: app.env\n"
    (glob,), gone = asked(absent(path), text=text)
    assert isinstance(glob, ReadGlob) and glob.limit == 0 and f"{HERE}/.env.example" in glob.patterns
    assert gone == [("api", path, ())]
    names = ["app.env.example", "app.env.bak", ".env.sample", "app.env.swp", "app.envoy"]
    listed = tuple(file(f"{HERE}/{name}", "") for name in names)
    wanted = (f"{HERE}/app.env.bak", f"{HERE}/.env.sample", f"{HERE}/app.env.example")
    queries, gone = asked(absent(path), (glob, Answer("ok", files=listed)), text=text)
    assert queries == [ReadFile(one, 64 << 10) for one in wanted] and gone == [("api", path, wanted)]


def test_one_that_is_there_is_not_lacked() -> None:
    path = f"{HERE}/app.env"
    there = (ReadFile(path, 64 << 10), Answer("ok", files=(file(path, "A=1\n"),)))
    assert asked(there, text=TEXT + "    env_file: app.env\n") == ([], [])


UVICORN = ["uvicorn", "a:b", "--port", "8000"]


def test_variables_that_a_compose_file_takes_from_outside_and_that_nothing_sets() -> None:
    body = ("    command: uvicorn a:b --port ${API_PORT} --host $HOST --root $$ROOT --log ${LEVEL:-info}\n"
            "    environment:\n      DATABASE_URL: ${DATABASE_URL}\n      KEPT: ${KEPT}\n")
    found = shop(body, argv=UVICORN, files={"/srv/shop/.env": "KEPT=1\nHOST=\n"})
    assert [(one.name, one.defined_in) for one in found.unset_variables] == [
        ("API_PORT", "/srv/shop/compose.yaml:3"), ("HOST", "/srv/shop/compose.yaml:3"), ("DATABASE_URL", "/srv/shop/compose.yaml:5")]
    assert "API_PORT" in found.env_slots[0].only_for and found.env_slots[0].file == "/srv/shop/.env"
