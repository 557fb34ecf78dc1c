"""Words that remember their bytes: quotes, escapes, variables and their defaults."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.env_file import read_env_file, read_unit_env_file
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


def test_environment_files() -> None:
    data = b"# c\nA=1\n export B = 'two words' \nC=\"x\" \nD=plain # note\nE=\nbroken\n;F=1\nA=2\nG=\"open"
    found = read_env_file("/e", data)
    assert {k: w.text for k, w in found.items()} == {
        "A": "2", "B": "two words", "C": "x", "D": "plain", "E": "", "G": "open"}
    place = found["C"].to_argument()
    assert data[place.start : place.end] == b"x" and place.line == 4


def test_environment_files_as_systemd_reads_them() -> None:
    """Each value as systemd 257 gave it to a program."""
    data = (b"A=8302 # was\nexport B=1\nC=\"8302\" # was\nD='x'y\nE=a\\\nb\n; F=1\n G = 2 \nH=\"a\nb\"\nI=a\"b c\"d\n"
            b"J=a\\ b\nK=\"a\\\"b\\nc\"\nL='a\\b'\nM=#x\nN=a'b\nO=1\nP=\nQ=\"open")
    found = read_unit_env_file("/e", data)
    assert {name: word.text for name, word in found.items()} == {
        "A": "8302 # was", "C": "8302# was", "D": "xy", "E": "ab", "G": "2", "H": "a\nb", "I": 'a"b c"d', "J": "a b",
        "K": 'a"b\\nc', "L": "a\\b", "M": "#x", "N": "a'b", "O": "1", "P": "", "Q": "open",
    }
    place = found["G"].to_argument()
    assert data[place.start : place.end] == b"2" and place.line == data[:place.start].count(b"\n") + 1


@given(st.binary(max_size=80))
def test_any_bytes_are_an_environment_file_of_a_unit(data: bytes) -> None:
    for word in read_unit_env_file("/e", data).values():
        place = word.to_argument()
        if place.start is not None:
            assert data[place.start : place.end] == word.text.encode("latin-1")


@given(st.text(alphabet="ab \"'\\$={}\n:-8", max_size=40))
def test_any_text_is_read_and_places_are_true(text: str) -> None:
    for words in (systemd_words(text, "/f", 1, 0), shell_words(text, "/f", 1, 0)):
        for word in words:
            place = word.to_argument()
            if place.start is not None:
                assert text[place.start : place.end] == word.text
        expand_words(words, {"a": literal_word("1")})


@given(st.binary(max_size=80))
def test_any_bytes_are_an_environment_file(data: bytes) -> None:
    for word in read_env_file("/e", data).values():
        place = word.to_argument()
        if place.start is not None:
            assert data[place.start : place.end] == word.text.encode("latin-1")
