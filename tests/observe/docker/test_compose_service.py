"""Services of compose files: command, variables, places for new ones, several files, what is inside the image."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from fixer.formats.docker_conventions import compose_paths, environment_paths, widest_project_files
from fixer.formats.yaml_spans import line_of
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Command, FileAnswer, Query, ReadFile, ReadTree
from fixer.model.snapshot import Container, Endpoint, Service, Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.docker.container_service import container_service
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.docker_inspect import parse_inspect
from fixer.observe.view.node_view import containers_of, node_of, views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, process, sockets, stat

SITE = "server { listen 80; location / { proxy_pass http://api:8000; } }"


def inspect(name: str, argv: list[str], *, ip: str, labels: dict[str, str] | None = None, status: str = "running",
            image: str = "img", env: list[str] | None = None) -> dict[str, object]:
    return {
        "Id": name * 8, "Name": f"/shop-{name}-1", "Path": argv[0], "Args": argv[1:], "State": {"Status": status},
        "Config": {"Image": image, "Env": env or [], "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": name,
            "com.docker.compose.project.working_dir": "/srv/shop",
            "com.docker.compose.project.config_files": "/srv/shop/compose.yaml,/srv/shop/more.yaml",
            "com.docker.compose.config-hash": f"hash-{name}", **(labels or {})}},
        "NetworkSettings": {"Networks": {"net": {"IPAddress": ip, "Aliases": [name]}}},
    }


def seen_of(body: str, *, argv: list[str], more: str = "", files: dict[str, str] | None = None, env: list[str] | None = None,
         running: list[list[str]] | None = None, hashes: str = "", image: str = "img", refused: str = "",
         others: list[dict[str, object]] | None = None) -> Snapshot:
    items = [*(others or ()), inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2"),
             inspect("api", argv, ip="10.9.0.3", env=env, image=image)]
    texts = {"/srv/shop/compose.yaml": f"services:\n  api:\n{body}", **(files or {})}
    if more:
        texts["/srv/shop/more.yaml"] = more
    answers = {ReadFile(p): Answer("ok", files=(file(p, t),)) for p, t in texts.items()}
    engine = node({**answers, Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode()),
                   Command("compose-hash", ("shop", "*")): Answer("ok", hashes.encode()) if not refused else Answer(
                       "failed", returncode=1, message=refused)}, name="engine", nginx=False)
    web = node(site=SITE, name="web", kind="container")
    own = [process(7 + i, words, comm=words[0]) for i, words in enumerate(running or [argv])]
    api = node(name="api", kind="container", nginx=False, running=own)
    seen = build_snapshot(capture(web, api, engine, kind="compose", address="shop"))
    assert seen.compose is not None
    return seen


def shop(body: str, **how: Any) -> Service:
    return next(s for s in seen_of(body, **how).services if s.name == "api")


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


def test_words_before_a_doubled_dollar_are_where_the_file_has_them() -> None:
    """compose writes `$$` for the shell's `$`: behind it nothing lies where it is read."""
    body = "    command: sh -c 'exec uvicorn a:b --port $$PORT --log-level info'\n    environment:\n      PORT: 8000\n"
    found = shop(body, argv=["sh", "-c", "exec uvicorn a:b --port $PORT --log-level info"], running=[UVICORN])
    places = {word.text: word for word in found.command}
    assert f"services:\n  api:\n{body}"[places["a:b"].start : places["a:b"].end] == "a:b"
    assert places["info"].start is None


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


def test_a_later_file_wins() -> None:
    found = shop("    command: uvicorn a:b --port 1\n", argv=UVICORN, more="services:\n  api:\n    command: uvicorn a:b --port 8000\n")
    assert isinstance(found.bindings, Known) and found.bindings.value[0].file == "/srv/shop/more.yaml"


def test_what_runs_differs_from_the_file() -> None:
    found = shop("    command: uvicorn a:b --port 9000\n", argv=UVICORN)
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]


