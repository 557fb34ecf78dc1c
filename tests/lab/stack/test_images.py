"""Tests of lab/stack/images.py."""

from __future__ import annotations

import re

from lab.stack.images import tags


def test_an_image_is_tagged_by_what_it_is_built_from() -> None:
    assert tags() == tags()
    assert all(re.fullmatch(r"badgateway/[a-z]+:[0-9a-f]{12}", tag) for tag in tags().values())
