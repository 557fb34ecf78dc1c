"""Tests of lab/random_hosts/host_images.py."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.random_hosts import host_images
from lab.random_hosts.host_images import all_tags, app_image_of, context_on, ensure_images, image_of, images_on
from lab.stack.images import BASE_IMAGE, tags
from tests.lab.random_hosts.builders import drawn_hosts

OLD = "debian:bookworm-slim"


def test_each_image_is_built_on_the_one_before_and_tagged_by_what_it_is_built_of() -> None:
    new, old = images_on(BASE_IMAGE), images_on(OLD)
    assert [one.folder for one in new] == ["random-host", "random-project", "random-app"]
    assert [one.folder for one in old] == ["packages", "machine", "random-host", "random-project", "random-app"]
    assert new[0].arguments == {"MACHINE": tags()["machine"]}
    for below, above in (*pairwise(new), *pairwise(old)):
        assert list(above.arguments.values()) == [below.tag]
    assert not {one.tag for one in new} & {one.tag for one in old}
    assert all(re.fullmatch(r"badgateway/random-\w+:[0-9a-f]{12}", one.tag) for one in (*new, *old))
    assert images_on(OLD) == old


def test_a_host_is_made_of_the_image_of_its_kind_and_distribution() -> None:
    made = {image_of(host): (host.is_project, host.choices["distribution"]) for host in drawn_hosts()[:200]}
    assert sorted(made.values()) == [(kind, name) for kind in (False, True) for name in ("debian-12", "debian-13")]


def test_an_application_may_have_an_image_of_its_own() -> None:
    pairs = {(host.choices["image"], image_of(host) == app_image_of(host)) for host in drawn_hosts()[:200]}
    assert pairs == {("machine", True), ("one", True), ("own", False)}


def test_only_the_distributions_base_differs(tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\nRUN true\n")
    assert (context_on(folder, OLD, tmp_path / "a") / "Dockerfile").read_text() == f"FROM {OLD}\nRUN true\n"
    (folder / "Dockerfile").write_text("FROM alpine\n")
    with pytest.raises(LabError, match="starts from neither"):
        context_on(folder, OLD, tmp_path / "b")


def test_only_what_the_drawn_hosts_need_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    there = {one.tag for one in images_on(BASE_IMAGE)} | {OLD}
    monkeypatch.setattr(host_images.docker_engine, "image_names", lambda: frozenset(there))
    monkeypatch.setattr(host_images.docker_engine, "build_image", lambda folder, tag, *_: built.append(tag))
    ensure_images(lambda line: None, [host for host in drawn_hosts()[:50] if host.choices["distribution"] == "debian-13"])
    assert built == []
    old = next(host for host in drawn_hosts() if not host.is_project and host.choices["distribution"] == "debian-12")
    ensure_images(lambda line: None, [old])
    assert built == [one.tag for one in images_on(OLD)][:3]


def test_a_base_that_is_missing_is_made_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(host_images.docker_engine, "image_names", frozenset)
    monkeypatch.setattr(host_images.docker_engine, "build_image", lambda *_: None)
    monkeypatch.setattr(host_images.images, "make_base", lambda say, base: made.append(base))
    monkeypatch.setattr(host_images.images, "ensure", lambda say, names: made.extend(names))
    old, new = (next(host for host in drawn_hosts() if host.choices["distribution"] == name)
                for name in ("debian-12", "debian-13"))
    ensure_images(lambda line: None, [old, new])
    assert made == [OLD, "machine"]


def test_all_images_are_built_before_the_shards_of_a_night(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(host_images, "require_docker", lambda: None)
    monkeypatch.setattr(host_images.docker_engine, "image_names", lambda: frozenset({OLD, *built}))
    monkeypatch.setattr(host_images.docker_engine, "build_image", lambda folder, tag, *_: built.append(tag))
    monkeypatch.setattr(host_images.images, "ensure", lambda say, names: None)
    assert host_images.main() == 0
    assert len(all_tags()) == 6
    assert set(all_tags()) <= set(built)
    assert len(built) == len(set(built)) == 8