def test_where_a_start_of_a_stopped_container_listens_is_as_it_was_made() -> None:
    """Its files say what the next `up` would make of it: both are told, the files first."""
    words = ["sh", "-c", "exec uvicorn a:b --port $PORT"]
    body = "    command: sh -c 'exec uvicorn a:b --port $$PORT'\n    environment: {PORT: '${API_PORT}'}\n"
    found = shop(body, argv=words, env=["PORT=8000"], running=[["sleep", "9"]], files={"/srv/shop/.env": "API_PORT=9000\n"})
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]
    found = shop("    command: uvicorn a:b --port 9000\n", argv=UVICORN, running=[["sleep", "9"]])
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


def test_environment_files_as_named() -> None:
    item = inspect("api", UVICORN, ip="1.1.1.1", labels={"com.docker.compose.project.environment_file": "prod.env,/x/y.env"})
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    (container,) = containers_of(views_of(capture(engine)))
    assert environment_paths(container) == ("/srv/shop/prod.env", "/x/y.env")


@pytest.mark.parametrize(("status", "there", "lacks"), [
    ("exited", FileAnswer("/srv/k", "absent", None), ("/srv/k",)), ("exited", FileAnswer("/srv/k", "denied", None), ()),
    ("exited", None, ()), ("running", FileAnswer("/srv/k", "absent", None), ()),
])
def test_what_a_container_mounts_and_lacks(status: str, there: FileAnswer | None, lacks: tuple[str, ...]) -> None:
    """It is known as gone only where somebody looked; of one that runs nobody asks."""
    item: dict[str, object] = {"Id": "a" * 64, "Name": "/a", "State": {"Status": status}, "Config": {}, "HostConfig": {
        "Mounts": [{"Type": "bind", "Source": "/srv/k", "Target": "/k"}]}}
    answers: dict[Query, Answer] = {Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}
    if there is not None:
        answers[ReadFile("/srv/k", 0)] = Answer("ok", files=(there,))
    (container,) = containers_of(views_of(capture(node(answers, name="engine", nginx=False))))
    assert container.missing_sources == lacks


INCLUDED = {"/srv/shop/compose.yaml": "include:\n  - parts/a.yml\n  - path: [parts/b.yml]\n    project_directory: .\n",
            "/srv/shop/parts/a.yml": "services:\n  api:\n    command: uvicorn a:b --port 8000\n    env_file: a.env\n    environment: [A=1]\n",
            "/srv/shop/parts/a.env": "X=1\n"}


@pytest.mark.parametrize("label", ["project.config_files", "project.environment_file"])
def test_a_label_chooses_no_other_file_of_the_host(label: str) -> None:
    """An image brings labels along; what is read is shown, and kept in bundles."""
    made = parse_inspect(Answer("ok", json.dumps([{"Id": "a" * 64, "Name": "/a", "State": {}, "Config": {"Labels": {
        f"com.docker.compose.{label}": "/etc/shadow,/root/.ssh/id_ed25519,/dev/zero,/proc/1/status", "com.docker.compose.project.working_dir": "/srv"}}}]).encode()))[0]
    assert {*compose_paths(made), *environment_paths(made)} <= {"/srv/.env"}


@pytest.mark.parametrize("name", ["config_files", "working_dir"])
def test_whose_files_are_the_projects_nobody_knows_where_its_containers_name_different_ones(name: str) -> None:
    """A label may be forged by whoever made the image, or be left of an older deployment: no `up` is run of either."""
    other = inspect("aaa", ["sleep"], ip="", labels={f"com.docker.compose.project.{name}": "/home/eve/compose.yaml"})
    body = "    command: uvicorn a:b --port 8000\n"
    seen = seen_of(body, argv=UVICORN, others=[other], hashes="api hash-api\n", more="services: {}\n")
    assert seen.compose is not None and isinstance(seen.compose.editable, Unknown)
    assert "shop-aaa-1 is of" in seen.compose.editable.reason and "/home/eve/compose.yaml" in seen.compose.editable.reason
    agreed = seen_of(body, argv=UVICORN, hashes="api hash-api\n", more="services: {}\n").compose
    assert agreed is not None and isinstance(agreed.editable, Known)


