"""Hostile text is escaped for any input; widths count what a terminal shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixer.render.terminal_text import (
    Style,
    clean,
    clean_lines,
    count_columns,
    pad,
    plain_text,
    shorten,
    shorten_middle,
    wrap,
)

ANY = st.text(st.characters())


@given(ANY)
def test_clean_text_is_printable_and_one_line(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


@given(ANY)
def test_clean_lines_keep_every_line(text: str) -> None:
    assert len(clean_lines(text)) == text.count("\n") + 1


@given(ANY, st.integers(8, 60))
def test_nothing_is_wider_than_asked(text: str, width: int) -> None:
    safe = clean(text)
    assert count_columns(shorten(safe, width)) <= width
    assert count_columns(shorten_middle(safe, width)) <= width
    assert all(count_columns(line) <= width for line in wrap(safe, width))
    assert count_columns(pad(safe, width)) >= min(width, count_columns(safe))


@given(ANY, st.integers(8, 60))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    assert "".join("".join(wrap(clean(text), width)).split()) == "".join(clean(text).split())


def test_short_text_stays() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcdefgh", 5) == "ab..."
    assert shorten_middle("/etc/nginx/sites-enabled/x:12", 16, Style(symbols=True)) == "/etc/…abled/x:12"


def test_wide_and_combining_characters_are_measured() -> None:
    assert count_columns("登入") == 4
    assert count_columns("e\u0301") == 1
    assert pad("登", 4) == "登  "


def test_long_escapes() -> None:
    assert clean("\U000e0001\u2028\t|") == "\\U000e0001\\u2028    |"


def test_symbols_have_words() -> None:
    assert plain_text("a · b → c…", Style()) == "a - b -> c..."
    assert plain_text("a · b", Style(symbols=True)) == "a · b"
    assert Style(colour=True).paint("", "red") == ""
