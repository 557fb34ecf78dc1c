"""Machines: a rename stays in its folder, and kinds of targets are told by what they can do."""

from __future__ import annotations

import pytest

from fixer.hosts.compose import ComposeTarget
from fixer.hosts.docker import DockerTarget
from fixer.hosts.local import LocalTarget
from fixer.hosts.open_target import parse_target
from fixer.model.host import is_docker_host, is_project, name_in_same_folder

ITEM = {"Name": "/shop-web-1", "Id": "0123456789ab", "Config": {"Labels": {}, "Cmd": ["nginx"]}, "State": {}, "Path": "nginx"}


@pytest.mark.parametrize(("source", "destination", "name"), [
    ("/etc/nginx/.site.new", "/etc/nginx/site", ".site.new"), ("/a", "/b", "a"),
])
def test_a_file_beside_the_other_has_its_name(source: str, destination: str, name: str) -> None:
    assert name_in_same_folder(source, destination) == name


@pytest.mark.parametrize(("source", "destination"), [
    ("/tmp/site", "/etc/nginx/site"), ("/etc/nginx/a/site", "/etc/nginx/site"), ("/etc/site", "/etc/nginx/site"),
])
def test_a_file_of_another_folder_is_refused(source: str, destination: str) -> None:
    with pytest.raises(ValueError, match="is not in the folder of"):
        name_in_same_folder(source, destination)


def test_containers_are_a_project_and_a_machine_has_an_engine() -> None:
    local = LocalTarget(parse_target("local"))
    boxes = (DockerTarget(parse_target("docker://shop-web-1"), ITEM), ComposeTarget(parse_target("compose://shop"), [ITEM]))
    assert [is_project(target) for target in (local, *boxes)] == [False, True, True]
    assert [is_docker_host(target) for target in (local, *boxes)] == [True, False, False]