@pytest.mark.parametrize(("hashes", "editable"), [
    ("api hash-api\nweb hash-web\n", True), ("api other\nweb hash-web\n", False), ("api hash-api\n", False),
])
def test_a_file_that_was_added_later_is_in_the_labels_of_what_it_changed(hashes: str, editable: bool) -> None:
    """Where all files together give every container as it is, they are what the project is deployed from."""
    older = inspect("old", ["redis-server"], ip="10.9.0.4", labels={
        "com.docker.compose.project.config_files": "/srv/shop/compose.yaml", "com.docker.compose.service": "web",
        "com.docker.compose.config-hash": "hash-web"})
    found = seen_of("    command: uvicorn a:b --port 8000\n", argv=UVICORN, others=[older], hashes=hashes,
                    more="services: {}\n").compose
    assert found is not None and found.config_files == ("/srv/shop/compose.yaml", "/srv/shop/more.yaml")
    assert isinstance(found.editable, Known) is editable
    if isinstance(found.editable, Unknown):
        assert "shop-old-1 was made without /srv/shop/more.yaml" in found.editable.reason
        assert "-f /srv/shop/compose.yaml -f /srv/shop/more.yaml up -d" in found.editable.reason


@pytest.mark.parametrize(("told", "whole"), [
    ([("/a.yaml", "/", ""), ("/a.yaml,/b.yaml", "/", ""), ("", "", "")], 1), ([("/a.yaml", "/", "")], 0),
    ([("/a.yaml", "/", ""), ("/b.yaml,/c.yaml", "/", "")], None), ([("/a.yaml", "/x", ""), ("/a.yaml,/b.yaml", "/", "")], None),
    ([("/b.yaml,/a.yaml", "/", ""), ("/a.yaml,/b.yaml,/c.yaml", "/", "")], None), ([], None), ([("", "", "")], None),
])
def test_files_that_include_all_others(told: list[tuple[str, str, str]], whole: int | None) -> None:
    assert widest_project_files(told) == (None if whole is None else told[whole])


@pytest.mark.parametrize(("listed", "left"), [
    ("    extra_hosts:\n      - api:10.0.0.9\n      - \"db=10.0.0.8\"  # the old one\n", "    extra_hosts:\n      - \"db=10.0.0.8\"  # the old one\n"),
    ("    extra_hosts:\n      db: 10.0.0.8\n      api: 10.0.0.9\n", "    extra_hosts:\n      db: 10.0.0.8\n"),
    ("    extra_hosts:\n      - api:10.0.0.9\n", ""), ("    extra_hosts: [\"api:10.0.0.9\"]\n", ""),
    ("    extra_hosts: {api: 10.0.0.9}  # moved\n", ""), ("    extra_hosts: [\"api:10.0.0.9\", \"db:10.0.0.8\"]\n", None),
    ("    extra_hosts:\n      - api:${OLD}\n", None),
])
def test_an_entry_of_extra_hosts_goes_with_its_whole_lines(listed: str, left: str | None) -> None:
    body = f"    image: img\n{listed}    cpus: 1\n"
    given = next(s for s in shop(body, argv=UVICORN).compose_settings if s.key == "extra_hosts.api")
    text = f"services:\n  api:\n{body}"
    if left is None:
        assert given.start is None
    else:
        assert given.value == "10.0.0.9" and given.start is not None and given.end is not None
        assert text[:given.start] + text[given.end:] == text.replace(listed, left)


def test_a_name_that_two_files_give_is_not_taken_out_of_one() -> None:
    entry = "    extra_hosts: [\"api:10.0.0.9\"]\n"
    both = shop(f"    image: img\n{entry}", argv=UVICORN, more=f"services:\n  api:\n{entry}")
    assert [s.start for s in both.compose_settings if s.key == "extra_hosts.api"] == [None]


