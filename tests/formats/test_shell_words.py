"""Words that remember their bytes: quotes, escapes, variables and their defaults."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.shell_words import (
    Word,
    expand_word,
    expand_words,
    literal_word,
    shell_words,
    split_assignment,
    systemd_words,
)


def texts(words: list[Word]) -> list[str]:
    return [w.text for w in words]


@pytest.mark.parametrize(("text", "words"), [
    ("a 'b c' \"d e\"", ["a", "b c", "d e"]), ("a\\\n  b", ["a", "b"]), ("a\\x20b", ["ax20b"]), ("a\\sb", ["a b"]),
    ("x=\"y z\"w", ["x=y zw"]), ("'it\\'s'", ["it's"]), ("", []), ("\"\"", [""]), ("'open", ["open"]), ("a\\", ["a\\"]),
])
def test_systemd_words(text: str, words: list[str]) -> None:
    assert texts(systemd_words(text)) == words


@pytest.mark.parametrize(("text", "words"), [
    ("a 'b\\c'", ["a", "b\\c"]), ('"a\\"b" "\\$x" "\\n"', ['a"b', "$x", "\\n"]), ("a\\ b", ["a b"]), ("\"a\\\nb\"", ["ab"]),
])
def test_shell_words(text: str, words: list[str]) -> None:
    assert texts(shell_words(text)) == words


def test_a_literal_word_has_its_place() -> None:
    text = "run --port \"8000\" \\\n --host=h"
    words = systemd_words(text, "/f", 3, 100)
    place = words[2].to_argument()
    assert (place.file, place.line, place.start) == ("/f", 3, 112) and text[12:16] == "8000" and place.end == 116
    assert words[3].to_argument().line == 4
    assert systemd_words("a\\sb", "/f", 1, 0)[0].to_argument().start is None     # not byte for byte


def test_variables_keep_the_place_of_their_value() -> None:
    env = {"PORT": shell_words("9000", "/env", 2, 5)[0], "EMPTY": literal_word("")}
    words = systemd_words("$PORT ${PORT} ${NONE:-81}0 ${EMPTY:-82} ${EMPTY-83} ${NONE-84} ${NONE} $$x", "/f", 1, 0)
    found = [expand_word(w, env) for w in words]
    assert texts(found) == ["9000", "9000", "810", "82", "", "84", "", "$x"]
    assert (found[0].to_argument().file, found[0].to_argument().start) == ("/env", 5)
    assert (found[3].to_argument().file, found[3].to_argument().start) == ("/f", 36)
    assert found[2].to_argument().start is None and found[2].to_argument().file == "/f"      # two places make no place


def test_single_quotes_keep_the_shell_out() -> None:
    assert expand_word(shell_words("'$A'")[0], {"A": literal_word("x")}).text == "$A"
    assert expand_word(systemd_words("'$A'")[0], {"A": literal_word("x")}).text == "x"


def test_a_bare_variable_is_split_and_may_vanish() -> None:
    env = {"OPTS": shell_words("'--port 80'", "/e", 1, 0)[0]}
    words = expand_words(systemd_words("run $OPTS $NONE ${OPTS}"), env)
    assert texts(words) == ["run", "--port", "80", "--port 80"]
    assert words[2].to_argument().start == 8


def test_values_of_variables_are_not_shown() -> None:
    env = {"DSN": literal_word("postgres://u:pw@h/d"), "PORT": literal_word("x9"), "N": literal_word("8000"), "DIR": literal_word("/srv/a")}
    shown = [expand_word(w, env).to_argument().text for w in systemd_words("${DSN} a${PORT} ${N} ${DIR}/b")]
    assert shown == ["$DSN", "ax9", "8000", "/srv/a/b"]


def test_assignments() -> None:
    pair = split_assignment(literal_word("A_1=b=c"))
    assert pair is not None and (pair[0], pair[1].text) == ("A_1", "b=c")
    assert split_assignment(literal_word("--x=1")) is None and split_assignment(literal_word("plain")) is None


@given(st.text(alphabet="ab \"'\\$={}\n:-8", max_size=40))
def test_any_text_is_read_and_places_are_true(text: str) -> None:
    for words in (systemd_words(text, "/f", 1, 0), shell_words(text, "/f", 1, 0)):
        for word in words:
            place = word.to_argument()
            if place.start is not None:
                assert text[place.start : place.end] == word.text
        expand_words(words, {"a": literal_word("1")})
