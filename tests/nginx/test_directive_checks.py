"""What nginx refuses about one directive: its name, its place, its arguments, its end."""

from __future__ import annotations

import pytest

from fixer.nginx.directive_checks import (
    IN_HTTP,
    IN_LOCATION,
    IN_SERVER,
    IN_UPSTREAM,
    MAIN,
    Context,
    arity_fits,
    complain,
    swallowed_word,
    word_without_end,
)
from fixer.nginx.tree import parse
from tests.nginx.config_builders import read


@pytest.mark.parametrize("name", [b"js_import", b"status_zone", b"more_set_headers", b"access_by_lua_file", b"sticky"])
def test_directives_of_modules_and_other_versions_are_no_certain_problem(name):
    config = read(b"server { " + name + b" x; }")
    assert not any(problem.fatal for problem in config.problems)


@pytest.mark.parametrize("value", ["on", "off", "1 2"])
def test_flag_arguments(value):
    wrong = value == "1 2"
    assert bool(read(f"server {{ tcp_nopush {value}; }}".encode()).problems) == wrong


def test_a_swallowed_directive_without_an_end_is_told_once():
    config = read(b"server { listen 1 2 3; proxy_read_timeout 1 2")
    assert [problem.fatal for problem in config.problems] == [False, True]


def test_many_words_are_fine():
    names = b" ".join(b"n%d.example" % n for n in range(60))
    assert read(b"server { server_name " + names + b"; }").problems == ()


def complaint(text: str, context: Context):
    found = complain(parse(text.encode()).directives[0], context)
    return None if found is None else (found.kind, found.message, found.sure)


@pytest.mark.parametrize(("text", "context", "expected"), [
    ("listen 80;", IN_SERVER, None),
    ("include a b;", IN_SERVER, None),
    ("listen 80;", IN_HTTP, ("not-allowed", '"listen" directive is not allowed here', True)),
    ("worker_processes 2;", IN_HTTP, ("not-allowed", '"worker_processes" directive is not allowed here', True)),
    ("frobnicate on;", IN_SERVER, ("unknown-directive", 'unknown directive "frobnicate"', False)),
    ("server-name a;", IN_SERVER, ("unknown-directive", 'unknown directive "server-name"', True)),
    ("tunnel_pass;", IN_LOCATION, None),                     # nginx 1.31
    ("acme_client main https://acme.example;", IN_HTTP, None),      # Angie
    ("http2_push /style.css;", IN_LOCATION, None),           # until nginx 1.25
    ("server_name;", IN_SERVER, ("arguments", 'invalid number of arguments in "server_name" directive', True)),
    ("tcp_nopush on off;", IN_SERVER, ("arguments", 'invalid number of arguments in "tcp_nopush" directive', True)),
    ("listen 80 { }", IN_SERVER, ("unexpected", 'directive "listen" is not terminated by ";"', True)),
    ("location /;", IN_SERVER, ("unexpected", 'directive "location" has no opening "{"', True)),
    ("http;", MAIN, ("unexpected", 'directive "http" has no opening "{"', True)),
    ("access_by_lua_block x;", IN_SERVER, ("unexpected", 'directive "access_by_lua_block" has no opening "{"', True)),
    ("keepalive 32 local;", IN_UPSTREAM, None),        # since nginx 1.29.7
])
def test_what_is_wrong_with_a_directive(text: str, context: Context, expected: tuple[str, str, bool] | None) -> None:
    assert complaint(text, context) == expected


def test_a_directive_without_an_end_is_no_certain_problem() -> None:
    assert complaint("tcp_nopush on off", IN_SERVER) == (
        "arguments", 'invalid number of arguments in "tcp_nopush" directive', False)


def test_a_missing_semicolon_is_told_at_the_line_before() -> None:
    text = b"tcp_nopush on\n  listen 80;"
    found = complain(parse(text).directives[0], IN_SERVER)
    assert found is not None and found.kind == "missing-semicolon"
    assert text[found.near : found.near + 2] == b"on"


@pytest.mark.parametrize(("text", "context", "expected"), [
    (b"server a:1\nkeepalive 8;", IN_UPSTREAM, b"keepalive"),
    (b"server a:1 keepalive 8;", IN_UPSTREAM, None),          # the same line
    (b"server a:1\n'keepalive' 8;", IN_UPSTREAM, None),       # quoted
    (b"listen 443\nssl;", IN_SERVER, None),                   # a parameter of listen as well
])
def test_the_directive_that_a_missing_semicolon_swallowed(text: bytes, context: Context, expected: bytes | None) -> None:
    found = swallowed_word(parse(text).directives[0], context)
    assert (None if found is None else found[1].value) == expected


@pytest.mark.parametrize(("text", "line", "expected"), [
    (b"server {\nlisten 80 default_server  # all\nserver_name _;\n}", 3, (b"default_server", 2)),
    (b"server {\nlocation / {\nroot /a\nproxy_pass http://b;\n}\n}", 4, (b"/a", 3)),
    (b"server {\nlocation / {\nproxy_pass http://b\n}\n}", 4, (b"http://b", 3)),
    (b"access_log /a main\nerror_log /b;", 2, (b"main", 1)),
    (b"listen 80\nserver_name a\nroot /b;", 3, (b"80", 1)),                # the first of two
    (b"server {\nlisten 80\ndefault_server;\n}", 3, None),                # its own parameter on the next line
    (b"server {\nlisten 80 server_name a;\n}", 2, None),                  # one line: written so, not run on
    (b"listen 80\nserver_name _;\nroot /a x;", 3, None),                   # another statement
    (b"map $a $b {\na 1\nroot 2;\n}", 3, None),                           # values, not directives
    (b"map $a $b {\na 1\n}", 3, (b"1", 2)),
    (b"server {\n}\n}", 3, None),
])
def test_the_word_after_which_a_semicolon_is_missing(text: bytes, line: int, expected: tuple[bytes, int] | None) -> None:
    tree = parse(text)
    found = word_without_end(tree, line)
    assert (None if found is None else (found.value, tree.line(found.start))) == expected


@pytest.mark.parametrize(("mask", "counts"), [
    (0x001, [0]), (0x006, [1, 2]), (0x200, [1]), (0x400, [0, 1, 2, 7, 8, 9]), (0x800, [1, 2, 7, 8, 9]), (0x1000, [2, 7, 8, 9]),
    (0x080, [7]),
])
def test_how_many_arguments_fit(mask: int, counts: list[int]) -> None:
    assert [count for count in (0, 1, 2, 7, 8, 9) if arity_fits(mask, count)] == counts
