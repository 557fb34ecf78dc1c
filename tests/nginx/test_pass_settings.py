"""Tests of fixer/nginx/pass_settings.py."""

from __future__ import annotations

from fixer.nginx.pass_settings import SettingsInForce
from tests.nginx.config_builders import read


def test_what_a_location_inherits_and_what_it_sets_itself() -> None:
    routes = read(
        b"server { listen 80; proxy_read_timeout 7s; proxy_next_upstream off; error_page 502 =200 /sorry.html;"
        b" location /a/ { proxy_pass http://127.0.0.1:1; } location /b/ { proxy_pass http://127.0.0.1:1; proxy_read_timeout 3s; }"
        b" location /c/ { uwsgi_pass 127.0.0.1:1; } }").routes
    assert [route.read_timeout for route in routes] == [7.0, 3.0, 60.0]
    assert [bool(route.one_try) for route in routes] == [True, True, False]
    assert {route.masked_by.partition(",")[0] for route in routes} == {"error_page 502 =200 /sorry.html"}


def test_equal_settings_are_one_object_and_others_are_not() -> None:
    settings, times = SettingsInForce(), {b"proxy_read_timeout": 7.0}
    first = settings.of_pass(b"proxy", times, {}, (), {})
    none: tuple[()] = ()
    assert settings.of_pass(b"proxy", times, {}, none, {}) == first
    shared = ({}, (), {})
    assert settings.of_pass(b"proxy", times, *shared) is settings.of_pass(b"proxy", times, *shared)
    assert settings.of_pass(b"uwsgi", times, *shared).read_timeout == 60.0
