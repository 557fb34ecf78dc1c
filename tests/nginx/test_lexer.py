"""Tokens, spans and trees of arbitrary bytes; nginx's own cutting rules one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.nginx.lexer import tokenize
from fixer.nginx.tree import Directive, parse

# Bytes that matter to the lexer, thickly sown.
CONFIG = st.lists(
    st.sampled_from([b'"', b"'", b";", b"{", b"}", b"\\", b"$", b"${", b"#", b"\n", b"\r\n", b" ", b"\t", b")", b"a", b"ab_c",
                     b"location /x", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x0b", b"x_by_lua_block", b"--", b"[[", b"]]", b"\\n"]),
    max_size=60,
).map(b"".join) | st.binary(max_size=200)


def words(data: bytes) -> list[bytes]:
    return [token.value for token in tokenize(data)[0] if token.kind == "word"]


def plain(block: list[Directive]) -> list[object]:
    return [
        (d.name, d.args, d.start, d.stop, d.closed, plain(d.block) if d.block is not None else None) for d in block
    ]


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


@given(CONFIG)
def test_the_fast_and_the_thorough_way_give_the_same_tree(data):
    fast, thorough = parse(data), parse(data, thorough=True)
    assert plain(fast.directives) == plain(thorough.directives)
    assert fast.problem == thorough.problem


@given(CONFIG, st.integers(0, 300))
def test_lines_count_newlines_whatever_was_asked_before(data, offset):
    tree = parse(data)
    for place in (min(offset, len(data)), 0, len(data), min(offset // 2, len(data))):
        assert tree.line(place) == data.count(b"\n", 0, place) + 1


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


def test_the_first_problem_of_a_file_stays():
    tree = parse(b'a "b"c; } "d')
    assert (tree.problem.message, tree.problem.at) == ('unexpected "c"', 5)


def test_lua_may_hold_any_brace():
    data = b'content_by_lua_block { a = "}" .. [[ } ]] -- }\n --[=[ } ]=] \'}\' {} } next;'
    tokens, problems = tokenize(data)
    assert [t.kind for t in tokens] == ["word", "open", "raw", "close", "word", "end"]
    assert not problems
    assert [d.name for d in parse(data).directives] == [b"content_by_lua_block", b"next"]


def test_lua_that_never_ends_takes_the_rest():
    assert parse(b"x_by_lua_block { if {").problem.message == 'unexpected end of file, expecting "}"'


def test_words_of_a_directive_with_a_comment_inside():
    tree = parse(b"a b # c\n d;")
    assert [token.value for token in tree.directives[0].words()] == [b"a", b"b", b"d"]


def test_a_block_without_a_name_is_read_on():
    tree = parse(b"{ a; } b;")
    assert plain(tree.directives)[0][5] is not None
    assert tree.problem.message == 'unexpected "{"'
    assert tree.directives[1].name == b"b"
