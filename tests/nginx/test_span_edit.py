"""Edits by byte span: only one word changes, or nothing does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fixer.errors import StepFailed
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused, insert_after, replace_span, replace_words, span_text
from tests.nginx.lexer_builders import CONFIG

SITE = b'server {\n\tlisten 80; # http://127.0.0.1:1\r\n    proxy_pass "http://127.0.0.1:8001/x\\"y";\n}\n'


def place(text: bytes, data: bytes = SITE) -> tuple[int, int]:
    start = data.index(text)
    return start, start + len(text)


def test_only_those_bytes_change():
    edited = replace_span(SITE, *place(b"127.0.0.1:8001"), b"10.0.0.1:80")
    assert edited == SITE.replace(b"127.0.0.1:8001", b"10.0.0.1:80")


@pytest.mark.parametrize("new", [b"a b", b"a;", b"a{", b"#a", b"a}", b"'a'", b'"'])
def test_what_would_change_a_bare_word_into_more_is_refused_or_kept(new):
    try:
        edited = replace_span(b"listen 80;", 7, 9, new)
    except EditRefused:
        return
    assert tokenize(edited)[0][1].value == new


@pytest.mark.parametrize("new", [b'"', b'x" y "', b"\\", b"\n", b"\x00", b"a\\"])
def test_a_quoted_word_stays_quoted(new):
    with pytest.raises(EditRefused):
        replace_span(SITE, *place(b"127.0.0.1:8001"), new)


def test_spaces_are_fine_inside_quotes():
    assert replace_span(b'a "b c";', 3, 6, b"d e f") == b'a "d e f";'


@pytest.mark.parametrize(("start", "end"), [(0, 6 + 20), (26, 30), (5, 5000), (-1, 2), (9, 3), (6, 7)])
def test_places_that_are_no_word(start, end):
    with pytest.raises(EditRefused) as caught:
        replace_span(SITE, start, end, b"x")
    assert isinstance(caught.value, StepFailed)
    assert caught.value.exit_code == 1


def test_an_empty_word_is_refused():
    with pytest.raises(EditRefused):
        replace_span(b"listen 80;", 7, 9, b"")


def test_a_word_that_would_swallow_what_follows_is_refused():
    with pytest.raises(EditRefused):
        replace_span(b"set $a 1{}", 7, 8, b"$")
    with pytest.raises(EditRefused):
        replace_span(b"x_by_lua_blocc { { } }", 0, 14, b"x_by_lua_block")


def test_an_edit_that_breaks_the_length_limit_is_refused():
    with pytest.raises(EditRefused):
        replace_span(b"a b;", 2, 3, b"x" * 5000)


def test_a_broken_file_can_still_be_edited():
    assert replace_span(b"a b; }", 2, 3, b"c") == b"a c; }"


@given(CONFIG, st.data(), st.text(alphabet="abz019.:-/[]_", min_size=1, max_size=20))
def test_edit_and_inverse_give_the_original(data, draw, new):
    tokens = [t for t in tokenize(data)[0] if t.kind == "word" and t.end - t.start > 2 * len(t.quote)]
    assume(tokens)
    token = draw.draw(st.sampled_from(tokens))
    start = draw.draw(st.integers(token.start + len(token.quote), token.end - len(token.quote) - 1))
    end = draw.draw(st.integers(start + 1, token.end - len(token.quote)))
    old = data[start:end]
    try:
        edited = replace_span(data, start, end, new.encode())
        back = replace_span(edited, start, start + len(new), old)
    except EditRefused:
        return
    assert back == data
    assert edited == data[:start] + new.encode() + data[end:]


def test_span_text():
    assert span_text(b"abc", 1, 2) == b"b"
    with pytest.raises(EditRefused):
        span_text(b"abc", 1, 9)


def test_insert_a_directive_indented_like_the_one_before():
    at = SITE.index(b"80;") + 3
    edited = insert_after(SITE, at, b"server_name x;")
    assert edited == SITE[:at] + b"\n\tserver_name x;" + SITE[at:]
    crlf = b"a {\r\n  b;\r\n}\r\n"
    assert insert_after(crlf, crlf.index(b"b;") + 2, b"c d;") == b"a {\r\n  b;\r\n  c d;\r\n}\r\n"


@pytest.mark.parametrize("line", [b"", b"x", b"x {", b"} y;", b'x "y;', b"# z;", b"x; }"])
def test_insertions_that_are_no_whole_directive(line):
    with pytest.raises(EditRefused):
        insert_after(SITE, SITE.index(b"80;") + 3, line)


def test_insertions_elsewhere_are_refused():
    with pytest.raises(EditRefused):
        insert_after(SITE, 4, b"x;")
    with pytest.raises(EditRefused):
        insert_after(b'a; "', 2, b"x;")


@pytest.mark.parametrize("new", [[b"x"], [b"x", b"y"], [b"x", b"y", b"z", b"w"]])
@pytest.mark.parametrize("old", [b"a", b"a b", b"a  'b c' d"])
def test_words_are_replaced_by_more_or_fewer(old, new):
    data = b"p { one 1; list " + old + b"; two 2; }\n"
    assert replace_words(data, *place(old, data), new) == data.replace(old, b" ".join(new))


@pytest.mark.parametrize(("old", "new"), [
    (b"a; two", [b"x"]), (b"list a", []), (b"a", [b"x;y"]), (b"a", [b"x y"]), (b"a", [b""]), (b"a", [b"#x"]), (b"ist", [b"x"]),
    (b" ", [b"x"]), (b"a", [b'"']),
])
def test_more_than_words_is_not_replaced(old, new):
    data = b"p { one 1; list a; two 2; }\n"
    with pytest.raises(EditRefused):
        replace_words(data, *place(old, data), new)


def test_a_comment_between_words_is_not_lost():
    data = b"list a # why\n b;\n"
    with pytest.raises(EditRefused, match="comment"):
        replace_words(data, *place(b"a # why\n b", data), [b"x"])
