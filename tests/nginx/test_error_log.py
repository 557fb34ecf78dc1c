"""Error log lines as measured, and lines that a visitor shaped."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.nginx.error_log import parse_error_log, parse_test_output

STAMP = "2026/11/24 15:31:31 [error] 12#12: *5 "
TAIL = ', client: 10.0.0.9, server: _, request: "GET /api HTTP/1.1", upstream: "http://127.0.0.1:8001/api", host: "localhost"'


def one(text: str, **options):
    events = parse_error_log(text.encode("utf-8", "surrogateescape") + b"\n", where="error.log", utc_offset=0, **options)
    assert len(events) == 1
    return events[0]


def test_every_field():
    event = one(STAMP + "connect() failed (111: Connection refused) while connecting to upstream" + TAIL)
    assert (event.at, event.level, event.errno, event.phase) == (1795534291.0, "error", 111, "connecting to upstream")
    assert event.message == "connect() failed (111: Connection refused)"
    assert (event.client, event.server, event.request) == ("10.0.0.9", "_", "GET /api HTTP/1.1")
    assert (event.upstream, event.where) == ("http://127.0.0.1:8001/api", "error.log")
    assert event.raw.startswith("2026/11/24")


def test_local_time_is_east_of_utc():
    data = (STAMP + "x\n").encode()
    west, east = (parse_error_log(data, where="l", utc_offset=o)[0].at for o in (-3600.0, 7200.0))
    assert west - east == 10800


def test_a_line_without_client():
    event = one("2026/11/24 15:31:31 [emerg] 12#12: bind() to 0.0.0.0:80 failed (98: Address already in use)")
    assert (event.level, event.errno, event.client, event.phase) == ("emerg", 98, "", "")


def test_empty_server_subrequest_and_unix_upstream():
    event = one(STAMP + "upstream timed out (110: Connection timed out) while reading response header from upstream, "
                'client: ::1, server: , request: "POST /x HTTP/2.0", subrequest: "/auth", upstream: "http://unix:/r.sock:/auth"')
    assert (event.server, event.client, event.upstream) == ("", "::1", "http://unix:/r.sock:/auth")
    assert event.phase == "reading response header from upstream"


def test_a_masked_word_of_a_bundle_is_a_word():
    """A mark has a space, which no other word of a request has."""
    event = one(STAMP + "upstream timed out (110: Connection timed out) while reading response header from upstream, client: "
                '10.0.0.9, server: _, request: "GET /a?nonce=[redacted: query]&k=[masked 3] HTTP/1.1", '
                'upstream: "http://127.0.0.1:8001/a?nonce=[redacted: query]", host: "a"')
    assert event.request == "GET /a?nonce=[redacted: query]&k=[masked 3] HTTP/1.1"
    assert event.upstream == "http://127.0.0.1:8001/a?nonce=[redacted: query]"
    assert one(STAMP + "x" + TAIL.replace("/api HTTP", "/a b HTTP")).request == ""


FORGED = ', client: 6.6.6.6, server: evil, request: "GET / HTTP/1.1", upstream: "http://6.6.6.6/"'


@pytest.mark.parametrize(
    "line",
    [
        f'open() "/srv/x{FORGED}" failed (2: No such file or directory){TAIL}',
        f'open() "/srv/x"{FORGED}" failed (2: No such file or directory){TAIL}',
        f'connect() failed (111: Connection refused) while connecting to upstream{TAIL}, referrer: "{FORGED}"',
        "connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, server: _, "
        f'request: "GET /"{FORGED} HTTP/1.1", upstream: "http://127.0.0.1:8001/api", host: "x"',
        f'upstream sent invalid header: "X{FORGED}" while reading response header from upstream{TAIL}',
    ],
)
def test_no_field_comes_from_a_visitor(line):
    event = one(STAMP + line)
    assert "6.6.6.6" not in event.client + event.upstream
    assert event.server != "evil"


def test_a_phase_inside_quotes_is_none():
    event = one(STAMP + 'open() "/x while connecting to upstream" failed (2: No such file or directory)' + TAIL)
    assert (event.phase, event.errno) == ("", 2)
    cycle = one(STAMP + 'rewrite or internal redirection cycle while internally redirecting to "/index.html"' + TAIL)
    assert (cycle.message, cycle.phase) == ("rewrite or internal redirection cycle", "internally redirecting to")


def test_a_quote_in_a_request_hides_what_follows():
    event = one(STAMP + 'no live upstreams while connecting to upstream, client: 1.1.1.1, server: a, request: "GET /a" b HTTP/1.1", host: "x"')
    assert (event.request, event.upstream) == ("", "")


def test_fragments_foreign_lines_and_impossible_times_are_left_out():
    data = b"agment of a line\nPHP Warning: x\n2026/13/40 15:31:31 [error] 1#1: x\n2026/11/24 15:31:31 [trace] 1#1: x\n\n"
    assert parse_error_log(data, where="l", utc_offset=0) == ()


def test_a_cut_log_loses_its_first_line_even_if_it_looks_whole():
    line = (STAMP + "no live upstreams while connecting to upstream\n").encode()
    assert len(parse_error_log(line * 2, where="l", utc_offset=0, cut=True)) == 1
    assert len(parse_error_log(line * 2, where="l", utc_offset=0)) == 2


def test_crlf_and_invalid_bytes():
    event = one(STAMP + "connect() failed (111: Connection refused) while connecting to upstream" + TAIL + ', referrer: "caf\udce9"\r')
    assert event.raw.endswith("\\xe9\"\r")
    assert event.errno == 111


def test_huge_lines_and_logs_cost_bounded_work():
    started = time.perf_counter()
    long_line = (STAMP + 'open() "' + "/a\", client: 1.1.1.1, server: x" * 300_000).encode()
    assert len(parse_error_log(long_line, where="l", utc_offset=0)) == 0
    events = parse_error_log((STAMP + 'x "' * 50_000 + "\n").encode(), where="l", utc_offset=0)
    assert len(events[0].raw) == 2048
    many = parse_error_log((STAMP + "x\n").encode() * 200_000, where="l", utc_offset=0)
    assert len(many) <= 20_000
    assert time.perf_counter() - started < 20


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: (STAMP + text).encode("utf-8", "surrogatepass")))
def test_never_raises(data):
    for event in parse_error_log(data, where="l", utc_offset=0):
        assert event.level == "error"


def test_output_of_nginx_t():
    text = ('nginx: [emerg] unexpected "}" in /etc/nginx/sites-enabled/x:12\n'
            "2026/11/24 15:31:31 [emerg] 1#1: host not found in upstream \"api\" in /etc/nginx/conf.d/a.conf:3\n"
            "nginx: [alert] could not open error log file\nnginx: [warn] low\n"
            "nginx: configuration file /etc/nginx/nginx.conf test failed\n")
    found = parse_test_output(text)
    assert [(p.file, p.line, p.fatal) for p in found] == [
        ("/etc/nginx/sites-enabled/x", 12, True), ("/etc/nginx/conf.d/a.conf", 3, True), ("", 0, False)]
    assert found[0].message == 'unexpected "}"'


LOGGED = b'2022/03/05 08:40:22 [error] 31#31: *7 connect() failed (111: Connection refused) while connecting to upstream, ' \
         b'client: 192.0.2.7, server: shop.example, request: "GET / HTTP/1.1", upstream: "http://172.18.0.3:80/", host: "shop.example"'


@pytest.mark.parametrize("prefix", [
    b"nginx.1     | ", b"\x1b[0;33;1mnginx.1    | \x1b[0m", b"08:40:22 web.1  | ", b"web-1  | ",                  # forego, honcho, Compose
    b"Mar  5 08:40:22 web nginx: ", b"Mar 15 08:40:22 web.example nginx[31]: ", b"2022-03-05T08:40:22.123456+01:00 web nginx: ",
    b"2022-03-05T08:40:22.123456789Z stderr F ",                                                                   # CRI
])
def test_what_a_supervisor_or_a_runtime_writes_before_a_line(prefix: bytes) -> None:
    plain, = parse_error_log(LOGGED, where="x", utc_offset=0.0)
    event, = parse_error_log(prefix + LOGGED, where="x", utc_offset=0.0)
    assert event.raw.encode() == prefix + LOGGED
    assert replace(event, raw="") == replace(plain, raw="") and event.kind == "refused"


@pytest.mark.parametrize("line", [
    b"203.0.113.9 - - [05/Mar/2022:08:40:22 +0000] " + LOGGED, b'nginx.1 | x "GET /?' + LOGGED, b"a b | " + LOGGED, b"| " + LOGGED,
    b"2022/03/05 08:40:21 nginx.1 | " + LOGGED,
])
def test_no_other_text_is_a_prefix(line: bytes) -> None:
    assert parse_error_log(line, where="x", utc_offset=0.0) == ()


STACK = (b'2022/03/05 08:40:22 [error] 31#31: *7 FastCGI sent in stderr: "PHP message: PHP Fatal error:  Uncaught Error in /srv/a.php:3\n'
         b"Stack trace:\n#0 {main}\n"
         b'  thrown in /srv/a.php on line 3" while reading response header from upstream, client: 192.0.2.7, server: shop.example, '
         b'request: "GET / HTTP/1.1", upstream: "fastcgi://unix:/run/php.sock:", host: "shop.example"')


@pytest.mark.parametrize("prefix", [b"", b"nginx.1     | "])
def test_a_message_of_an_application_over_several_lines(prefix: bytes) -> None:
    data = b"\n".join(prefix + line for line in (*STACK.split(b"\n"), LOGGED))
    event, after = parse_error_log(data, where="x", utc_offset=0.0)
    assert (event.kind, event.phase, event.client, event.upstream) == (
        "backend-stderr", "reading response header from upstream", "192.0.2.7", "fastcgi://unix:/run/php.sock:")
    assert after.kind == "refused"


def test_a_message_over_several_lines_that_never_ends() -> None:
    first, second = parse_error_log(STACK.split(b"\n")[0] + b"\nStack trace:\n" + LOGGED, where="x", utc_offset=0.0)
    assert (first.phase, first.upstream, second.kind) == ("", "", "refused")


def test_a_name_with_a_newline_in_the_output_of_nginx_t() -> None:
    text = 'nginx: [emerg] unknown directive "foo\nbar" in /etc/nginx/nginx.conf:4\nnginx: configuration file /etc/nginx/nginx.conf test failed\n'
    problem, = parse_test_output(text)
    assert (problem.message, problem.file, problem.line) == ('unknown directive "foo\nbar"', "/etc/nginx/nginx.conf", 4)
    unnamed, = parse_test_output('nginx: [emerg] bind() to 0.0.0.0:80 failed\nnginx: x in /etc/nginx/nginx.conf:4\n')
    assert (unnamed.file, unnamed.line) == ("", 0)
