"""Tests of fixer/nginx/tree.py."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixer.nginx.tree import Directive, parse
from tests.nginx.lexer_builders import CONFIG


def plain(block: list[Directive]) -> list[object]:
    return [
        (d.name, d.args, d.start, d.stop, d.closed, plain(d.block) if d.block is not None else None) for d in block
    ]


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


def test_the_first_problem_of_a_file_stays():
    tree = parse(b'a "b"c; } "d')
    assert (tree.problem.message, tree.problem.at) == ('unexpected "c"', 5)


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
