"""All files as one tree: includes in place, spans of words, problems in the order of reading."""

from __future__ import annotations

import time

import pytest

from fixer.model.nginx_config import NginxConfig
from fixer.nginx.config import read_config
from fixer.nginx.effective_config import line_text, part_span, word_span
from fixer.nginx.tree import parse
from tests.nginx import golden_cases
from tests.nginx.config_builders import read


def read_bytes(data: bytes) -> NginxConfig:
    return read_config({golden_cases.MAIN: data}, golden_cases.MAIN)


def test_blocks_nested_without_end_do_not_exhaust_the_stack():
    assert read(b"server {" + b"location /a {" * 30_000).routes == ()
    nested = b"server {" + b"location /a {" * 55 + b"proxy_pass http://127.0.0.1:1;" + b"}" * 56
    assert len(read(nested).routes) <= 1


def test_problems_stand_in_the_order_in_which_nginx_reads():
    config = read(b"include a.conf;\nfirst_unknown x;\nserver {\nlisten 80 80 {", **{"a.conf": b"zeroth_unknown x;"})
    assert [p.message.split()[0:3] for p in config.problems[:2]] == [
        ["unknown", "directive", '"zeroth_unknown"'], ["unknown", "directive", '"first_unknown"']]


def test_what_follows_a_break_in_a_file_is_not_noted():
    config = read(b'server { listen 80; } } ; nonsense x;\nlisten 1 2 3;')
    assert len(config.problems) == 1


def test_a_loaded_module_makes_unknown_names_doubtful():
    files = {golden_cases.MAIN: b"load_module m.so; events {} http { frobnicate on; listen 80; server { } }"}
    config = read_config(files, golden_cases.MAIN)
    assert {problem.kind: problem.fatal for problem in config.problems} == {"unknown-directive": False, "not-allowed": False}


def test_span_inside_a_word_with_escapes_is_still_exact():
    text = b'server { location / { proxy_pass "http://127.0.0.1:8000/\\"x"; } }'
    config = read(text)
    span = config.routes[0].servers[0].span
    data = b"events {}\nhttp {\n" + text
    assert data[span.start : span.end] == b"127.0.0.1:8000"


def test_span_of_an_address_written_with_escapes_is_the_whole_word():
    text = b'server { location / { proxy_pass "http://a\\\\b"; } }'
    config = read(text)
    server = config.routes[0].servers[0]
    data = b"events {}\nhttp {\n" + text
    assert data[server.span.start : server.span.end] == b"http://a\\\\b"
    assert server.port_span is None


def test_comment_between_name_and_value():
    text = b"server { location / { proxy_pass # http://127.0.0.1:1;\n http://127.0.0.1:1; } }"
    config = read(text)
    span = config.routes[0].servers[0].span
    assert (span.line, (b"events {}\nhttp {\n" + text)[span.start - 8 : span.end]) == (4, b" http://127.0.0.1:1"[-len(b"127.0.0.1:1") - 8 :])


def test_the_first_of_very_many_problems_are_kept_and_cost_no_more_each_than_the_first() -> None:
    began = time.process_time()
    config = read_bytes(b"a;" * 50_000)
    assert time.process_time() - began < 3        # each looked through the whole line: 50,000 times 100,000 bytes
    assert 1 <= len(config.problems) <= 1000 and config.problems[0].message == 'unknown directive "a"'
    assert not config.cut


def test_what_nginx_comes_to_first_is_kept_though_it_was_noted_last() -> None:
    late = b"http { server { location / { return 200; } location / { return 200; } " + b"nonsense a;\n" * 2000 + b"} }"
    assert read_bytes(late).problems[0].kind == "duplicate-location"


def test_very_many_names_that_a_module_may_bring_do_not_hide_what_is_certain() -> None:
    config = read_bytes(b"load_module a.so;\n" + b"nonsense a;\n" * 3000 + b"include gone.conf;\n")
    assert [problem.kind for problem in config.problems if problem.fatal] == ["missing-include"]


def test_an_include_stands_where_it_is_written() -> None:
    config = read(b"server { listen 1; } include a.conf; server { listen 3; }", **{"a.conf": b"server { listen 2; }"})
    assert [str(server.listens[0]) for server in config.servers] == ["0.0.0.0:1", "0.0.0.0:2", "0.0.0.0:3"]


def test_a_literal_include_that_is_missing_is_refused_and_a_pattern_is_not() -> None:
    config = read(b"include gone.conf;\ninclude gone/*.conf;")
    assert [(p.kind, p.line) for p in config.problems] == [("missing-include", 3)]
    assert config.missing == ("/etc/nginx/gone.conf", "/etc/nginx/gone/*.conf")


def test_a_file_that_includes_itself_is_a_loop() -> None:
    config = read(b"include a.conf;", **{"a.conf": b"include a.conf;"})
    assert [(p.kind, p.message) for p in config.problems] == [("include-loop", '"/etc/nginx/a.conf" includes itself')]


def test_a_pipe_is_not_read() -> None:
    files = {golden_cases.MAIN: b"events {} http { include p.conf; }", "/etc/nginx/p.conf": b"server { listen 1; }"}
    config = read_config(files, golden_cases.MAIN, pipes=["/etc/nginx/p.conf"])
    assert ([p.kind for p in config.problems], config.servers) == (["pipe"], ())


@pytest.mark.parametrize(("text", "index", "expected"), [
    (b"listen 80;", 0, b"listen"), (b"listen   80 ssl;", 1, b"80"), (b"listen 80 ssl;", 2, b"ssl"),
    (b"root \"/srv/a b\";", 1, b"/srv/a b"), (b"root '/srv';", 1, b"/srv"), (b"# 80\nlisten\n# 80\n80;", 1, b"80"),
])
def test_the_span_of_a_word_leaves_out_its_quotes(text: bytes, index: int, expected: bytes) -> None:
    span = word_span(parse(text).directives[0], index)
    assert text[span.start : span.end] == expected
    assert span.line == text.count(b"\n", 0, span.start) + 1


def test_the_span_of_a_part_and_of_one_that_escapes_hide() -> None:
    plain, escaped = b"p http://app:1/x;", b'p "a\\\\b:1";'
    span = part_span(parse(plain).directives[0], 1, 7, 12)
    assert plain[span.start : span.end] == b"app:1"
    span = part_span(parse(escaped).directives[0], 1, 0, 3)
    assert escaped[span.start : span.end] == b"a\\\\b:1"         # the value's bytes stand nowhere as such


@pytest.mark.parametrize(("data", "at", "expected"), [
    (b"a;\n  listen 80;  \nb;", 7, "listen 80;"), (b"a;", 0, "a;"), (b"x" * 500, 0, "x" * 200), (b"\xff;", 0, "\\xff;"),
])
def test_a_line_for_people_is_stripped_and_short(data: bytes, at: int, expected: str) -> None:
    assert line_text(parse(data), at) == expected
