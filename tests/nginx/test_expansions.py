"""What a word with variables can stand for, and where its bytes are written."""

from __future__ import annotations

import pytest

from fixer.nginx.expansions import Expansion, expansions
from fixer.nginx.tree import parse
from fixer.nginx.variables import Variables

TEXT = b"set $h app; set $p 90; set $both $h:${p}1; set $url 'http://x'; pass a$both$open;"


def made_of(text: bytes) -> tuple[Expansion, ...]:
    directives = parse(text).directives
    return tuple(expansions(directives[-1], 1, 0, Variables({}, {}).within(directives[:-1])))


@pytest.mark.parametrize(("start", "end", "written"), [
    (0, 1, b"a"),                # of the word itself
    (1, 4, b"app"),              # of one value, two variables deep
    (5, 7, b"90"), (7, 8, b"1"),
    (1, 8, b"$h:${p}1"),         # of one value that holds several
    (0, 4, b"a$both"),           # of the word and a value: the word, whole variables
    (4, 5, b":"), (3, 6, b"$h:${p}"),
    (8, 13, b"$open"),
])
def test_where_the_bytes_of_an_expansion_are_written(start: int, end: int, written: bytes) -> None:
    made, = made_of(TEXT)
    assert made.text == b"aapp:901$open"
    span, source = made.place(start, end)
    assert source == TEXT[span.start : span.end] == written


def test_what_is_left_open_is_named_by_the_variable_of_the_word() -> None:
    made, = made_of(b"set $in x$deep; pass $in/$out;")
    assert (made.text, made.open_name(0, 3), made.open_name(6, 99), made.open_name(0, 1)) == (b"x$deep/$out", b"in", b"out", b"in")


def test_a_circle_ends() -> None:
    assert [b"$" in made.text for made in made_of(b"set $a $b; set $b $a; pass $a;")] == [True]


def test_a_text_that_grows_without_end_is_left_open() -> None:
    doubled = b"".join(b"set $v%d $v%d$v%d$v%d$v%d$v%d$v%d$v%d$v%d;" % (n, *[n + 1] * 8) for n in range(6))
    made, = made_of(doubled + b"set $v6 xxxxxxxx; pass $v0;")
    assert len(made.text) <= 4096 * 8
