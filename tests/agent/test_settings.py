"""Targets come from the start options of the server."""

from __future__ import annotations

import pytest

from fixer.agent.settings import Settings, parse_targets
from fixer.errors import UsageError


def test_targets_have_names() -> None:
    assert parse_targets([]) == (("local", "local"),)
    words = ["web=ssh://root@web1", "compose://shop", "bundle:/a=b.tgz", "i=bundle:/c.tgz", "local"]
    assert parse_targets(words) == (
        ("web", "ssh://root@web1"), ("compose://shop", "compose://shop"), ("bundle:/a=b.tgz", "bundle:/a=b.tgz"),
        ("i", "bundle:/c.tgz"), ("local", "local"))


@pytest.mark.parametrize("words", [["web=web1"], ["http://x/"], ["a=local", "a=compose://x"], ["local", "local"], ["=local"]])
def test_what_is_none_is_refused_at_the_start(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_targets(words)


def test_a_name_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UsageError) as refused:
        Settings(parse_targets(["web=ssh://root@web1"])).target("local")
    assert refused.value.hint == "its targets: web"
