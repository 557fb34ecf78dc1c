"""Targets as people write them."""

from __future__ import annotations

import pytest

from fixer.hosts.open_target import parse_target
from fixer.model.target import TargetRef


@pytest.mark.parametrize(("ref", "text"), [
    (TargetRef("local", ""), "local"), (TargetRef("docker", "shop-web-1"), "docker://shop-web-1"),
    (TargetRef("compose", "shop"), "compose://shop"), (TargetRef("ssh", "root@shop:2222"), "ssh://root@shop:2222"),
    (TargetRef("bundle", "/tmp/incident.tgz"), "bundle:/tmp/incident.tgz"),
])
def test_the_text_of_a_target(ref: TargetRef, text: str) -> None:
    assert str(ref) == text


@pytest.mark.parametrize("text", ["local", "docker://shop-web-1", "compose://shop", "ssh://root@shop", "bundle:incident.tgz"])
def test_a_target_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse_target(text)) == text
