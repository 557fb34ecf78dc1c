"""Tests of lab/random_hosts/host_container.py."""

from __future__ import annotations

import re

from lab.random_hosts.host_container import image_tag


def test_the_image_is_tagged_by_its_context_and_by_the_machine_below() -> None:
    assert re.fullmatch(r"badgateway/random-host:[0-9a-f]{12}", image_tag())
    assert image_tag() == image_tag()