def test_a_container_that_was_run_by_hand_of_the_projects_image_hides_no_files() -> None:
    """Compose gives the images that it builds the project's name: what is run of them bears it, and no files."""
    labels = {f"com.docker.compose.{name}": "" for name in ("project.config_files", "project.working_dir", "config-hash")}
    other = inspect("aaa", ["sleep"], ip="", labels=labels)
    found = seen_of("    command: uvicorn a:b --port 8000\n", argv=UVICORN, others=[other], hashes="api hash-api\n", more="services: {}\n").compose
    assert found is not None and isinstance(found.editable, Known)
    assert found.config_files == ("/srv/shop/compose.yaml", "/srv/shop/more.yaml")


def test_an_included_file_is_read_and_is_a_place_to_write() -> None:
    found = shop("", argv=UVICORN, files=INCLUDED)
    assert isinstance(found.bindings, Known) and found.bindings.value[0].file == "/srv/shop/parts/a.yml"
    assert [slot.file for slot in found.env_slots] == ["/srv/shop/parts/a.env", "/srv/shop/parts/a.yml"]


def test_what_is_included_or_extended_is_asked_for() -> None:
    items = [inspect("api", UVICORN, ip="10.9.0.3")]
    text = "include: [parts/a.yml]\nservices:\n  api:\n    extends: {file: base.yml, service: py}\n"
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode()),
                   ReadFile("/srv/shop/compose.yaml"): Answer("ok", files=(file("/srv/shop/compose.yaml", text),))},
                  name="engine", nginx=False)
    asked = follow_up_queries(capture(node(site=SITE, name="web", kind="container"), engine, kind="compose", address="shop"), ObserveOptions())
    assert {ReadFile("/srv/shop/parts/a.yml"), ReadFile("/srv/shop/base.yml")} <= set(asked["engine"])


BASE = "services:\n  py:\n    command: uvicorn a:b --port 8000\n    environment: {A: 1}\n    mem_limit: 90m\n"


@pytest.mark.parametrize("files", [
    {"/srv/shop/compose.yaml": "services:\n  api:\n    extends: {file: base.yml, service: py}\n", "/srv/shop/base.yml": BASE},
    {"/srv/shop/compose.yaml": BASE + "  api:\n    extends: py\n"},
    {"/srv/shop/compose.yaml": BASE.replace("services:\n  py:", "x-base: &b") + "services:\n  api:\n    <<: *b\n    image: x\n"},
])
def test_what_other_services_share_is_known_and_no_place_to_write(files: dict[str, str]) -> None:
    found = shop("", argv=UVICORN, files=files)
    assert isinstance(found.bindings, Known)
    (binding,) = found.bindings.value
    assert (binding.port, binding.start) == (8000, None) and "A" in [e.name for e in found.env]
    assert all(word.start is None for word in found.command) and all(s.start is None for s in found.compose_settings)
    assert all("/base.yml" not in slot.file and "{{" not in slot.template for slot in found.env_slots)
    assert all(s.argument is None or s.argument.start is None for s in found.settings)


