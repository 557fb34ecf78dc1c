"""Tests of fixer/observe/docker/compose_files.py."""

from __future__ import annotations

import json

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, ReadFile
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node
from tests.observe.docker.compose_service_builders import inspect, shop

SITE = "server { listen 80; location / { proxy_pass http://api:8000; } }"

UVICORN = ["uvicorn", "a:b", "--port", "8000"]


def test_a_later_file_wins() -> None:
    found = shop("    command: uvicorn a:b --port 1\n", argv=UVICORN, more="services:\n  api:\n    command: uvicorn a:b --port 8000\n")
    assert isinstance(found.bindings, Known) and found.bindings.value[0].file == "/srv/shop/more.yaml"


INCLUDED = {"/srv/shop/compose.yaml": "include:\n  - parts/a.yml\n  - path: [parts/b.yml]\n    project_directory: .\n",
            "/srv/shop/parts/a.yml": "services:\n  api:\n    command: uvicorn a:b --port 8000\n    env_file: a.env\n    environment: [A=1]\n",
            "/srv/shop/parts/a.env": "X=1\n"}


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
