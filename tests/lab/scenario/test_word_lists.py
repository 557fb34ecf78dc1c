"""Tests of lab/scenario/word_lists.py."""

from __future__ import annotations

import re

from lab.paths import compose_root
from lab.scenario.word_lists import USERS


def test_accounts_are_those_of_the_machine() -> None:
    text = (compose_root() / "images" / "machine" / "Dockerfile").read_text()
    made = re.search(r"for name in ([a-z ]+);", text)
    assert made is not None
    assert tuple(made[1].split()) == USERS
