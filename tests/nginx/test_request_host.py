"""Tests of fixer/nginx/request_host.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fixer.nginx.request_host import host_header


@pytest.mark.parametrize(("names", "asked"), [
    (("", "_", ".shop.test"), "shop.test"), (("*.shop.test",), "a.shop.test"), (("www.shop.*",), "www.shop.a"),
    ((r"~^(?<who>.+)\.shop\.test$", "shop.test"), "shop.test"), ((r"~^(?<who>.+)\.shop\.test$",), "a.shop.test"),
    ((r"~^(www|api)\.(?:[a-z0-9-]+)\.com$",), "www.a.com"), ((r"~^web\d+\.shop\.test$",), "web0.shop.test"),
    ((r"~\.shop\.test$",), "a.shop.test"), ((r"~^(?!old).+$",), "localhost"), (("_",), "localhost"), ((), "localhost"),
])
def test_the_name_by_which_a_server_is_asked(names: tuple[str, ...], asked: str) -> None:
    assert host_header(SimpleNamespace(server_names=names)) == asked     # type: ignore[arg-type]
