"""Tests of lab/stack/images.py."""

from __future__ import annotations

import re

from lab.scenario.catalog import choose
from lab.stack.images import needed_images, tags


def test_an_image_is_tagged_by_what_it_is_built_from() -> None:
    assert tags() == tags()
    assert all(re.fullmatch(r"badgateway/[a-z]+:[0-9a-f]{12}", tag) for tag in tags().values())


def test_only_the_images_of_the_stack_are_needed() -> None:
    drawn = {"tls": False, "app_certificate": False, "database": False}
    plain = choose("wrong-port/container-wrong-port", "containers", 1).variant
    assert needed_images(plain, "containers", drawn) == {"web", "app"}
    assert needed_images(plain, "containers", {**drawn, "tls": True, "database": True}) == {"web", "app", "machine", "database"}
    assert needed_images(choose("wrong-port/wrong-port", "host", 1).variant, "host", drawn) == {"machine"}
    load = choose("overload-saturated/single-worker-overload", "host", 1).variant
    assert needed_images(load, "host", drawn) == {"machine", "app"}      # visitors run in the application's image
    rule = choose("firewall-drop/firewall-drop-in-a-container", "containers", 1).variant
    assert needed_images(rule, "containers", drawn) == {"web", "app", "machine"}
