"""Tests of lab/stack/images.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.scenario.deployment_fields import value_problem
from lab.stack import images
from lab.stack.images import BASE_IMAGE, NEWER_NGINX, SUITE_WITH_NGINX, ensure, tags


def test_an_image_is_tagged_by_what_it_is_built_from() -> None:
    assert tags() == tags()
    assert all(re.fullmatch(r"badgateway/[a-z]+:[0-9a-f]{12}", tag) for tag in tags().values())


class Engine:
    """What would be built: folder, tag and arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built: list[tuple[str, str, Mapping[str, str]]] = []
        self.there = {BASE_IMAGE}
        monkeypatch.setattr(images, "require_docker", lambda: None)
        monkeypatch.setattr(images, "image_names", lambda: frozenset(self.there))
        monkeypatch.setattr(images, "build_image", self.build)

    def build(self, folder: Path, tag: str, labels: Mapping[str, str], arguments: Mapping[str, str]) -> None:
        self.there.add(tag)
        self.built.append((folder.name, tag, arguments))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


def test_another_nginx_is_a_layer_on_the_images_that_run_nginx_built_only_when_asked_for(engine: Engine) -> None:
    usual = ensure(lambda line: None, ["web", "app"])
    assert NEWER_NGINX not in [folder for folder, _, _ in engine.built]
    engine.built.clear()
    newer = ensure(lambda line: None, ["web", "app"], "1.30")
    assert engine.built == [(NEWER_NGINX, newer["web"], {"BELOW": usual["web"], "SUITE": "forky", "VERSION": "1.30"})]
    assert newer["web"] != usual["web"] and newer["app"] == usual["app"]
    engine.built.clear()
    assert ensure(lambda line: None, ["web", "app"], "1.30") == newer and not engine.built


def test_the_image_below_is_built_first(engine: Engine) -> None:
    ensure(lambda line: None, ["machine"], "1.30")
    assert [folder for folder, _, _ in engine.built] == ["packages", "machine", NEWER_NGINX]


def test_a_scenario_may_name_each_version_that_has_an_image() -> None:
    assert all(value_problem("nginx", version) == "" for version in ("", *SUITE_WITH_NGINX))
    assert "1.30" in value_problem("nginx", "1.28")
