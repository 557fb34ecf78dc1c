"""Tokens, spans and trees of arbitrary bytes; nginx's own cutting rules one by one."""

from __future__ import annotations

import pytest
from hypothesis import given

from fixer.nginx.lexer import tokenize
from fixer.nginx.tree import parse
from tests.nginx.lexer_builders import CONFIG


def words(data: bytes) -> list[bytes]:
    return [token.value for token in tokenize(data)[0] if token.kind == "word"]


@given(CONFIG)
def test_spans_and_gaps_give_the_file_back(data):
    tokens, _ = tokenize(data)
    rebuilt, position = [], 0
    for token in tokens:
        assert position <= token.start <= token.end
        gap = data[position : token.start]
        lines = gap.split(b"\n")
        assert all(not line.strip(b" \t\r") or b"#" in line for line in lines)
        rebuilt += [gap, data[token.start : token.end]]
        position = token.end
    rebuilt.append(data[position:])
    assert b"".join(rebuilt) == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a b;", [b"a", b"b"]),
        (b'"a b" c;', [b"a b", b"c"]),
        (b"'a\"b';", [b'a"b']),
        (rb'"a\"b\\c\td\xe";', [b'a"b\\c\td\\xe']),
        (rb"a\ b\;c;", [rb"a\ b\;c"]),
        (b"a${b}c${d};", [b"a${b}c${d}"]),
        (b"$a{", [b"$a"]),
        (b"a$;", [b"a$"]),
        (b"a}b;", [b"a}b"]),
        (b"a#b c;", [b"a#b", b"c"]),
        (b"a # b;\nc;", [b"a", b"c"]),
        (b'($a = "x") {', [b"($a", b"=", b"x", b")"]),
        (b"a\x0bb;", [b"a\x0bb"]),
        (b"a\\", [b"a\\"]),
        (b"\\", [b"\\"]),
        (b'a"b;', [b'a"b']),
        (b"\xef\xbb\xbfuser x;", [b"\xef\xbb\xbfuser", b"x"]),
        (rb'"\r\n";', [b"\r\n"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [(b'"a"b;', "unexpected"), (b'"a', "unterminated"), (b"'a\n\n", "unterminated"), (b"x " + b"a" * 5000 + b";", "too-long"),
     (b'"' + b"a" * 5000 + b'";', "too-long"), (b'"' + b"a" * 5000, "unterminated")],
)
def test_lexical_problems(text, kind):
    assert [problem.kind for problem in tokenize(text)[1]] == [kind]
    assert parse(text).problem.kind == kind


def test_lua_may_hold_any_brace():
    data = b'content_by_lua_block { a = "}" .. [[ } ]] -- }\n --[=[ } ]=] \'}\' {} } next;'
    tokens, problems = tokenize(data)
    assert [t.kind for t in tokens] == ["word", "open", "raw", "close", "word", "end"]
    assert not problems
    assert [d.name for d in parse(data).directives] == [b"content_by_lua_block", b"next"]


@pytest.mark.parametrize(("text", "refused"), [
    (b"#" + b"x" * 4094 + b"\na b;", False), (b"#" + b"x" * 4095 + b"\na b;", True), (b"a b; #" + b"#" * 5000 + b"\nc d;", True),
    (b"a b; #" + b"x" * 4095, False), (b"a b; #" + b"x" * 4096, True),                     # the end of the file
    (b"a '" + b"x" * 4094 + b"';", False), (b"a '" + b"x" * 4095 + b"';", True),
])
def test_what_fills_the_read_buffer_of_nginx(text: bytes, refused: bool) -> None:
    problem = parse(text).problem
    assert (problem is not None) == refused
    if problem is not None:
        began = text[text.index(b"#") :] if b"#" in text else text.partition(b"'")[2]
        assert (problem.kind, problem.message) == ("too-long", f'too long parameter "{began[:10].decode()}..." started')


@pytest.mark.parametrize(("text", "ends"), [
    (b'local s = " { \n}', False), (b'local s = " } \n', True), (b"local s = ' {{ \n}}", False), (b"it's {\n} }", True),
    (b'local s = "{"\n}', True), (b'local s = "\\"{" }', True), (b'-- don\'t {\n}', True),
])
def test_a_quote_in_lua_that_does_not_close_on_its_line_hides_no_brace(text: bytes, ends: bool) -> None:
    tree = parse(b"content_by_lua_block {" + text)
    assert (tree.problem is None) == ends
