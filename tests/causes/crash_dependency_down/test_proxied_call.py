"""Tests of fixer/causes/crash_dependency_down/proxied_call.py."""

from __future__ import annotations

import pytest

from fixer.analysis.run_log import read_run_end
from fixer.causes.crash_dependency_down.proxied_call import ProxiedCall, exceptions_of, is_excepted, proxied_call
from fixer.lazy.dataclass import replace
from fixer.model.deployment import ProxyVariable
from fixer.model.facts import Evidence
from tests.causes.snapshot_builders import log_lines, service

TRACE = ("Traceback (most recent call last):", '  File "/srv/shop/app/settings.py", line 8, in <module>')


def variable(name: str, value: str = "proxy:3128") -> ProxyVariable:
    return ProxyVariable(name, value, Evidence("unit", "back.service", f"{name}… names {value}"))


def call(*lines: str, proxies: tuple[ProxyVariable, ...] = (variable("HTTP_PROXY"),)) -> ProxiedCall | None:
    lines_of = log_lines(*lines)
    return proxied_call(read_run_end(lines_of.value), replace(service(), proxies=proxies))


@pytest.mark.parametrize(("end", "host", "port", "answer"), [
    ("requests.exceptions.ProxyError: HTTPConnectionPool(host='proxy', port=3128): Max retries exceeded with url: http://api:8000/x "
     "(Caused by ProxyError('Cannot connect to proxy.', OSError(0, 'Error')))", "api", 8000, ""),
    ("requests.exceptions.ProxyError: HTTPSConnectionPool(host='api', port=8443): Max retries exceeded with url: /x (Caused by "
     "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 503 Service Unavailable')))", "api", 8443, "503 Service Unavailable"),
    ("aiohttp.client_exceptions.ClientProxyConnectionError: Cannot connect to host proxy:3128 ssl:default [None]", "", 0, ""),
    ("httpx.ProxyError: 403 Forbidden", "", 0, "403 Forbidden"), ("curl: (5) Could not resolve proxy: proxy.corp.example", "", 0, ""),
    ("OSError: Tunnel connection failed: 407 Proxy Authentication Required", "", 0, "407 Proxy Authentication Required"),
])
def test_a_line_that_names_a_proxy(end: str, host: str, port: int, answer: str) -> None:
    one = call(*TRACE, end)
    assert one is not None and (one.host, one.port, one.answer, one.is_told) == (host, port, answer, True)
    bare = call(*TRACE, end, proxies=())
    assert bare is not None and bare.variable is None


def test_a_frame_of_the_client_shows_the_proxy() -> None:
    frames = ('  File "/venv/lib/python3.12/site-packages/httpcore/_sync/http_proxy.py", line 216, in handle_request',
              '    httpx.get("http://api:8000/health")', "httpx.ConnectError: [Errno 111] Connection refused")
    one = call(*TRACE, *frames)
    assert one is not None and one.is_told and (one.host, one.port) == ("api", 8000)
    assert call(*TRACE, *frames[1:]) is None


def test_the_variable_of_the_scheme_comes_first() -> None:
    end = "requests.exceptions.ProxyError: HTTPSConnectionPool(host='api', port=443): Max retries exceeded with url: /"
    several = (variable("HTTP_PROXY"), variable("ALL_PROXY"), variable("HTTPS_PROXY"), variable("https_proxy"))
    one, rest = call(end, proxies=several), call(end, proxies=several[:2])
    assert one is not None and one.variable is not None and one.variable.name == "https_proxy"
    assert rest is not None and rest.variable is not None and rest.variable.name == "ALL_PROXY"


def test_an_error_after_the_start_or_of_another_call_is_none() -> None:
    assert call("httpx.ProxyError: 403 Forbidden", "INFO:     Application startup complete.") is None
    assert call("httpx.ProxyError: 403 Forbidden", "ValueError: no rates") is None
    assert call("httpx.ProxyError: 403 Forbidden", *TRACE, "zlib.error: odd") is None


@pytest.mark.parametrize(("host", "listed", "expected"), [
    ("api", "api", True), ("api", "localhost, api", True), ("a.corp.example", ".corp.example", True), ("a.corp.example", "corp.example", True),
    ("acorp.example", "corp.example", False), ("api", "*", True), ("api", "api:8000", True), ("api", "api:81", False), ("api", "", False),
    ("::1", "[::1]", True), ("a.corp.example", "*.corp.example", True),
])
def test_what_the_exceptions_name(host: str, listed: str, expected: bool) -> None:
    assert is_excepted(host, 8000, variable("NO_PROXY", listed)) is expected
    assert is_excepted(host, 8000, None) is False


def test_the_exceptions_in_small_letters_come_first() -> None:
    both = replace(service(), proxies=(variable("NO_PROXY", "a"), variable("no_proxy", "b")))
    assert (exceptions_of(both) or variable("x")).value == "b"