@pytest.mark.parametrize(("body", "more", "expected"), [
    ("    image: x\n", "", [("shop_default", ())]),
    ("    networks: [back]\n", "", [("shop_back", ())]),
    ("    networks:\n      back: {aliases: [api.internal, $A]}\n      far:\n", "networks:\n  far: {name: wide}\n",
     [("shop_back", ("api.internal", "b")), ("wide", ())]),
    ("    networks: [far]\n", "networks:\n  far: {external: true}\n", [("far", ())]),
    ("    network_mode: host\n", "", []),
])
def test_the_networks_of_the_files(body: str, more: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    found = shop(body, argv=UVICORN, more=more, files={"/srv/shop/.env": "A=b\n"})
    assert [(n.name, n.aliases) for n in found.compose_networks] == expected


def test_the_addresses_that_the_files_choose_on_a_network() -> None:
    body = "    networks:\n      front: {ipv4_address: $AT, ipv6_address: \"fd00::9\"}\n      back: {aliases: [a]}\n"
    found = shop(body, argv=UVICORN, files={"/srv/shop/.env": "AT=10.1.0.9\n"})
    assert [(n.name, n.addresses) for n in found.compose_networks] == [("shop_front", ("10.1.0.9", "fd00::9")), ("shop_back", ())]


def test_a_service_without_a_container_is_told_with_its_names() -> None:
    text = "services:\n  api: {image: x}\n  web: {image: y}\n  jobs:\n    container_name: runner\n    networks: {n: {aliases: [j]}}\n"
    seen = seen_of("", argv=UVICORN, files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None
    assert [(u.service, u.names) for u in seen.compose.uncreated] == [("jobs", ("jobs", "runner", "j"))]


def test_the_profiles_that_a_service_without_a_container_belongs_to() -> None:
    text = "services:\n  api: {image: x}\n  jobs:\n    image: y\n    profiles: [night, \"debug\"]\n"
    seen = seen_of("", argv=UVICORN, files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None and [u.profiles for u in seen.compose.uncreated] == [("night", "debug")]
    seen = seen_of("", argv=UVICORN, files={"/srv/shop/compose.yaml": text, "/srv/shop/.env": "COMPOSE_PROFILES=x,night\n"})
    assert seen.compose is not None and [u.profiles for u in seen.compose.uncreated] == [()]


def test_stopped_copies_of_a_service_go_by_their_own_names() -> None:
    items = [inspect(f"api{n}", UVICORN, ip="", status="exited", labels={"com.docker.compose.service": "api"}) for n in (1, 2)]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    views = views_of(capture(engine))
    made: tuple[Container, ...] = containers_of(views)
    assert [node_of(c, views) for c in made] == ["shop-api1-1", "shop-api2-1"]


def sharing(source: str = "/vol/s", told: str = "/run/app/a.sock", *, status: str = "running") -> Endpoint:
    """nginx asks for /sock/a.sock; another container is told to listen in a volume of its own."""
    web = inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")
    api = inspect("api", ["gunicorn", "-b", f"unix:{told}", "a:b"], ip="10.9.0.3", status=status)
    web["Mounts"] = [{"Type": "volume", "Source": "/vol/s", "Destination": "/sock"}]
    api["Mounts"] = [{"Type": "volume", "Source": source, "Destination": "/run/app"}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([web, api]).encode())}, name="engine", nginx=False)
    site = "server { listen 80; location / { proxy_pass http://unix:/sock/a.sock; } }"
    nodes = [node(site=site, name="web", kind="container"), engine]
    return build_snapshot(capture(*nodes, kind="compose", address="shop")).endpoints[0]


def test_a_socket_in_a_shared_volume_belongs_to_who_is_told_to_make_it() -> None:
    for status in ("running", "exited"):
        found = sharing(status=status)
        assert (found.configured_service, found.node) == ("api/api", "api")
    assert sharing("/vol/other").configured_service is None and sharing(told="/run/app/b.sock").configured_service is None
    assert sharing(told="/tmp/a.sock").configured_service is None


LISTENS = "00: 00000002 00000000 00010000 0001 01 31 /run/app/a.sock\n"
WAITS = "00: 00000003 00000000 00000000 0001 02     0 /run/app/a.sock\n"
TAKEN = "00: 00000003 00000000 00000000 0001 03 {} /run/app/a.sock\n"


def queued(asking: str, *, host: bool = False) -> tuple[int, int] | None:
    """How many wait at, and are connected to, the socket of a container that nginx has in a volume, or the host in a
    folder: `asking` are the rows of nginx's own table."""
    api = inspect("api", ["gunicorn", "-b", "unix:/run/app/a.sock", "a:b"], ip="10.9.0.3")
    web = inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")
    api["Mounts"] = [{"Type": "volume", "Source": "/vol/s", "Destination": "/run/app"}]
    web["Mounts"] = [{"Type": "volume", "Source": "/vol/s", "Destination": "/sock"}]
    theirs = node(listening=sockets([], {31: [9]}, unix=LISTENS + WAITS), running=[process(9, ["gunicorn"])], kind="container",
                  name="shop-api-1" if host else "api", nginx=False)
    site = f"server {{ listen 80; location / {{ proxy_pass http://unix:/{'vol/s' if host else 'sock'}/a.sock; }} }}"
    mine = node(listening=sockets([], {}, unix=asking), site=site, name="local" if host else "web",
                kind="machine" if host else "container")
    asked = Command("docker-published", ("/vol/s/a.sock",)) if host else Command("docker-project", ("shop",))
    engine = node({asked: Answer("ok", json.dumps([api] if host else [web, api]).encode())}, name="engine", nginx=False)
    held = build_snapshot(capture(mine, theirs, engine, kind="local" if host else "compose", address="shop")).endpoints[0].listener
    return (held.value.queued, held.value.established) if isinstance(held, Known) and held.value is not None else None


@pytest.mark.parametrize("host", [False, True])
def test_who_waits_at_a_shared_socket_shows_where_they_ask(host: bool) -> None:
    assert queued("", host=host) == (1, 1)
    assert queued(WAITS * 4 + TAKEN.format(50) + TAKEN.format(51), host=host) == (5, 7)


def test_of_two_that_listen_under_one_name_nobody_can_tell_whose_the_queue_is() -> None:
    assert queued(LISTENS + WAITS * 4) == (1, 1)


def test_very_many_variables_cost_their_length() -> None:
    """Each has its line: counted from the top for every one of them it cost minutes."""
    data = b"x: y\n" * 400_000
    began = time.monotonic()
    assert [line_of(data, at) for at in range(0, len(data), 5)] == list(range(1, 400_001))
    assert time.monotonic() - began < 10


def test_links_that_lead_nowhere_in_a_container_are_looked_at_where_they_are_mounted_from() -> None:
    """What they are, and never what they lead to there: a container may have made them."""
    web = inspect("web", ["nginx"], ip="10.9.0.2")
    web["Mounts"] = [{"Type": "bind", "Source": "/srv/shop/sites", "Destination": "/etc/nginx/sites"},
                     {"Type": "bind", "Source": "/srv/shop/one", "Destination": "/etc/nginx/one"}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([web]).encode())}, name="engine", nginx=False)
    loose = [FileAnswer(path, "absent", stat("link", link="/nowhere"))
             for path in ("/etc/nginx/sites/old", "/etc/nginx/one", "/etc/nginx/modules/x")]
    own = node(site=SITE, name="web", kind="container")
    tree = own.answers[ReadTree("/etc/nginx")]
    own = replace(own, answers={**own.answers, ReadTree("/etc/nginx"): replace(tree, files=(*tree.files, *loose))})
    asked = follow_up_queries(capture(own, engine, kind="compose", address="shop"), ObserveOptions())["engine"]
    glances = [q for q in asked if isinstance(q, ReadFile) and q.limit == 0]
    assert glances == [ReadFile("/srv/shop/sites/old", 0), ReadFile("/srv/shop/sites", 0)]
    assert not any(isinstance(q, ReadFile) and q.limit and q.path.startswith("/srv/shop/sites/old") for q in asked)


