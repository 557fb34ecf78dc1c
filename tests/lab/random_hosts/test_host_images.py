"""Tests of lab/random_hosts/host_images.py."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.random_hosts import host_images
from lab.random_hosts.host_images import (
    Foundation,
    all_tags,
    app_image_of,
    context_on,
    ensure_images,
    foundation_of,
    image_of,
    images_on,
)
from lab.stack.images import BASE_IMAGE, tags
from tests.lab.random_hosts.builders import drawn_hosts

OLD = "debian:bookworm-slim"
ON_NEW, ON_OLD, ON_NEWER_NGINX = Foundation(BASE_IMAGE), Foundation(OLD), Foundation(BASE_IMAGE, "1.30")


def test_each_image_is_built_on_the_one_before_and_tagged_by_what_it_is_built_of() -> None:
    new, old = images_on(ON_NEW), images_on(ON_OLD)
    assert [one.folder for one in new] == ["random-host", "random-project", "random-app"]
    assert [one.folder for one in old] == ["packages", "machine", "random-host", "random-project", "random-app"]
    assert new[0].arguments == {"MACHINE": tags()["machine"]}
    for below, above in (*pairwise(new), *pairwise(old)):
        assert list(above.arguments.values()) == [below.tag]
    assert not {one.tag for one in new} & {one.tag for one in old}
    assert all(re.fullmatch(r"badgateway/random-\w+:[0-9a-f]{12}", one.tag) for one in (*new, *old))
    assert images_on(ON_OLD) == old


def test_a_host_is_made_of_the_image_of_its_kind_and_distribution() -> None:
    made = {image_of(host): (host.is_mounted, host.choices["distribution"], host.choices["nginx"])
            for host in drawn_hosts()[:200]}
    pairs = (("debian-12", "packaged"), ("debian-13", "nginx-1.30"), ("debian-13", "packaged"))
    assert sorted(made.values()) == [(kind, *pair) for kind in (False, True) for pair in pairs]


def test_another_nginx_is_a_layer_below_all_images_of_the_host() -> None:
    own, newer = images_on(ON_NEW), images_on(ON_NEWER_NGINX)
    assert [one.folder for one in newer] == [one.folder for one in own]
    assert newer[0].arguments == {"MACHINE": tags("1.30")["machine"]} != own[0].arguments
    assert not {one.tag for one in newer} & {one.tag for one in own}
    host = next(host for host in drawn_hosts() if host.choices["nginx"] == "nginx-1.30")
    assert foundation_of(host) == ON_NEWER_NGINX and host.choices["distribution"] == "debian-13"


def test_an_application_may_have_an_image_of_its_own() -> None:
    pairs = {(host.choices["image"], image_of(host) == app_image_of(host)) for host in drawn_hosts()[:200]}
    assert pairs == {("machine", True), ("one", True), ("own", False), ("all-in-one", True)}


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
    there = {one.tag for one in images_on(ON_NEW)} | {OLD}
    monkeypatch.setattr(host_images.docker_engine, "image_names", lambda: frozenset(there))
    monkeypatch.setattr(host_images.docker_engine, "build_image", lambda folder, tag, *_: built.append(tag))
    ensure_images(lambda line: None, [host for host in drawn_hosts()[:50] if foundation_of(host) == ON_NEW])
    assert built == []
    old = next(host for host in drawn_hosts() if not host.is_mounted and host.choices["distribution"] == "debian-12")
    ensure_images(lambda line: None, [old])
    assert built == [one.tag for one in images_on(ON_OLD)][:3]


def test_a_base_that_is_missing_is_made_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(host_images.docker_engine, "image_names", frozenset)
    monkeypatch.setattr(host_images.docker_engine, "build_image", lambda *_: None)
    monkeypatch.setattr(host_images.images, "make_base", lambda say, base: made.append(base))
    monkeypatch.setattr(host_images.images, "ensure", lambda say, names, nginx: made.extend((*names, nginx)))
    old, new, newer = (next(host for host in drawn_hosts() if foundation_of(host) == one and not host.is_mounted)
                       for one in (ON_OLD, ON_NEW, ON_NEWER_NGINX))
    ensure_images(lambda line: None, [old, new, newer])
    assert made == [OLD, "machine", "", "machine", "1.30"]


def test_all_images_are_built_before_the_shards_of_a_night(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(host_images, "require_docker", lambda: None)
    monkeypatch.setattr(host_images.docker_engine, "image_names", lambda: frozenset({OLD, *built}))
    monkeypatch.setattr(host_images.docker_engine, "build_image", lambda folder, tag, *_: built.append(tag))
    monkeypatch.setattr(host_images.images, "ensure", lambda say, names, nginx: None)
    assert host_images.main() == 0
    assert len(all_tags()) == 9
    assert set(all_tags()) <= set(built)
    assert len(built) == len(set(built)) == 11
