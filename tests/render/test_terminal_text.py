"""Hostile text is escaped for any input; widths count what a terminal shows."""

# ruff: noqa: RUF001  Chinese has punctuation of its own

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fixer.render.terminal_text import (
    Style,
    clean,
    clean_lines,
    command_lines,
    count_columns,
    hang,
    longest_word,
    pad,
    plain_text,
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
def test_a_line_is_no_wider_than_asked_but_for_a_longer_word(text: str, width: int) -> None:
    safe = clean(text)
    for line in (*wrap(safe, width), *(part.strip() for part in hang(safe, width + 6, 4))):
        assert count_columns(line) <= width or " " not in line
    assert count_columns(pad(safe, width)) >= min(width, count_columns(safe))


@given(ANY, st.integers(8, 60))
@example("\ufe68\x1f", 8)
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    """Chinese has no spaces: it wraps after its punctuation."""
    assert "".join("".join(wrap(clean(text), width)).split()) == "".join(clean(text).split())


@given(ANY, st.integers(8, 60))
def test_wrapping_breaks_no_word(text: str, width: int) -> None:
    text = "".join(char for char in text if count_columns(char) < 2)
    assert " ".join(wrap(clean(text), width)).split() == clean(text).split()
    assert " ".join(hang(clean(text), width, 2)).split() == clean(text).split()


def test_an_address_stays_one_word() -> None:
    assert wrap("to 127.0.0.1:8000 then", 8) == ["to", "127.0.0.1:8000", "then"]
    assert wrap("", 8) == [""]
    assert longest_word("to 127.0.0.1:8000 then") == 14 and longest_word("") == 0


def test_a_long_command_goes_on_after_a_backslash() -> None:
    assert command_lines("sudo fixer undo --id r1", 40, 4) == ["    sudo fixer undo --id r1"]
    assert command_lines("sudo fixer undo --id r1", 20, 2) == ["  sudo fixer \\", "    undo --id r1"]


def test_running_text_stays_readable_on_a_wide_terminal() -> None:
    assert Style(width=60).text_width == 60
    assert Style(width=250).text_width == 100


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

def test_chinese_wraps_between_characters_and_a_path_stays_whole() -> None:
    text = "在設定檔（見 /etc/nginx/資料/app.conf）更正連接埠，再重新載入。"
    lines = wrap(text, 20)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(count_columns(line) <= 20 or "/etc/nginx/資料/app.conf" in line for line in lines)
    assert not [line for line in lines if line[0] in "，。）" or line[-1] in "（"]
    assert wrap("/srv/資料夾資料夾/app", 8) == ["/srv/資料夾資料夾/app"]
    assert longest_word("資料夾資料夾 abc") == 3