@pytest.mark.parametrize(("link", "expected"), [("shop-api-1:backend", "api"), ("shop-gone-1:backend", None), ("shop-api-1:other", None)])
def test_a_stopped_container_goes_by_the_name_that_nginx_alone_calls_it(link: str, expected: str | None) -> None:
    """Docker forgets a link's name while its container is down; what it was made with stays."""
    web = inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")
    web["NetworkSettings"]["Networks"]["net"]["Links"] = [link]       # type: ignore[index]
    items = [web, inspect("api", UVICORN, ip="", status="exited")]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    seen = build_snapshot(capture(node(site=SITE.replace("api:", "backend:"), name="web", kind="container"), engine,
                            kind="compose", address="shop"))
    service = next(iter(seen.endpoints)).configured_service
    assert (service or "").rpartition("/")[2] == (expected or "")


def test_variables_that_a_compose_file_takes_from_outside_and_that_nothing_sets() -> None:
    body = ("    command: uvicorn a:b --port ${API_PORT} --host $HOST --root $$ROOT --log ${LEVEL:-info}\n"
            "    environment:\n      DATABASE_URL: ${DATABASE_URL}\n      KEPT: ${KEPT}\n")
    found = shop(body, argv=UVICORN, files={"/srv/shop/.env": "KEPT=1\nHOST=\n"})
    assert [(one.name, one.defined_in) for one in found.unset_variables] == [
        ("API_PORT", "/srv/shop/compose.yaml:3"), ("HOST", "/srv/shop/compose.yaml:3"), ("DATABASE_URL", "/srv/shop/compose.yaml:5")]
    assert "API_PORT" in found.env_slots[0].only_for and found.env_slots[0].file == "/srv/shop/.env"


def test_a_service_with_a_container_that_the_files_do_not_define() -> None:
    old = inspect("old", ["uvicorn", "a:b"], ip="", status="exited")
    body, more = "    command: uvicorn a:b --port 8000\n", "services:\n  web:\n    image: img\n"
    found = seen_of(body, argv=UVICORN, others=[old], more=more, hashes="api hash-api\nweb hash-web\n").compose
    assert found is not None and found.undefined_services == ("old",)
    assert seen_of(body, argv=UVICORN, more=more).compose.undefined_services == ()      # type: ignore[union-attr]


def test_files_that_compose_does_not_take_cannot_be_used() -> None:
    found = seen_of("    command: uvicorn a:b --port 8000\n", argv=UVICORN, more="services: {}\n", refused="env file x not found").compose
    assert found is not None and found.editable == Unknown("docker compose does not take them: env file x not found")


def copies(*items: tuple[str, str, dict[str, object]], host: str = "api", said: str = "10.9.0.3\n") -> list[tuple[str | None, str, tuple[str, ...]]]:
    """What nginx's endpoints are: the service, the address that each stands for, and its addresses."""
    made = [inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")]
    for name, ip, state in items:
        made.append(inspect(name, UVICORN, ip=ip, labels={"com.docker.compose.service": "api"}))
        networks = {"net": {"IPAddress": ip, "Aliases": ["api"]}}
        made[-1] |= {"State": {"Status": "running", **state}, "RestartCount": 3, "NetworkSettings": {"Networks": networks}}
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(made).encode())}, name="engine", nginx=False)
    told = "".join(f"{host} {line}\n" for line in said.split())
    site = f"server {{ listen 80; location / {{ proxy_pass http://{host}:8000; }} }}"
    web = node({Command("resolve", (host,)): Answer("ok", told.encode())}, site=site, name="web", kind="container")
    seen = build_snapshot(capture(web, engine, kind="compose", address="shop"))
    return [((e.configured_service or "").partition("/")[0], e.single_address, e.addresses.value if isinstance(e.addresses, Known) else ("?",)) for e in seen.endpoints]


UP, LOOPS = ("api1", "10.9.0.3", {}), ("api2", "", {"Status": "restarting", "ExitCode": 1})


@pytest.mark.parametrize(("last", "more"), [
    (LOOPS, ("shop-api2-1", "", ())),
    (("api2", "", {"Status": "exited", "ExitCode": 3}), ("shop-api2-1", "", ())),       # given up after some starts
    (("api2", "", {"Status": "exited", "ExitCode": 143}), None),                         # stopped
])
def test_a_copy_that_ends_again_and_again_is_a_place_that_the_name_stands_for(
    last: tuple[str, str, dict[str, object]], more: tuple[str, str, tuple[str, ...]] | None,
) -> None:
    found = copies(UP, last)
    assert found == ([("shop-api1-1", "10.9.0.3", ("10.9.0.3",)), more] if more else [("shop-api1-1", "", ("10.9.0.3",))])


def test_no_copy_is_missed_where_another_address_may_be_its_own() -> None:
    assert [name for name, _, _ in copies(UP, LOOPS, said="10.9.0.3 10.9.0.7")] == ["shop-api1-1"]
    assert [at for _, at, _ in copies(LOOPS, said="")] == [""]
